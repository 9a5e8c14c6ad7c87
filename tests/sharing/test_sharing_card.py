"""`goama card`: what is known is in the card, what a person says is added, what nobody said is left out."""

from __future__ import annotations

import json
import os
import pty
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import ModelCard

from goama.corpus.corpus import Corpus
from goama.corpus.prepare import prepare
from goama.sharing.card import gather_facts, unanswered
from goama.sources.source import read_source

Command = Callable[..., Any]


def test_licence_consent_and_source_travel_from_the_table_to_the_corpus_and_the_facts(
    sentences: list[dict[str, Any]], tmp_path: Path
) -> None:
    rows = [
        row | {"license": "CC-BY-4.0", "consent": "for research,\nsigned 2024", "attribution": "Radio <A>"}
        for row in sentences[:6]
    ]
    rows[0] |= {"license": "CC0-1.0"}
    rows[1] |= {"consent": None}
    (tmp_path / "clips.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    made = prepare(
        read_source(str(tmp_path / "clips.jsonl")), tmp_path / "corpus", source="clips", language="nl"
    ).corpus
    again = prepare(read_source(str(made.folder)), tmp_path / "again", source="corpus", language="nl").corpus
    for corpus in (made, again):
        facts = corpus.facts
        assert set(facts.licences) == {"CC-BY-4.0", "CC0-1.0"}
        assert set(facts.consents) == {"for research, signed 2024", ""}
        assert set(facts.sources) == {"Radio <A>"}
        assert sum(facts.licences.values()) == pytest.approx(facts.seconds["train"], abs=0.1)


def test_a_corpus_without_such_columns_says_nothing_of_them(corpus: Corpus) -> None:
    assert set(corpus.facts.licences) == {""}
    first = (corpus.folder / "train" / "metadata.jsonl").read_text(encoding="utf-8").splitlines()[0]
    assert "licence" not in json.loads(first)


def test_a_trained_model_has_a_card_of_facts(run: Path) -> None:
    card = ModelCard.load(run / "best" / "README.md")
    facts = gather_facts(run / "best")
    assert card.data.language == "nl" and card.data.license is None
    assert "# Speech recogniser for Dutch (nl)" in card.text
    assert facts.corpora[0].speakers["train"] == 2 and "by 2 speakers" in card.text
    assert "lowercase" in card.text and "train.steps" not in card.text and "steps = 3" in card.text
    assert {(r.metric_type, r.dataset_split) for r in card.data.eval_results} == {("cer", "dev"), ("wer", "dev")}
    assert "small fish" not in card.text + facts.to_json()  # speakers are counted, not named
    assert str(run.parent) not in card.text + facts.to_json()


def test_the_test_score_and_the_answers_come_into_the_card_and_stay_for_the_next_best_model(
    run: Path, corpus: Corpus, goama: Command
) -> None:
    goama("evaluate", run, corpus.folder, "--split", "test")
    outcome = goama("card", run, "--set", "licence=CC-BY-SA-4.0", "--set", "authors=A. Nnadi | team")
    assert outcome.status == 0 and "left out, because nobody has said it: contact" in outcome.out
    card = ModelCard.load(run / "best" / "README.md")
    assert card.data.license == "cc-by-sa-4.0" and "A. Nnadi &#124; team" in card.text
    assert {r.dataset_split for r in card.data.eval_results} == {"dev", "test"}
    assert json.loads((run / "answers.json").read_text()) == {"licence": "CC-BY-SA-4.0", "authors": "A. Nnadi | team"}
    shutil.rmtree(run / "best")  # as the next best model replaces it
    shutil.copytree(run / "last", run / "best")
    assert gather_facts(run / "best").answers.licence == "CC-BY-SA-4.0"


def test_a_licence_that_the_hub_does_not_know_is_other_with_its_name(run: Path, goama: Command) -> None:
    goama("card", run, "--set", "licence=Kaitiakitanga Licence")
    data = ModelCard.load(run / "best" / "README.md").data
    assert (data.license, data.license_name) == ("other", "kaitiakitanga-licence")


def test_a_card_that_was_changed_by_hand_is_kept(run: Path, goama: Command) -> None:
    card = run / "best" / "README.md"
    card.write_text(card.read_text() + "\nMore.\n")
    before = card.read_text()
    outcome = goama("card", run, "--set", "licence=mit")
    assert outcome.status == 2 and "--overwrite replaces it" in outcome.err
    assert card.read_text() == before
    assert goama("card", run, "--set", "licence=mit", "--overwrite").status == 0
    assert "More." not in card.read_text()


def test_a_fact_that_the_card_does_not_know_is_refused(run: Path, goama: Command) -> None:
    assert "no such fact; it asks for licence, authors" in goama("card", run, "--set", "license=mit").err


def test_at_a_terminal_each_missing_fact_is_asked_for(
    run: Path, goama: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = pty.openpty()
    answers = ["cc0-1.0" if q.key == "licence" else "" for q in unanswered(gather_facts(run / "best"))]
    os.write(ours, "".join(f"{answer}\n" for answer in answers).encode())
    with open(theirs, encoding="utf-8") as terminal:  # noqa: PTH123
        monkeypatch.setattr(sys, "stdin", terminal)
        outcome = goama("card", run)
    os.close(ours)
    assert "licence of the model, such as cc-by-4.0" in outcome.out
    assert ModelCard.load(run / "best" / "README.md").data.license == "cc0-1.0"


def test_a_model_of_an_earlier_version_gets_its_facts_from_the_run(run: Path) -> None:
    now = gather_facts(run / "best")
    (run / "best" / "card.json").unlink()
    then = gather_facts(run / "best")
    assert then == now.model_copy(update={"trained_s": then.trained_s})


def test_the_folder_of_another_author_gets_a_card_of_what_its_files_say(run: Path, tmp_path: Path) -> None:
    alone = tmp_path / "theirs"
    alone.mkdir()
    for name in ("config.json", "model.safetensors", "vocab.json", "tokenizer_config.json", "preprocessor_config.json"):
        shutil.copy(run / "best" / name, alone)
    facts = gather_facts(alone)
    assert facts.alphabet and not facts.corpora and not facts.languages and facts.encoder is None
