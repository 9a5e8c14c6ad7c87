"""`goama check`, `prepare`, `shard`: from recordings and transcripts to a corpus."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from goama.cli.source import WantedSource, takes_source
from goama.cli.terminal import Spinner, countdown, err, has_gpu, next_command, out, quiet_libraries, sound_progress
from goama.errors import GoamaError
from goama.files import write_beside
from goama.sound.nominal_length import nominal_seconds

if TYPE_CHECKING:
    from goama.audit.findings import Audit
    from goama.audit.sounds import Sounds
    from goama.corpus.corpus import Corpus
    from goama.corpus.prepare import Prepared
    from goama.recognition.recogniser import Recogniser
    from goama.sources.source import Source

_NAMED = 5  # clips, or reasons of several, named on the screen; the file that names all is said


@takes_source
def check(
    wanted: WantedSource,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the findings to this file.")] = None,
    facts: Annotated[Path | None, typer.Option(help="Write what was measured of each clip to this JSONL file.")] = None,
    report: Annotated[Path | None, typer.Option(help="Write an HTML report with the clips to listen to.")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with status 2 if there are errors.")] = False,
    encoder: Annotated[
        str | None,
        typer.Option(
            help="Encoder to be trained, whose frames must suffice for the texts. [default: as `goama train` chooses]"
        ),
    ] = None,
    model: Annotated[
        Path | None, typer.Option(help="A trained model: also find transcripts that do not match their audio.")
    ] = None,
    text_only: Annotated[bool, typer.Option("--text-only", help="Do not read the audio (fast).")] = False,
) -> None:
    """Find problems in recordings and transcripts before training, and say how to repair them."""
    if text_only and model:
        raise GoamaError("--text-only and --model: a model judges the sound, which --text-only leaves unread")
    for option, file in (("--json", json_file), ("--facts", facts), ("--report", report)):
        if file is not None:
            require_writable(option, file)
    from goama.audit.audit import audit
    from goama.audit.screen import lines
    from goama.audit.sounds import Sounds
    from goama.text.spelling import Spelling

    spelling = wanted.spelling()
    corpus = _corpus_at(wanted.where)
    own_rules = corpus is not None and spelling == Spelling() and not wanted.language
    clips = wanted.read()
    sounds = None if report is None else Sounds(clips)  # keeps the bytes of clips that are in no file of their own
    with Spinner() as status:
        found = audit(
            clips if sounds is None else sounds,
            source=wanted.where,
            language=wanted.language,
            spelling=spelling,
            normaliser=corpus.normaliser if corpus and own_rules else None,
            read_sound=not text_only,
            encoder=encoder,
            recogniser=None if model is None else _recogniser(model),
            model=str(model or ""),
            progress=countdown(status, "checking", clips.count),
        )
    for line in lines(found):
        out.print(line, markup=False)
    _write_findings(found, json_file, facts)
    if report is not None and sounds is not None:
        _write_page(found, report, sounds)
    if corpus:
        next_command("train", wanted.where, "-o", "run", *([] if encoder is None else ["--encoder", encoder]))
    else:
        next_command("prepare", wanted.where, *wanted.as_typed(), "-o", "corpus")
    if strict and found.has_errors:
        err.print("goama: there are errors (--strict)")
        raise typer.Exit(2)


def _corpus_at(where: str) -> Corpus | None:
    """The corpus that the source is, if it is one."""
    from goama.corpus.corpus import CORPUS_FILE, Corpus

    return Corpus.open(where) if (Path(where) / CORPUS_FILE).is_file() else None


def _recogniser(model: Path) -> Recogniser:
    quiet_libraries()
    from goama.recognition.recogniser import Recogniser

    return Recogniser.load(model)


def _write_findings(found: Audit, json_file: Path | None, facts: Path | None) -> None:
    if json_file is not None:
        write_beside(json_file, json.dumps(found.to_json(), ensure_ascii=False, indent=2) + "\n")
    if facts is not None:
        write_beside(facts, "".join(json.dumps(c.to_json(), ensure_ascii=False) + "\n" for c in found.clips))


def _write_page(found: Audit, report: Path, sounds: Sounds) -> None:
    from goama.reports.audit_page import write_audit_report

    with Spinner() as status:
        status("writing the report")
        write_audit_report(found, report, sound=sounds)
    out.print(f"report: {report}", markup=False)


def require_writable(option: str, file: Path) -> None:
    """Raises `GoamaError` when the file cannot be written, before hours of work are done for it."""
    if not file.parent.is_dir():
        raise GoamaError(f"{option} {file}: there is no folder {file.parent}; make it first")
    if file.is_dir():
        raise GoamaError(f"{option} {file}: this is a folder; name a file in it")
    if file.exists() and not file.is_file():
        raise GoamaError(f"{option} {file}: this is a device or a pipe; name a file")
    try:
        with tempfile.NamedTemporaryFile(dir=file.parent, prefix=f"{file.name}."):
            pass
    except OSError as error:
        raise GoamaError(f"{option} {file}: it cannot be written ({error.strerror}); choose another place") from error


@contextmanager
def _nothing_written() -> Iterator[None]:
    """On Ctrl-C, says that nothing was written, and exits with status 130."""
    try:
        yield
    except KeyboardInterrupt:
        err.print("stopped; nothing was written")
        raise typer.Exit(130) from None


@takes_source
def prepare(
    wanted: WantedSource,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Corpus folder to make.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would change, be left out and be split; write nothing.")
    ] = False,
    numbers: Annotated[
        Path | None,
        typer.Option(help="With --dry-run: table to make of the numbers in digits and their words, for --replace."),
    ] = None,
    split_by: Annotated[
        str | None,
        typer.Option(help="Ignore the source's splits and keep each speaker, recording or text in one split."),
    ] = None,
    unsplit: Annotated[
        str,
        typer.Option(
            help="Clips that the source gives no split beside others: train, leave-out, or split (where their speaker, "
            "recording or sentence is, else train)."
        ),
    ] = "split",
    seed: Annotated[int, typer.Option(help="Seed of the split, where the source gives none.")] = 0,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the corpus that is there.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with status 2 if clips were left out.")] = False,
    text: Annotated[
        Path | None,
        typer.Option(help="SOURCE is a recording read aloud, or a folder of them: its text, or a folder of texts."),
    ] = None,
    model: Annotated[Path | None, typer.Option(help="With --text: the model that aligns them.")] = None,
) -> None:
    """Make a corpus: decode, normalise and split; name every clip that is left out, with the reason."""
    _require_known_split(split_by, unsplit)
    if numbers is not None and not dry_run:
        raise GoamaError("--numbers goes with --dry-run: it makes a table to look through before it is used")
    how = {
        "source": wanted.where,
        "language": wanted.language,
        "spelling": wanted.spelling(),
        "seed": seed,
        "split_by": split_by,
        "unsplit": unsplit,
    }
    if (text is None) != (model is None):
        raise GoamaError("--text and --model go together: a model aligns the recordings with their text")
    with _nothing_written():
        clips = wanted.read() if text is None or model is None else _read_aloud(wanted, text, model)
    if dry_run:
        _show(clips, how, numbers)
    elif output is None:
        raise GoamaError("prepare: name the corpus folder to make with -o, or look first with --dry-run")
    else:
        _make(clips, output, how, overwrite=overwrite, strict=strict)


def _require_known_split(split_by: str | None, unsplit: str) -> None:
    from goama.corpus.split import SPLIT_BY
    from goama.corpus.unsplit import UNSPLIT

    if split_by is not None and split_by not in SPLIT_BY:
        raise GoamaError(f"--split-by {split_by}: clips can be split by {', '.join(SPLIT_BY)}")
    if unsplit not in UNSPLIT:
        raise GoamaError(f"--unsplit {unsplit}: possible are {', '.join(UNSPLIT)}")


def _show(clips: Source, how: dict[str, Any], numbers: Path | None) -> None:
    """The dry run; `how`: what `goama.corpus.prepare.prepare` and `dry_run` take alike."""
    from goama.corpus.dry_run import dry_run, print_dry_run, write_numbers

    with _nothing_written(), Spinner() as status:
        plan = dry_run(clips, **how, progress=countdown(status, "looking", clips.count))
    print_dry_run(plan, out)
    if numbers is not None:
        out.print(write_numbers(plan, numbers), markup=False)


def _make(clips: Source, output: Path, how: dict[str, Any], *, overwrite: bool, strict: bool) -> None:
    from goama.corpus.prepare import prepare
    from goama.model.shipped import small_encoder

    with _nothing_written(), Spinner() as status:
        progress = countdown(status, "preparing", clips.count)
        made = prepare(clips, output, **how, overwrite=overwrite, progress=progress)
    splits = made.corpus.about["splits"]
    for split, facts in splits.items():
        out.print(f"{split:5}  {facts['clips']:5d} clips  {facts['seconds'] / 60:6.1f} min")
    out.print(made.corpus.about["split_by"])
    if made.corpus.language is None:
        out.print("no language given: general spelling rules were used (--language CODE picks a language's own)")
    for note in made.notes:
        out.print(note, markup=False)
    if made.left_out:
        _name_left_out(made, output, strict)
    empty = [split for split, facts in splits.items() if not facts["clips"]]
    if empty:
        out.print(f"too little speech for these splits: {', '.join(empty)}; training needs train and dev")
    next_command("train", output, "-o", "run", *([] if has_gpu() else ["--encoder", small_encoder()]))
    if made.left_out and strict:
        raise typer.Exit(2)


def _read_aloud(wanted: WantedSource, text: Path, model: Path) -> Source:
    """The clips of recordings of a text, aligned by a model."""
    reading = wanted.reading_options()
    if reading:
        raise GoamaError(f"{reading[0]} does not go with --text; remove it")
    quiet_libraries()
    from goama.recognition.read_aloud import TEXT_SUFFIXES, book_source, files_in, sound_files_in
    from goama.recognition.recogniser import Recogniser

    recordings, texts = sound_files_in(Path(wanted.where)), files_in(text, TEXT_SUFFIXES, "text")
    seconds = [nominal_seconds(recording) for recording in recordings]
    total = sum(filter(None, seconds)) if all(seconds) else None
    recogniser = Recogniser.load(model)
    with Spinner() as status:
        clips = book_source(recordings, texts, recogniser, sound_progress(status, "aligning", total))
    out.print(f"read as {clips.taken}", markup=False)
    for note in clips.notes:
        out.print(note, markup=False)
    return clips


def _name_left_out(made: Prepared, output: Path, strict: bool) -> None:
    from goama.corpus.corpus import LEFT_OUT_FILE
    from goama.corpus.left_out import by_reason

    named = by_reason(made.left_out)
    for _, sentence in named[:_NAMED]:
        err.print(f"left out: {sentence}", markup=False)
    if len(named) > _NAMED:
        err.print(f"… and {sum(count for count, _ in named[_NAMED:])} more")
    err.print(
        f"goama: {'1 clip was' if len(made.left_out) == 1 else f'{len(made.left_out)} clips were'} left out, "
        f"all named with their reasons in {output / LEFT_OUT_FILE}; "
        f"the corpus of the other {sum(facts['clips'] for facts in made.corpus.about['splits'].values())} is ready"
        + (" (--strict makes this an error)" if not strict else ""),
        markup=False,
    )


def shard(
    corpus: Annotated[Path, typer.Argument(help="Corpus folder made by `goama prepare`.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder to make.")],
    clips: Annotated[int, typer.Option(min=1, help="Clips in a shard.")] = 1000,
    sound_at: Annotated[
        str | None,
        typer.Option(help="URL that the shards will be uploaded to, e.g. s3://bucket/corpus. [default: they stay]"),
    ] = None,
) -> None:
    """Pack the audio of a corpus into a few large tar files (lhotse Shar), for training from object storage."""
    from goama.corpus.corpus import Corpus
    from goama.corpus.tar_shards import shard as write_shards

    opened = Corpus.open(corpus)
    with Spinner() as status:
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
    next_command("train", output, "-o", "run")
