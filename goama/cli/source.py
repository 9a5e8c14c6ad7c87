"""Options that say how a source is read and its transcripts are spelt, the same for every command that takes one."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from goama.cli.terminal import Spinner, out

if TYPE_CHECKING:
    from goama.sources.source import Source
    from goama.text.spelling import Spelling

_SOURCE = Annotated[
    str,
    typer.Argument(
        help="Folder (audiofolder, Common Voice, Spontaneous Speech, Kaldi, LJSpeech, LibriSpeech, ELAN, Praat, "
        "subtitles, parquet, a .txt beside each recording), one of their files, a CSV, TSV, JSONL, XLSX, XLS or ODS "
        "table, or a Hub data set id."
    ),
]
_COLUMNS = {  # option: the column it names, in goama.sources.source.Columns
    "audio_column": ("audio", "Column with the sound file."),
    "text_column": ("text", "Column with the transcript."),
    "id_column": ("id", "Column with the clip's id."),
    "speaker_column": ("speaker", "Column with the speaker."),
    "split_column": ("split", "Column with train, dev or test."),
    "language_column": ("language", "Column with the language's code."),
    "start_column": ("offset", "Column with a clip's start in its recording (s)."),
    "end_column": ("end", "Column with its end (s)."),
    "duration_column": ("duration", "Column with its duration (s)."),
    "licence_column": ("licence", "Column with a clip's licence."),
    "consent_column": ("consent", "Column with what its speaker agreed to."),
    "source_column": ("source", "Column with whom or what it comes from, for the model card."),
}
_OPTIONS: dict[str, Any] = {
    "language": Annotated[str | None, typer.Option(help="Language code (nl, mos, …): picks the spelling rules.")],
    "letters": Annotated[
        list[str] | None,
        typer.Option(
            help="Signs that are letters, such as ',' or '7' or '|=Ӏ' (write Ӏ); * names the place: '*,' also ends "
            "words."
        ),
    ],
    "brackets": Annotated[
        str, typer.Option(help="Text in brackets: drop it, keep it as spoken, or leave-out its clip.")
    ],
    "replace": Annotated[
        list[Path] | None,
        typer.Option(
            help="Table of your own spelling rules: what is typed, a tab, what to write; repeat it, in order."
        ),
    ],
    **{name: Annotated[str | None, typer.Option(help=text)] for name, (_, text) in _COLUMNS.items()},
    "tier": Annotated[
        list[str] | None, typer.Option(help="ELAN, Praat: tier to take, or its type, or 'tx@*'; may be repeated.")
    ],
    "recording": Annotated[
        str | None, typer.Option(help="ELAN: which of several linked recordings to take; a name or a pattern.")
    ],
    "overlaps": Annotated[
        str | None,
        typer.Option(
            help="Annotations, or parts of one recording, that overlap in time: leave-out, trim (cut at the middle) "
            "or keep. [default: leave-out]"
        ),
    ],
    "speaker_labels": Annotated[
        str | None,
        typer.Option(
            help="Subtitles: names before a colon: take as the speaker, or keep as text. [default: take clear ones]"
        ),
    ],
    "damaged": Annotated[
        str | None,
        typer.Option(help="Clips with lost sound: leave-out, or mend with silence. [default: leave-out]"),
    ],
    "delimiter": Annotated[str | None, typer.Option(help="CSV: tab, comma, semicolon, pipe or a character.")],
    "sheet": Annotated[str | None, typer.Option(help="XLSX, XLS, ODS: sheet to take.")],
    "audio_folder": Annotated[Path | None, typer.Option(help="Folder of the audio files, if it is not the source.")],
    "format_": Annotated[str | None, typer.Option("--format", help="Format of the source, if it is ambiguous.")],
    "where": Annotated[
        str | None,
        typer.Option(help="Tables, data sets: take only rows that meet a condition on columns, such as 'votes >= 1'."),
    ],
    "name": Annotated[str | None, typer.Option(help="Configuration of a Hub data set.")],
}
_DEFAULTS = {"brackets": "drop"}  # of the other options: None
_SPELLING = ("language", "letters", "brackets", "replace")


def _typed(name: str) -> str:
    return "--" + name.rstrip("_").replace("_", "-")


@dataclass(frozen=True)
class WantedSource:
    """The source that a user named, how to read it, and how its transcripts are spelt."""

    where: str
    options: dict[str, Any]

    @property
    def language(self) -> str | None:
        """The language code that the user gave."""
        language: str | None = self.options["language"]
        return language

    def spelling(self) -> Spelling:
        """The user's choices of spelling. Raises `GoamaError` where one is none."""
        from goama.text.letter_signs import read_letters
        from goama.text.replacements import read_replacements
        from goama.text.spelling import Spelling

        given = self.options
        tables = tuple(map(read_replacements, given["replace"] or ()))
        return Spelling(read_letters(given["letters"]) if given["letters"] else (), given["brackets"], tables)

    def as_typed(self) -> Iterator[str]:
        """The options that were given, as words of a command line."""
        for name, value in self.options.items():
            for one in value if isinstance(value, list) else [value]:
                if one != _DEFAULTS.get(name):
                    yield from (_typed(name), str(one))

    def reading_options(self) -> list[str]:
        """The options that were given and say how the source is read; language and spelling are not among them."""
        return [_typed(name) for name in self.options if name not in _SPELLING and self.options[name] is not None]

    def read(self) -> Source:
        """The clips of the source; prints how it was read. Raises `GoamaError` where it cannot be read."""
        from goama.sources.source import Choices, Columns, read_source

        given = self.options
        columns = Columns(**{column: given[option] for option, (column, _) in _COLUMNS.items()})
        choices = Choices(
            given["format_"],
            tuple(given["tier"] or ()),
            given["delimiter"],
            given["sheet"],
            given["audio_folder"],
            given["recording"],
            where=given["where"],
            overlaps=given["overlaps"],
            speaker_labels=given["speaker_labels"],
            damaged=given["damaged"],
        )
        with Spinner() as status:
            status("reading the source")
            clips = read_source(self.where, columns, name=given["name"], choices=choices)
        out.print(f"read as {clips.taken}", markup=False)
        for note in clips.notes:
            out.print(note, markup=False)
        return clips


def takes_source(verb: Callable[..., None]) -> Callable[..., None]:
    """The command with SOURCE and the options above in place of its first parameter."""

    def command(source: str, **given: Any) -> None:
        options = {name: given.pop(name) for name in _OPTIONS}
        verb(WantedSource(source, options), **given)

    _, *own = inspect.signature(verb, eval_str=True).parameters.values()
    kind = inspect.Parameter.KEYWORD_ONLY
    parameters = [
        inspect.Parameter("source", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=_SOURCE),
        *(parameter.replace(kind=kind) for parameter in own),
        *(
            inspect.Parameter(name, kind, default=_DEFAULTS.get(name), annotation=option)
            for name, option in _OPTIONS.items()
        ),
    ]
    command.__name__, command.__doc__ = verb.__name__, verb.__doc__
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return command
