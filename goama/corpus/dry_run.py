"""`goama prepare --dry-run`: shows what `prepare` would make of a source; nothing is written."""

from __future__ import annotations

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from pathlib import Path

from rich.console import Console
from rich.text import Text

from goama.corpus.corpus import SPLITS
from goama.corpus.left_out import LeftOut, by_reason
from goama.corpus.select import CorpusOptions, select_clips
from goama.sources.clip import SourceClip, count_of_clips
from goama.text.changes import TextChanges, text_changes
from goama.text.normaliser import REPLACE, Normaliser
from goama.text.numbers import write_table
from goama.text.replacements import Replacement, words_in
from goama.text.spelling import Spelling

_LEFT_OUT_SHOWN = 20
_CHARACTERS_SHOWN = 40
_NUMBERS_SHOWN = 15
_LONGEST_EXAMPLE = 100


@dataclass(frozen=True)
class DryRun:
    """What `prepare` would do with the same arguments.

    changes:   by the language that the source gives its clips, None where it gives none
    splits:    split -> (clips, seconds)
    unused:    replacements that replace nothing
    """

    normaliser: Normaliser
    changes: dict[str | None, TextChanges]
    unused: tuple[Replacement, ...]
    splits: dict[str, tuple[int, float]]
    split_by: str
    left_out: tuple[LeftOut, ...]
    notes: tuple[str, ...]


def dry_run(
    clips: Iterable[SourceClip],
    *,
    source: str,
    language: str | None = None,
    seed: int = 0,
    split_by: str | None = None,
    spelling: Spelling = Spelling(),
    progress: Callable[[int], None] | None = None,
) -> DryRun:
    """What `prepare` would do with these arguments. Raises `GoamaError` where `prepare` would."""
    selection = select_clips(clips, CorpusOptions(source, language, seed, split_by, spelling), progress=progress)
    texts: dict[str | None, list[str]] = defaultdict(list)
    for clip in selection.clips:
        if clip.text.strip() and not clip.fault:
            texts[clip.language or selection.language].append(clip.text)
    seconds = {split: [kept.sound.seconds for kept in selection.kept if kept.split == split] for split in SPLITS}
    return DryRun(
        selection.normaliser,
        {spoken: text_changes(selection.normaliser, written) for spoken, written in texts.items()},
        _unused(selection.normaliser, [text for written in texts.values() for text in written]),
        {split: (len(seconds[split]), sum(seconds[split])) for split in SPLITS},
        selection.how,
        selection.left_out,
        selection.notes,
    )


def _unused(normaliser: Normaliser, texts: Iterable[str]) -> tuple[Replacement, ...]:
    """Entries of the table that occur in no text, usually because of a mistake in the table."""
    if REPLACE not in normaliser.rules:
        return ()
    before = replace(normaliser, rules=normaliser.rules[: normaliser.rules.index(REPLACE)])
    written = list(map(before, texts))
    unused: list[Replacement] = []
    for table, replacer in zip(normaliser.tables.replacement_tables, normaliser.tables.replacers, strict=True):
        everything = "\n".join(written).lower()
        words = set(words_in(everything))
        for entry in table:
            typed = entry.typed.lower()
            whole = words_in(typed) == [typed] and not entry.anywhere
            if " " not in typed and typed not in (words if whole else everything):
                unused.append(entry)
        written = list(map(replacer, written))
    return tuple(unused)


def write_numbers(plan: DryRun, path: Path) -> str:
    """The table of the numbers left in digits, and a sentence on it. Raises `GoamaError` where the file exists."""
    numbers = {number for changes in plan.changes.values() for number in changes.numbers}
    if not numbers:
        return f"no number is in digits; {path} was not written"
    letters = sum((changes.letters for changes in plan.changes.values()), Counter[str]())
    clear = write_table(numbers, plan.normaliser.language, path, letters)
    open_lines = len(numbers) - clear
    return (
        f"{path}: {len(numbers)} {'number' if len(numbers) == 1 else 'numbers'} in words, {open_lines} for you to "
        f"choose or write; read it through, then prepare with --replace {path}"
    )


