"""`goama transcribe`: from recordings to text, by a model."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from goama.cli.terminal import Spinner, err, out, quiet_libraries
from goama.errors import GoamaError
from goama.files import write_beside

FORMATS = ("txt", "json")
"""The names of `goama.writers.WRITERS`, repeated here because importing those takes seconds."""

PRECISIONS = ("no", "bf16")


def transcribe(
    model: Annotated[Path, typer.Argument(help="Model folder, such as RUN/best.")],
    audio: Annotated[list[Path], typer.Argument(help="Recordings of any length and format.")],
    to: Annotated[str, typer.Option(help="txt or json.")] = "txt",
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="Folder for one file a recording; default: the screen."),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace existing transcripts.")] = False,
    precision: Annotated[
        str, typer.Option(help="no: float32; bf16: faster where the hardware has it, a few letters differ.")
    ] = "no",
) -> None:
    """Transcribe recordings. Files that cannot be read are reported and skipped."""
    if to not in FORMATS:
        raise GoamaError(f"--to {to}: formats are {', '.join(FORMATS)}")
    if precision not in PRECISIONS:
        raise GoamaError(f"--precision {precision}: possible are {', '.join(PRECISIONS)}")
    if to == "json" and len(audio) > 1 and output is None:
        raise GoamaError("--to json with several recordings: name a folder with -o, one file a recording")
    if output:
        _check_output(output, audio, to, overwrite)
    quiet_libraries()
    from goama.recognition.recogniser import Recogniser
    from goama.writers import WRITERS

    recogniser = Recogniser.load(model, precision="bf16" if precision == "bf16" else "no")
    if output:
        output.mkdir(parents=True, exist_ok=True)
    failed = 0
    for number, path in enumerate(audio, start=1):
        try:
            with Spinner() as status:
                status(f"transcribing {path.name}, {number} of {len(audio)}")
                transcript = recogniser.transcribe(path)
        except GoamaError as error:
            failed += 1
            err.print(f"goama: {error}", markup=False)
            continue
        for sentence in transcript.repairs:
            err.print(f"{path}: {sentence}", markup=False)
        content = WRITERS[to](transcript)
        if output:
            target = output / f"{path.stem}.{to}"
            write_beside(target, content)
            out.print(str(target), markup=False)
        elif to == "txt" and len(audio) > 1:
            out.print(f"{path}: {transcript.text}", markup=False)
        else:
            sys.stdout.write(content)
    if failed:
        err.print(f"goama: {failed} of {len(audio)} recordings could not be transcribed")
        raise typer.Exit(2)


def _check_output(output: Path, audio: Sequence[Path], to: str, overwrite: bool) -> None:
    """Raises `GoamaError` when two recordings would have one transcript, or a transcript exists already."""
    stems = [path.stem for path in audio]
    twice = next((path for path in audio if stems.count(path.stem) > 1), None)
    if twice is not None:
        raise GoamaError(
            f"{twice}: another recording has the same name, and their transcripts would be one file in {output}; "
            "transcribe them into different folders"
        )
    there = [output / f"{stem}.{to}" for stem in stems if (output / f"{stem}.{to}").exists()]
    if there and not overwrite:
        raise GoamaError(f"{there[0]} exists already, perhaps corrected by hand; choose another -o or --overwrite")
