"""Which transcription convention a collection of transcripts follows: CHAT, ELAN, Transcriber, Praat and their kin."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from goama.text.normaliser import Normaliser
from goama.text.notes import lone_signs_in, notes_in

FEWEST_LONE = 3
"""Texts in which # or = must stand alone to be a pause, where no other mark shows a convention."""

_PAUSES = "#="
_WITH_A_CONVENTION = "#=%+*@~^/"
"""Signs that stand alone in speech transcripts as marks, where the texts have other marks of a convention."""

READ_OUT = "%+@"
"""Of these, signs that may also be read out as words."""

_EXAMPLES = 4
_NOT_TRANSCRIBED = re.compile(r"(?<!\w)(?:xxx|yyy|www)(?!\w|\.\w)")

# Convention, its mark, and what goama makes of it.
_MARKS = tuple(
    (name, re.compile(pattern), meaning)
    for name, pattern, meaning in (
        ("CHAT", r"(?<!\S)&=\w+(?::\w+)*", "an event: dropped"),
        ("CHAT", r"(?<!\S)&[-~+]?(?!=)[^\W\d_]+(?![\w;&])", "a filler or fragment: the word stays"),
        ("CHAT", r"\[(?:/{1,3}|[:=*?%!+<>^][^\[\]]{0,80})\]", "a code: dropped, the words it is about stay"),
        ("CHAT", _NOT_TRANSCRIBED.pattern, "not transcribed: dropped"),
        ("CHAT", r"(?<=\w)@[a-z]{1,2}(?::[a-z]+)?(?![\w.]*\.\w)(?!\w)", "another language or kind of word: dropped"),
        ("CHAT", r"(?<!\S)\+[/\".!?,<^]+(?!\S)", "the end of an utterance: dropped"),
        ("CHAT, GAT", r"\((?:\.{1,3}|\d+(?:[.,]\d+)?)\)", "a pause: dropped"),
        ("Transcriber", r"\[(?:[brien]|bb|pf|tx|rire|conv|pi|mic|jing|-[a-z]{2}|[a-z]{2}-|(?:lex|pron|lang)=[^\[\]]{0,80})\]", "an event: dropped"),  # noqa: E501
        ("Transcriber", r"\^\^[^\W\d_]+", "an uncertain spelling: the word stays"),
        ("ELAN, XML", r"<([^\W\d_][\w:-]*)[^<>]{0,80}>(?=.{0,200}</\1>)|</[^\W\d_][\w:-]*>", "a tag: dropped"),
        ("LDC", r"(?<!\S)%[^\W\d_]+", "a filler: the word stays"),
        ("LDC", r"\(\([^()]*\)\)", "uncertain words: dropped"),
        ("GAT, Jefferson", r"(?<=[^\W\d_])::+", "a long sound: the colons are dropped"),
        ("ELAN, Toolbox", r"(?<=[^\W\d_])=+(?=[^\W\d_])", "a clitic or a long sound: the parts are joined"),
        ("Kaldi", r"(?i:(?<!\S)(?:(?:spoken|vocalized)_noise|!sil(?:ence)?)(?!\S))", "a noise or a pause: dropped"),
        ("captions", r"[♪♫♬♩]", "words that are sung: they stay"),
        ("slashes, hyphens", r"(?<!\S)([/\-_])(?![/\-_])[^\W\d_]+\1(?!\S)", "a note or a word: it stays"),
        ("Praat, MAUS", r"<p:?>|(?<!\S)(?:<sil>|<SIL>|spn|SPN|SIL)(?!\S)", "a pause or noise: dropped"),
    )
)  # fmt: skip


@dataclass(frozen=True)
class Mark:
    """A mark of a convention: in how many texts it occurs, with examples, and what goama makes of it."""

    convention: str
    texts: int
    examples: tuple[str, ...]
    meaning: str


