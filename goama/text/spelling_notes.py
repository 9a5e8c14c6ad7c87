"""Sentences on what the spelling rules do to a collection of texts, and on what only the user can decide."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from goama.text.code_points import presentation_forms_in, unify_code_points
from goama.text.conventions import Notes, marks_in, notes_of
from goama.text.letter_signs import letter_signs_in, options_for
from goama.text.normaliser import REMOVE_NOTES, Normaliser

_SHOWN = 6


def spelling_notes(normaliser: Normaliser, texts: Sequence[str]) -> tuple[str, ...]:
    """Sentences: conventions recognised, notes dropped, letters unified, signs that may be letters."""
    return (
        *_conventions(texts),
        *_brackets(notes_of(normaliser, texts), REMOVE_NOTES in normaliser.rules),
        *_unified(normaliser, texts),
        *_letter_signs(normaliser, texts),
    )


def _conventions(texts: Sequence[str]) -> Iterable[str]:
    marks = marks_in(texts)
    if not marks:
        return
    shown = "; ".join(
        f"{mark.convention}: {' '.join(mark.examples[:3])} in {count_of_texts(mark.texts)}, {mark.meaning}"
        for mark in marks[:_SHOWN]
    )
    more = f"; and {len(marks) - _SHOWN} kinds more" if len(marks) > _SHOWN else ""
    yield (
        f"marks of transcription conventions: {shown}{more} (--replace TABLE comes first; --letters SIGN keeps a sign "
        "as a letter)"
    )


def _brackets(notes: Notes, dropped: bool) -> Iterable[str]:
    if not notes.texts:
        return
    shown = ", ".join(f"{note} ×{count}" for note, count in notes.frequent)
    if not dropped:
        yield f"what is in brackets is taken as spoken in {count_of_texts(notes.texts)}: {shown}"
        return
    only = f", {notes.only} of which hold nothing else and are left out" if notes.only else ""
    yield (
        f"what is in brackets is taken as not spoken, and dropped, in {count_of_texts(notes.texts)}{only}: {shown} "
        "(--brackets keep takes it as spoken, --brackets leave-out leaves these clips out)"
    )
    if notes.unheard > notes.only:
        yield (
            f"{count_of_texts(notes.unheard)} with speech that nobody transcribed: where words are missing in the text "
            "of a clip, --brackets leave-out is better"
        )
    if notes.like_speech:
        yield (
            f"in {count_of_texts(notes.like_speech)} the words in brackets are spoken elsewhere; if they are spoken "
            "here too, pass --brackets keep"
        )


def _unified(normaliser: Normaliser, texts: Sequence[str]) -> Iterable[str]:
    forms: Counter[str] = Counter()
    variants = folded = 0
    for text in texts:
        here = presentation_forms_in(text)
        forms.update(here)
        folded += bool(here)
        variants += unify_code_points(text, normaliser.tables.variants) != text
    if folded:
        shown = " ".join(form for form, _ in forms.most_common(_SHOWN))
        yield f"presentation forms became ordinary letters in {count_of_texts(folded)}: {shown}"
    if variants:
        yield f"words typed with other code points that look the same were unified in {count_of_texts(variants)}"


def _letter_signs(normaliser: Normaliser, texts: Sequence[str]) -> Iterable[str]:
    signs = letter_signs_in(normaliser, texts)
    for sign in signs:
        yield (
            f"{sign.sign} is part of a word in {count_of_texts(sign.texts)} ({', '.join(sign.words)}): if it is a "
            f"letter, pass {options_for([sign])}"
        )


def count_of_texts(count: int) -> str:
    """ "1 transcript", "12 transcripts"."""
    return "1 transcript" if count == 1 else f"{count} transcripts"
