"""Model folders opened by transformers in a process that cannot import goama."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

_SCRIPT = """
import json, sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "goama":
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Refuse())
try:
    import goama
    sys.exit("goama can be imported")
except ModuleNotFoundError:
    pass
import numpy as np
from transformers import AutoModelForCTC, AutoProcessor, pipeline
waves, trusted, heard = np.load(sys.argv[1]), sys.argv[2] == "trusted", {}
options = {"trust_remote_code": True} if trusted else {}
for folder in sys.argv[3:]:
    recognise = pipeline("automatic-speech-recognition", model=folder, **options)
    call = {"chunk_length_s": 30} if trusted else {}
    texts = [recognise({"raw": waves[name], "sampling_rate": 16000}, **call)["text"] for name in sorted(waves)]
    network = AutoModelForCTC.from_pretrained(folder, **options)
    processor = AutoProcessor.from_pretrained(folder, **options)
    heard[folder] = {"network": type(network).__name__, "dtype": str(network.dtype),
                     "processor": type(processor).__name__, "texts": [" ".join(text.split()) for text in texts]}
print(json.dumps(heard))
"""


@dataclass(frozen=True)
class Opened:
    """What transformers made of a folder: the names of its classes, its precision, and a text for each waveform."""

    network: str
    dtype: str
    processor: str
    texts: list[str]


def open_without_goama(
    folders: Sequence[Path], waveforms: Sequence[np.ndarray], work: Path, *, trusted: bool = False
) -> dict[Path, Opened]:
    """The folders opened with the Auto classes and `pipeline`; `trusted`: with `trust_remote_code=True`."""
    np.savez(work / "waves.npz", **{f"{number:02d}": wave for number, wave in enumerate(waveforms)})
    answer = subprocess.run(
        [
            *(sys.executable, "-I", "-c", _SCRIPT, str(work / "waves.npz"), "trusted" if trusted else "plain"),
            *map(str, folders),
        ],
        capture_output=True,
        text=True,
        cwd=work,
        env=os.environ | {"HF_MODULES_CACHE": str(work / "modules")},
    )
    assert answer.returncode == 0, answer.stderr
    heard = json.loads(answer.stdout.strip().splitlines()[-1])
    return {folder: Opened(**heard[str(folder)]) for folder in folders}
