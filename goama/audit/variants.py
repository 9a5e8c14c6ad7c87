"""Checks of what the spelling rules unify or ask about: conventions, presentation forms, signs that may be letters."""

from __future__ import annotations

import re
from collections.abc import Sequence

from goama.audit.findings import ClipFacts, Finding, finding_if, of, shortened
from goama.audit.transcripts import Transcripts, around
from goama.text.code_points import presentation_forms_in, unify_code_points
from goama.text.conventions import READ_OUT, lone_marks, marks_in, marks_of
from goama.text.letter_signs import letter_signs_in, options_for
from goama.text.normaliser import Normaliser

_ZAWGYI = re.compile(r"(?:^|\s)\u1031|\u1039(?![\u1000-\u1021])")
"""Burmese in the encoding of old fonts: the vowel e in front of its consonant, the virama at the end of a syllable."""

ZAWGYI_SHARE = 0.2
"""Share of the Burmese texts with such signs from which the corpus is in that encoding."""


def check_variants(clips: Sequence[ClipFacts], normaliser: Normaliser) -> list[Finding]:
    """Findings on conventions, code points and signs that may be letters; clips without a text are skipped."""
    texts = Transcripts.of(clips)
    found = [
        _conventions(texts),
        _presentation_forms(texts),
        _code_points(texts, normaliser),
        _letter_signs(texts, normaliser),
        _zawgyi(texts),
    ]
    return [finding for finding in found if finding]


def _conventions(texts: Transcripts) -> Finding | None:
    marks = marks_in(clip.text for clip in texts.clips)
    lone = "".join(sign for sign in lone_marks(marks) if sign not in READ_OUT)
    details = {}
    for clip in texts.clips if marks else ():
        if here := marks_of(clip.text, lone):
            details[clip.id] = " ".join(here[:4])
    names = dict.fromkeys(mark.convention for mark in marks if mark.convention != "stands alone")
    said = "; ".join(f"{' '.join(mark.examples[:2])} {mark.meaning}" for mark in marks[:4])
    return finding_if(
        "text-conventions",
        "info",
        details,
        f"{of(len(details), len(texts.clips))} with marks of a transcription convention"
        + (f" ({', '.join(names)})" if names else "")
        + f": {said}",
        "Such marks are not spoken; as labels they would be letters without a sound.",
        "`goama prepare --dry-run` shows what becomes of them; --replace TABLE or --letters SIGN decides otherwise.",
    )


def _presentation_forms(texts: Transcripts) -> Finding | None:
    details = {}
    for clip in texts.clips:
        if forms := presentation_forms_in(clip.text):
            details[clip.id] = " ".join(dict.fromkeys(forms[:4]))
    return finding_if(
        "text-presentation-forms",
        "info",
        details,
        f"{of(len(details), len(texts.clips))} with presentation forms, such as {next(iter(details.values()), '')}",
        "A ligature or a positional form is another character than the letters it shows.",
        "Nothing to do: `goama prepare` writes the ordinary letters.",
    )


def _code_points(texts: Transcripts, normaliser: Normaliser) -> Finding | None:
    details = {}
    for clip in texts.clips:
        unified = unify_code_points(clip.text, normaliser.tables.variants)
        if unified != clip.text:
            pairs = zip(clip.text.split(), unified.split(), strict=False)
            typed, written = next((pair for pair in pairs if pair[0] != pair[1]), (clip.text, unified))
            details[clip.id] = f"{shortened(typed, 20)} is {shortened(written, 20)}"
    return finding_if(
        "text-code-points",
        "info",
        details,
        f"{of(len(details), len(texts.clips))} with words typed with other code points that look the same",
        "To the model a word in two encodings is two words, and each counts as an error against the other.",
        "Nothing to do: `goama prepare` unifies them.",
    )


def _letter_signs(texts: Transcripts, normaliser: Normaliser) -> Finding | None:
    signs = letter_signs_in(normaliser, [clip.text for clip in texts.clips])
    details: dict[str, str] = {}
    for clip in texts.clips if signs else ():
        for sign in signs:
            if any(word in clip.text for word in sign.words):
                details.setdefault(clip.id, f"{sign.sign} in {around(clip.text, sign.sign)}")
    named = "; ".join(f"{sign.sign} in {', '.join(sign.words[:3])}" for sign in signs)
    return finding_if(
        "text-letter-signs",
        "warning",
        details,
        f"{of(max((sign.texts for sign in signs), default=0), len(texts.clips))} with a sign inside words that may be "
        f"a letter: {named}",
        "As punctuation the sign is dropped, and the word is parted there; as a letter it stays.",
        f"If it is a letter, prepare with {options_for(signs)}; a language that goama knows (--language CODE) needs no "
        "option.",
    )


def _zawgyi(texts: Transcripts) -> Finding | None:
    burmese = [clip for clip in texts.clips if any("\u1000" <= c <= "\u109f" for c in clip.text)]
    details = {clip.id: shortened(clip.text, 20) for clip in burmese if _ZAWGYI.search(clip.text)}
    if len(details) < ZAWGYI_SHARE * max(1, len(burmese)):
        return None
    return finding_if(
        "text-zawgyi",
        "error",
        details,
        f"{of(len(details), len(texts.clips))} in Burmese that is probably not Unicode but Zawgyi",
        "Zawgyi stores other signs than Unicode, in another order; a model would write what no font shows.",
        "Convert the transcripts to Unicode first, for example with myanmar-tools.",
    )
