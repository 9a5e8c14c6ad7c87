"""The Recogniser: a model folder opened for use, recordings in, transcripts out."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from goama.errors import GoamaError
from goama.files import readable
from goama.html import facts_html
from goama.model.encoder import frame_shift_s
from goama.model.folder import SpeechModel, load_model_folder
from goama.model.precision import Precision
from goama.recognition.choice import choose_decoder
from goama.recognition.confidence import load_calibrations
from goama.recognition.decoder import Decoder
from goama.recognition.emission import emission_stream, emissions, emissions_by_length
from goama.recognition.options import DecodingOptions
from goama.recognition.search import Hit, KeywordSearch
from goama.recognition.units import Unit, segments_of
from goama.sound.audio import SAMPLE_RATE, stream_audio
from goama.sound.repairs import Repair
from goama.sound.waveform import as_waveform
from goama.transcript import Transcript


class Recogniser:
    """Transcribes recordings with one model.

    recogniser = Recogniser.load("run/best")
    print(recogniser.transcribe("interview.wav").text)

    It computes in float32, in which a transcript does not depend on the batch. `precision="bf16"` is faster on hardware
    that has it, but rounds so coarsely that a few letters change with the batch: of 64 Dutch clips the first starter
    wrote 4 in another way in batches of eight than alone (benchmarks/inference.py).

    `decoder` is what the model folder and the options ask for, `remark` what there is to know about that choice.
    """

    def __init__(
        self,
        model: SpeechModel,
        device: str | torch.device | None = None,
        options: DecodingOptions = DecodingOptions(),
        precision: Precision = "no",
    ):
        self.device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        self.options, self.precision = options, precision
        self.vocabulary, self.normaliser = model.vocabulary, model.normaliser
        self.network = model.network.eval().to(self.device)
        self.front_end = model.front_end.on(self.device)
        self.frame_shift_s = frame_shift_s(model.network.config)
        chosen = choose_decoder(model, self.frame_shift_s, options)
        self.decoder: Decoder = chosen.decoder
        self.remark = chosen.remark
        self.calibrations = load_calibrations(model.folder) if model.folder else {}

    @classmethod
    def load(
        cls,
        folder: Path | str,
        device: str | torch.device | None = None,
        options: DecodingOptions = DecodingOptions(),
        precision: Precision = "no",
    ) -> Recogniser:
        """The recogniser of a model folder, or of the best model of a run folder.

        Raises `GoamaError` when the folder is missing or holds no whole model.
        """
        return cls(load_model_folder(folder), device, options, precision)

    def __repr__(self) -> str:
        parameters = sum(parameter.numel() for parameter in self.network.parameters())
        return (
            f"Recogniser({self.network.config.model_type}, {parameters / 1e6:.0f} M parameters, "
            f"{len(self.vocabulary)} labels, language {self.normaliser.language or 'not named'}, on {self.device})"
        )

    def _repr_html_(self) -> str:
        return facts_html(repr(self))

    def transcribe(
        self,
        audio: Path | str | np.ndarray | Iterable[np.ndarray],
        progress: Callable[[float], None] | None = None,
        name: str | None = None,
    ) -> Transcript:
        """The transcript of a recording of any length, read and recognised block by block.

        audio:     a path; the samples (N,) at 16 kHz; or blocks of samples (N_i,) at 16 kHz, read as needed
        progress:  called with the seconds read so far
        name:      what the transcript calls the recording. None: its path, or "samples"

        A recording that is damaged is read on, and its transcript's `repairs` say how many seconds were lost.
        Raises `GoamaError` when the recording cannot be read, less than half of it is left, or samples are not those
        of one channel.
        """
        sound = _Sound(audio, progress, name)
        units = self.decoder.units(self._pieces(sound))
        transcript = self._transcript(sound.name, sound.samples, units)
        return replace(transcript, repairs=tuple(repair.sentence for repair in sound.repairs))

    def search(
        self,
        audio: Path | str | np.ndarray | Iterable[np.ndarray],
        keywords: Sequence[str],
        progress: Callable[[float], None] | None = None,
        name: str | None = None,
    ) -> list[Hit]:
        """Where keywords were probably said in a recording, keyword by keyword, the highest score first.

        keywords:  words or phrases, normalised here as the model's training texts were
        audio:     a path, samples (N,) or blocks of samples, as for `transcribe`; so are `progress` and `name`

        Raises `GoamaError` for a keyword that the model cannot write, and where `transcribe` does.
        """
        return self.keyword_search(keywords).hits(self._pieces(_Sound(audio, progress, name)))

    def keyword_search(self, keywords: Sequence[str]) -> KeywordSearch:
        """The search for keywords in emissions of this model.

        Raises `GoamaError` for a keyword that the model cannot write, and where none is.
        """
        return KeywordSearch(keywords, self.vocabulary, self.normaliser, self.frame_shift_s)

    @property
    def _how(self) -> dict[str, Any]:
        """The keywords of every function that makes emissions."""
        return {"precision": self.precision, "delimiter_id": self.vocabulary.delimiter_id}

    def _pieces(self, sound: _Sound) -> Iterator[torch.Tensor]:
        return emission_stream(self.network, self.front_end, sound.blocks(), **self._how)

    def transcribe_waveforms(
        self, waveforms: Sequence[np.ndarray], names: Sequence[str] | None = None
    ) -> list[Transcript]:
        """The transcripts of waveforms (N,) at 16 kHz of any length, in their order, recognised in batches.

        Raises `GoamaError` when one is not one channel of finite samples, see `as_waveform`.
        """
        waveforms = _checked(waveforms)
        names = names or [f"waveform {number}" for number in range(len(waveforms))]
        by_length = emissions_by_length(self.network, self.front_end, waveforms, **self._how)
        transcripts = {
            index: self._transcript(names[index], len(waveforms[index]), self.decoder.units([emission]))
            for index, emission in by_length
        }
        return [transcripts[index] for index in range(len(waveforms))]

    def emissions(self, waveforms: Sequence[np.ndarray]) -> list[torch.Tensor]:
        """Log-probabilities (T, V) float32 on the CPU for each waveform (N,) at 16 kHz, in their order."""
        return emissions(self.network, self.front_end, _checked(waveforms), **self._how)

    def texts(self, waveforms: Sequence[np.ndarray]) -> list[str]:
        """The text of each waveform (N,) float32 at 16 kHz, in their order."""
        return [self.decoder.text(emission) for emission in self.emissions(waveforms)]

    def _transcript(self, name: str, samples: int, units: Iterable[Unit]) -> Transcript:
        segments = segments_of(units, self.vocabulary, self.frame_shift_s)
        calibration = self.calibrations.get(self.decoder.method)
        if calibration:
            segments = calibration.applied(segments)
        return Transcript(name, round(samples / SAMPLE_RATE, 3), segments, calibrated=calibration is not None)


class _Sound:
    """The sound of a recording as it is read; state: `samples` read so far, and `repairs` once all are."""

    def __init__(
        self,
        audio: Path | str | np.ndarray | Iterable[np.ndarray],
        progress: Callable[[float], None] | None,
        name: str | None,
    ):
        self.name = name or (readable(os.fspath(audio)) if isinstance(audio, (str, os.PathLike)) else "samples")
        self.samples = 0
        self.repairs: list[Repair] = []
        self._audio, self._progress = audio, progress

    def blocks(self) -> Iterator[np.ndarray]:
        """The blocks (N_i,) float32 at 16 kHz of a path, of samples or of blocks of samples."""
        for block in self._read():
            self.samples += len(block)
            if self._progress:
                self._progress(self.samples / SAMPLE_RATE)
            yield block

    def _read(self) -> Iterator[np.ndarray]:
        audio = self._audio
        if isinstance(audio, (str, os.PathLike)):
            yield from stream_audio(audio, longest_s=math.inf, name=self.name, repairs=self.repairs)
        elif hasattr(audio, "__array__"):
            yield as_waveform(audio, "the samples")
        elif isinstance(audio, Iterable) and not isinstance(audio, bytes):
            yield from (as_waveform(block, f"block {number} of the samples") for number, block in enumerate(audio, 1))
        else:
            raise GoamaError(
                f"transcribe takes the path of a recording or its samples at 16 kHz, not a {type(audio).__name__}"
            )


def _checked(waveforms: Sequence[np.ndarray]) -> list[np.ndarray]:
    if isinstance(waveforms, (str, bytes)) or getattr(waveforms, "ndim", 2) == 1:
        raise GoamaError("a list of waveforms is needed, [samples], not the samples of one")
    return [as_waveform(samples, f"waveform {number}") for number, samples in enumerate(waveforms)]
