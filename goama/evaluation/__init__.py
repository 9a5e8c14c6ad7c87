"""Evaluation of a model: word and character error rates with confidence intervals, and its worst clips."""
