"""Checks of the language: whether its code exists, and whether the texts are in a script of that language."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from goama.audit.findings import ClipFacts, Finding, of, shortened
from goama.audit.letters import script
from goama.text.codes import is_registered, shortest_code

OTHER_SCRIPT_SHARE = 0.9
"""Share of a clip's letters, and share of the clips: names and borrowed words alone do not count."""

_FEWEST_LETTERS = 100

# Languages that are written in one script today, by the first word of its letters' Unicode names. Languages that are
# also written in another script (Serbian, Hausa, Kazakh, Malay, Wolof, Fula, Punjabi, Tamazight, …) are not listed.
_SCRIPTS: dict[str, tuple[frozenset[str], str]] = {
    code: (frozenset(names.split("+")), shown)
    for names, shown, codes in (
        (
            "LATIN",
            "Latin",
            "nl en de fr it es pt ca oc eu gl br cy ga gd gv kw is fo da sv nb nn no fi et lv lt pl cs sk sl hr hu sq "
            "mt lb li fy af co sc fur lij lmo pms vec nap scn wa frp rm gsw nds vls se eo vi tl fil ceb ilo haw mi sm "
            "to ty fj mg zu xh st tn ts ss nr nd ve sn ny rw rn lg ln ig yo ee tw gn qu ay ht",
        ),
        ("CYRILLIC", "Cyrillic", "ru uk be bg mk cv ba os ce ab av kv udm mhr mrj myv mdf sah bua tyv xal"),
        ("GREEK", "Greek", "el"),
        ("ARMENIAN", "Armenian", "hy hyw"),
        ("GEORGIAN", "Georgian", "ka xmf"),
        ("HEBREW", "Hebrew", "he yi"),
        ("ARABIC", "Arabic", "ar fa ps ur arz ary apc ajp acm arq aeb ckb"),
        ("THAI", "Thai", "th"),
        ("LAO", "Lao", "lo"),
        ("KHMER", "Khmer", "km"),
        ("MYANMAR", "Burmese", "my shn"),
        ("TIBETAN", "Tibetan", "bo dz"),
        ("ETHIOPIC", "Ethiopic", "am ti tig"),
        ("DEVANAGARI", "Devanagari", "hi mr ne mai bho"),
        ("BENGALI", "Bengali", "bn as"),
        ("GUJARATI", "Gujarati", "gu"),
        ("ORIYA", "Odia", "or"),
        ("TAMIL", "Tamil", "ta"),
        ("TELUGU", "Telugu", "te"),
        ("KANNADA", "Kannada", "kn"),
        ("MALAYALAM", "Malayalam", "ml"),
        ("SINHALA", "Sinhala", "si"),
        ("HANGUL+CJK", "Hangul", "ko"),
        ("HIRAGANA+KATAKANA+CJK", "Japanese", "ja"),
        ("CJK+BOPOMOFO", "Chinese", "yue"),
    )
    for code in codes.split()
}


def check_language(clips: Sequence[ClipFacts], given: str | None) -> list[Finding]:
    """Findings on the language; `given`: the one that the user named, taken before those of the clips."""
    found = [_unregistered(clips, given), _other_script(clips, given)]
    return [finding for finding in found if finding]


def _unregistered(clips: Sequence[ClipFacts], given: str | None) -> Finding | None:
    tags = dict.fromkeys([given] if given else [clip.language for clip in clips if clip.language])
    unknown = [tag for tag in tags if not is_registered(tag)]
    if not unknown:
        return None
    return Finding(
        "language-unknown",
        "warning",
        (),
        f"no language has the code {', '.join(unknown)} in ISO 639",
        "The code decides which spelling rules apply (apostrophes, hyphens, look-alikes); an unknown code has none.",
        "Give the language's own code of two or three letters with --language, or correct the column.",
        {},
    )


def _other_script(clips: Sequence[ClipFacts], given: str | None) -> Finding | None:
    details: dict[str, str] = {}
    written_in: Counter[str] = Counter()
    judged = letters = 0
    code = ""
    for clip in clips:
        tag = given or clip.language
        if _code(tag) not in _SCRIPTS or _names_a_script(tag) or not clip.text.strip():
            continue
        judged += 1
        scripts = Counter(name for character in clip.text if (name := script(character)))
        letters += sum(scripts.values())
        others = {name: count for name, count in scripts.items() if name not in _SCRIPTS[_code(tag)][0]}
        if others and sum(others.values()) >= OTHER_SCRIPT_SHARE * sum(scripts.values()):
            code = _code(tag)
            details[clip.id] = shortened(clip.text)
            written_in.update(others)
    if letters < _FEWEST_LETTERS or len(details) < OTHER_SCRIPT_SHARE * max(1, judged):
        return None
    script_there = written_in.most_common(1)[0][0].capitalize()
    return Finding(
        "language-other-script",
        "warning",
        tuple(details),
        f"{of(len(details), len(clips))} in {script_there} letters, but the language given, {code}, is written in "
        f"{_SCRIPTS[code][1]} letters",
        "The language decides which spelling rules apply; those of another language do not fit.",
        "Give the language of these texts with --language; if it is right, say so with its script, as in sr-Latn.",
        details,
    )


def _code(language: str | None) -> str:
    code = (language or "").lower().replace("_", "-").split("-")[0]
    return shortest_code(code)


def _names_a_script(language: str | None) -> bool:
    """Whether a code names a script, as zh-Latn and sr_Cyrl do."""
    return any(len(part) == 4 for part in (language or "").replace("_", "-").split("-")[1:])
