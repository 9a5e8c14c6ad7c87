"""Sound: waveform in and out, log-mel features, masking, batches by seconds."""
