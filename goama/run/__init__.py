"""What a training run is: its recipe, its folder, its metrics and its checkpoints."""
