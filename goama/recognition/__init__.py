"""From sound to words: emissions, greedy decoding, long recordings, the Recogniser."""
