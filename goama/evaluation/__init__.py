"""How good a model is: word and character error rates with intervals, and the clips it fails on."""
