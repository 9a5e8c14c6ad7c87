"""What recognition returns: transcripts, and the file formats in which they are written."""

from goama.transcript.transcript import Character, Segment, Transcript, Word

__all__ = ["Character", "Segment", "Transcript", "Word"]
