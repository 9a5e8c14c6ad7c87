"""What is wrong with a corpus, before a minute of training is spent: measured facts, checks, findings."""
