"""Wav2Vec2-BERT under a CTC head: loading, fast attention, the plain transformers folder."""
