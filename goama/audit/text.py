"""Checks on the transcripts as people wrote them, and which of the errors `goama prepare` corrects itself."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from goama.audit.findings import ClipFacts, Finding, finding_if, of, shortened
from goama.audit.letters import named, shown
from goama.audit.transcripts import ANNOTATION, MARKUP, URL, WORD, Transcripts, around, with_mended, without_annotations
from goama.text.conventions import READ_OUT
from goama.text.letter_signs import letter_signs_in
from goama.text.normaliser import Normaliser

_MOST_NAMED = 12  # signs named in one sentence

_LONE_BRACKET = re.compile(r"[\[\]{}()（）【】]")
_MOJIBAKE = re.compile(r"[ÂÃÄÅÊËÐÑØÙÎÏáâãà][\x80-¿€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ]+")
_LETTER_BESIDE = re.compile(r"(?<=[^\W\d_])\d(?!\d)|(?<!\d)\d(?=[^\W\d_])")
_TIME_OR_NUMBER = re.compile(r"\d[\d.,:/]*")


def check_text(clips: Sequence[ClipFacts], normaliser: Normaliser) -> list[Finding]:
    """Findings about the content of the texts; `check_spelling` checks their letters."""
    texts = Transcripts.of(clips)
    cleaned = texts.cleaned(normaliser)
    found = [
        _empty(clips),
        _nothing_left(texts.clips, len(clips)),
        with_mended(_annotations(texts), _annotations(cleaned)),
        with_mended(_urls(texts), _urls(cleaned)),
        with_mended(_markup(texts), _markup(cleaned)),
        _damaged(texts),
        with_mended(_digits(texts, normaliser), _digits(cleaned, normaliser)),
        _symbols(texts, normaliser),
        _capitals(texts),
        _acronyms(cleaned),
    ]
    return [finding for finding in found if finding]


def _empty(clips: Sequence[ClipFacts]) -> Finding | None:
    """A clip that cannot be used for another reason may have a text that could not be read."""
    details = {clip.id: clip.where for clip in clips if not clip.text.strip() and not clip.fault}
    return finding_if(
        "text-empty",
        "error",
        details,
        f"{of(len(details), len(clips))} without a transcript",
        "There is nothing to learn from such a clip; `goama prepare` leaves it out.",
        "Type what is said, or remove the row.",
    )


def _nothing_left(clips: Sequence[ClipFacts], total: int) -> Finding | None:
    details = {clip.id: f"{shortened(clip.text)!r}" for clip in clips if not clip.normalised}
    return finding_if(
        "text-nothing-left",
        "error",
        details,
        f"{of(len(details), total)} with a transcript of signs only, without a letter",
        "Nothing in it has a sound, so there is nothing to learn; `goama prepare` leaves the clip out.",
        "Type what is said, or remove the row.",
    )


def _matches(texts: Transcripts, pattern: re.Pattern[str], needs: str = "") -> dict[str, str]:
    """Clip id -> what was found, for each clip with a match; nothing is searched unless one of `needs` occurs."""
    if needs and not texts.characters & set(needs):
        return {}
    found = {}
    for clip in texts.clips:
        hits = [match[0] for match in pattern.finditer(clip.text)]
        if hits:
            found[clip.id] = " ".join(hits[:4])
    return found


def _annotations(texts: Transcripts) -> Finding | None:
    details = _matches(texts, ANNOTATION)
    for clip_id, lone in _matches(texts, _LONE_BRACKET, "[]{}()（）【】").items():
        if clip_id not in details:
            details[clip_id] = f"{lone} without its other half"
    most = Counter(hit for shown in details.values() for hit in [shown]).most_common(4)
    return finding_if(
        "text-annotations",
        "warning",
        details,
        f"{of(len(details), len(texts.clips))} with brackets or stage directions, such as "
        + ", ".join(text for text, _ in most),
        "Text in brackets is often not spoken: the model would learn to write words that nobody said.",
        "`goama prepare --brackets drop` drops it, `--brackets leave-out` leaves the clips out; correct lone brackets.",
    )


def _urls(texts: Transcripts) -> Finding | None:
    details = _matches(texts, URL, ".@:")
    return finding_if(
        "text-url",
        "warning",
        details,
        f"{of(len(details), len(texts.clips))} with what looks like a web or mail address, or the name of a file",
        "Dots, slashes and @ are often spoken as words that the text does not show.",
        "Write them as they are spoken (goama punt nl), or remove them if they are not spoken.",
    )


def _markup(texts: Transcripts) -> Finding | None:
    details = _matches(texts, MARKUP, "&\\")
    return finding_if(
        "text-markup",
        "warning",
        details,
        f"{of(len(details), len(texts.clips))} with codes of a web page or a program, such as "
        + next(iter(details.values()), ""),
        "The letters of such a code would be learnt as spoken.",
        "Replace each code by the character it stands for (&amp; by &, &eacute; by é), or remove it.",
    )


def _damaged(texts: Transcripts) -> Finding | None:
    details = {}
    for clip in texts.clips:
        if clip.text.isascii():
            continue
        bad = [c for c in clip.text if c == "\ufffd" or unicodedata.category(c) in ("Co", "Cn")]
        if bad:
            details[clip.id] = f"{named(bad[0])} in {around(clip.text, bad[0])}"
            continue
        for match in _MOJIBAKE.finditer(clip.text):
            if mended := _mended(match[0]):
                details[clip.id] = f"{match[0]} was probably {mended}"
                break
    return finding_if(
        "text-damaged",
        "error",
        details,
        f"{of(len(details), len(texts.clips))} with letters destroyed by a wrong text encoding",
        "The letters that were spoken are lost, and wrong ones would be learnt.",
        "Save the original transcripts again as UTF-8.",
    )


def _mended(text: str) -> str | None:
    """The original text if UTF-8 was read as Latin-1 or Windows-1252; else None."""
    for encoding in ("cp1252", "latin-1"):
        try:
            mended = text.encode(encoding).decode("utf-8")
        except UnicodeError:
            continue
        if mended != text and mended.isprintable():
            return mended
    return None


def _digits(texts: Transcripts, normaliser: Normaliser) -> Finding | None:
    if not any(unicodedata.category(c)[0] == "N" for c in texts.characters):
        return None
    details = {}
    proposed = letter_signs_in(normaliser, [clip.text for clip in texts.clips])
    letters = normaliser.tables.letter_digits + "".join(sign.sign for sign in proposed if sign.sign.isdigit())
    for clip in texts.clips:
        text = without_annotations(clip.text)
        if letters:
            text = _LETTER_BESIDE.sub(lambda match: match[0] if match[0] not in letters else "", text)
        numbers = _TIME_OR_NUMBER.findall(text) or [c for c in text if unicodedata.category(c)[0] == "N"]
        if numbers:
            details[clip.id] = " ".join(numbers[:4])
    return finding_if(
        "text-digits",
        "warning",
        details,
        f"{of(len(details), len(texts.clips))} with numbers in digits, such as {next(iter(details.values()), '')}",
        "A digit stands for different words in different places (1, 10, 1st), which cannot be learnt from a few hours.",
        "Write numbers as words, as they are spoken: `prepare --dry-run --numbers TABLE.tsv` makes a table.",
    )


def _symbols(texts: Transcripts, normaliser: Normaliser) -> Finding | None:
    suspects = {c for c in texts.characters if unicodedata.category(c)[0] in "SPC" and not c.isspace()}
    details: dict[str, str] = {}
    counts: Counter[str] = Counter()
    # A mark that stands alone may be a word all the same (ten % more): it is dropped, and named here.
    rules = tuple(rule for rule in normaliser.rules if rule != "remove-lone-marks")
    unsure = replace(normaliser, rules=rules) if set(normaliser.tables.lone_marks) & set(READ_OUT) else normaliser
    for clip in texts.clips:
        if suspects.isdisjoint(clip.normalised) and unsure is normaliser:
            continue
        left = unsure(without_annotations(clip.text))
        pauses = set(normaliser.tables.lone_marks) - set(READ_OUT)
        signs = sorted({c for c in left if _is_read_out(c, normaliser)} - pauses)
        if signs:
            details[clip.id] = " ".join(signs)
            counts.update(signs)
    return finding_if(
        "text-symbols",
        "warning",
        details,
        f"{of(len(details), len(texts.clips))} with signs that are read out as words: "
        + ", ".join(shown(sign) for sign, _ in counts.most_common(_MOST_NAMED)),
        "A sign such as % is spoken as a word, and nothing in the sound tells the model to write the sign.",
        "Write these signs as the words that are spoken.",
    )


def _is_read_out(character: str, normaliser: Normaliser) -> bool:
    return (
        unicodedata.category(character)[0] in "SP"
        and character != "\ufffd"
        and character not in normaliser.tables.kept_inside_words + "'"
        and not any(character == rule.letter for rule in normaliser.tables.letter_signs)
        and not any(character in rule.letter for rule in normaliser.tables.letter_rules)
        and not (unicodedata.category(character) == "Sk" and ord(character) > 0x2E0)  # tone letters
    )


def _capitals(texts: Transcripts) -> Finding | None:
    details = {}
    for clip in texts.clips:
        if clip.text.isupper() and sum(c.isupper() for c in clip.text) >= 6:
            details[clip.id] = shortened(clip.text)
    mixed = len(details) < len(texts.clips)
    return finding_if(
        "text-capitals",
        "info",
        details,
        f"{of(len(details), len(texts.clips))} in capitals" + (", the others are not" if mixed else ""),
        "Capitals have no sound of their own.",
        "Nothing to do: `goama prepare` writes everything in small letters.",
    )


def _acronyms(texts: Transcripts) -> Finding | None:
    details = {}
    ordinary = {word for clip in texts.clips for word in WORD.findall(clip.text) if word.islower()}  # MY is emphasis
    for clip in texts.clips:
        if clip.text.isupper() or clip.text.islower():
            continue
        words = [word for word in WORD.findall(clip.text) if 2 <= len(word) <= 5 and word.isupper()]
        found = [word for word in words if word.lower() not in ordinary and not set(word) <= set("IVXLC")]
        if found:
            details[clip.id] = " ".join(found[:4])
    return finding_if(
        "text-acronyms",
        "info",
        details,
        f"{of(len(details), len(texts.clips))} with words in capitals, such as "
        + ", ".join(dict.fromkeys(list(details.values())[:4])),
        "Abbreviations spelled out letter by letter sound like several words: the names of their letters.",
        "If they are spelled out when spoken, write them so (es em es); if they are spoken as words, leave them.",
    )
