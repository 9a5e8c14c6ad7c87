"""The command line: one verb, one function. Heavy libraries are imported when a verb needs them, not before."""

from __future__ import annotations

import errno
import json
import os
import shlex
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from goama import __version__
from goama.errors import GoamaError
from goama.files import write_beside

if TYPE_CHECKING:
    from goama.corpus.source import Source

app = typer.Typer(
    help="An hour of transcribed recordings in any language becomes a speech recogniser.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
voices = typer.Typer(help="Real speech from Debian packages, to try goama without recordings.", no_args_is_help=True)
app.add_typer(voices, name="voices")

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)

_FORMATS = ("txt", "json")  # goama.writers.WRITERS, known before anything heavy is imported
_STOPPED_BY_GUARD = 3  # the exit status of a training that could not be mended
_UNUSABLE = 0.5  # dev CER above which a person is told so
_NAMED = 5  # clips named on the screen; the file that names all is said


# What says how a source is read: the same for every verb that takes one.
_Source = Annotated[
    str,
    typer.Argument(
        help="Folder (audiofolder, Common Voice, Kaldi, LJSpeech, ELAN, Praat, subtitles, parquet), one of their "
        "files, a CSV, TSV, JSONL or XLSX table, or a Hub data set id."
    ),
]
_AudioColumn = Annotated[str | None, typer.Option(help="Column with the sound file.")]
_TextColumn = Annotated[str | None, typer.Option(help="Column with the transcript.")]
_IdColumn = Annotated[str | None, typer.Option(help="Column with the clip's id.")]
_SpeakerColumn = Annotated[str | None, typer.Option(help="Column with the speaker.")]
_SplitColumn = Annotated[str | None, typer.Option(help="Column with train, dev or test.")]
_LanguageColumn = Annotated[str | None, typer.Option(help="Column with the language's code.")]
_StartColumn = Annotated[str | None, typer.Option(help="Column with a clip's start in its recording (s).")]
_EndColumn = Annotated[str | None, typer.Option(help="Column with its end (s).")]
_DurationColumn = Annotated[str | None, typer.Option(help="Column with its duration (s).")]
_Tier = Annotated[
    list[str] | None, typer.Option(help="ELAN, Praat: tier to take, or its type, or 'tx@*'; may be repeated.")
]
_Delimiter = Annotated[str | None, typer.Option(help="CSV: tab, comma, semicolon, pipe or a character.")]
_Sheet = Annotated[str | None, typer.Option(help="XLSX: sheet to take.")]
_AudioFolder = Annotated[Path | None, typer.Option(help="Where the sound lies, if not in the source.")]
_Format = Annotated[str | None, typer.Option("--format", help="What to read the source as, where it could be several.")]
_HubName = Annotated[str | None, typer.Option(help="Configuration of a Hub data set.")]


def main() -> None:
    """Run the command line; a user's mistake is one sentence and status 2, a bug keeps its traceback."""
    # Before torch is loaded: its threads wait a little and then sleep, fast alone and fair on a shared machine.
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")
    try:
        app(standalone_mode=True)
    except GoamaError as error:
        _fail(str(error))
    except OSError as error:
        sentence = _surroundings(error)
        if sentence is None:
            raise
        _fail(sentence)
    except KeyboardInterrupt:
        err.print("stopped")
        sys.exit(130)


def _fail(sentence: str) -> None:
    err.print(f"goama: {sentence}", markup=False)
    sys.exit(2)


def _surroundings(error: OSError) -> str | None:
    """A sentence for the faults of disks and permissions; None for what may be a bug."""
    where = error.filename or "the output"
    return {
        errno.ENOSPC: f"{where}: the disk is full; free some space (`goama doctor` shows it) and run the command again",
        errno.EDQUOT: f"{where}: your disk quota is used up; free some space and run the command again",
        errno.EFBIG: f"{where}: the file grew larger than the system allows; free some space or raise the limit",
        errno.EACCES: f"{where}: no permission to write or read here; choose another place with -o",
        errno.EPERM: f"{where}: the system does not allow this; choose another place with -o",
        errno.EROFS: f"{where}: this file system is read-only; choose another place with -o",
        errno.ENOENT: f"{where}: no such file or folder; check the path",
        errno.EEXIST: f"{where}: a file of this name is in the way; choose another place with -o",
        errno.ENOTDIR: f"{where}: a part of this path is a file, not a folder; choose another place with -o",
        errno.EISDIR: f"{where}: this is a folder, a file is needed",
        errno.ENAMETOOLONG: f"{where}: this name is too long for the file system",
    }.get(error.errno or 0)


