"""What is wrong with the transcripts as people wrote them, and what of it `goama prepare` mends by itself."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from goama.audit.findings import ClipFacts, Finding, Letter, of
from goama.audit.letters import TWINS, alike_in, name, named, script, scripts_of, shown
from goama.text.normaliser import Normaliser
from goama.text.vocabulary import Vocabulary, segment

EXAMPLE_CLIPS = 5
_MOST_NAMED = 12  # characters named in one sentence

MAIN_SCRIPT_SHARE = 0.7
"""Of all letters: below it, the corpus is written in several scripts and none of them is foreign."""

USUAL_SHARE = 0.02
"""A letter of another script in this share of the clips belongs to the spelling (θ in some Latin alphabets)."""

RARE_TWIN_SHARE = 0.2
"""Of two look-alike letters, the rarer is a slip when it makes less than this share of the two; else which one is
right is asked."""

SHORTEST_WITHOUT_MARKS = 8
"""Letters: shorter texts that differ in their marks alone may well be two words (el, él)."""

# Brackets and what stands in them, or between two stars: [rires] (laughs) {bruit} <unk> *cough* （笑）.
_ANNOTATION = re.compile(
    r"\[[^\[\]]{0,80}\]|\([^()]{0,80}\)|\{[^{}]{0,80}\}|<[^<>]{1,80}>|（[^（）]{0,80}）|【[^【】]{0,80}】"
    r"|(?<!\w)\*[^\s*](?:[^*]{0,38}[^\s*])?\*(?!\w)|(?<!\w)(?:xxx|XXX|yyy|www)(?![\w.])"
)
_LONE_BRACKET = re.compile(r"[\[\]{}()（）【】]")
_URL = re.compile(
    r"(?:https?|ftp)://\S+|\bwww\.\S+|[\w.+-]+@[\w-]+(?:\.[\w-]+)+"
    r"|\b[\w-]+\.(?:com|org|net|info|edu|gov|eu|nl|de|fr|it|ru|uk|es|be|bf|sn|ml)(?:/\S*)?(?![\w.])",
    re.IGNORECASE,
)
_MARKUP = re.compile(r"&(?:[a-z]{2,8}|#\d{1,6}|#x[0-9a-f]{1,5});|\\[nrt](?![a-z])|\\u[0-9a-f]{4}", re.IGNORECASE)
_MOJIBAKE = re.compile(r"[ÂÃÄÅÊËÐÑØÙÎÏáâãà][\x80-¿€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ]+")
_TIME_OR_NUMBER = re.compile(r"\d[\d.,:/]*")
_MARKS = re.compile("[\u0300-\u036f\u0591-\u05c7\u064b-\u0655\u0670\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff]")
_WORD = re.compile(r"[^\W\d_]+")


@dataclass(frozen=True)
class _Texts:
    """Clips with a text, and what every check needs of them."""

    clips: Sequence[ClipFacts]
    characters: frozenset[str]
    """Every character that occurs: a check for what does not occur is over at once."""


def check_text(clips: Sequence[ClipFacts], normaliser: Normaliser) -> list[Finding]:
    """Findings on the texts; the checks of spelling look at clips that have one."""
    written = [clip for clip in clips if clip.text.strip()]
    texts = _Texts(written, frozenset(character for clip in written for character in set(clip.text)))
    found = [
        _empty(clips),
        _nothing_left(written, len(clips)),
        _annotations(texts),
        _urls(texts),
        _markup(texts),
        _damaged(texts),
        _digits(texts),
        _symbols(texts, normaliser),
        *_foreign_letters(texts),
        *_twins(texts),
        _unicode_forms(texts),
        _invisible(texts),
        _capitals(texts),
        _acronyms(texts),
        _rare(written),
        _marks_alone(written),
    ]
    return [finding for finding in found if finding]


def alphabet(clips: Iterable[ClipFacts]) -> tuple[Letter, ...]:
    """Every unit of the normalised texts, most frequent first, with clips to hear it in."""
    counts: Counter[str] = Counter()
    examples: dict[str, list[str]] = defaultdict(list)
    for clip in clips:
        here = Counter(unit for word in clip.normalised.split() for unit in segment(word))
        counts.update(here)
        for unit in here:
            if len(examples[unit]) < EXAMPLE_CLIPS:
                examples[unit].append(clip.id)
    return tuple(Letter(unit, name(unit), count, tuple(examples[unit])) for unit, count in counts.most_common())


def _finding(name: str, severity: str, details: dict[str, str], message: str, why: str, remedy: str) -> Finding | None:
    return Finding(name, severity, tuple(details), message, why, remedy, details) if details else None


def _empty(clips: Sequence[ClipFacts]) -> Finding | None:
    details = {clip.id: clip.where for clip in clips if not clip.text.strip()}
    return _finding(
        "text-empty",
        "error",
        details,
        f"{of(len(details), len(clips))} without a transcript",
        "There is nothing to learn from such a clip; `goama prepare` leaves it out.",
        "Type what is said, or remove the row.",
    )


def _nothing_left(clips: Sequence[ClipFacts], total: int) -> Finding | None:
    details = {clip.id: f"{clip.text.strip()[:40]!r}" for clip in clips if not clip.normalised}
    return _finding(
        "text-nothing-left",
        "error",
        details,
        f"{of(len(details), total)} with a transcript of signs only, without a letter",
        "Nothing in it has a sound, so there is nothing to learn; `goama prepare` leaves the clip out.",
        "Type what is said, or remove the row.",
    )


def _matches(texts: _Texts, pattern: re.Pattern[str], needs: str = "") -> dict[str, str]:
    """Clip id -> what was found, of every clip where something was; `needs`: one of these must occur at all."""
    if needs and not texts.characters & set(needs):
        return {}
    found = {}
    for clip in texts.clips:
        hits = [match[0] for match in pattern.finditer(clip.text)]
        if hits:
            found[clip.id] = " ".join(hits[:4])
    return found


def _annotations(texts: _Texts) -> Finding | None:
    details = _matches(texts, _ANNOTATION)
    for clip_id, lone in _matches(texts, _LONE_BRACKET, "[]{}()（）【】").items():
        if clip_id not in details:
            details[clip_id] = f"{lone} without its other half"
    most = Counter(hit for shown in details.values() for hit in [shown]).most_common(4)
    return _finding(
        "text-annotations",
        "warning",
        details,
        f"{of(len(details), len(texts.clips))} with brackets or stage directions, such as "
        + ", ".join(text for text, _ in most),
        "What stands in brackets is often not spoken; goama drops the brackets and keeps the words, so the model would "
        "learn to write words that nobody said.",
        "Remove what is not spoken (laughter, noises, comments), and keep spoken words without brackets.",
    )


def _urls(texts: _Texts) -> Finding | None:
    details = _matches(texts, _URL, ".@:")
    return _finding(
        "text-url",
        "warning",
        details,
        f"{of(len(details), len(texts.clips))} with a web or mail address",
        "Dots, slashes and @ are spoken as words that the text does not show.",
        "Write addresses as they are spoken (goama punt nl), or remove them if they are not spoken.",
    )


def _markup(texts: _Texts) -> Finding | None:
    details = _matches(texts, _MARKUP, "&\\")
    return _finding(
        "text-markup",
        "warning",
        details,
        f"{of(len(details), len(texts.clips))} with codes of a web page or a programme, such as "
        + next(iter(details.values()), ""),
        "The letters of such a code would be learnt as spoken.",
        "Replace each code by the character it stands for (&amp; by &, &eacute; by é), or remove it.",
    )


def _damaged(texts: _Texts) -> Finding | None:
    details = {}
    for clip in texts.clips:
        if clip.text.isascii():
            continue
        bad = [c for c in clip.text if c == "\ufffd" or unicodedata.category(c) in ("Co", "Cn")]
        if bad:
            details[clip.id] = f"{named(bad[0])} in {_around(clip.text, bad[0])}"
            continue
        for match in _MOJIBAKE.finditer(clip.text):
            if mended := _mended(match[0]):
                details[clip.id] = f"{match[0]} was probably {mended}"
                break
    return _finding(
        "text-damaged",
        "error",
        details,
        f"{of(len(details), len(texts.clips))} with letters destroyed by a wrong text encoding",
        "The letters that were spoken are gone from the text, and false ones would be learnt.",
        "Save the transcripts again from their origin as UTF-8.",
    )


def _mended(text: str) -> str | None:
    """What was written, where UTF-8 was read as an old Western encoding."""
    for encoding in ("cp1252", "latin-1"):
        try:
            mended = text.encode(encoding).decode("utf-8")
        except UnicodeError:
            continue
        if mended != text and mended.isprintable():
            return mended
    return None


def _without_annotations(text: str) -> str:
    return _MARKUP.sub(" ", _URL.sub(" ", _ANNOTATION.sub(" ", text)))


def _digits(texts: _Texts) -> Finding | None:
    if not any(unicodedata.category(c)[0] == "N" for c in texts.characters):
        return None
    details = {}
    for clip in texts.clips:
        text = _without_annotations(clip.text)
        numbers = _TIME_OR_NUMBER.findall(text) or [c for c in text if unicodedata.category(c)[0] == "N"]
        if numbers:
            details[clip.id] = " ".join(numbers[:4])
    return _finding(
        "text-digits",
        "warning",
        details,
        f"{of(len(details), len(texts.clips))} with numbers in digits, such as {next(iter(details.values()), '')}",
        "A digit stands for another word in every place (1, 10, 1st), which a recogniser that writes sounds cannot "
        "learn from a few hours.",
        "Write numbers as words, as they are spoken.",
    )


def _symbols(texts: _Texts, normaliser: Normaliser) -> Finding | None:
    suspects = {c for c in texts.characters if unicodedata.category(c)[0] in "SPC" and not c.isspace()}
    details: dict[str, str] = {}
    counts: Counter[str] = Counter()
    for clip in texts.clips:
        if suspects.isdisjoint(clip.normalised):
            continue
        left = normaliser(_without_annotations(clip.text))
        signs = sorted({c for c in left if _is_read_out(c, normaliser)})
        if signs:
            details[clip.id] = " ".join(signs)
            counts.update(signs)
    return _finding(
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
        and not any(character in rule.letter for rule in normaliser.tables.letter_rules)
        and not (unicodedata.category(character) == "Sk" and ord(character) > 0x2E0)  # tone letters
    )


def _foreign_letters(texts: _Texts) -> list[Finding | None]:
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
        for word in _WORD.findall(unicodedata.normalize("NFC", _without_annotations(clip.text))):
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
        _finding(
            "text-look-alikes",
            "error",
            alike,
            f"{of(len(alike), total)} with letters of another alphabet that look like the right ones: {named_letters}",
            "To the model these are other letters: a word is learnt in two spellings, and counts as an error in one "
            "of them although nobody can see a difference.",
            "Replace them by the letters of the right alphabet (search and replace, one letter at a time).",
        ),
        _finding(
            "text-mixed-scripts",
            "warning",
            mixed,
            f"{of(len(mixed), total)} with words of two alphabets, such as {next(iter(mixed.values()), '')}",
            "Letters of a second alphabet are too few to be learnt.",
            "Write such words in one alphabet.",
        ),
        _finding(
            "text-other-script",
            "warning",
            foreign,
            f"{of(len(foreign), total)} with words that are not in the {main.title()} alphabet of the others, "
            f"such as {', '.join(dict.fromkeys(list(foreign.values())[:4]))}",
            "Letters of a second alphabet are too few to be learnt.",
            f"Write them in {main.title()} letters as they are pronounced, or leave these clips out.",
        ),
    ]


def _usual_letters(texts: _Texts, main: str) -> frozenset[str]:
    """Letters of another script that so many clips have that they belong to the spelling, unless they look alike."""
    foreign = [c for c in texts.characters if script(c) not in (main, None) and not alike_in(c, main)]
    return frozenset(
        c for c in foreign if sum(c in clip.text for clip in texts.clips) >= max(3, USUAL_SHARE * len(texts.clips))
    )


def _twins(texts: _Texts) -> list[Finding | None]:
    details: dict[str, str] = {}
    pairs = []
    unsure = False
    for one, other in TWINS:
        if not {one, other} <= texts.characters:
            continue
        if "'" in (one, other) or ":" in (one, other) or "!" in (one, other):
            continue  # signs that also have uses of their own
        counts = {c: sum(clip.text.count(c) for clip in texts.clips) for c in (one, other)}
        rare, usual = sorted(counts, key=counts.__getitem__)
        if script(rare) != script(usual) and script(rare) and script(usual):
            continue  # said as a look-alike of another alphabet
        unsure |= counts[rare] >= RARE_TWIN_SHARE * sum(counts.values())
        pairs.append(f"{named(rare)}, {counts[rare]} times, and {named(usual)}, {counts[usual]} times")
        for clip in texts.clips:
            if rare in clip.text:
                details.setdefault(clip.id, f"{rare} in {_around(clip.text, rare)}")
    return [
        _finding(
            "text-twin-letters",
            "warning",
            details,
            f"{of(len(details), len(texts.clips))} with a letter that looks like another of the same alphabet: "
            + "; ".join(pairs[:3]),
            "To the model these are different letters, learnt from fewer examples each, and a word in the other "
            "spelling counts as an error.",
            "Decide on one of the two and replace the other everywhere"
            + ("." if unsure else " (most likely the rarer one is the slip)."),
        )
    ]


def _unicode_forms(texts: _Texts) -> Finding | None:
    details = {}
    for clip in texts.clips:
        if not clip.text.isascii() and not unicodedata.is_normalized("NFC", clip.text):
            composed = unicodedata.normalize("NFC", clip.text)
            first = next((c for c in clip.text if unicodedata.combining(c)), "")
            details[clip.id] = f"{shown(first)} typed by itself" if first else f"{len(clip.text) - len(composed)} marks"
    return _finding(
        "text-unicode-forms",
        "info",
        details,
        f"{of(len(details), len(texts.clips))} with letters whose accents are typed as characters of their own "
        "(decomposed Unicode)",
        "One letter in two spellings would be two letters to the model.",
        "Nothing to do: `goama prepare` unifies them (NFC).",
    )


def _invisible(texts: _Texts) -> Finding | None:
    unseen = {c for c in texts.characters if unicodedata.category(c) in ("Cf", "Cc") and c not in "\n\r\t\u200c\u200d"}
    details = {}
    for clip in texts.clips if unseen else ():
        here = sorted(unseen & set(clip.text))
        if here:
            details[clip.id] = ", ".join(name(c) for c in here[:3])
    return _finding(
        "text-invisible",
        "info",
        details,
        f"{of(len(details), len(texts.clips))} with characters that cannot be seen: "
        + ", ".join(name(c) for c in sorted(unseen)[:4]),
        "To the model they would be letters.",
        "Nothing to do: `goama prepare` removes them.",
    )


def _capitals(texts: _Texts) -> Finding | None:
    details = {}
    for clip in texts.clips:
        if clip.text.isupper() and sum(c.isupper() for c in clip.text) >= 6:
            details[clip.id] = clip.text.strip()[:40]
    mixed = len(details) < len(texts.clips)
    return _finding(
        "text-capitals",
        "info",
        details,
        f"{of(len(details), len(texts.clips))} in capitals" + (", the others are not" if mixed else ""),
        "Capitals have no sound of their own.",
        "Nothing to do: `goama prepare` writes everything in small letters.",
    )


def _acronyms(texts: _Texts) -> Finding | None:
    details = {}
    ordinary = {word for clip in texts.clips for word in _WORD.findall(clip.text) if word.islower()}  # MY is emphasis
    for clip in texts.clips:
        if clip.text.isupper() or clip.text.islower():
            continue
        words = [word for word in _WORD.findall(clip.text) if 2 <= len(word) <= 5 and word.isupper()]
        found = [word for word in words if word.lower() not in ordinary and not set(word) <= set("IVXLC")]
        if found:
            details[clip.id] = " ".join(found[:4])
    return _finding(
        "text-acronyms",
        "info",
        details,
        f"{of(len(details), len(texts.clips))} with words in capitals, such as "
        + ", ".join(dict.fromkeys(list(details.values())[:4])),
        "Abbreviations that are spelled out letter by letter sound like several words; a recogniser hears their names.",
        "If they are spelled out when spoken, write them so (es em es); if they are spoken as words, leave them.",
    )


def _rare(clips: Sequence[ClipFacts]) -> Finding | None:
    """The characters that training would write as unknown, by the vocabulary's own rule."""
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
            details[clip.id] = ", ".join(f"{named(u)} in {_around(clip.normalised, u)}" for u in sorted(set(here))[:3])
    rare = ", ".join(f"{shown(u)} ({count})" for u, count in counts.most_common(_MOST_NAMED))
    return _finding(
        "text-rare-characters",
        "warning",
        details,
        f"{of(len(details), len(clips))} with characters too rare to be learnt: {rare}",
        "A character needs examples: one that training has met too seldom (or never) becomes [UNK], and the model "
        "cannot write it.",
        "Look at each place: correct slips of the pen, write foreign letters with the language's own; letters that "
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
    return _finding(
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
    """The words in which two texts differ."""
    matcher = SequenceMatcher(None, text.split(), other.split(), autojunk=False)
    here, there = [], []
    for tag, i, j, k, m in matcher.get_opcodes():
        if tag != "equal":
            here += text.split()[i:j]
            there += other.split()[k:m]
    return f"{' '.join(here)[:40]} / {' '.join(there)[:40]}"


def _bare(text: str) -> str:
    """No accents, vowel points, apostrophes, hyphens or spaces."""
    if text.isascii() and text.isalpha():
        return text
    return "".join(c for c in unicodedata.normalize("NFD", text) if _is_bare(c))


def _is_bare(character: str) -> bool:
    """Vowel signs of the Indic scripts are letters; accents, and the points of Arabic and Hebrew, are marks."""
    if unicodedata.category(character)[0] == "M":
        return not _MARKS.match(character)
    return not (character.isspace() or character in "'·" or unicodedata.category(character) in ("Pd", "Lm"))


def _around(text: str, needle: str) -> str:
    """The word that holds the needle."""
    return next((word for word in text.split() if needle in word), needle)[:30]
