"""Sound files become 16 kHz waveforms, features and augmented features."""