def _version(wanted: bool) -> None:
    if wanted:
        out.print(f"goama {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    pass


@voices.command("list")
def voices_list() -> None:
    """List the voices that `goama voices get` can fetch."""
    from goama.corpus.voices import VOICES

    table = Table("name", "language", "minutes", "clips", "speakers", "licence", box=None)
    for voice in VOICES:
        table.add_row(
            voice.name,
            voice.language,
            str(voice.minutes),
            str(voice.clips),
            str(voice.speakers),
            voice.licence,
        )
    out.print(table)
    out.print("\nnext: goama voices get fillets-nl -o fillets-nl")


@voices.command("get")
def voices_get(
    name: Annotated[str, typer.Argument(help="A name from `goama voices list`.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder to make.")],
) -> None:
    """Fetch a voice as a folder with metadata.jsonl, audio, licence and attribution."""
    from goama.corpus.voices import get_voice

    with _Spinner() as status:
        folder = get_voice(name, output, progress=lambda what, done, total: status(f"{what} {done}/{total}"))
    for split, clips in folder.clips.items():
        out.print(f"{split:5}  {clips:5d} clips  {folder.minutes[split]:6.1f} min")
    left_out = sum(folder.left_out.values())
    if left_out:
        most = ", ".join(f"{count} {reason}" for reason, count in list(folder.left_out.items())[:3])
        out.print(f"{left_out} recordings left out ({most}); all named in {output / 'left-out.jsonl'}", markup=False)
    out.print(f"licence: {folder.voice.licence}; see {output / 'ATTRIBUTION.md'}", markup=False)
    _next("prepare", output, "-o", "corpus")


@app.command()
def check(
    source: _Source,
    language: Annotated[str | None, typer.Option(help="Language code (nl, mos, …): picks the spelling rules.")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the findings to this file.")] = None,
    facts: Annotated[Path | None, typer.Option(help="Write what was measured of each clip to this JSONL file.")] = None,
    report: Annotated[Path | None, typer.Option(help="Write a page to look at and listen to, one HTML file.")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with status 2 if there are errors.")] = False,
    model: Annotated[
        Path | None, typer.Option(help="A trained model: also name clips whose text is probably not what is said.")
    ] = None,
    text_only: Annotated[bool, typer.Option("--text-only", help="Do not read the sound; quick.")] = False,
    audio_column: _AudioColumn = None,
    text_column: _TextColumn = None,
    id_column: _IdColumn = None,
    speaker_column: _SpeakerColumn = None,
    split_column: _SplitColumn = None,
    language_column: _LanguageColumn = None,
    start_column: _StartColumn = None,
    end_column: _EndColumn = None,
    duration_column: _DurationColumn = None,
    tier: _Tier = None,
    delimiter: _Delimiter = None,
    sheet: _Sheet = None,
    audio_folder: _AudioFolder = None,
    format_: _Format = None,
    name: _HubName = None,
) -> None:
    """Say what is wrong with recordings and transcripts, and what mends it, before anything is trained."""
    if text_only and model:
        raise GoamaError("--text-only and --model: a model judges the sound, which --text-only leaves unread")
    for option, file in (("--json", json_file), ("--facts", facts), ("--report", report)):
        if file is not None and not file.parent.is_dir():
            raise GoamaError(f"{option} {file}: there is no folder {file.parent}; make it first")
    from goama.audit.audit import audit
    from goama.audit.screen import lines
    from goama.audit.sounds import Sounds
    from goama.corpus.corpus import CORPUS_FILE

    clips = _read(
        source,
        columns={
            "id": id_column,
            "audio": audio_column,
            "text": text_column,
            "speaker": speaker_column,
            "split": split_column,
            "language": language_column,
            "offset": start_column,
            "duration": duration_column,
            "end": end_column,
        },
        choices=(format_, tuple(tier or ()), delimiter, sheet, audio_folder),
        name=name,
    )
    sounds = Sounds(clips)
    recogniser = None
    if model is not None:
        _quiet_libraries()
        from goama.recognition.recogniser import Recogniser

        recogniser = Recogniser.load(model)
    with _Spinner() as status:
        found = audit(
            sounds,
            source=source,
            language=language,
            read_sound=not text_only,
            recogniser=recogniser,
            model=str(model or ""),
            progress=_countdown(status, "checking", _count(source, clips)),
        )
    for line in lines(found):
        out.print(line, markup=False)
    if json_file is not None:
        write_beside(json_file, json.dumps(found.to_json(), ensure_ascii=False, indent=2) + "\n")
    if facts is not None:
        write_beside(facts, "".join(json.dumps(c.to_json(), ensure_ascii=False) + "\n" for c in found.clips))
    if report is not None:
        from goama.reports.audit_page import write_audit_report

        with _Spinner() as status:
            status("writing the report")
            write_audit_report(found, report, sound=sounds)
        out.print(f"report: {report}", markup=False)
    is_corpus = (Path(source) / CORPUS_FILE).is_file()
    _next(*(["train", source, "-o", "run"] if is_corpus else ["prepare", source, "-o", "corpus"]))
    if strict and found.has_errors:
        err.print("goama: there are errors (--strict)")
        raise typer.Exit(2)


def _read(source: str, columns: dict[str, str | None], choices: tuple, name: str | None) -> Source:
    """The source's clips; says what it was taken for."""
    from goama.corpus.source import Choices, Columns, read_source

    with _Spinner() as status:
        status("reading the source")
        clips = read_source(source, Columns(**columns), name=name, choices=Choices(*choices))
    out.print(f"read as {clips.taken}", markup=False)
    for note in clips.notes:
        out.print(note, markup=False)
    return clips


@app.command()
def prepare(
    source: _Source,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Corpus folder to make.")] = None,
    language: Annotated[str | None, typer.Option(help="Language code (nl, mos, …): picks the spelling rules.")] = None,
    audio_column: _AudioColumn = None,
    text_column: _TextColumn = None,
    id_column: _IdColumn = None,
    speaker_column: _SpeakerColumn = None,
    split_column: _SplitColumn = None,
    language_column: _LanguageColumn = None,
    start_column: _StartColumn = None,
    end_column: _EndColumn = None,
    duration_column: _DurationColumn = None,
    tier: _Tier = None,
    delimiter: _Delimiter = None,
    sheet: _Sheet = None,
    audio_folder: _AudioFolder = None,
    format_: _Format = None,
    name: _HubName = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would change, be left out and be split; write nothing.")
    ] = False,
    replace: Annotated[
        Path | None, typer.Option(help="Table of your own spelling rules: what is typed, a tab, what to write.")
    ] = None,
    numbers: Annotated[
        Path | None,
        typer.Option(help="With --dry-run: table to make of the numbers in digits and their words, for --replace."),
    ] = None,
    split_by: Annotated[
        str | None, typer.Option(help="Split anew, keeping each speaker, recording or text in one split.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the split, where the source gives none.")] = 0,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the corpus that is there.")] = False,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Exit with status 0 although clips had to be left out.")
    ] = False,
) -> None:
    """Make a corpus: decode, normalise, split; every clip left out is named with its reason."""
    from goama.corpus.prepare import prepare as make_corpus
    from goama.corpus.split import SPLIT_BY
    from goama.model.shipped import small_encoder
    from goama.text.replacements import read_replacements

    if split_by is not None and split_by not in SPLIT_BY:
        raise GoamaError(f"--split-by {split_by}: clips can be split by {', '.join(SPLIT_BY)}")
    if numbers is not None and not dry_run:
        raise GoamaError("--numbers goes with --dry-run: it makes a table to look through before it is used")
    replacements = read_replacements(replace) if replace else ()
    clips = _read(
        source,
        columns={
            "id": id_column,
            "audio": audio_column,
            "text": text_column,
            "speaker": speaker_column,
            "split": split_column,
            "language": language_column,
            "offset": start_column,
            "duration": duration_column,
            "end": end_column,
        },
        choices=(format_, tuple(tier or ()), delimiter, sheet, audio_folder),
        name=name,
    )
    if dry_run:
        from goama.corpus.dry_run import dry_run as look
        from goama.corpus.dry_run import print_dry_run, write_numbers

        with _Spinner() as status:
            plan = look(
                clips,
                source=source,
                language=language,
                seed=seed,
                split_by=split_by,
                replacements=replacements,
                progress=_countdown(status, "looking", _count(source, clips)),
            )
        print_dry_run(plan, out)
        if numbers is not None:
            out.print(write_numbers(plan, numbers), markup=False)
        return
    if output is None:
        raise GoamaError("prepare: name the corpus folder to make with -o, or look first with --dry-run")
    with _Spinner() as status:
        made = make_corpus(
            clips,
            output,
            source=source,
            language=language,
            seed=seed,
            split_by=split_by,
            replacements=replacements,
            overwrite=overwrite,
            progress=_countdown(status, "preparing", _count(source, clips)),
        )
    for split, facts in made.corpus.about["splits"].items():
        out.print(f"{split:5}  {facts['clips']:5d} clips  {facts['seconds'] / 60:6.1f} min")
    out.print(made.corpus.about["split_by"])
    if made.corpus.language is None:
        out.print("no language given: general spelling rules were used (--language CODE picks a language's own)")
    for note in made.notes:
        out.print(note, markup=False)
    if made.left_out:
        for entry in made.left_out[:_NAMED]:
            err.print(f"left out: {entry.id} ({entry.where}): {entry.reason}", markup=False)
        if len(made.left_out) > _NAMED:
            err.print(f"… and {len(made.left_out) - _NAMED} more")
        listing = output / "left-out.jsonl"
        err.print(
            f"goama: {'1 clip was' if len(made.left_out) == 1 else f'{len(made.left_out)} clips were'} left out, "
            f"all named with their reasons in {listing}; "
            f"the corpus of the other {sum(s['clips'] for s in made.corpus.about['splits'].values())} is ready "
            "(--skip-bad accepts this)",
            markup=False,
        )
    empty = [split for split, facts in made.corpus.about["splits"].items() if not facts["clips"]]
    if empty:
        out.print(f"too little speech for a split of its own: {', '.join(empty)}; training needs train and dev")
    _next("train", output, "-o", "run", *([] if _has_gpu() else ["--encoder", small_encoder()]))
    if made.left_out and not skip_bad:
        raise typer.Exit(2)


