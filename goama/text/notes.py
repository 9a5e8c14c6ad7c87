"""What transcribers write that nobody said: notes in brackets, tags, marks of transcription conventions.

The marks that can be told by their form alone are read in every transcript: CHAT (`&=laughs`, `&-um`, `xxx`, `@s:eng`,
`+...`), LDC (`%uh`), GAT and Jefferson (`so::o`), clitics and lengthening (`a=b`). Signs that stand alone (`#`, `=`)
are marks only where the whole collection shows it; see `goama.text.conventions`.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache

from goama.text.replacements import character_ranges

BRACKETS = ("()", "[]", "{}", "【】", "〔〕", "〖〗", "〘〙", "〚〛", "⟦⟧", "⦅⦆", "⸨⸩", "⁅⁆", "（）", "［］", "｛｝")
"""Pairs whose content is a note. Quotation marks («», 「」, 《》) are not among them: what is quoted is spoken."""

_IN_ANGLES = "笑い?|笑声|笑聲|拍手|咳|泣|沈黙|沉默|咳嗽|掌声|掌聲|音楽|音乐|音樂|不明|聞き取れない|웃음|박수"
"""Notes that end so are dropped also from 〈…〉, which otherwise holds titles, and those are spoken."""

NOTHING_SAID = ("sp", "spn", "nsn")
"""Labels of aligners (MFA, Praat scripts) for a pause or a noise, where they are a whole transcript."""

_PASSES = 20  # brackets within brackets


def remove_notes(text: str) -> str:
    """The text without what is in brackets, tags and words between asterisks; what tags and `<…> [/]` enclose stays.

    A bracket inside a word leaves no space: "(be)cause" is "cause", "bon(jour)" is "bon".
    """
    if _says_nothing(text):
        return ""
    if not _may_hold_notes().search(text):
        return text
    for _ in range(_PASSES):
        before = text
        for pattern in (_scope(), _tag(), _bracketed()):
            text = pattern.sub(_gap, text)
        text = _stage_direction().sub(" ", _untranscribed().sub(" ", text))
        if text == before:
            break
    return text


def _says_nothing(text: str) -> bool:
    return _nothing_said().fullmatch(text) is not None


@cache
def _nothing_said() -> re.Pattern[str]:
    return re.compile(rf"[\W_]*(?:{'|'.join(NOTHING_SAID)})[\W_]*", re.IGNORECASE)


def notes_in(text: str) -> list[str]:
    """The notes in brackets, tags and stage directions of a text, as written."""
    if not _may_hold_notes().search(text):
        return [text.strip()] if _says_nothing(text) else []
    text = _scope().sub(_gap, text)
    for name in sorted(set(re.findall(r"</([^\s<>]{1,40})>", text)))[:_PASSES]:  # these tags enclose what is spoken
        text = re.sub(rf"</?{re.escape(name)}(?:\s[^<>]{{0,200}})?>", " ", text)
    found: list[str] = []
    for pattern in (_bracketed(), _tag(), _stage_direction(), _untranscribed()):
        found += [match[0].strip() for match in pattern.finditer(text)]
        text = pattern.sub(" ", text)
    return found


def remove_marks(text: str, kept: str = "") -> str:
    """The text without the marks of transcription conventions that their form shows.

    kept: signs that are letters of the language.
    """
    for pattern, replacement, needs in _marks():
        if needs in text and needs not in kept:
            text = pattern.sub(replacement, text)
    return text


def remove_lone_signs(text: str, signs: str) -> str:
    """The text without these signs where they stand alone; not beside a number."""
    if not any(sign in text for sign in signs):
        return text
    beside = _letter() + character_ranges(signs)
    return re.sub(rf"(?<![{beside}])(?<!\d )[{character_ranges(signs)}]+(?![{beside}])(?! \d)", " ", text)


def lone_signs_in(text: str) -> list[str]:
    """Signs that could be marks and stand alone, each once for every place; not behind or before a number."""
    return _LONE.findall(text)


_LONE = re.compile(r"(?<!\S)(?<!\d )([#=%+*@~^/|])\1*(?!\S)(?! \d)")


def only_letters(text: str, others: str) -> bool:
    """Whether the text consists of letters, digits, marks and these other characters."""
    return _letters_and(others).fullmatch(text) is not None


@cache
def _letters_and(others: str) -> re.Pattern[str]:
    return re.compile(f"[{_letter()}{character_ranges(others)}]*")


@cache
def _letter() -> str:
    """Inside of a bracket expression for letters, digits and marks."""
    return r"\w" + character_ranges(c for c in map(chr, range(0x1FB00)) if unicodedata.category(c)[0] == "M")


def _gap(match: re.Match[str]) -> str:
    """Nothing between two letters, else a space; the words that a scope encloses stay."""
    words = match.groupdict().get("words")
    if words is not None:
        return f" {words} "
    before, after = match.string[max(match.start() - 1, 0) : match.start()], match.string[match.end() : match.end() + 1]
    inside_word = re.fullmatch(f"[{_letter()}]{{2}}", before + after) and not match[0].startswith("<")
    return "" if inside_word else " "


@cache
def _may_hold_notes() -> re.Pattern[str]:
    opening = "".join(pair[0] for pair in BRACKETS)
    return re.compile(f"[<＜〈*{character_ranges(opening)}]|%%|xxx|yyy|_noise|!sil", re.IGNORECASE)


@cache
def _scope() -> re.Pattern[str]:
    """CHAT: `<the words> [/]`, where the code in square brackets says something about the words."""
    return re.compile(r"<(?P<words>[^<>]+)>(?=\s*\[)")


@cache
def _tag() -> re.Pattern[str]:
    """`<eng>`, `</eng>`, `<noise/>`, `<door slams>`, `<<laughs>>`, `%%italic%%`, `＜笑＞`; not `a < b`."""
    return re.compile(r"<<?(?=[^\s<>])[^<>]{0,200}>>?|%%/?\w{1,20}%%|＜(?=[^\s＜＞])[^＜＞]{0,200}＞")


@cache
def _bracketed() -> re.Pattern[str]:
    pairs = [f"{re.escape(pair[0])}[^{re.escape(pair)}]*{re.escape(pair[1])}" for pair in BRACKETS]
    return re.compile("|".join([*pairs, rf"〈[^〈〉]{{0,20}}(?:{_IN_ANGLES})〉"]))


@cache
def _stage_direction() -> re.Pattern[str]:
    """`*cough*`: one or more words between asterisks."""
    letter = _letter()
    return re.compile(rf"(?<![{letter}*])\*[^\s*](?:[^*]{{0,38}}[^\s*])?\*(?![{letter}*])")


@cache
def _untranscribed() -> re.Pattern[str]:
    """xxx and yyy stand for speech that nobody could write down; Kaldi's dictionaries write SPOKEN_NOISE and !SIL."""
    letter = rf"(?!_)[{_letter()}]"  # an underscore becomes a space later
    of_kaldi = r"(?<!\S)(?:(?:spoken|vocalized)_noise|!sil(?:ence)?)(?!\S)"
    return re.compile(rf"(?<!{letter})(?:xxx|yyy)(?!{letter})|{of_kaldi}", re.IGNORECASE)


@cache
def _marks() -> tuple[tuple[re.Pattern[str], str, str], ...]:
    """(pattern, what to write, a character that it needs)."""
    letter = rf"[{_letter()}]"
    return (
        (re.compile(rf"(?<!\S)&={letter}+(?:[:_-]{letter}+)*"), " ", "&"),  # &=laughs, &=imit:dog
        (re.compile(rf"(?<!\S)&[-~+]?(?={letter}+(?:\s|[.,?!]|$))"), "", "&"),  # &-um, &~gaga, &hm are said
        (re.compile(r"(?<!\S)%(?=[^\W\d])"), "", "%"),  # %uh is said
        (re.compile(rf"(?<={letter})@[a-z]{{1,2}}(?::[a-z+&]{{2,7}})?(?!{letter}|[.\w]*\.\w)"), "", "@"),  # hola@s:spa
        (re.compile(r"(?<!\S)\+[/\".!?,<^]+(?!\S)"), " ", "+"),  # +... +/. at the end of an utterance
        (re.compile(r"(?<=[^\W\d_])=+(?=[^\W\d_])"), "", "="),  # a=b, we=ll
        (re.compile(r"(?<=[^\W\d_])::+(?=[^\W\d_])"), "", ":"),  # so::o
    )
