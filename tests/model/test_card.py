"""The model card as the Hub reads it."""

from __future__ import annotations

import pytest
from huggingface_hub import ModelCard

from goama.corpus.facts import CorpusFacts
from goama.errors import GoamaError
from goama.model.card import is_edited, model_card
from goama.model.card_facts import Answers, CardFacts, Evaluated, read_facts

CORPUS = CorpusFacts(
    source="interviews: day 1 | <b>",
    language="no",
    fingerprint="0" * 64,
    seconds={"train": 3600.0, "dev": 300.0, "test": 0.0},
    speakers={"train": 3, "dev": 1, "test": 0},
    shared_speakers=1,
    unnamed_s=0.0,
    licences={"CC-BY-4.0": 3000.0, "": 600.0},
    consents={"": 3600.0},
    sources={"Radio *A*": 3600.0},
)
FACTS = CardFacts(
    encoder="facebook/w2v-bert-2.0@main",
    architecture="wav2vec2-bert",
    parameters=580_000_000,
    frame_shift_ms=20.0,
    languages=("no",),
    corpora=(CORPUS,),
    rules=("nfc", "lowercase"),
    alphabet=("a", "`", "å"),
    step=300,
    scores=(Evaluated(corpus=CORPUS.source, split="dev", wer=0.4, cer=0.1234, cer_interval=(0.11, 0.14), clips=12),),
    curve=((150, 0.2, 0.5), (300, 0.1234, 0.4)),
    trained_s=4000.0,
    device="CPU, 1 thread",
    recipe_toml="[train]\nsteps = 300\n",
)


def card_of(**changes: object) -> ModelCard:
    return ModelCard(model_card(FACTS.model_copy(update=changes)))


def test_the_hub_reads_language_base_model_and_score() -> None:
    card = card_of()
    assert card.data.language == "no"  # in YAML a bare no is false
    assert (card.data.library_name, card.data.pipeline_tag) == ("transformers", "automatic-speech-recognition")
    assert card.data.base_model == "facebook/w2v-bert-2.0"
    cer = next(result for result in card.data.eval_results if result.metric_type == "cer")
    assert (cer.metric_value, cer.dataset_name, cer.dataset_split) == (12.3, CORPUS.source, "dev")
    assert "# Speech recogniser for Norwegian (no)\n" in card.text and "12.3 % (11.0 to 14.0)" in card.text


def test_the_data_its_rights_and_its_limits_are_said() -> None:
    text = card_of().text
    assert "CC-BY-4.0 (50 min); not said (10 min)" in text and "Consent" not in text
    assert "Radio &#42;A&#42;" in text and "interviews: day 1 &#124; &#60;b&#62;" in text
    assert "on 60 min by 3 speakers" in text and "Speakers of dev or test are in train too" in text
    assert "It writes no capitals and no punctuation." in text and "`` ` ``" in text
    assert "| 150 | 20.0 % | 50.0 % |" in text and "Training took 67 min on CPU, 1 thread." in text


@pytest.mark.parametrize("languages", [(), ("mos", "ff")])
def test_what_is_not_known_is_left_out(languages: tuple[str, ...]) -> None:
    nothing = {"corpora": (), "curve": (), "trained_s": None, "recipe_toml": None, "rules": (), "alphabet": ()}
    card = card_of(languages=languages, scores=(), encoder="scratch", parameters=None, **nothing)
    assert card.data.language == (list(languages) or None)
    assert card.data.base_model is None and card.data.eval_results is None and card.data.model_name is None
    assert card.data.license is None
    assert "Not evaluated at this step (300)" in card.text
    for title in ("## Data", "## Text", "## Limits", "## Training", "None"):
        assert title not in card.text


def test_answers_stand_in_the_card() -> None:
    told = Answers(licence="CC-BY-4.0", authors="Ada", consent="signed, for research.", limits="not for court")
    card = card_of(answers=told)
    assert card.data.license == "cc-by-4.0"
    assert "It was made by Ada." in card.text and "Consent: signed, for research.\n" in card.text
    assert "- not for court" in card.text


def test_a_card_that_a_person_changed_is_told_from_one_that_goama_wrote() -> None:
    card = model_card(FACTS)
    assert not is_edited(card)
    assert is_edited(card.replace("Norwegian", "Bokmål")) and is_edited(card + "more\n") and is_edited("# mine")


def test_facts_are_read_back_and_damaged_ones_are_named(tmp_path) -> None:
    assert read_facts(tmp_path) is None
    (tmp_path / "card.json").write_text(FACTS.to_json())
    assert read_facts(tmp_path) == FACTS
    (tmp_path / "card.json").write_text('{"architecture": 3}')
    with pytest.raises(GoamaError, match=r"card.json: damaged \(architecture"):
        read_facts(tmp_path)