@app.command()
def shard(
    corpus: Annotated[Path, typer.Argument(help="Corpus folder made by `goama prepare`.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder to make.")],
    clips: Annotated[int, typer.Option(min=1, help="Clips in a shard.")] = 1000,
    sound_at: Annotated[
        str | None,
        typer.Option(help="URL that the shards will be uploaded to, e.g. s3://bucket/corpus. [default: they stay]"),
    ] = None,
) -> None:
    """Put a corpus's sound into few large tar files (lhotse Shar), for training from object storage."""
    from goama.corpus.corpus import Corpus
    from goama.corpus.shard import shard as write_shards

    opened = Corpus.open(corpus)
    with _Spinner() as status:
        made = write_shards(
            opened,
            output,
            clips_in_a_shard=clips,
            sound_at=sound_at,
            progress=lambda done: status(f"writing, clip {done}"),
        )
    shards = made.shards or {}
    out.print(f"{len(shards)} shards, {sum(shards.values()) / 1e6:.1f} MB of sound")
    if sound_at:
        out.print(f"upload {output}/*/recording.*.tar to {sound_at}, keeping their folders; then", markup=False)
    _next("train", output, "-o", "run")


@app.command()
def train(
    corpora: Annotated[list[Path], typer.Argument(metavar="CORPUS...", help="Corpus folders made by `goama prepare`.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Run folder to make, or to resume.")],
    encoder: Annotated[
        str | None,
        typer.Option(
            help="`starter`, `scratch`, a model folder or a Hub id. [default: the recipe's, else "
            "facebook/w2v-bert-2.0, or the starter where the Hub cannot be reached]"
        ),
    ] = None,
    recipe: Annotated[Path | None, typer.Option(help="TOML recipe; a run's own is RUN/recipe.toml.")] = None,
    set_: Annotated[
        list[str] | None, typer.Option("-s", "--set", help="Override a recipe key, e.g. -s train.minutes=10.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the newest checkpoint.")] = False,
) -> None:
    """Fine-tune an encoder on a corpus, or on several together; the best model ends up in RUN/best."""
    from goama.corpus.mixture import Mixture
    from goama.training.processes import is_main, one_voice
    from goama.training.recipe import read_recipe

    out.quiet = not is_main()
    with one_voice():
        wanted = read_recipe(recipe, set_ or [])
        opened = Mixture.open(corpora)
        _quiet_libraries()
        from goama.training.train import train as run_training

        trained = run_training(opened, output, encoder=encoder, recipe=wanted, resume=resume, console=out)
    state = trained.outcome.state
    if trained.report.is_file():  # a full disk keeps the page away, not the model
        out.print(f"report: {trained.report}", markup=False)
    if state.skipped_steps:
        out.print(f"{state.skipped_steps} steps were skipped because their gradients were not finite")
    if trained.outcome.interrupted:
        out.print(
            f"stopped and saved at step {state.step}; go on with:\n  "
            + shlex.join(["goama", "train", *map(str, corpora), "-o", str(output), "--resume"]),
            markup=False,
        )
        raise typer.Exit(130)
    if state.guard.ended_by == "guard":
        best = (
            f"{trained.best} is the best model from before" if state.best_cer is not None else "there is no best model"
        )
        if is_main():
            err.print(f"goama: {state.guard.reason}; {best}; why: {output / 'diagnosis.json'}", markup=False)
        raise typer.Exit(_STOPPED_BY_GUARD)
    if state.best_cer is not None:
        out.print(
            f"best: dev CER {100 * state.best_cer:.1f} % at step {state.best_step}, in {trained.best}", markup=False
        )
        if state.best_cer > _UNUSABLE:
            out.print(
                "Nobody can use transcripts with so many errors yet: a pretrained encoder (--encoder), more speech or "
                "a longer training (-s train.minutes=…) is what helps."
            )
    first = opened.corpora[0]
    _next("evaluate", trained.best, first.folder, "--split", "test" if first.clips("test") else "dev")


