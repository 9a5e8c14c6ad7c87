"""The recipe, the plan made from a corpus, the loop, its checkpoints and its log."""
