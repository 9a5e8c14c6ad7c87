"""A training run on disk: its recipe, folder, metrics, checkpoints, dev clips and diagnosis."""