@app.command()
def report(
    run: Annotated[Path, typer.Argument(help="Run folder made by `goama train`.")],
) -> None:
    """Write RUN/report.html again: how the run stands, what is wrong with it, its curves, clips to hear."""
    from goama.reports.run_page import write_run_report

    with _Spinner() as status:
        status("writing the report")
        written = write_run_report(run)
    for note in written.notes:
        out.print(note, markup=False)
    out.print(f"report: {written.path}", markup=False)


@app.command()
def evaluate(
    model: Annotated[Path, typer.Argument(help="Model folder, such as RUN/best.")],
    corpus: Annotated[Path, typer.Argument(help="Corpus folder made by `goama prepare`.")],
    split: Annotated[str, typer.Option(help="train, dev or test.")] = "test",
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the result to this file.")] = None,
    worst: Annotated[int, typer.Option(min=0, help="Worst clips to show.")] = 5,
) -> None:
    """Measure WER and CER with 95 % intervals on a split, and show the worst clips."""
    from goama.corpus.corpus import SPLITS, Corpus

    if split not in SPLITS:
        raise GoamaError(f"--split {split}: splits are {', '.join(SPLITS)}")
    if json_file is not None and not json_file.parent.is_dir():
        raise GoamaError(f"--json {json_file}: there is no folder {json_file.parent}; make it first")
    opened = Corpus.open(corpus)
    _quiet_libraries()
    from goama.evaluation.evaluate import evaluate as measure
    from goama.recognition.recogniser import Recogniser

    recogniser = Recogniser.load(model)
    with _Spinner() as status:
        result = measure(
            recogniser,
            opened,
            split,
            model=model,
            progress=lambda done: status(f"recognising, clip {done} of {opened.clips(split)}"),
        )
    score = result.score
    out.print(f"{split}: {score.clips} clips, {score.seconds / 60:.1f} min, {score.words} words")
    for line in score.lines():
        out.print(line)
    for clip in result.worst(worst):
        out.print(f"\n{clip.id}  {clip.character_errors} characters wrong, CER {100 * clip.cer:.0f} %", markup=False)
        _side_by_side(clip.reference, clip.hypothesis)
    if json_file is not None:
        write_beside(json_file, json.dumps(result.to_dict(), ensure_ascii=False, indent=2) + "\n")
    _next("transcribe", model, "RECORDING.wav")


