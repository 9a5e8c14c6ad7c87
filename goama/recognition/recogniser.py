"""The Recogniser: a model folder opened for use, recordings in, transcripts out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch

from goama.model.encoder import frame_shift_s
from goama.model.folder import SpeechModel, load_model_folder
from goama.recognition.emission import CONTEXT_S, WINDOW_S, emissions, long_emission
from goama.recognition.greedy import greedy_segments, greedy_text
from goama.recognition.transcript import Transcript
from goama.sound.audio import SAMPLE_RATE, read_audio


class Recogniser:
    """Transcribes recordings with one model.

    recogniser = Recogniser.load("run/best")
    print(recogniser.transcribe("interview.wav").text)
    """

    def __init__(self, model: SpeechModel, device: str | torch.device | None = None):
        self.device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        self.vocabulary, self.normaliser = model.vocabulary, model.normaliser
        self.network = model.network.eval().to(self.device)
        self.front_end = model.front_end.on(self.device)
        self.frame_shift_s = frame_shift_s(model.network.config)

    @classmethod
    def load(cls, folder: Path | str, device: str | torch.device | None = None) -> Recogniser:
        """Open a model folder (or a run, whose best model is meant); raises `GoamaError`."""
        return cls(load_model_folder(folder), device)

    def transcribe(self, audio: Path | str) -> Transcript:
        """Transcribe one recording of any length; raises `GoamaError` when it cannot be read."""
        return next(self.transcribe_waveforms([read_audio(audio).samples], [str(audio)]))

    def transcribe_waveforms(
        self, waveforms: Sequence[np.ndarray], names: Sequence[str] | None = None
    ) -> Iterator[Transcript]:
        """Transcripts of waveforms (N,) float32 at 16 kHz, in their order; short ones share one batch."""
        names = names or [f"waveform {number}" for number in range(len(waveforms))]
        short = [i for i, w in enumerate(waveforms) if len(w) <= (WINDOW_S + 2 * CONTEXT_S) * SAMPLE_RATE]
        batched = dict(
            zip(short, emissions(self.network, self.front_end, [waveforms[i] for i in short]), strict=True)
            if short
            else ()
        )
        for index, (waveform, name) in enumerate(zip(waveforms, names, strict=True)):
            emission = batched.get(index)
            if emission is None:
                emission = long_emission(self.network, self.front_end, waveform)
            segments = greedy_segments(emission, self.vocabulary, self.frame_shift_s)
            yield Transcript(name, round(len(waveform) / SAMPLE_RATE, 3), segments)

    def texts(self, waveforms: Sequence[np.ndarray]) -> list[str]:
        """Greedy texts of short clips, (N,) float32 at 16 kHz each; all clips form one batch."""
        return [greedy_text(e, self.vocabulary) for e in emissions(self.network, self.front_end, waveforms)]
