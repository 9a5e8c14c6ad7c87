"""Recordings and transcripts in, one Corpus out: readers, splits, and the folder everything later reads."""
