"""`goama card`, `publish` and `corpus forget`: a model for others, and a person who leaves."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from goama.cli.terminal import err, next_command, out, quiet_libraries
from goama.errors import GoamaError

if TYPE_CHECKING:
    from goama.model.card_facts import CardFacts

corpus = typer.Typer(help="Change a corpus.", no_args_is_help=True, rich_markup_mode="markdown")


def card(
    model: Annotated[Path, typer.Argument(help="Model folder, such as RUN/best.")],
    set_: Annotated[
        list[str] | None,
        typer.Option("-s", "--set", help="Answer a question, e.g. -s licence=cc-by-4.0; then none is asked."),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a README.md that was changed by hand.")
    ] = False,
) -> None:
    """Write the model card (README.md) anew from what is known, and ask what only a person knows."""
    quiet_libraries()
    from goama.model.card import CARD_FILE
    from goama.model.hub import model_folder
    from goama.sharing.card import gather_facts, is_edited_by_hand, unanswered, with_answers, write_card

    if not model.is_dir():
        raise GoamaError(f"{model}: no such model folder; `goama train` leaves one in RUN/best")
    folder = model_folder(model)
    if is_edited_by_hand(folder) and not overwrite:
        write_card(folder, gather_facts(folder))  # says that it was changed by hand
    facts = with_answers(gather_facts(folder), dict(map(_key_and_value, set_ or [])))
    if not set_ and sys.stdin.isatty():
        facts = _ask(facts)
    write_card(folder, facts, overwrite=overwrite)
    left_out = [f"{question.key} ({question.text})" for question in unanswered(facts)]
    if left_out:
        out.print(f"left out, because nobody has said it: {'; '.join(left_out)}", markup=False)
    out.print(f"card: {folder / CARD_FILE}", markup=False)
    next_command("publish", model, "USER/NAME")


def _key_and_value(word: str) -> tuple[str, str]:
    key, equals, value = word.partition("=")
    if not equals:
        raise GoamaError(f"--set {word}: write it as key=value, for example --set licence=cc-by-4.0")
    return key.strip(), value


def _ask(facts: CardFacts) -> CardFacts:
    """The facts with what a person answers; an empty answer leaves the fact out."""
    from goama.sharing.card import unanswered, with_answers

    questions = unanswered(facts)
    if questions:
        out.print("What only you know. Return leaves it out of the card.")
    answers = {question.key: typer.prompt(question.text, default="", show_default=False) for question in questions}
    return with_answers(facts, {key: value for key, value in answers.items() if value.strip()})


def publish(
    model: Annotated[Path, typer.Argument(help="Model folder, such as RUN/best.")],
    repository: Annotated[str, typer.Argument(metavar="USER/NAME", help="Repository on the Hugging Face Hub.")],
    private: Annotated[bool, typer.Option("--private", help="Make a new repository that only you see.")] = False,
    corpus_: Annotated[
        Path | None,
        typer.Option("--corpus", help="Corpus whose clips are transcribed first. [default: that of the run]"),
    ] = None,
) -> None:
    """Check a model with transformers alone, then upload it to the Hugging Face Hub in one commit."""
    if err.is_terminal:
        os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "0")  # the bars of the upload
    quiet_libraries()
    from goama.sharing.publish import publish as upload

    made = upload(
        model, repository, private=private, corpus=corpus_, say=lambda sentence: out.print(sentence, markup=False)
    )
    for note in made.notes:
        out.print(note, markup=False)
    out.print(f"published: {made.url}", markup=False)
    next_command("transcribe", repository, "RECORDING.wav")


@corpus.command()
def forget(
    folder: Annotated[Path, typer.Argument(metavar="CORPUS", help="Corpus folder made by `goama prepare`.")],
    speaker: Annotated[str, typer.Option(help="The speaker to remove, as the corpus names them.")],
    models: Annotated[
        list[Path] | None,
        typer.Option(help="Folder to search for models; repeat it. [default: here, and beside the corpus]"),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before clips are deleted.")] = False,
) -> None:
    """Remove a person from a corpus, and list the models that were trained on it."""
    from goama.corpus.corpus import SPLITS, Corpus
    from goama.corpus.forget import clips_of_speaker, former_fingerprints
    from goama.corpus.forget import forget as remove

    opened = Corpus.open(folder)
    person = clips_of_speaker(opened, speaker)
    counted = ", ".join(f"{count} in {split}" for split, count in person.clips.items())
    out.print(f"{speaker}: {len(person.ids)} clips ({counted}), {person.seconds / 60:.1f} min", markup=False)
    if not yes:
        if not sys.stdin.isatty():
            raise GoamaError("forget deletes sound and texts for good; pass --yes")
        typer.confirm("Delete them for good?", abort=True)
    quiet_libraries()
    from goama.sharing.trained_on import models_trained_on

    left = remove(opened, person)
    out.print(f"{folder}: {sum(map(left.clips, SPLITS))} clips are left", markup=False)
    found = models_trained_on(folder, former_fingerprints(left), models or [Path(), folder.resolve().parent])
    for model in found:
        out.print(f"{model.folder}: {model.why}" + (f", published as {model.url}" if model.url else ""), markup=False)
        if model.holds_clips:
            out.print(f"  holds sound or texts of clips: {', '.join(p.name for p in model.holds_clips)}", markup=False)
    heard = "learnt from" if "train" in person.clips else "were evaluated on"
    if found:
        err.print(f"models that {heard} this person: {len(found)}; delete them, or train them again", markup=False)
    else:
        out.print("no model here was trained on this corpus; --models searches another folder")
    out.print(f"the source ({opened.about['source']}), copies and backups still have the person's clips", markup=False)
