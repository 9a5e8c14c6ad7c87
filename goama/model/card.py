"""The README.md of a model folder: a Hugging Face model card with metadata, origin, score and recipe."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from huggingface_hub import EvalResult, ModelCardData

from goama import __version__

_TASK = "automatic-speech-recognition"
_NAMES = {
    "wav2vec2-bert": "Wav2Vec2-BERT encoder",
    "wav2vec2": "wav2vec 2.0 encoder",
    "hubert": "HuBERT encoder",
    "wavlm": "WavLM encoder",
    "whisper_ctc": "Whisper encoder under a CTC head",
}

_USAGE = """```python
from transformers import pipeline

recognise = pipeline("automatic-speech-recognition", model="THIS FOLDER")
print(recognise("clip.wav")["text"])
```
"""

_WHISPER_USAGE = """```python
import soundfile
from transformers import pipeline

recognise = pipeline("automatic-speech-recognition", model="THIS FOLDER", trust_remote_code=True)
samples, rate = soundfile.read("clip.wav", dtype="float32")  # one channel, 16 kHz
print(recognise({"raw": samples, "sampling_rate": rate}, chunk_length_s=30)["text"])
```

transformers has no class for this network: `trust_remote_code=True` lets it run `whisper_ctc.py` from this folder. The
network has positions for 30 s, so longer recordings need `chunk_length_s`. `goama transcribe` opens the folder without
running the file, and cuts recordings by itself.
"""
"""Samples are passed, since `pipeline` reads files with ffmpeg only."""


def model_card(
    *,
    encoder: str,
    architecture: str,
    languages: Sequence[str],
    train_hours: float,
    dev_cer: float | None,
    step: int,
    frame_shift_ms: float,
    recipe_toml: str,
    source: str,
    teacher: str | None = None,
) -> str:
    """The card as Markdown with the Hub's metadata in front.

    encoder:       Hub id or folder of the encoder that was fine-tuned
    architecture:  its model type in transformers
    dev_cer:       CER of the dev split at this step, 0 to 1; None if it was not evaluated
    recipe_toml:   the run's recipe
    source:        what the corpora were made of
    teacher:       name of the model that it was distilled from, if it was
    """
    distilled = f"It learnt from a larger model ({teacher}) by distillation. " if teacher else ""
    title = "Speech recogniser" + (f" for {', '.join(languages)}" if languages else "")
    metadata = ModelCardData(
        library_name="transformers",
        pipeline_tag=_TASK,
        tags=["goama", architecture, "ctc"],
        language=(languages[0] if len(languages) == 1 else list(languages)) if languages else None,
        base_model=encoder if encoder.count("/") == 1 and not Path(encoder).exists() else None,
        model_name=None if dev_cer is None else title,
        eval_results=None if dev_cer is None else [_dev_result(dev_cer, source)],
    )
    results = (
        f"Dev split, greedy: CER {100 * dev_cer:.1f} % (step {step}).\n"
        if dev_cer is not None
        else f"Not evaluated at this step ({step}); the best model of the run is.\n"
    )
    return f"""---
{metadata.to_yaml()}
---

# {title}

A {_NAMES[architecture]} ({encoder}) fine-tuned with CTC on {60 * train_hours:.0f} minutes of transcribed speech
({source}), made with goama {__version__}. {distilled}Logits are {frame_shift_ms:.0f} ms apart.

{results}
{_WHISPER_USAGE if architecture == "whisper_ctc" else _USAGE}
Give `pipeline` one recording at a time: with `batch_size` above 1 it also decodes the padding of the shorter ones.
Text is normalised by the rules in `normaliser.json`; clean references with them before you score.

## Recipe

```toml
{recipe_toml.strip()}
```
"""


def _dev_result(dev_cer: float, source: str) -> EvalResult:
    return EvalResult(
        task_type=_TASK,
        dataset_type="audiofolder",
        dataset_name=source,
        dataset_split="dev",
        metric_type="cer",
        metric_name="CER (%)",
        metric_value=round(100 * dev_cer, 1),
    )
