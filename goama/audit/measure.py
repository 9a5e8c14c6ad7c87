"""One clip's sound becomes a few numbers and a fingerprint: levels, silence, flat tops, bandwidth, channels.

Nothing here judges: the thresholds that make a finding of a number stand in the checks.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from goama.audit.bandwidth import Edge, bandwidth
from goama.audit.findings import ClipFacts
from goama.audit.fingerprint import Fingerprint, fingerprint
from goama.sound.activity import FLOOR_DB, FRAME_SAMPLES, SPEECH_BELOW_LOUD_DB, decibels, frame_levels, speech_frames
from goama.sound.audio import SAMPLE_RATE, Audio
from goama.sound.repairs import Repair

_FLAT_RUN = 3
"""Shortest flat top (samples): an unclipped speech wave has at most two samples within one step of its peak."""

_FLAT_STEP = 1.5 / 32768  # of 16-bit samples, with the rounding after a change of gain
_QUIETEST_PEAK = 0.01  # −40 dB: below it, a few quantisation steps are the whole wave

_DOMINATES_DB = 10.0
_TURN_SHARE = 0.15
"""Two speakers, one on each channel: each channel is louder by 10 dB in at least 15 % of the loud frames."""


@dataclass(frozen=True)
class Sound:
    """What is measured of a clip's sound. Levels are dB relative to digital full scale.

    rms_db:         of the frames with speech
    noise_db:       of the quietest frames (the 5th percentile)
    modulation_db:  between the 95th and the 5th percentile of frames: speech goes up and down, hiss does not
    clipped_share:  share of samples in flat tops; clipped_runs: how many flat tops
    over_share, over_runs:  of samples beyond full scale after averaging channels and resampling to 16 kHz
    edge:           where its spectrum ends abruptly, if it does
    channel_layout: `mono`, `same`, `one-silent`, `cancel`, `two-speakers` or `different`
    repairs:        what was mended while the sound was decoded
    digest:         equal for clips with the same samples at 16 kHz
    """

    seconds: float
    native_rate: int
    channels: int
    peak_db: float
    rms_db: float
    noise_db: float
    modulation_db: float
    clipped_share: float
    clipped_runs: int
    over_share: float
    over_runs: int
    silence_share: float
    leading_silence_s: float
    trailing_silence_s: float
    bandwidth_hz: float
    edge: Edge | None
    channel_layout: str
    digest: bytes
    fingerprint: Fingerprint
    repairs: tuple[Repair, ...] = ()

    @property
    def speech_s(self) -> float:
        """Seconds with speech in them."""
        return self.seconds * (1.0 - self.silence_share)


MeasuredClips = Sequence[tuple[ClipFacts, Sound]]
"""Clips whose sound was read, with what was measured of it."""


def measure(audio: Audio) -> Sound:
    """The facts of a clip that was read with `keep_native`."""
    assert audio.native is not None
    mono, rate = audio.samples, audio.native_rate
    samples = audio.native
    levels = frame_levels(mono)
    loud, quiet = (float(np.percentile(levels, share)) for share in (95, 5))
    speech = speech_frames(levels)
    spoken = np.flatnonzero(speech)
    leading, trailing = (spoken[0], len(speech) - 1 - spoken[-1]) if len(spoken) else (len(speech), len(speech))
    clipped, runs = _flat_tops(samples)
    over, over_runs = _over_full_scale(mono)
    reach = bandwidth(mono, levels)
    frame_s = FRAME_SAMPLES / SAMPLE_RATE
    return Sound(
        seconds=audio.seconds,
        native_rate=rate,
        channels=samples.shape[1],
        peak_db=float(decibels(np.abs(samples).max() ** 2)),
        rms_db=10.0 * float(np.log10(np.mean(10.0 ** (levels[speech] / 10.0)))) if len(spoken) else loud,
        noise_db=quiet,
        modulation_db=loud - quiet,
        clipped_share=clipped,
        clipped_runs=runs,
        over_share=over,
        over_runs=over_runs,
        silence_share=1.0 - float(speech.mean()),
        leading_silence_s=float(leading) * frame_s,
        trailing_silence_s=float(trailing) * frame_s,
        bandwidth_hz=min(reach.hz, rate / 2),
        edge=reach.edge,
        channel_layout=_channel_layout(samples, rate),
        digest=hashlib.blake2b((mono * 32767).astype(np.int16).tobytes(), digest_size=16).digest(),
        fingerprint=fingerprint(mono),
        repairs=audio.repairs,
    )


def _flat_tops(samples: np.ndarray) -> tuple[float, int]:
    """Share of samples, and number of runs, that stay at the highest or the lowest value of their channel.

    Relative to the clip's own extremes, so that what was clipped and then made quieter is found too. What a lossy
    file decodes to above full scale is not cut off, and has no flat tops.
    """
    worst, most_runs = 0.0, 0
    for channel in samples.T:
        flat, runs = 0, 0
        for wave in (channel, -channel):
            peak = float(wave.max())
            if peak < _QUIETEST_PEAK:
                continue
            inside, count = _runs(wave >= peak - _FLAT_STEP)
            flat, runs = flat + inside, runs + count
        worst, most_runs = max(worst, flat / len(channel)), max(most_runs, runs)
    return worst, most_runs


def _over_full_scale(mono: np.ndarray) -> tuple[float, int]:
    """Share of samples, and number of runs, beyond what a 16-bit file holds."""
    inside, runs = _runs(np.abs(mono) > 1.0)
    return inside / len(mono), runs


def _runs(where: np.ndarray) -> tuple[int, int]:
    """(samples in runs of three and more, number of such runs)."""
    places = np.flatnonzero(where)
    if len(places) < _FLAT_RUN:
        return 0, 0
    ends = np.flatnonzero(np.diff(places) > 1)
    lengths = np.diff(np.concatenate(([-1], ends, [len(places) - 1])))
    long = lengths[lengths >= _FLAT_RUN]
    return int(long.sum()), len(long)


def _channel_layout(samples: np.ndarray, rate: int) -> str:
    if samples.shape[1] < 2:
        return "mono"
    frame = max(1, rate // 50)
    frames = max(1, len(samples) // frame)
    whole = samples[: frames * frame].reshape(frames, -1, samples.shape[1])
    power = np.einsum("ijk,ijk->ik", whole, whole) / whole.shape[1]
    energy = power.mean(axis=0)
    mixed = float((samples.mean(axis=1) ** 2).mean())
    loudest = float(energy.max())
    if loudest < 10.0 ** (FLOOR_DB / 10):
        return "same"
    if mixed < 0.01 * loudest:
        return "cancel" if float(energy.min()) > 0.25 * loudest else "one-silent"
    if float(np.sort(energy)[-2]) < 1e-4 * loudest:
        return "one-silent"
    difference = samples[:, 0] - samples[:, 1]
    if float((difference**2).mean()) < 0.1 * loudest:
        return "same"
    level = decibels(power[:, :2])
    loud = level[level.max(axis=1) >= level.max() - SPEECH_BELOW_LOUD_DB]
    first = float((loud[:, 0] - loud[:, 1] > _DOMINATES_DB).mean())
    second = float((loud[:, 1] - loud[:, 0] > _DOMINATES_DB).mean())
    return "two-speakers" if min(first, second) >= _TURN_SHARE else "different"
