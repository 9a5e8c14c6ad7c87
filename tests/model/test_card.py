"""The model card as the Hub reads it."""

from __future__ import annotations

from typing import Any

import pytest
from huggingface_hub import ModelCard

from goama.model.card import model_card

FACTS: dict[str, Any] = {
    "encoder": "facebook/w2v-bert-2.0",
    "architecture": "wav2vec2-bert",
    "languages": ["no"],
    "train_hours": 1.0,
    "dev_cer": 0.1234,
    "step": 300,
    "frame_shift_ms": 20.0,
    "recipe_toml": "[train]\nsteps = 300\n",
    "source": "interviews: day 1",
}


def test_the_hub_reads_language_base_model_and_score() -> None:
    card = ModelCard(model_card(**FACTS))
    assert card.data.language == "no"  # in YAML a bare no is false
    assert (card.data.library_name, card.data.pipeline_tag) == ("transformers", "automatic-speech-recognition")
    assert card.data.base_model == "facebook/w2v-bert-2.0"
    (result,) = card.data.eval_results or []
    assert (result.metric_type, result.metric_value) == ("cer", 12.3)
    assert (result.dataset_name, result.dataset_split) == ("interviews: day 1", "dev")
    assert "# Speech recogniser for no\n" in card.text and "CER 12.3 % (step 300)" in card.text


@pytest.mark.parametrize("languages", [[], ["mos", "ff"]])
def test_what_is_not_known_is_left_out(languages: list[str]) -> None:
    card = ModelCard(model_card(**FACTS | {"languages": languages, "dev_cer": None, "encoder": "scratch"}))
    assert card.data.language == (languages or None)
    assert card.data.base_model is None and card.data.eval_results is None and card.data.model_name is None
    assert "Not evaluated at this step (300)" in card.text
