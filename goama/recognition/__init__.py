"""Recognition: windows of a recording, emissions, greedy decoding, the Recogniser."""
