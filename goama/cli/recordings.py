"""`goama transcribe` and `goama search`: what is said in recordings, by a model."""

from __future__ import annotations

import os
import shlex
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from goama.cli.corpora import require_writable
from goama.cli.decoding import decoding_options, say_remark
from goama.cli.inputs import Progress, Recording, recordings
from goama.cli.terminal import Spinner, err, out, quiet_libraries, require_model_first
from goama.errors import GoamaError
from goama.files import write_beside
from goama.heap import keep_heap_small
from goama.recognition.to_files import Task, transcribe_to_files
from goama.sound.repairs import clock_time
from goama.transcript.elan import require_takes_tiers, require_template
from goama.transcript.layout import Layout
from goama.transcript.tables import as_tsv
from goama.transcript.writers import WRITERS, ending

if TYPE_CHECKING:
    from goama.recognition.recogniser import Recogniser
    from goama.recognition.search import Hit

PRECISIONS = ("no", "bf16")
_MOST_TIERS = 3

Recordings = Annotated[
    list[Path], typer.Argument(help="Recordings of any length and format, folders of them, or - for standard input.")
]


def transcribe(
    model: Annotated[Path, typer.Argument(help="Model folder, such as RUN/best.")],
    audio: Annotated[
        list[Path],
        typer.Argument(help="Recordings of any length and format, folders of them, or - for standard input."),
    ],
    to: Annotated[str, typer.Option(help=f"One format or several, with commas: {', '.join(WRITERS)}.")] = "txt",
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="Folder for the transcripts. [default: the screen]"),
    ] = None,
    tiers: Annotated[
        str,
        typer.Option(help="Tiers in .eaf and .TextGrid: of segments, words, confidences; fewer names, fewer tiers."),
    ] = "Transcription,Words,Confidence",
    template: Annotated[
        Path | None, typer.Option(help="ELAN file (.etf or .eaf) from which new .eaf files are made.")
    ] = None,
    add_tiers: Annotated[
        bool, typer.Option("--add-tiers", help="Where -o has an .eaf, add the tiers to it; a copy of it is kept.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace existing transcripts, except that an .eaf gets further tiers.")
    ] = False,
    skip_existing: Annotated[
        bool, typer.Option("--skip-existing", help="Go on where -o has transcripts already: only make the others.")
    ] = False,
    jobs: Annotated[
        int, typer.Option(min=1, help="Recordings at the same time; each needs the memory of a model of its own.")
    ] = 1,
    precision: Annotated[
        str, typer.Option(help="no: float32; bf16: faster where the hardware has it, a few letters differ.")
    ] = "no",
    decoding: Annotated[
        str, typer.Option(help="auto: what `goama tune` found to be better for this model; greedy; or beam.")
    ] = "auto",
    hot_words: Annotated[
        Path | None, typer.Option(help="Text file of words and phrases to be found more easily, one a line.")
    ] = None,
) -> None:
    """Transcribe recordings. Files that cannot be read are reported and skipped."""
    formats = _formats(to)
    if precision not in PRECISIONS:
        raise GoamaError(f"--precision {precision}: possible are {', '.join(PRECISIONS)}")
    if skip_existing and (overwrite or output is None):
        raise GoamaError(
            "--skip-existing goes with -o, and without --overwrite: it keeps the transcripts in that folder"
        )
    if jobs > 1 and output is None:
        raise GoamaError("--jobs goes with -o: several processes write files, not the screen")
    if add_tiers and (output is None or overwrite or skip_existing):
        raise GoamaError(
            "--add-tiers goes with -o, without --overwrite and --skip-existing: it adds to every .eaf that is there"
        )
    if output is not None:
        _require_folder(output)
    layout = _layout(tiers, template)
    options = decoding_options(decoding, hot_words)
    require_model_first(model, audio, "transcribe")
    with recordings(audio) as found:
        if output is None and (len(formats) > 1 or (formats != ["txt"] and len(found) > 1)):
            raise GoamaError(
                f"--to {to}: name a folder with -o; the screen shows one format, of several recordings txt"
            )
        tasks = _tasks(found, output, formats)
        if output:
            tasks = _to_do(tasks, output, overwrite, skip_existing, add_tiers)
        if tasks:
            quiet_libraries()
            from goama.recognition.recogniser import Recogniser

            say_remark(model, options)
            load = partial(Recogniser.load, model, options=options, precision="bf16" if precision == "bf16" else "no")
            _transcribe(tasks, load, layout, formats[0], jobs)