def print_dry_run(plan: DryRun, console: Console) -> None:
    """Print rules with examples, characters, numbers, proposals, clips left out and splits."""

    def say(sentence: str = "", style: str | None = None) -> None:
        console.print(sentence, style=style, markup=False, highlight=False, soft_wrap=True)

    for note in plan.notes:
        say(note)
    for language, changes in plan.changes.items():
        say(f"{changes.texts} transcripts, language {language or 'not given: general spelling rules'}", style="bold")
        if len(plan.changes) > 1 and language != plan.normaliser.language:
            say(
                f"the spelling rules of {plan.normaliser.language} are used for these too: one corpus, one set of rules"
            )
        for change in changes.rules:
            say(f"\n{change.rule}: changes {change.texts} of {changes.texts} transcripts", style="bold")
            for before, after in change.examples:
                for line in side_by_side(before, after):
                    console.print(line, soft_wrap=True)
        _say_characters(changes, say)
        _say_numbers(changes, say)
        _say_proposals(changes, say)
        say()
    for entry in plan.unused:
        say(
            f"--replace: no transcript has {entry.typed!r}{'' if entry.anywhere else ' standing by itself'}",
            style="yellow",
        )
    if plan.left_out:
        say(f"\n{count_of_clips(len(plan.left_out))} would be left out", style="bold")
        named = by_reason(plan.left_out)
        for _, sentence in named[:_LEFT_OUT_SHOWN]:
            say(f"  {sentence}")
        if len(named) > _LEFT_OUT_SHOWN:
            say(f"  … and {sum(count for count, _ in named[_LEFT_OUT_SHOWN:])} more")
    say(f"\n{plan.split_by}", style="bold")
    for split, (clips, seconds) in plan.splits.items():
        say(f"{split:5}  {clips:5d} clips  {seconds / 60:6.1f} min")
    say("\nnothing was written: the same command with -o CORPUS and without --dry-run makes the corpus")


def _say_characters(changes: TextChanges, say: Callable[..., None]) -> None:
    for what, counts in (("disappear", changes.disappearing), ("appear", changes.appearing)):
        if counts:
            shown = "  ".join(f"{visible(c)} ×{n}" for c, n in counts.most_common(_CHARACTERS_SHOWN))
            more = f"  … and {len(counts) - _CHARACTERS_SHOWN} more" if len(counts) > _CHARACTERS_SHOWN else ""
            say(f"\ncharacters that {what}", style="bold")
            say(f"  {shown}{more}")


def _say_numbers(changes: TextChanges, say: Callable[..., None]) -> None:
    if not changes.numbers:
        return
    say(f"\nnumbers stay in digits in {changes.texts_with_numbers} of {changes.texts} transcripts", style="bold")
    frequent = changes.numbers.most_common(_NUMBERS_SHOWN)
    more = f"  … and {len(changes.numbers) - len(frequent)} more" if len(changes.numbers) > len(frequent) else ""
    say("  " + "  ".join(f"{number} ×{count}" for number, count in frequent) + more)
    say("  a recogniser hears words: --numbers FILE.tsv writes a table of them and their words, for you to choose from")


def _say_proposals(changes: TextChanges, say: Callable[..., None]) -> None:
    if not changes.proposals:
        return
    say("\nletters that may be slips of the keyboard: rare, and looking like a frequent one", style="bold")
    for proposal in changes.proposals:
        typed, written = proposal.replacement.typed, proposal.replacement.written
        say(f"  {_named(typed)} ×{proposal.count}, beside {_named(written)} ×{proposal.twin_count}")
    say("  to change them, put the lines that are right into a file and pass it with --replace:")
    for proposal in changes.proposals:
        say(f"{proposal.replacement.typed}    {proposal.replacement.written}")


def side_by_side(before: str, after: str) -> tuple[Text, Text]:
    """Two lines, deletions in red and insertions in green; long lines are cut to the first change."""
    opcodes = SequenceMatcher(None, before, after, autojunk=False).get_opcodes()
    changed = [(tag != "equal", slice(a, b), slice(c, d)) for tag, a, b, c, d in opcodes]
    return (
        _diff_line(before, "-", "red", [(touched, place) for touched, place, _ in changed]),
        _diff_line(after, "+", "green", [(touched, place) for touched, _, place in changed]),
    )


def _diff_line(text: str, sign: str, colour: str, pieces: Sequence[tuple[bool, slice]]) -> Text:
    first = next((place.start for touched, place in pieces if touched), 0)
    start = max(0, first - _LONGEST_EXAMPLE // 3) if len(text) > _LONGEST_EXAMPLE else 0
    end = min(len(text), start + _LONGEST_EXAMPLE)
    line = Text(f"  {sign} ", style=colour)
    line.append("…" if start else "", style="default")
    for touched, place in pieces:
        piece = text[max(place.start, start) : min(place.stop, end)]
        line.append(visible(piece) if touched else piece, style=f"bold reverse {colour}" if touched else "default")
    line.append("…" if end < len(text) else "", style="default")
    return line


def visible(text: str) -> str:
    """The text with spaces, combining marks and invisible characters made visible."""

    def shown(character: str) -> str:
        category = unicodedata.category(character)
        if character == " ":
            return "␣"
        if category[0] in "ZC":
            return f"<U+{ord(character):04X}>"
        return character

    marked = text and unicodedata.category(text[0])[0] == "M"
    return ("◌" if marked else "") + "".join(map(shown, text))


def _named(character: str) -> str:
    return f"{visible(character)} ({unicodedata.name(character, 'no name').lower()})"
