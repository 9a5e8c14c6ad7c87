"""Corpora become batches: the mixture of several corpora, the balance of languages, batches by seconds of audio."""
