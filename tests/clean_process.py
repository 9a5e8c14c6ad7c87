"""Model folders opened by transformers in a process that cannot import goama."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

_SCRIPT = """
import json, os, sys
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

def heard(folder, waves, trusted):
    options = {"trust_remote_code": True} if trusted else {}
    recognise = pipeline("automatic-speech-recognition", model=folder, **options)
    call = {"chunk_length_s": 30} if trusted else {}
    texts = [recognise({"raw": waves[name], "sampling_rate": 16000}, **call)["text"] for name in sorted(waves)]
    network = AutoModelForCTC.from_pretrained(folder, **options)
    processor = AutoProcessor.from_pretrained(folder, **options)
    return {"network": type(network).__name__, "dtype": str(network.dtype), "processor": type(processor).__name__,
            "texts": [" ".join(text.split()) for text in texts]}

for line in sys.stdin:
    asked = json.loads(line)
    child = os.fork()
    if child == 0:
        waves = dict(np.load(asked["waves"]))
        answers = {folder: heard(folder, waves, asked["trusted"]) for folder in asked["folders"]}
        with open(asked["answer"], "w") as file:
            json.dump(answers, file)
        os._exit(0)
    print(os.waitpid(child, 0)[1], flush=True)
"""


@dataclass(frozen=True)
class Opened:
    """What transformers made of a folder: the names of its classes, its precision, and a text for each waveform."""

    network: str
    dtype: str
    processor: str
    texts: list[str]


@dataclass(frozen=True)
class CleanProcess:
    """Imports transformers once and never goama; a new fork of it opens the folders of each call."""

    process: subprocess.Popen[str]
    work: Path

    def open(
        self, folders: Sequence[Path], waveforms: Sequence[np.ndarray], *, trusted: bool = False
    ) -> dict[Path, Opened]:
        """The folders opened with the Auto classes and `pipeline`; `trusted`: with `trust_remote_code=True`."""
        assert self.process.stdin and self.process.stdout
        waves, answer = self.work / "waves.npz", self.work / "answer.json"
        np.savez(waves, **{f"{number:02d}": wave for number, wave in enumerate(waveforms)})
        asked = {"folders": list(map(str, folders)), "waves": str(waves), "answer": str(answer), "trusted": trusted}
        self.process.stdin.write(json.dumps(asked) + "\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "0\n", (self.work / "said").read_text(encoding="utf-8")
        heard = json.loads(answer.read_text(encoding="utf-8"))
        return {folder: Opened(**heard[str(folder)]) for folder in folders}


@contextmanager
def clean_process(work: Path) -> Iterator[CleanProcess]:
    """The process, until the end of the block; it writes into `work`."""
    with (work / "said").open("w", encoding="utf-8") as said:
        process = subprocess.Popen(
            [sys.executable, "-I", "-c", _SCRIPT],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=said,
            text=True,
            cwd=work,
            env=os.environ | {"HF_MODULES_CACHE": str(work / "modules")},
        )
        try:
            yield CleanProcess(process, work)
        finally:
            process.communicate()
