"""What transformers alone makes of a model folder; run as a script, in a process that cannot import goama.

python -I with_transformers.py FOLDER WAVEFORMS.npz [trusted]     prints a JSON list of texts
"""

from __future__ import annotations

import json
import sys


def transcribe(folder: str, waveforms: str, *, trusted: bool) -> list[str]:
    """The greedy text of each waveform (N,) at 16 kHz of an .npz file, by the Auto classes of transformers.

    `trusted` lets transformers run the modelling file of the folder.
    """
    import numpy as np
    import torch
    from transformers import AutoFeatureExtractor, AutoModelForCTC, AutoTokenizer

    network = AutoModelForCTC.from_pretrained(folder, trust_remote_code=trusted, dtype=torch.float32).eval()
    extractor = AutoFeatureExtractor.from_pretrained(folder, trust_remote_code=trusted)
    tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=trusted)
    texts = []
    with np.load(waveforms) as clips, torch.inference_mode():
        for name in sorted(clips):
            inputs = extractor(clips[name], sampling_rate=16_000, return_tensors="pt")
            best = network(**inputs).logits.argmax(-1)
            texts.append(" ".join(tokenizer.batch_decode(best)[0].split()))
    return texts


class _Refusal:
    """A finder of modules that refuses goama, so that nothing in the folder can depend on it."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name.split(".")[0] == "goama":
            raise ModuleNotFoundError(f"{name} is not to be imported here")


if __name__ == "__main__":
    sys.meta_path.insert(0, _Refusal())  # type: ignore[arg-type]
    print(json.dumps(transcribe(sys.argv[1], sys.argv[2], trusted=sys.argv[3:] == ["trusted"])))