@app.command()
def transcribe(
    model: Annotated[Path, typer.Argument(help="Model folder, such as RUN/best.")],
    audio: Annotated[list[Path], typer.Argument(help="Recordings of any length and format.")],
    to: Annotated[str, typer.Option(help="txt or json.")] = "txt",
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="Folder for one file a recording; default: the screen."),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace transcripts that are there.")] = False,
) -> None:
    """Transcribe recordings; those that cannot be read are named, the others are still transcribed."""
    if to not in _FORMATS:
        raise GoamaError(f"--to {to}: formats are {', '.join(_FORMATS)}")
    if to == "json" and len(audio) > 1 and output is None:
        raise GoamaError("--to json with several recordings: name a folder with -o, one file a recording")
    if output:
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
    _quiet_libraries()
    from goama.recognition.recogniser import Recogniser
    from goama.writers import WRITERS

    recogniser = Recogniser.load(model)
    if output:
        output.mkdir(parents=True, exist_ok=True)
    failed = 0
    for number, path in enumerate(audio, start=1):
        try:
            with _Spinner() as status:
                status(f"transcribing {path.name}, {number} of {len(audio)}")
                transcript = recogniser.transcribe(path)
        except GoamaError as error:
            failed += 1
            err.print(f"goama: {error}", markup=False)
            continue
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