def marks_in(texts: Iterable[str]) -> tuple[Mark, ...]:
    """The marks of transcription conventions, most frequent first; those that stand alone are among them."""
    counts: Counter[tuple[str, str]] = Counter()
    examples: dict[tuple[str, str], dict[str, None]] = {}
    alone: Counter[str] = Counter()
    for text in texts:
        if text.isascii() and text.replace(" ", "").isalpha() and not _NOT_TRANSCRIBED.search(text):
            continue
        for convention, pattern, meaning in _MARKS:
            found = [match[0] for match in pattern.finditer(text)]
            if found:
                counts[convention, meaning] += 1
                examples.setdefault((convention, meaning), {}).update(dict.fromkeys(found))
        alone.update(set(lone_signs_in(text)))
    marks = [
        Mark(convention, count, tuple(examples[convention, meaning])[:_EXAMPLES], meaning)
        for (convention, meaning), count in counts.most_common()
    ]
    lone = _lone_marks(alone, bool(marks))
    marks += [Mark("stands alone", alone[sign], (sign,), "a pause or another mark: dropped") for sign in lone]
    return tuple(marks)


def marks_of(text: str, lone: str) -> list[str]:
    """The marks in one text, as written; `lone`: signs that are marks where they stand alone."""
    found = [match[0] for _, pattern, _ in _MARKS for match in pattern.finditer(text)]
    return found + [sign for sign in lone_signs_in(text) if sign in lone]


def lone_marks(marks: Iterable[Mark]) -> str:
    """The signs that are marks where they stand alone."""
    return "".join(mark.examples[0] for mark in marks if mark.convention == "stands alone")


def _lone_marks(alone: Counter[str], has_a_convention: bool) -> str:
    if has_a_convention:
        return "".join(sign for sign in _WITH_A_CONVENTION if alone[sign])
    return "".join(sign for sign in _PAUSES if alone[sign] >= FEWEST_LONE)


@dataclass(frozen=True)
class Notes:
    """What is in brackets in a collection of texts.

    texts:        how many have a note; `only`: how many are nothing else
    frequent:     the most frequent notes
    unheard:      texts with speech that nobody transcribed ([unclear], xxx)
    like_speech:  texts whose notes consist of words that are also spoken elsewhere
    """

    texts: int
    only: int
    frequent: tuple[tuple[str, int], ...]
    unheard: int
    like_speech: int


_UNHEARD = re.compile(
    r"unclear|unintell|inaudib|incompr|inintell|unverst|onverst|onduid|неразб|\bxx+\b|yyy|\bunk\b|^\W*\?+\W*$|ininteli",
    re.I,
)


def notes_of(normaliser: Normaliser, texts: Iterable[str]) -> Notes:
    """The notes that are left in the texts after the user's tables."""
    counts: Counter[str] = Counter()
    with_notes: list[tuple[list[str], str]] = []
    words: Counter[str] = Counter()
    only = 0
    for text in texts:
        if text.isascii() and text.replace(" ", "").isalpha() and not _NOT_TRANSCRIBED.search(text):
            words.update(set(text.lower().split()))
            continue
        text = normaliser.until_tables(text)
        notes = notes_in(text)
        rest = normaliser(text)
        words.update(set(rest.split()))
        if notes:
            counts.update(notes)
            only += not rest
            with_notes.append((notes, rest))
    return Notes(
        len(with_notes),
        only,
        tuple(counts.most_common(5)),
        sum(any(_UNHEARD.search(note) for note in notes) for notes, _ in with_notes),
        sum(any(_is_speech(note, words) for note in notes) for notes, _ in with_notes),
    )


def _is_speech(note: str, words: Counter[str]) -> bool:
    """Whether a note consists of two or more words that are spoken elsewhere too."""
    inside = re.findall(r"[^\W\d_]+", note.lower())
    return note[:1] in "([（［" and len(inside) >= 2 and all(words[word] for word in inside)
