"""The sound of every clip of a split for a page, and what is measured of it: loudness, noise, bandwidth."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from goama.audit.bandwidth import bandwidth
from goama.corpus.corpus import Corpus
from goama.corpus.tar_clips import in_shard, waveforms
from goama.errors import GoamaError
from goama.reports.listening import COARSE, FINE, EmbeddedSound, Encoding, excerpt
from goama.sound.activity import frame_levels, speech_frames
from goama.sound.audio import read_audio

if TYPE_CHECKING:
    from lhotse import MonoCut

SOUND_LIMIT = 43_000_000
"""Characters of sound in a page: with the texts of 1,000 clips it stays below 50 MB."""

_ENCODINGS = (Encoding(FINE, 120.0), Encoding(COARSE, 120.0), Encoding(COARSE, 15.0))
_PER_CLIP = 2_500  # characters: the outline of the waveform, and what an MP3 has besides its bits


@dataclass(frozen=True)
class Measured:
    """Loudness of the speech in dB relative to full scale, how far it is above the noise, and the highest frequency."""

    loudness_db: float
    above_noise_db: float
    bandwidth_khz: float


@dataclass(frozen=True)
class ClipSounds:
    """By clip id: the embedded sounds, what was measured, and why a clip has no sound; `encoding` of the sounds."""

    sounds: dict[str, EmbeddedSound]
    measured: dict[str, Measured]
    reasons: dict[str, str]
    encoding: Encoding


def clip_sounds(
    corpus: Corpus, split: str, ids: Iterable[str], progress: Callable[[int], None] | None = None
) -> ClipSounds:
    """The sounds of the clips of a split; the first of `ids` are sure to fit.

    Each clip is read once. The more seconds there are, the coarser they are encoded: 33 kbit/s, or 16, or the first
    15 s of each clip. `progress` is called with the number of clips done.
    """
    cuts = {cut.id: cut for cut in corpus.cuts(split)}
    asked = list(ids)
    wanted = [id for id in asked if id in cuts]
    lengths = [cuts[id].duration for id in wanted]
    encoding = next((one for one in _ENCODINGS if _characters(one, lengths) <= SOUND_LIMIT), _ENCODINGS[-1])
    sounds: dict[str, EmbeddedSound] = {}
    measured: dict[str, Measured] = {}
    reasons = {id: "the corpus no longer holds it" for id in asked if id not in cuts}
    size = 0
    for done, id in enumerate(wanted, start=1):
        try:
            samples = _samples(cuts[id])
        except GoamaError as error:
            reasons[id] = str(error)
            continue
        measured[id] = _measure(samples)
        if size + encoding.characters(lengths[done - 1]) > SOUND_LIMIT:
            reasons[id] = "the page would become too large"
        else:
            made = excerpt(samples, encoding, pictured=False)
            size += made.size
            sounds[id] = EmbeddedSound(f"s{len(sounds)}", made)
        if progress:
            progress(done)
    return ClipSounds(sounds, measured, reasons, encoding)


def _samples(cut: MonoCut) -> np.ndarray:
    if in_shard(cut):
        return waveforms([cut])[0]
    return read_audio(cut.recording.sources[0].source, name=cut.id).samples


def _characters(encoding: Encoding, lengths: Iterable[float]) -> float:
    return sum(encoding.characters(seconds) + _PER_CLIP for seconds in lengths)


def _measure(samples: np.ndarray) -> Measured:
    levels = frame_levels(samples)
    spoken = levels[speech_frames(levels)]
    loudness = 10.0 * float(np.log10(np.mean(10.0 ** ((spoken if len(spoken) else levels) / 10.0))))
    noise = float(np.percentile(levels, 5))
    return Measured(loudness, loudness - noise, bandwidth(samples, levels).hz / 1000)