@app.command()
def doctor() -> None:
    """Say what this machine has, what is missing, and the command that mends it."""
    from goama.doctor import examine

    for line in examine():
        out.print(str(line), markup=False)


@app.command()
def demo(
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder to work in.")] = Path("demo"),
    minutes: Annotated[float, typer.Option(help="Minutes of training.")] = 9.0,
    encoder: Annotated[
        str | None,
        typer.Option(help="What to fine-tune. [default: the starter where the package has it, else scratch]"),
    ] = None,
) -> None:
    """The main job on real Dutch speech: fetch, prepare, train, evaluate, transcribe."""
    from goama.demo import run_demo
    from goama.model.shipped import small_encoder

    _quiet_libraries()
    run_demo(output, minutes=minutes, encoder=encoder or small_encoder(), console=out)


def _next(*command: object) -> None:
    """The next command to type, quoted for a shell."""
    out.print("\nnext: " + shlex.join(["goama", *map(str, command)]), markup=False)


def _has_gpu() -> bool:
    """Without importing torch, which takes seconds."""
    return Path("/dev/nvidiactl").exists() or sys.platform == "darwin"


def _quiet_libraries() -> None:
    """Their warnings speak to programmers; what a user must know, goama says itself."""
    import warnings

    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("HF_HUB_VERBOSITY", "error")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    warnings.filterwarnings("ignore", category=FutureWarning)
    warnings.filterwarnings("ignore", category=UserWarning)
    import transformers.utils.logging as transformers_logging

    transformers_logging.disable_progress_bar()


def _side_by_side(reference: str, hypothesis: str) -> None:
    out.print(f"  reference   {reference}", markup=False)
    out.print(f"  hypothesis  {hypothesis or '(nothing)'}", markup=False)


def _count(source: str, clips: Source) -> int:
    """The clips of a source on this machine, for the time left; 0 where counting would fetch them."""
    return sum(1 for _ in clips) if Path(source).exists() else 0


def _countdown(status: Callable[[str], None], what: str, total: int) -> Callable[[int], None]:
    """Shows "checking, clip 12 of 400, 0:31 left"; `total` 0: not known."""
    started = time.monotonic()

    def show(done: int) -> None:
        line = f"{what}, clip {done}"
        if total:
            left = round((time.monotonic() - started) / done * (total - done))
            line += f" of {total}, {left // 60}:{left % 60:02d} left"
        status(line)

    return show


class _Spinner:
    """A spinner with one changing line on a terminal; silent elsewhere."""

    def __enter__(self):
        self._spinner = err.status("") if err.is_terminal else None
        if self._spinner:
            self._spinner.start()
        return self._update

    def _update(self, line: str) -> None:
        if self._spinner:
            self._spinner.update(line)

    def __exit__(self, *_: object) -> None:
        if self._spinner:
            self._spinner.stop()


if __name__ == "__main__":
    main()
