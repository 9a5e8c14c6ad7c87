"""Real speech without the Hub: transcribed recordings in Debian packages become a folder that goama can prepare.

`VOICES` is the catalogue and costs nothing to import; `get_voice` fetches, judges and writes one of them.
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from goama.errors import GoamaError
from goama.files import folder_beside
from goama.voices import debian
from goama.voices.catalogue import VOICES, Voice

if TYPE_CHECKING:
    from goama.voices.clip import VoiceClip
    from goama.voices.folder import Placed
    from goama.voices.verdicts import Verdict

__all__ = ["VOICES", "Progress", "Voice", "VoiceFolder", "find_voice", "get_voice"]

Progress = Callable[[str, int, int], None]
"""Called with (what is being done, how many are done, how many there are)."""


@dataclass(frozen=True)
class VoiceFolder:
    """What `get_voice` wrote.

    clips, minutes: per split, in the order train, dev, test. left_out: clips per reason, most frequent first.
    """

    path: Path
    voice: Voice
    clips: dict[str, int]
    minutes: dict[str, float]
    left_out: dict[str, int]


def find_voice(name: str) -> Voice:
    """The voice of that name; GoamaError with the nearest name if there is none."""
    by_name = {voice.name: voice for voice in VOICES}
    if name in by_name:
        return by_name[name]
    nearest = difflib.get_close_matches(name.lower(), by_name, n=1, cutoff=0.0)[0]
    raise GoamaError(f"there is no voice {name!r}: the nearest name is {nearest!r}, `goama voices list` shows all")


def get_voice(name: str, out: Path, *, progress: Progress | None = None, cache: Path | None = None) -> VoiceFolder:
    """Fetch one voice and write it as an audiofolder at `out`.

    The folder holds metadata.jsonl (file_name, id, text, speaker, language, split, licence, source), audio/,
    LICENCE, ATTRIBUTION.md and left-out.jsonl. It is written as `out`.partial and renamed when it is whole.
    Raises GoamaError for an unknown name, an `out` that is not empty, and packages that cannot be had.
    """
    voice = find_voice(name)
    out = Path(out)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise GoamaError(f"{out} exists and is not an empty folder: name another one with -o, or remove it first")
    packages = debian.download(
        voice.packages, cache or debian.default_cache(), _stage(progress, "downloading packages")
    )
    with debian.unpacked(packages) as tree:
        return write_voice(voice, tree, packages, out, progress)


def write_voice(
    voice: Voice, tree: Path, packages: list[debian.Package], out: Path, progress: Progress | None = None
) -> VoiceFolder:
    """The folder of a voice whose packages are unpacked in `tree`: read, judge, split, write, rename.

    Raises GoamaError when the packages do not hold the voice, or `out` cannot be written.
    """
    from goama.voices import folder
    from goama.voices.verdicts import judge_clips

    try:
        clips = list(_read(voice, tree))
    except FileNotFoundError:
        clips = []
    if not clips:
        named = " and ".join(f"{package.name} {package.version}" for package in packages)
        raise GoamaError(f"{named} do not hold the files of {voice.name}: this version is not known to goama")
    verdicts = judge_clips(clips, voice.language, voice.fastest, _stage(progress, "listening"))
    placed, left_out = _place(voice, verdicts)
    try:
        with folder_beside(out) as partial:
            folder.write_clips(partial, placed, voice, _stage(progress, "writing"))
            folder.write_left_out(partial, left_out)
            folder.write_licence(partial, packages, tree)
            folder.write_attribution(partial, voice.description, voice.attribution, voice.licence, packages)
    except OSError as error:
        raise GoamaError(
            f"{error.filename or out} could not be written ({error.strerror}): choose another -o"
        ) from error
    seconds = {
        split: [one.verdict.duration_s for one in placed if one.split == split] for split in ("train", "dev", "test")
    }
    return VoiceFolder(
        path=out,
        voice=voice,
        clips={split: len(those) for split, those in seconds.items() if those},
        minutes={split: sum(those) / 60 for split, those in seconds.items() if those},
        left_out=dict(Counter(verdict.reason for verdict in left_out).most_common()),
    )


def _read(voice: Voice, tree: Path) -> Iterator[VoiceClip]:
    """The recordings of a voice: one reader a source."""
    source = voice.name.removesuffix(f"-{voice.language}")
    if source == "fillets":
        from goama.voices.fillets import read
    elif source == "asterisk":
        from goama.voices.asterisk import read
    elif source == "tuxpaint":
        from goama.voices.tuxpaint import read
    elif source == "festvox":
        from goama.voices.festvox_ru import read
    elif source == "queen":
        from goama.voices.queen import read
    else:
        from goama.voices.drascula import read
    return read(tree, voice.language)


def _place(voice: Voice, verdicts: list[Verdict]) -> tuple[list[Placed], list[Verdict]]:
    """(usable clips with their splits, clips left out); a clip whose text is in a held-out split is left out."""
    from goama.voices.folder import Placed
    from goama.voices.splits import REPEATED, split_by_scene, split_by_text
    from goama.voices.verdicts import Verdict

    usable = [verdict.clip for verdict in verdicts if not verdict.reason]
    split_up = split_by_scene if any(clip.scene for clip in usable) else split_by_text
    place_of = {clip.id: place for clip, place in zip(usable, split_up(usable, voice.language), strict=True)}
    placed: list[Placed] = []
    left_out: list[Verdict] = []
    for verdict in verdicts:
        place = place_of.get(verdict.clip.id, "")
        if place:
            placed.append(Placed(verdict, place))
        elif verdict.reason:
            left_out.append(verdict)
        else:
            left_out.append(Verdict(verdict.clip, verdict.duration_s, REPEATED))
    return placed, left_out


def _stage(progress: Progress | None, what: str) -> Callable[[int, int], None] | None:
    if progress is None:
        return None
    return lambda done, total: progress(what, done, total)
