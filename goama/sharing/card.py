"""The card of a model folder is written anew from all that is known of it, and from what a person adds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from goama.corpus.corpus import Corpus
from goama.errors import GoamaError
from goama.files import write_beside
from goama.model.card import CARD_FILE, is_edited, model_card
from goama.model.card_facts import FACTS_FILE, Answers, CardFacts, read_facts
from goama.model.encoder import frame_shift_s, read_config
from goama.model.folder import NORMALISER_FILE
from goama.run.card import (
    curve,
    dev_score,
    encoder_name,
    read_answers,
    save_answers,
    shared_recipe,
    test_score,
)
from goama.run.files import RunFiles, read_run, run_of_model
from goama.run.recipe import Recipe
from goama.text.normaliser import Normaliser
from goama.text.vocabulary import Vocabulary


@dataclass(frozen=True)
class Question:
    """A fact that only a person knows: the key of `Answers`, and what it is."""

    key: str
    text: str


QUESTIONS = tuple(Question(key, field.description or key) for key, field in Answers.model_fields.items())


def gather_facts(folder: Path) -> CardFacts:
    """All that is known of a model folder: its card.json, its own files, and the run that it belongs to.

    The run gives what came after the model was saved: later evaluations, the test score, the time that training took,
    and the answers. Raises `GoamaError` when the folder holds no recogniser or a file is damaged.
    """
    saved, run = read_facts(folder), run_of_model(folder)
    facts = saved or _from_folder(folder)
    if run is None:
        return facts
    files = read_run(run)
    if saved is None:
        facts = _from_run(facts, files)
    tests = test_score(files.test_score, facts.corpora)
    others = tuple(score for score in facts.scores if score.split != "test")
    return facts.model_copy(
        update={
            "curve": curve(files.metrics) or facts.curve,
            "scores": (*tests, *others) if tests else facts.scores,
            "trained_s": files.state.get("elapsed_s") or facts.trained_s,
            "answers": read_answers(run),
        }
    )


def _from_folder(folder: Path) -> CardFacts:
    """The facts of a folder that goama did not write, or an earlier version."""
    if not (folder / "vocab.json").is_file():
        raise GoamaError(f"{folder}: no vocab.json; this is not the folder of a recogniser")
    config = read_config(str(folder))
    rules = folder / NORMALISER_FILE
    normaliser = Normaliser.load(rules) if rules.is_file() else None
    language = None if normaliser is None else normaliser.language
    return CardFacts(
        architecture=config.model_type,
        frame_shift_ms=1000 * frame_shift_s(config),
        languages=() if language is None else (language,),
        rules=() if normaliser is None else normaliser.rules,
        alphabet=Vocabulary.load(folder).units,
    )


def _from_run(facts: CardFacts, files: RunFiles) -> CardFacts:
    """The facts of a folder without card.json, with what its run says; corpora that have moved are left out."""
    corpora = []
    for known in files.facts["corpora"]:
        try:
            corpora.append(Corpus.open(known["folder"]).facts)
        except (GoamaError, KeyError, TypeError):
            continue
    step = files.state.get("best_step")
    update = {
        "encoder": encoder_name(str(files.facts.get("encoder", ""))) or None,
        "corpora": tuple(corpora),
        "parameters": files.facts.get("parameters"),
        "step": step,
        "scores": dev_score(files.metrics, step, corpora),
        "device": files.facts.get("device"),
        "recipe_toml": _recipe(files),
    }
    return facts.model_copy(update=update)


def _recipe(files: RunFiles) -> str | None:
    """The run's recipe as TOML; None where it is missing or not one of this version."""
    try:
        return shared_recipe(Recipe.model_validate(files.recipe)) if files.recipe else None
    except ValidationError:
        return None


def unanswered(facts: CardFacts) -> list[Question]:
    """The questions that nobody has answered yet; those on the data only where the corpora do not say it."""
    said = {
        "consent": any(value for corpus in facts.corpora for value in corpus.consents),
        "attribution": any(value for corpus in facts.corpora for value in corpus.sources),
    }
    return [q for q in QUESTIONS if getattr(facts.answers, q.key) is None and not said.get(q.key)]


def with_answers(facts: CardFacts, given: Mapping[str, str]) -> CardFacts:
    """The facts with further answers; an empty one takes a former answer away.

    Raises `GoamaError` for a key that is none of `QUESTIONS`.
    """
    for key in given:
        if key not in Answers.model_fields:
            raise GoamaError(f"--set {key}: the card has no such fact; it asks for {', '.join(Answers.model_fields)}")
    told = {key: " ".join(value.split()) or None for key, value in given.items()}
    return facts.model_copy(update={"answers": facts.answers.model_copy(update=told)})


def write_card(folder: Path, facts: CardFacts, *, overwrite: bool = False) -> None:
    """Write README.md and card.json, and keep the answers in the run for its next best model.

    Raises `GoamaError` when a person has changed README.md by hand, unless `overwrite`.
    """
    if is_edited_by_hand(folder) and not overwrite:
        raise GoamaError(
            f"{folder / CARD_FILE}: was changed by hand, or by an earlier version; --overwrite replaces it, or go "
            "on editing it: `goama publish` takes it as it is"
        )
    run = run_of_model(folder)
    if run is not None:
        save_answers(run, facts.answers)
    write_beside(folder / FACTS_FILE, facts.to_json())
    write_beside(folder / CARD_FILE, model_card(facts))


def is_edited_by_hand(folder: Path) -> bool:
    """Whether README.md is there and is not as goama wrote it."""
    card = folder / CARD_FILE
    return card.is_file() and is_edited(card.read_text(encoding="utf-8", errors="replace"))
