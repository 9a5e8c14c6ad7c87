"""A trained network, its vocabulary and its spelling rules are saved as a transformers folder and loaded from one.

`AutoModelForCTC.from_pretrained` and `pipeline("automatic-speech-recognition")` open it without goama.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError
from transformers import (
    PreTrainedModel,
    SeamlessM4TFeatureExtractor,
    SequenceFeatureExtractor,
    Wav2Vec2FeatureExtractor,
)

from goama import whisper_ctc
from goama.errors import GoamaError
from goama.files import empty_partial, replace_folder
from goama.model.encoder import front_end
from goama.model.loading import load_for_inference, quiet_transformers
from goama.model.trainable import merged_state
from goama.sound.audio import SAMPLE_RATE
from goama.sound.front_end import FrontEnd
from goama.sound.log_mel import MEL_BINS, LogMel
from goama.sound.whisper_mel import WhisperMel
from goama.text.normaliser import Normaliser
from goama.text.vocabulary import Vocabulary

NORMALISER_FILE = "normaliser.json"
_NEVER = -1e4
"""Logit bias by which `[UNK]` is never the best unit; `pipeline` would print it."""


@dataclass(frozen=True)
class SpeechModel:
    """Everything that recognition needs: the network, its front end, its vocabulary and its normaliser."""

    network: PreTrainedModel
    front_end: FrontEnd
    vocabulary: Vocabulary
    normaliser: Normaliser
    folder: Path | None = None
    """The folder it was loaded from, which may hold more that decoding needs; None: it was made in memory."""


def save_model_folder(folder: Path, model: SpeechModel, card: str) -> None:
    """Write a model folder; it is written beside its place and renamed, so that nobody can read half a model.

    Raises `GoamaError` when the disk does not take it.
    """
    partial = empty_partial(folder)
    if isinstance(model.network, whisper_ctc.WhisperForCTC):  # transformers has no such class: the folder brings it
        model.network.config.auto_map = whisper_ctc.AUTO_MAP
        shutil.copyfile(whisper_ctc.__file__, partial / "whisper_ctc.py")
    state = {name: value.detach().cpu().contiguous() for name, value in merged_state(model.network).items()}
    state["lm_head.bias"] = state["lm_head.bias"].clone()
    state["lm_head.bias"][model.vocabulary.unk_id] = _NEVER
    try:
        with quiet_transformers():
            model.network.save_pretrained(partial, state_dict=state)
    except SafetensorError as error:
        raise GoamaError(
            f"{partial}: the model cannot be written ({error}); if the disk is full, free some space and go on with "
            "--resume: what was there before is whole"
        ) from error
    _feature_extractor(model.front_end).save_pretrained(partial)
    model.vocabulary.save(partial)
    model.normaliser.save(partial / NORMALISER_FILE)
    (partial / "README.md").write_text(card, encoding="utf-8")
    _share_as_usual(partial)
    replace_folder(partial, folder)


def _share_as_usual(folder: Path) -> None:
    """Gives every file the mode of a new file: libraries write weights into a temporary file that only its owner reads.

    README.md was written by us and has it: reading the umask itself would change it for a moment.
    """
    mode = (folder / "README.md").stat().st_mode & 0o777
    for file in folder.iterdir():
        if file.is_file():
            file.chmod(mode)


def model_folder(folder: Path | str) -> Path:
    """The folder itself, or that of the best model of a run folder. Raises `GoamaError` when it does not exist."""
    folder = Path(folder)
    if not folder.is_dir():
        raise GoamaError(f"{folder}: no such model folder; `goama train` leaves one in RUN/best")
    if not (folder / "config.json").is_file() and (folder / "best" / "config.json").is_file():
        return folder / "best"
    return folder


def load_model_folder(folder: Path | str) -> SpeechModel:
    """The model of a model folder, or of the best model of a run folder, on the CPU.

    Raises `GoamaError` that names the part which is missing or damaged.
    """
    folder = model_folder(folder)
    if not (folder / "vocab.json").is_file():
        raise GoamaError(f"{folder}: no vocab.json; this is an encoder or another folder, not a trained recogniser")
    network = load_for_inference(folder)
    vocabulary = Vocabulary.load(folder)
    if network.config.vocab_size != len(vocabulary):
        raise GoamaError(
            f"{folder}: vocab.json has {len(vocabulary)} entries but the network has {network.config.vocab_size} "
            "outputs; the files of two models are mixed"
        )
    rules = folder / NORMALISER_FILE
    normaliser = Normaliser.load(rules) if rules.is_file() else Normaliser.for_language(None)
    return SpeechModel(network, front_end(str(folder), network.config), vocabulary, normaliser, folder)


def _feature_extractor(front_end: FrontEnd) -> SequenceFeatureExtractor:
    """The feature extractor of transformers that equals a front end."""
    if isinstance(front_end, WhisperMel):
        return whisper_ctc.WhisperCTCFeatureExtractor(front_end.bins, auto_map=whisper_ctc.AUTO_MAP)
    if isinstance(front_end, LogMel):
        return SeamlessM4TFeatureExtractor(
            feature_size=MEL_BINS,
            num_mel_bins=MEL_BINS,
            sampling_rate=SAMPLE_RATE,
            padding_value=0.0,
            stride=front_end.stride,
            processor_class="Wav2Vec2BertProcessor",
        )
    return Wav2Vec2FeatureExtractor(
        feature_size=1,
        sampling_rate=SAMPLE_RATE,
        padding_value=0.0,
        do_normalize=front_end.normalise,
        return_attention_mask=True,  # goama trains with it, whatever the encoder's authors did
        processor_class="Wav2Vec2Processor",
    )
