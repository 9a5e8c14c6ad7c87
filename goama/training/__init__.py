"""Training: the plan made from recipe, corpora and device, the job, the loop, its guard, watchers and diagnosis."""
