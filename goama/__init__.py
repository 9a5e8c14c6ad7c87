"""goama: an hour of transcribed recordings in any language becomes a speech recogniser."""

__version__ = "0.1.0"
