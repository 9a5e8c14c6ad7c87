"""From corpora to training batches: several corpora as one, language balance, batches by seconds of audio."""
