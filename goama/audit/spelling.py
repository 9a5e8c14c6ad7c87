"""Checks of letters: from another alphabet, look-alikes, too rare to be learnt, written in two ways."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from difflib import SequenceMatcher
from itertools import zip_longest

from goama.audit.findings import ClipFacts, Finding, Letter, finding_if, of, shortened
from goama.audit.letters import TWINS, alike_in, name, named, script, scripts_of, shown
from goama.audit.transcripts import WORD, Transcripts, around, with_mended, without_annotations
from goama.text.normaliser import Normaliser
from goama.text.vocabulary import Vocabulary, segment

EXAMPLE_CLIPS = 5
_MOST_NAMED = 12  # characters named in one sentence

MAIN_SCRIPT_SHARE = 0.7
"""Share of all letters in the main script; below it the corpus has several scripts, and none of them is foreign."""

USUAL_SHARE = 0.02
"""Share of the clips from which a letter of another script belongs to the alphabet (θ in some Latin alphabets)."""

RARE_TWIN_SHARE = 0.2
"""If the rarer of two look-alike letters has less than this share of both, it is probably a typing error."""

SHORTEST_WITHOUT_MARKS = 8
"""Characters of a text; shorter texts that differ only in marks may be different words (el, él)."""

_MARKS = re.compile("[\u0300-\u036f\u0591-\u05c7\u064b-\u0655\u0670\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff]")


def check_spelling(clips: Sequence[ClipFacts], normaliser: Normaliser) -> list[Finding]:
    """Findings on the letters of the texts; clips without a text are skipped."""
    texts = Transcripts.of(clips)
    cleaned = texts.cleaned(normaliser)
    foreign, left = _foreign_letters(texts), _foreign_letters(cleaned)
    found = [
        *(with_mended(one, other) for one, other in zip_longest(foreign, left)),
        with_mended(_twins(texts), _twins(cleaned)),
        _unicode_forms(texts),
        _invisible(texts),
        _rare(texts.clips),
        _marks_alone(texts.clips),
    ]
    return [finding for finding in found if finding]


def alphabet(clips: Iterable[ClipFacts]) -> tuple[Letter, ...]:
    """Every unit of the normalised texts, most frequent first, with clips that have it."""
    counts: Counter[str] = Counter()
    examples: dict[str, list[str]] = defaultdict(list)
    for clip in clips:
        here = Counter(unit for word in clip.normalised.split() for unit in segment(word))
        counts.update(here)
        for unit in here:
            if len(examples[unit]) < EXAMPLE_CLIPS:
                examples[unit].append(clip.id)
    return tuple(Letter(unit, name(unit), count, tuple(examples[unit])) for unit, count in counts.most_common())


def _foreign_letters(texts: Transcripts) -> list[Finding | None]:
    """Look-alikes from another script, words of two scripts, words of a foreign script."""
    counts: Counter[str] = Counter()
    for clip in texts.clips:
        for character, count in Counter(clip.text).items():
            if name := script(character):
                counts["CJK" if name in ("HIRAGANA", "KATAKANA", "HANGUL") else name] += count
    if len(counts) < 2:
        return []
    main, most = counts.most_common(1)[0]
    has_main = most >= MAIN_SCRIPT_SHARE * counts.total()
    usual = _usual_letters(texts, main)
    alike: dict[str, str] = {}
    mixed: dict[str, str] = {}
    foreign: dict[str, str] = {}
    letters: Counter[str] = Counter()
    for clip in texts.clips:
        if clip.text.isascii() and main == "LATIN":
            continue
        for word in WORD.findall(unicodedata.normalize("NFC", without_annotations(clip.text))):
            scripts = scripts_of("".join(c for c in word if c not in usual))
            if not scripts or scripts == {main}:
                continue
            if len(scripts) > 1:
                own = main if main in scripts else max(scripts, key=lambda s: sum(script(c) == s for c in word))
                others = [c for c in word if script(c) not in (own, None) and c not in usual]
                if all(alike_in(c, own) for c in others):
                    alike.setdefault(clip.id, f"{word}: {named(others[0])}")
                    letters.update(others)
                else:
                    mixed.setdefault(clip.id, f"{word}: {', '.join(sorted(s.title() for s in scripts))}")
            elif has_main and len(word) == 1 and alike_in(word, main):
                alike.setdefault(clip.id, f"{word}: {named(word)}")
                letters.update(word)
            elif has_main:
                foreign.setdefault(clip.id, word)
    total = len(texts.clips)
    named_letters = ", ".join(named(c) for c, _ in letters.most_common(4))
    return [
        finding_if(
            "text-look-alikes",
            "error",
            alike,
            f"{of(len(alike), total)} with letters of another alphabet that look like the right ones: {named_letters}",
            "To the model these are other letters: a word is learnt in two spellings, and counts as an error in one "
            "of them although nobody can see a difference.",
            "Replace them by the letters of the right alphabet (search and replace, one letter at a time).",
        ),
        finding_if(
            "text-mixed-scripts",
            "warning",
            mixed,
            f"{of(len(mixed), total)} with words of two alphabets, such as {next(iter(mixed.values()), '')}",
            "Letters of a second alphabet are too few to be learnt.",
            "Write such words in one alphabet.",
        ),
        finding_if(
            "text-other-script",
            "warning",
            foreign,
            f"{of(len(foreign), total)} with words that are not in the {main.title()} alphabet of the others, "
            f"such as {', '.join(dict.fromkeys(list(foreign.values())[:4]))}",
            "Letters of a second alphabet are too few to be learnt.",
            f"Write them in {main.title()} letters as they are pronounced, or leave these clips out.",
        ),
    ]


def _usual_letters(texts: Transcripts, main: str) -> frozenset[str]:
    """Letters of another script that occur in so many clips that they belong to the alphabet, without look-alikes."""
    foreign = [c for c in texts.characters if script(c) not in (main, None) and not alike_in(c, main)]
    return frozenset(
        c for c in foreign if sum(c in clip.text for clip in texts.clips) >= max(3, USUAL_SHARE * len(texts.clips))
    )


def _twins(texts: Transcripts) -> Finding | None:
    details: dict[str, str] = {}
    pairs = []
    unsure = False
    for one, other in TWINS:
        if not {one, other} <= texts.characters:
            continue
        if "'" in (one, other) or ":" in (one, other) or "!" in (one, other):
            continue  # signs that also have other uses
        counts = {c: sum(clip.text.count(c) for clip in texts.clips) for c in (one, other)}
        rare, usual = sorted(counts, key=counts.__getitem__)
        if script(rare) != script(usual) and script(rare) and script(usual):
            continue  # reported as a look-alike of another alphabet
        unsure |= counts[rare] >= RARE_TWIN_SHARE * sum(counts.values())
        pairs.append(f"{named(rare)}, {counts[rare]} times, and {named(usual)}, {counts[usual]} times")
        for clip in texts.clips:
            if rare in clip.text:
                details.setdefault(clip.id, f"{rare} in {around(clip.text, rare)}")
    return finding_if(
        "text-twin-letters",
        "warning",
        details,
        f"{of(len(details), len(texts.clips))} with a letter that looks like another of the same alphabet: "
        + "; ".join(pairs[:3]),
        "To the model these are different letters, learnt from fewer examples each, and a word in the other "
        "spelling counts as an error.",
        "Decide on one of the two and replace the other everywhere, with a line in a table for `--replace`"
        + ("." if unsure else " (the rarer one is probably a typing error)."),
    )


def _unicode_forms(texts: Transcripts) -> Finding | None:
    details = {}
    for clip in texts.clips:
        if not clip.text.isascii() and not unicodedata.is_normalized("NFC", clip.text):
            composed = unicodedata.normalize("NFC", clip.text)
            first = next((c for c in clip.text if unicodedata.combining(c)), "")
            details[clip.id] = f"{shown(first)} typed by itself" if first else f"{len(clip.text) - len(composed)} marks"
    return finding_if(
        "text-unicode-forms",
        "info",
        details,
        f"{of(len(details), len(texts.clips))} with letters whose accents are typed as characters of their own "
        "(decomposed Unicode)",
        "One letter in two spellings would be two letters to the model.",
        "Nothing to do: `goama prepare` unifies them (NFC).",
    )


def _invisible(texts: Transcripts) -> Finding | None:
    unseen = {c for c in texts.characters if unicodedata.category(c) in ("Cf", "Cc") and c not in "\n\r\t\u200c\u200d"}
    details = {}
    for clip in texts.clips if unseen else ():
        here = sorted(unseen & set(clip.text))
        if here:
            details[clip.id] = ", ".join(name(c) for c in here[:3])
    return finding_if(
        "text-invisible",
        "info",
        details,
        f"{of(len(details), len(texts.clips))} with characters that cannot be seen: "
        + ", ".join(name(c) for c in sorted(unseen)[:4]),
        "To the model they would be letters.",
        "Nothing to do: `goama prepare` removes them.",
    )


def _rare(clips: Sequence[ClipFacts]) -> Finding | None:
    """The finding about characters that would become [UNK] in training, by the rule of the vocabulary."""
    training = [clip for clip in clips if clip.split in (None, "train") and clip.normalised]
    if not training:
        return None
    _, report = Vocabulary.from_texts(clip.normalised for clip in training)
    known = set(report.kept)
    details: dict[str, str] = {}
    counts: Counter[str] = Counter()
    for clip in clips:
        here = [u for word in clip.normalised.split() for u in segment(word) if u not in known]
        if here:
            counts.update(here)
            details[clip.id] = ", ".join(f"{named(u)} in {around(clip.normalised, u)}" for u in sorted(set(here))[:3])
    rare = ", ".join(f"{shown(u)} ({count})" for u, count in counts.most_common(_MOST_NAMED))
    return finding_if(
        "text-rare-characters",
        "warning",
        details,
        f"{of(len(details), len(clips))} with characters too rare to be learnt: {rare}",
        "A character needs examples: one that training has met too seldom (or never) becomes [UNK], and the model "
        "cannot write it.",
        "Look at each place: correct typing errors, write foreign letters with the language's own; letters that "
        "belong to the alphabet need more recordings.",
    )


def _marks_alone(clips: Sequence[ClipFacts]) -> Finding | None:
    spellings: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for clip in clips:
        if len(clip.normalised) >= SHORTEST_WITHOUT_MARKS and not clip.normalised.isspace():
            spellings[_bare(clip.normalised)][clip.normalised].append(clip.id)
    details = {}
    for by_text in spellings.values():
        if len(by_text) < 2:
            continue
        usual = max(by_text, key=lambda text: len(by_text[text]))
        for text, ids in by_text.items():
            for clip_id in ids if text != usual else ():
                details[clip_id] = _difference(text, usual)
    return finding_if(
        "text-marks-differ",
        "warning",
        details,
        f"{of(len(details), len(clips))} with a transcript that another clip has with other accents or marks, such as "
        + next(iter(details.values()), ""),
        "If both are the same words, the model learns two spellings of one sound, and each counts as an error against "
        "the other.",
        "Read both; where the words are the same, write the marks the same way.",
    )


def _difference(text: str, other: str) -> str:
    """The words in which two texts differ, as "here / there"."""
    matcher = SequenceMatcher(None, text.split(), other.split(), autojunk=False)
    here, there = [], []
    for tag, i, j, k, m in matcher.get_opcodes():
        if tag != "equal":
            here += text.split()[i:j]
            there += other.split()[k:m]
    return f"{shortened(' '.join(here))} / {shortened(' '.join(there))}"


def _bare(text: str) -> str:
    """The text without accents, vowel points, apostrophes, hyphens and spaces."""
    if text.isascii() and text.isalpha():
        return text
    return "".join(c for c in unicodedata.normalize("NFD", text) if _is_bare(c))


def _is_bare(character: str) -> bool:
    """Whether to keep a character: vowel signs of Indic scripts count as letters, accents and vowel points as marks."""
    if unicodedata.category(character)[0] == "M":
        return not _MARKS.match(character)
    return not (character.isspace() or character in "'·" or unicodedata.category(character) in ("Pd", "Lm"))