def _formats(to: str) -> list[str]:
    formats = list(dict.fromkeys(name.strip().lower() for name in to.split(",")))
    for name in formats:
        if name not in WRITERS:
            raise GoamaError(f"--to {name}: formats are {', '.join(WRITERS)}")
    return formats


def _require_folder(output: Path) -> None:
    """Raises `GoamaError` where no folder can be made at `output`, before hours of work are done for it."""
    there = next(place for place in (output, *output.absolute().parents) if place.exists())
    if not there.is_dir():
        raise GoamaError(f"-o {output}: {there} is a file; name a folder")
    if not os.access(there, os.W_OK):
        raise GoamaError(f"-o {output}: nothing can be written into {there}; choose another folder")


def _layout(tiers: str, template: Path | None) -> Layout:
    """The layout with the names of the tiers; a template that cannot be used is refused before hours of work."""
    names = [name.strip() for name in tiers.split(",")]
    if not all(names) or len(set(names)) < len(names) or len(names) > _MOST_TIERS:
        raise GoamaError(f"--tiers {tiers}: one to three different names, as in --tiers Transcription,Words")
    if template is not None:
        require_template(template)
    segments, words, confidences = [*names, None, None][:_MOST_TIERS]
    return Layout(tier=segments or "", words_tier=words, confidence_tier=confidences, template=template)


def _tasks(found: Sequence[Recording], output: Path | None, formats: Sequence[str]) -> list[Task]:
    return [
        Task(
            recording.path,
            recording.name,
            tuple(output / f"{recording.place}{ending(name)}" for name in formats) if output else (),
        )
        for recording in found
    ]


def _to_do(tasks: Sequence[Task], output: Path, overwrite: bool, skip_existing: bool, add_tiers: bool) -> list[Task]:
    """The tasks without files that are kept, and without tasks of which nothing is left to do.

    Raises `GoamaError` when two recordings would have one transcript, or one exists and nothing says what to do.
    """
    targets = Counter(file for task in tasks for file in task.files)
    twice = next((task.name for task in tasks if targets[task.files[0]] > 1), None)
    if twice is not None:
        raise GoamaError(
            f"{twice}: another recording has the same name, and their transcripts would be one file in {output}; "
            "transcribe them into different folders"
        )
    there = {file for task in tasks for file in task.files if file.exists()}
    for file in there:
        if file.suffix == ".eaf" and (add_tiers or overwrite):
            require_takes_tiers(file)  # one that cannot take tiers is refused before hours of work
    if add_tiers:
        there = {file for file in there if file.suffix != ".eaf"}
    if there and skip_existing:
        left = [Task(task.recording, task.name, tuple(f for f in task.files if f not in there)) for task in tasks]
        left = [task for task in left if task.files]
        done = len(tasks) - len(left)
        out.print(f"{done} of {len(tasks)} recordings have a transcript in {output} and are skipped", markup=False)
        return left
    if there and not overwrite:
        first = next(file for task in tasks for file in task.files if file in there)
        raise GoamaError(
            f"{first} exists already, perhaps corrected by hand; choose another -o, --skip-existing to make "
            f"only the others, or {'--add-tiers to add to it' if first.suffix == '.eaf' else '--overwrite'}"
        )
    return list(tasks)


def _transcribe(tasks: Sequence[Task], load: Callable[[], Recogniser], layout: Layout, format: str, jobs: int) -> None:
    """Transcribe into the files of the tasks, or onto the screen, and say how it ended."""
    failed: list[str] = []
    with Spinner() as status:
        progress = Progress(status, "transcribing", [task.recording for task in tasks])
        try:
            for outcome in transcribe_to_files(tasks, load, layout, jobs=jobs, show=progress.show):
                progress.finish(outcome.number)
                task = tasks[outcome.number]
                for sentence in outcome.repairs:
                    err.print(f"{task.name}: {sentence}", markup=False)
                if outcome.is_empty:
                    err.print(f"{task.name}: no speech was recognised", markup=False)
                if outcome.error is not None:
                    failed.append(task.name)
                    err.print(f"goama: {outcome.error}", markup=False)
                elif task.files:
                    out.print("\n".join(outcome.saved), markup=False)
                elif outcome.transcript and len(tasks) > 1:
                    out.print(f"{task.name}: {outcome.transcript.text}", markup=False)
                elif outcome.transcript:
                    sys.stdout.write(WRITERS[format](outcome.transcript, layout))
        except KeyboardInterrupt:
            _say_how_to_go_on(tasks)
            raise
    if failed:
        err.print(f"goama: {len(failed)} of {len(tasks)} recordings could not be transcribed")
        if len(tasks) > 1:
            err.print("\n".join(f"  {name}" for name in failed), markup=False)
        raise typer.Exit(2)


