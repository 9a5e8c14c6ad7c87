"""What clips are grouped by on a page: speaker, length, loudness, noise, bandwidth, sentence, columns of the corpus."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from goama.evaluation.scores import ClipScore
from goama.evaluation.slices import MOST_GROUPS, Group, column_groups, named_groups, numbered_groups
from goama.reports.clip_sounds import Measured

Columns = Mapping[str, Mapping[str, str]]
"""Column to clip id to value."""

_LENGTH_EDGES_S = (2.0, 4.0, 8.0, 15.0, 30.0)
_NOISE_EDGES_DB = (10.0, 20.0, 30.0, 40.0, 60.0)
_BANDWIDTH_EDGES_KHZ = (4.1, 5.6, 7.0)


@dataclass(frozen=True)
class Property:
    """One way to group clips; `finds`: the page's search finds clips by the groups' names. `left`: groups not shown."""

    title: str
    column: str
    hint: str
    groups: tuple[Group, ...]
    left: int
    finds: bool


def clip_properties(
    clips: Sequence[ClipScore], measured: Mapping[str, Measured], columns: Columns, in_train: frozenset[str] | None
) -> list[Property]:
    """The properties that tell clips apart; `in_train`: ids of clips whose sentence is in the training split."""
    made = [
        Property(title, column, hint, tuple(groups[:MOST_GROUPS]), max(0, len(groups) - MOST_GROUPS), finds)
        for title, column, hint, groups, finds in (
            ("Speaker", "speaker", "", named_groups(clips, lambda clip: clip.speaker), True),
            *_of_sound(clips, measured),
            ("Sentence", "sentence", "Whether the training split has it too.", _sentences(clips, in_train), False),
            *(
                (name, name, "A column of the corpus.", column_groups(clips, values), True)
                for name, values in columns.items()
            ),
        )
    ]
    return [one for one in made if one.groups]


def _of_sound(
    clips: Sequence[ClipScore], measured: Mapping[str, Measured]
) -> Iterator[tuple[str, str, str, list[Group], bool]]:
    loudness = {id: one.loudness_db for id, one in measured.items()}
    noise = {id: one.above_noise_db for id, one in measured.items()}
    highest = {id: one.bandwidth_khz for id, one in measured.items()}
    lengths = numbered_groups(clips, {clip.id: clip.seconds for clip in clips}, "s", edges=_LENGTH_EDGES_S)
    yield "Length", "length", "", lengths, False
    hint = "The level of the speech; 0 dB is the loudest a file can hold."
    yield "Loudness", "loudness", hint, numbered_groups(clips, loudness, "dB"), False
    hint = "Below 10 dB the noise is nearly as loud as the voice."
    yield (
        "Speech above the noise",
        "above it by",
        hint,
        numbered_groups(clips, noise, "dB", edges=_NOISE_EDGES_DB),
        False,
    )
    hint = "The highest frequency heard. Telephone speech ends at 4 kHz; so may a clip without s, f and sh."
    yield "Bandwidth", "up to", hint, numbered_groups(clips, highest, "kHz", edges=_BANDWIDTH_EDGES_KHZ), False


def _sentences(clips: Sequence[ClipScore], in_train: frozenset[str] | None) -> list[Group]:
    if in_train is None:
        return []
    return named_groups(clips, lambda clip: "in train too" if clip.id in in_train else "new")


def about_clip(clip: ClipScore, measured: Mapping[str, Measured], columns: Columns) -> tuple[str, ...]:
    """Values of the columns, and what was measured of the sound, as words below a clip."""
    values = [f"{column}: {of_clip[clip.id]}" for column, of_clip in columns.items() if clip.id in of_clip]
    if (one := measured.get(clip.id)) is not None:
        values.append(f"{one.loudness_db:.0f} dB".replace("-", "−"))
        values.append(f"up to {one.bandwidth_khz:.1f} kHz")
    return tuple(values)
