"""The teacher of a distilled network: a finished model folder, and what it says of clean clips, computed once."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from goama.data.batches import Batch
from goama.data.mixture import Mixture
from goama.errors import GoamaError
from goama.model.ctc import logits_and_states
from goama.model.encoder import frame_shift_s, output_frames
from goama.model.folder import SpeechModel, load_model_folder
from goama.model.precision import Precision, autocast
from goama.run.folder import TeacherFacts
from goama.text.vocabulary import CharacterReport, RareUnit, Vocabulary

_CACHE_BYTES = 2 * 10**9


@dataclass(frozen=True)
class Teacher:
    """A model folder that a student learns from."""

    facts: TeacherFacts
    model: SpeechModel

    @property
    def states_width(self) -> int:
        """The size of its last hidden states."""
        return int(self.model.network.lm_head.in_features)


def load_teacher(folder: Path) -> Teacher:
    """The teacher in a model folder, or the best model of a run folder.

    Raises `GoamaError` when it cannot be opened or has no CTC vocabulary.
    """
    is_run = not (folder / "config.json").is_file() and (folder / "best" / "config.json").is_file()
    folder = folder / "best" if is_run else folder
    model = load_model_folder(folder)
    model.network.requires_grad_(False)
    digest = hashlib.sha256()
    for file in sorted(folder.glob("model*.safetensors")):
        with file.open("rb") as weights:
            digest.update(hashlib.file_digest(weights, "sha256").digest())
    return Teacher(TeacherFacts(str(folder), digest.hexdigest()), model)


def require_same_teacher(run: Path, known: TeacherFacts | None, teacher: Teacher | None) -> None:
    """Raises `GoamaError` unless a run is resumed with the teacher that it began with, or without one."""
    if known is None and teacher is not None:
        raise GoamaError(f"{run} is a run of `goama train`, without a teacher; go on with `goama train`")
    if known is not None and teacher is None:
        raise GoamaError(
            f"{run} is a run of `goama distil`; go on with `goama distil {known.folder} CORPUS... -o {run} --resume`"
        )
    if known is not None and teacher is not None and known.fingerprint != teacher.facts.fingerprint:
        raise GoamaError(
            f"{run}: its teacher was {known.folder}, the weights in {teacher.facts.folder} are others; resume with the "
            "same teacher, or choose another folder with -o"
        )


def characters_for(teacher: Teacher, corpora: Mixture) -> CharacterReport:
    """The characters of the training texts: those that the teacher writes, and those that become `[UNK]`."""
    texts = (cut.supervisions[0].text for cut in corpora.cuts("train"))
    counted = Vocabulary.from_texts(texts, min_count=1)[1].kept
    known = set(teacher.model.vocabulary.units)
    rare = tuple(RareUnit(unit, count, ()) for unit, count in counted.items() if unit not in known)
    return CharacterReport({unit: count for unit, count in counted.items() if unit in known}, rare, 1)


def language_warning(teacher: Teacher, corpora: Mixture) -> str | None:
    """A sentence if the corpora are in other languages than the teacher's spelling rules; None if they agree."""
    language = teacher.model.normaliser.language
    others = [name for name in corpora.languages if language and _primary(name) != _primary(language)]
    if not others:
        return None
    return (
        f"{teacher.facts.folder} writes {language}, but the corpora are in {', '.join(others)}: the student will learn "
        "how the teacher mishears another language; is this the right teacher?"
    )


def _primary(tag: str) -> str:
    return tag.replace("_", "-").split("-")[0].lower()


@dataclass(frozen=True)
class Taught:
    """What the teacher says of the clips of a batch."""

    log_probabilities: torch.Tensor
    """(B, T, V) float32."""
    states: torch.Tensor | None
    """(B, T, hidden) float32: what its head made them of; None where nobody needs them."""
    lengths: torch.Tensor
    """(B,) valid frames of each clip."""


class Lessons:
    """Computes what a teacher says of clips, in evaluation mode and without gradients.

    On a CPU, each clip is computed alone, so that the result does not depend on the batch, and is kept in float16 for
    the next epoch, up to 2 GB. On a GPU, a batch is computed at once and nothing is kept. The state is that cache.
    """

    def __init__(self, teacher: Teacher, device: torch.device, precision: Precision, *, needs_states: bool):
        self._network = teacher.model.network.eval().to(device)
        self._front_end = teacher.model.front_end.on(device)
        self._device, self._precision, self._needs_states = device, precision, needs_states
        self._cache: dict[str, tuple[torch.Tensor, torch.Tensor]] = {}
        self._room = _CACHE_BYTES if device.type == "cpu" else 0

    @property
    def frame_shift_s(self) -> float:
        """Seconds between two logits of the teacher."""
        return frame_shift_s(self._network.config)

    def __call__(self, batch: Batch) -> Taught:
        """What the teacher says of the clips of a batch, which it hears without augmentation."""
        if self._device.type != "cpu":
            return self._computed(batch.waveforms)
        clips = [self._remembered(name, waveform) for name, waveform in zip(batch.ids, batch.waveforms, strict=True)]
        said, states = zip(*clips, strict=True)
        pad = torch.nn.utils.rnn.pad_sequence
        return Taught(
            pad([clip.float() for clip in said], batch_first=True),
            pad([clip.float() for clip in states], batch_first=True) if self._needs_states else None,
            torch.tensor([len(clip) for clip in said]),
        )

    def _remembered(self, name: str, waveform: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        """Log-probabilities (T, V) and states (T, hidden) of a clip in float16, the states empty if not needed."""
        if name in self._cache:
            return self._cache[name]
        taught = self._computed([waveform])
        states = taught.log_probabilities.new_empty(1, 0) if taught.states is None else taught.states
        found = taught.log_probabilities[0].half(), states[0].half()
        size = sum(2 * tensor.numel() for tensor in found)
        if size <= self._room:
            self._room -= size
            self._cache[name] = found
        return found

    @torch.no_grad()
    def _computed(self, waveforms: Sequence[np.ndarray]) -> Taught:
        shortest = self._front_end.shortest_samples
        clips = [np.pad(waveform, (0, max(0, shortest - len(waveform)))) for waveform in waveforms]
        values, mask = self._front_end(clips)
        with autocast(self._device, self._precision):
            logits, states = logits_and_states(self._network, values, attention_mask=mask.long())
        lengths = output_frames(self._network.config, mask.sum(1))
        said = logits.float().log_softmax(-1)
        return Taught(said, states.float() if self._needs_states else None, lengths)
