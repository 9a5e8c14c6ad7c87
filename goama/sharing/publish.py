"""`goama publish`: a model folder is staged, proven with transformers alone, and uploaded in one commit."""

from __future__ import annotations

import filecmp
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rapidfuzz.distance import Levenshtein

from goama import whisper_ctc
from goama.corpus.corpus import Corpus
from goama.corpus.tar_clips import waveforms
from goama.errors import GoamaError
from goama.files import link_or_copy, write_beside
from goama.html import facts_html
from goama.hub import is_hub_name
from goama.model.card import CARD_FILE, model_card
from goama.model.card_facts import FACTS_FILE
from goama.model.hub import model_folder
from goama.recognition.recogniser import Recogniser
from goama.run.files import read_run, run_of_model
from goama.run.folder import PUSHED_FILE
from goama.sharing import with_transformers
from goama.sharing.card import gather_facts, is_edited_by_hand, unanswered
from goama.sharing.upload import Target, check_login, upload_folder
from goama.sound.audio import SAMPLE_RATE

_CLIPS = 3
_LONGEST_S = 20.0
_WHOLE_FRAMES = 8 * 160
"""Samples: with a length of 240 + n of these (8 n log-mel frames), no last frame is half-filled: transformers would use
it."""

_MOST_DIFFERENT = 0.01
"""Share of characters in which transformers may differ: another order of sums turns the closest decisions."""

_PICKLES = (".bin", ".pt", ".pth", ".pkl", ".ckpt")
_LOGS = "runs/goama"
"""Where the Hub looks for TensorBoard's files."""


@dataclass(frozen=True)
class Published:
    """Where a model was published, and what is left to do."""

    repository: str
    url: str
    commit: str
    checked: str
    """A sentence: what transformers alone transcribed before the upload."""
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"Published({self.url}, commit {self.commit[:8]})"

    def _repr_html_(self) -> str:
        return facts_html(self.url, [("commit", self.commit)], (self.checked, *self.notes))


