"""From sound files to 16 kHz waveforms, log-mel features and augmented features."""
