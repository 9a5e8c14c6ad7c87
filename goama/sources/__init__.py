"""Readers: every format of transcribed recordings becomes a sequence of source clips."""
