"""The README.md of a model folder: a Hugging Face model card with what is known of the model."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from goama import __version__

_NAMES = {
    "wav2vec2-bert": "Wav2Vec2-BERT",
    "wav2vec2": "wav2vec 2.0",
    "hubert": "HuBERT",
    "wavlm": "WavLM",
    "whisper_ctc": "Whisper",
}


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
) -> str:
    """Markdown with the Hub's metadata block; `architecture` is transformers' model type, `dev_cer` a fraction."""
    metadata: dict[str, Any] = {
        "library_name": "transformers",
        "pipeline_tag": "automatic-speech-recognition",
        "tags": f"[goama, {architecture}, ctc]",
    }
    if languages:
        metadata["language"] = json.dumps(
            languages[0] if len(languages) == 1 else list(languages)
        )  # YAML's no is false
    if encoder.count("/") == 1 and not Path(encoder).exists():  # a Hub id
        metadata["base_model"] = encoder
    header = "\n".join(f"{key}: {value}" for key, value in metadata.items())
    results = (
        f"Dev split, greedy: CER {100 * dev_cer:.1f} % (step {step}).\n"
        if dev_cer is not None
        else f"Not evaluated at this step ({step}); the best model of the run is.\n"
    )
    return f"""---
{header}
---

# Speech recogniser{f" for {', '.join(languages)}" if languages else ""}

A {_NAMES[architecture]} encoder ({encoder}) fine-tuned with CTC on {60 * train_hours:.0f} minutes of transcribed speech
({source}), made with goama {__version__}. Logits are {frame_shift_ms:.0f} ms apart.

{results}
```python
from transformers import pipeline

recognise = pipeline("automatic-speech-recognition", model="THIS FOLDER")
print(recognise("clip.wav")["text"])
```

Give `pipeline` one recording at a time: with `batch_size` above 1 it also decodes the padding of the shorter ones.
Text is normalised by the rules in `normaliser.json`; clean references with them before you score.

## Recipe

```toml
{recipe_toml.strip()}
```
"""