def publish(
    model: Path | str,
    repository: str,
    *,
    private: bool = False,
    corpus: Path | str | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> Published:
    """Where the model is now: it was staged, opened by transformers alone, compared, and uploaded in one commit.

    model:     model folder, or run folder, whose best model is taken
    corpus:    whose clips are transcribed before the upload; None: the run's own, if it is still there
    private:   whether a new repository is private
    say:       called with sentences about what is going on

    Nothing is uploaded unless transformers transcribes as goama does. The model folder is not changed. Raises
    `GoamaError` when the folder holds no whole model, nobody is logged in, or the Hub refuses.
    """
    from huggingface_hub import HfApi

    if not is_hub_name(repository) or "@" in repository:
        raise GoamaError(f"{repository}: a repository on the Hub is named OWNER/NAME, such as your-name/asr-mooré")
    if not Path(model).is_dir():
        raise GoamaError(f"{model}: no such model folder; `goama train` leaves one in RUN/best")
    folder = model_folder(model)
    api = HfApi()
    say(f"logged in as {check_login(api)}")
    facts = gather_facts(folder)
    with _staged(folder) as staged:
        notes = _write_card(folder, staged, repository)
        clips, of_what = _clips(folder, corpus)
        say(f"checking that transformers alone transcribes {of_what} as goama does")
        checked = _check(folder, staged, clips, of_what)
        say(checked)
        size = sum(path.stat().st_size for path in staged.rglob("*") if path.is_file())
        say(f"uploading {size / 1e6:.0f} MB to {repository}")
        cer = next((score for score in facts.scores), None)
        message = "goama publish" + (f": {cer.split} CER {100 * cer.cer:.1f} %" if cer else "")
        commit = upload_folder(api, Target(repository, private, refuse_public=private), staged, message, say)
    url = f"{api.endpoint}/{repository}"
    run = run_of_model(folder)
    if run is not None:
        write_beside(run / PUSHED_FILE, json.dumps({"step": facts.step, "url": url}) + "\n")
    return Published(repository, url, commit.oid, checked, notes)


# --- the staged folder


@contextmanager
def _staged(folder: Path) -> Iterator[Path]:
    """A folder with all that is uploaded; hard links where the disk allows them, so that training may go on beside."""
    try:
        place = tempfile.mkdtemp(prefix=".publish-", dir=folder.parent)
    except OSError:
        place = tempfile.mkdtemp(prefix="goama-publish-")
    staged = Path(place)
    try:
        for path in sorted(folder.rglob("*")):
            name = path.relative_to(folder)
            if path.is_file() and _is_published(name):
                link_or_copy(path, staged / name)
        run = run_of_model(folder)
        for log in sorted((run / "tensorboard").rglob("events.out.tfevents.*")) if run is not None else ():
            if log.is_file():
                (staged / _LOGS).mkdir(parents=True, exist_ok=True)
                shutil.copyfile(log, staged / _LOGS / log.name)  # a copy: it may still grow
        yield staged
    finally:
        shutil.rmtree(staged, ignore_errors=True)


def _is_published(name: Path) -> bool:
    hidden = any(part.startswith(".") or part.endswith((".partial", ".old")) for part in name.parts)
    return not hidden and name.suffix not in _PICKLES


def _write_card(folder: Path, staged: Path, repository: str) -> tuple[str, ...]:
    """The card for the repository, unless a person wrote README.md; returns what the user should know."""
    if is_edited_by_hand(folder):
        return (f"{folder / CARD_FILE} is published as it is: it was changed by hand, or an earlier version wrote it",)
    facts = gather_facts(folder)
    for name, content in ((CARD_FILE, model_card(facts, repository)), (FACTS_FILE, facts.to_json())):
        (staged / name).unlink(missing_ok=True)  # a hard link: the model folder keeps its own
        (staged / name).write_text(content, encoding="utf-8")
    open_questions = ", ".join(question.key for question in unanswered(facts))
    if not open_questions:
        return ()
    return (f"the card leaves out what nobody has said: {open_questions}; `goama card {folder}` asks for it",)


# --- the proof


def _clips(folder: Path, corpus: Path | str | None) -> tuple[list[np.ndarray], str]:
    """Up to three waveforms (N,) float32 at 16 kHz, and in words what they are; noise where no corpus is at hand."""
    opened = Corpus.open(corpus) if corpus is not None else _corpus_of_run(folder)
    split = next((name for name in ("test", "dev", "train") if opened and opened.clips(name)), None)
    if opened is None or split is None:
        noise = np.random.default_rng(0).normal(0, 0.1, _in_whole_frames(2 * SAMPLE_RATE)).astype(np.float32)
        return [noise], "noise (no corpus is at hand; --corpus names one)"
    cuts = [cut for _, cut in zip(range(100), opened.cuts(split), strict=False) if 0.5 <= cut.duration <= _LONGEST_S]
    clips = [samples[: _in_whole_frames(len(samples))] for samples in waveforms(cuts[:_CLIPS])]
    if not clips:
        raise GoamaError(f"{opened.folder}: no clip of {split} lasts 0.5 to {_LONGEST_S:.0f} s; name another --corpus")
    return clips, f"{len(clips)} clips of {split} ({opened.folder})"


def _in_whole_frames(samples: int) -> int:
    return 240 + (samples - 240) // _WHOLE_FRAMES * _WHOLE_FRAMES


def _corpus_of_run(folder: Path) -> Corpus | None:
    run = run_of_model(folder)
    for known in [] if run is None else read_run(run).facts["corpora"]:
        try:
            corpus = Corpus.open(known["folder"])
            corpus.require_sound("dev")
            return corpus
        except (GoamaError, KeyError, TypeError):
            continue  # moved or gone since
    return None


def _check(folder: Path, staged: Path, clips: list[np.ndarray], of_what: str) -> str:
    """A sentence on what transformers transcribed. Raises `GoamaError` when it cannot, or transcribes otherwise."""
    trusted = (staged / "whisper_ctc.py").is_file()
    if trusted and not filecmp.cmp(staged / "whisper_ctc.py", whisper_ctc.__file__, shallow=False):
        raise GoamaError(
            f"{folder / 'whisper_ctc.py'}: is not the file that this version of goama writes, so it is not run; save "
            "the model again with this version"
        )
    expected = Recogniser.load(folder, "cpu").texts(clips)
    found = _alone(staged, clips, trusted)
    errors = sum(map(Levenshtein.distance, expected, found))
    characters = sum(map(len, expected))
    if errors > max(1, _MOST_DIFFERENT * characters):
        pair = next((e, f) for e, f in zip(expected, found, strict=True) if e != f)
        raise GoamaError(
            f"{folder}: transformers alone writes {pair[1]!r} where goama writes {pair[0]!r}; nothing was uploaded"
        )
    same = "the same text" if not errors else f"the same text but for {errors} of {characters} characters"
    return f"transformers alone wrote {same} as goama of {of_what}"


def _alone(staged: Path, clips: list[np.ndarray], trusted: bool) -> list[str]:
    """What transformers writes in a process of its own, in which goama cannot be imported."""
    with tempfile.TemporaryDirectory(prefix="goama-check-") as work:
        named: dict[str, Any] = {f"{number:02d}": clip for number, clip in enumerate(clips)}
        np.savez(Path(work) / "clips.npz", **named)
        words = [str(staged.resolve()), str(Path(work) / "clips.npz"), *(["trusted"] if trusted else [])]
        answer = subprocess.run(
            [sys.executable, "-I", str(Path(with_transformers.__file__).resolve()), *words],
            capture_output=True,
            text=True,
            cwd=work,
            env={**os.environ, "HF_HUB_OFFLINE": "1", "HF_MODULES_CACHE": str(Path(work) / "modules")},
            check=False,
        )
    if answer.returncode:
        lines = [" ".join(line.split()) for line in answer.stderr.splitlines() if line.strip()] or ["no reason given"]
        raise GoamaError(f"{staged}: transformers alone cannot open it ({lines[-1][:300]}); nothing was uploaded")
    texts: list[str] = json.loads(answer.stdout.strip().splitlines()[-1])
    return texts