def _say_how_to_go_on(tasks: Sequence[Task]) -> None:
    if "--add-tiers" in sys.argv or not any(task.files for task in tasks):
        return  # what has been done so far is on the screen: which .eaf has its new tiers cannot be seen from outside
    done = sum(all(file.exists() for file in task.files) for task in tasks)
    words = [word for word in sys.argv[1:] if word not in ("--overwrite", "--skip-existing")]
    err.print(f"{done} of {len(tasks)} recordings are transcribed; go on with:", markup=False)
    err.print(f"  {shlex.join(['goama', *words, '--skip-existing'])}", markup=False)


def search(
    model: Annotated[Path, typer.Argument(help="Model folder, such as RUN/best.")],
    audio: Annotated[
        list[Path],
        typer.Argument(help="Recordings of any length and format, folders of them, or - for standard input."),
    ],
    wanted: Annotated[
        list[str], typer.Option("--for", help="A word or a phrase; several with commas, or with --for again.")
    ],
    most: Annotated[int, typer.Option("--most", min=1, help="Hits to show of each keyword.")] = 10,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Write all hits to this file, as TSV.")] = None,
) -> None:
    """Find words in recordings that are not transcribed: places and scores of each keyword, the best first."""
    keywords = [part.strip() for text in wanted for part in text.split(",") if part.strip()]
    if output is not None:
        require_writable("--output", output)
    require_model_first(model, audio, "search")
    with recordings(audio) as found:
        places, failed = _search(model, found, keywords)
    for keyword, hits in places.items():
        out.print(f"{keyword}: {len(hits)} found" + (f", the best {most}" if len(hits) > most else ""), markup=False)
        for hit, name in hits[:most]:
            where = f"{name}  " if len(found) > 1 else ""
            out.print(f"  {hit.score:.2f}  {where}{clock_time(hit.start)} to {clock_time(hit.end)}", markup=False)
    if output is not None:
        rows = [(hit.keyword, name, hit.start, hit.end, hit.score) for hits in places.values() for hit, name in hits]
        write_beside(output, as_tsv([("keyword", "audio", "start", "end", "score"), *rows]))
    if failed:
        err.print(f"goama: {len(failed)} of {len(found)} recordings could not be searched")
        raise typer.Exit(2)


def _search(
    model: Path, found: Sequence[Recording], keywords: Sequence[str]
) -> tuple[dict[str, list[tuple[Hit, str]]], list[str]]:
    """For each keyword the hits and the names of their recordings, best first; and the recordings that failed."""
    quiet_libraries()
    from goama.recognition.recogniser import Recogniser

    keep_heap_small()
    recogniser = Recogniser.load(model)
    recogniser.keyword_search(keywords)  # one that the model cannot write is refused before anything is read
    places: dict[str, list[tuple[Hit, str]]] = {keyword: [] for keyword in keywords}
    seconds = [0.0] * len(found)
    failed = []
    with Spinner() as status:
        progress = Progress(status, "searching", [recording.path for recording in found])
        for number, recording in enumerate(found):

            def show(done: float, number: int = number) -> None:
                seconds[number] = done
                progress.show(seconds)

            try:
                for hit in recogniser.search(recording.path, keywords, show, recording.name):
                    places[hit.keyword].append((hit, recording.name))
            except GoamaError as error:
                failed.append(recording.name)
                err.print(f"goama: {error}", markup=False)
            progress.finish(number)
    return {keyword: sorted(hits, key=lambda place: -place[0].score) for keyword, hits in places.items()}, failed
