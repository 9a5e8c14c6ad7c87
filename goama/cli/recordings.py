"""`goama transcribe`: from recordings to text, by a model."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from goama.cli.terminal import Spinner, err, out, quiet_libraries, require_model_first
from goama.errors import GoamaError
from goama.files import readable, write_beside
from goama.sound.nominal_length import nominal_seconds
from goama.sound.paths import SOUND_SUFFIXES

FORMATS = ("txt", "json")
"""The names of `goama.writers.WRITERS`, repeated here because importing those takes seconds."""

PRECISIONS = ("no", "bf16")


def transcribe(
    model: Annotated[Path, typer.Argument(help="Model folder, such as RUN/best.")],
    audio: Annotated[list[Path], typer.Argument(help="Recordings of any length and format, or folders of them.")],
    to: Annotated[str, typer.Option(help="txt or json.")] = "txt",
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="Folder for one file a recording. [default: the screen]"),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace existing transcripts.")] = False,
    skip_existing: Annotated[
        bool, typer.Option("--skip-existing", help="Go on where -o has transcripts already: only make the others.")
    ] = False,
    precision: Annotated[
        str, typer.Option(help="no: float32; bf16: faster where the hardware has it, a few letters differ.")
    ] = "no",
) -> None:
    """Transcribe recordings. Files that cannot be read are reported and skipped."""
    if to not in FORMATS:
        raise GoamaError(f"--to {to}: formats are {', '.join(FORMATS)}")
    if precision not in PRECISIONS:
        raise GoamaError(f"--precision {precision}: possible are {', '.join(PRECISIONS)}")
    if skip_existing and (overwrite or output is None):
        raise GoamaError(
            "--skip-existing goes with -o, and without --overwrite: it keeps the transcripts in that folder"
        )
    require_model_first(model, audio, "transcribe")
    wanted = list(_recordings(audio, output, to))
    if to == "json" and len(wanted) > 1 and output is None:
        raise GoamaError("--to json with several recordings: name a folder with -o, one file a recording")
    if output:
        wanted = _to_do(wanted, output, overwrite, skip_existing)
    if not wanted:
        return
    quiet_libraries()
    from goama.recognition.recogniser import Recogniser
    from goama.writers import WRITERS

    recogniser = Recogniser.load(model, precision="bf16" if precision == "bf16" else "no")
    failed = 0
    with Spinner() as status:
        show = _Progress(status, wanted)
        for job in wanted:
            try:
                transcript = recogniser.transcribe(job.recording, show.of(job))
            except GoamaError as error:
                failed += 1
                err.print(f"goama: {error}", markup=False)
                continue
            for sentence in transcript.repairs:
                err.print(f"{job.recording}: {sentence}", markup=False)
            content = WRITERS[to](transcript)
            if job.target:
                job.target.parent.mkdir(parents=True, exist_ok=True)
                write_beside(job.target, content)
                out.print(str(job.target), markup=False)
            elif to == "txt" and len(wanted) > 1:
                out.print(f"{job.recording}: {transcript.text}", markup=False)
            else:
                sys.stdout.write(content)
    if failed:
        err.print(f"goama: {failed} of {len(wanted)} recordings could not be transcribed")
        raise typer.Exit(2)


@dataclass(frozen=True)
class _Job:
    """A recording, and the file for its transcript; None: the screen."""

    recording: Path
    target: Path | None


def _recordings(paths: Sequence[Path], output: Path | None, to: str) -> Iterator[_Job]:
    """The recordings named, and those in the folders named, which keep their sub-folders in the output.

    Hidden files are left out: on a disk of a Mac each recording has one beside it (`._tape.wav`).
    """
    for path in paths:
        if not path.is_dir():
            yield _Job(path, output and output / f"{path.stem}.{to}")
            continue
        found = sorted(
            file
            for file in path.rglob("*")
            if file.suffix.lower() in SOUND_SUFFIXES and not file.name.startswith(".") and file.is_file()
        )
        if not found:
            raise GoamaError(f"{path}: no sound file lies in this folder")
        for file in found:
            place = file.relative_to(path).with_suffix(f".{to}")
            yield _Job(file, output and output / place)


def _to_do(jobs: Sequence[_Job], output: Path, overwrite: bool, skip_existing: bool) -> list[_Job]:
    """The jobs without those whose transcripts are kept.

    Raises `GoamaError` when two recordings would have one transcript, or one exists and nothing says what to do.
    """
    targets = Counter(job.target for job in jobs)
    twice = next((job.recording for job in jobs if targets[job.target] > 1), None)
    if twice is not None:
        raise GoamaError(
            f"{twice}: another recording has the same name, and their transcripts would be one file in {output}; "
            "transcribe them into different folders"
        )
    there = [job for job in jobs if job.target and job.target.exists()]
    if there and skip_existing:
        out.print(f"{len(there)} of {len(jobs)} recordings have a transcript in {output} and are skipped", markup=False)
        return [job for job in jobs if job not in there]
    if there and not overwrite:
        raise GoamaError(
            f"{there[0].target} exists already, perhaps corrected by hand; choose another -o, --skip-existing to make "
            "only the others, or --overwrite"
        )
    return list(jobs)


class _Progress:
    """Shows how much of all sound has been transcribed, in minutes; state: the seconds of the recordings before."""

    def __init__(self, status: Callable[[str], None], jobs: Sequence[_Job]):
        self._status, self._count = status, len(jobs)
        self._seconds = (
            [nominal_seconds(job.recording) or 0.0 for job in jobs] if err.is_terminal else [0.0] * len(jobs)
        )
        self._number, self._before, self._started = 0, 0.0, time.monotonic()

    def of(self, job: _Job) -> Callable[[float], None]:
        """What to call with the seconds of this recording that are done."""
        before, number, total = self._before, self._number + 1, sum(self._seconds)
        self._before += self._seconds[self._number]
        self._number = number

        def show(seconds: float) -> None:
            line = f"transcribing {readable(job.recording.name)}, {number} of {self._count}"
            done = before + seconds
            if total:
                share = min(1.0, done / total)
                left = round((time.monotonic() - self._started) * (1 / share - 1)) if share else 0
                line += f", {done / 60:.1f} of {total / 60:.1f} min of sound ({100 * share:.0f} %), "
                line += f"{left // 60}:{left % 60:02d} left"
            self._status(line)

        show(0.0)
        return show
