"""`goama align`: a recording and its text become words with times."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from goama.cli.corpora import require_writable
from goama.cli.terminal import Spinner, err, next_command, out, quiet_libraries, require_model_first, sound_progress
from goama.errors import GoamaError
from goama.files import readable, write_beside
from goama.heap import keep_heap_small
from goama.sound.nominal_length import nominal_seconds
from goama.transcript.elan import require_takes_tiers
from goama.transcript.writers import WRITERS, ending

_NAMED = 5  # findings shown on the screen; the file names all


def align(
    model: Annotated[Path, typer.Argument(help="Model folder, such as RUN/best.")],
    audio: Annotated[Path, typer.Argument(help="Recording of any length and format.")],
    text: Annotated[Path, typer.Argument(help="Its text, UTF-8; lines become segments.")],
    output: Annotated[
        Path,
        typer.Option("-o", "--output", help="File to write; its ending is the format: .TextGrid, .eaf, .srt, .json, …"),
    ],
    quality: Annotated[
        Path | None, typer.Option(help="Write all findings to this table (.tsv): what to look at, with times.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing output.")] = False,
) -> None:
    """Find when each word of a text is spoken; say what is only in the text, or only in the sound."""
    require_model_first(model, [audio, text], "align")
    if output.exists() and not overwrite and output.suffix.lower() != ".eaf":
        raise GoamaError(f"{output} exists already, perhaps corrected by hand; choose another -o, or --overwrite")
    _require_output(output, quality, [audio, text])
    quiet_libraries()
    from goama.recognition.align import align as align_recording
    from goama.recognition.alignment_quality import as_table, findings
    from goama.recognition.read_aloud import read_text
    from goama.recognition.recogniser import Recogniser
    from goama.sound.audio import stream_audio
    from goama.sound.repairs import Repair
    from goama.transcript.writers import save

    repairs: list[Repair] = []
    content = read_text(text)
    keep_heap_small()
    recogniser = Recogniser.load(model)
    with Spinner() as status:
        alignment = align_recording(
            recogniser,
            stream_audio(audio, longest_s=math.inf, repairs=repairs),
            content,
            name=readable(str(audio)),
            progress=sound_progress(status, f"aligning {readable(audio.name)}", nominal_seconds(audio)),
        )
    for repair in repairs:
        err.print(f"{audio}: {repair.sentence}", markup=False)
    found = findings(alignment)
    saved = save(alignment.transcript, output)
    if quality is not None:
        write_beside(quality, as_table(found))
    words = len(alignment.transcript.words)
    missing = sum(passage.words for passage in alignment.unspoken)
    out.print(f"{words} of {words + missing} words have times: {saved.sentence}", markup=False)
    if alignment.unwritten:
        named = ", ".join(alignment.unwritten[:_NAMED]) + (", …" if len(alignment.unwritten) > _NAMED else "")
        out.print(
            f"the model cannot write all characters of {len(alignment.unwritten)} words, and places them less "
            f"exactly: {named}; spell them as they are said",
            markup=False,
        )
    for kind, count in Counter(finding.kind for finding in found).items():
        out.print(f"{kind}: {count}")
    worst = sorted(found, key=lambda finding: -finding.value)[:_NAMED]
    for finding in sorted(worst, key=lambda finding: finding.start):
        out.print(f"  {finding.start:.1f} s  {finding.kind}: {finding.text[:70]}", markup=False)
    if found and quality is None:
        again = output.with_suffix(".json") if output.suffix.lower() == ".eaf" else output  # no tiers a second time
        next_command("align", model, audio, text, "-o", again, "--overwrite", "--quality", "findings.tsv")


def _require_output(output: Path, quality: Path | None, inputs: Sequence[Path]) -> None:
    """Raises `GoamaError` where an output cannot be written, or is an input, before hours of work are done for it."""
    if output.suffix[1:].lower() not in WRITERS:
        raise GoamaError(f"-o {output}: its ending names no format; possible are {', '.join(map(ending, WRITERS))}")
    files = [("-o", output)] + ([] if quality is None else [("--quality", quality)])
    for option, file in files:
        require_writable(option, file)
        if any(file.exists() and other.exists() and file.samefile(other) for other in inputs):
            raise GoamaError(f"{option} {file}: this is the recording or its text; name another file")
    if quality is not None and quality.absolute() == output.absolute():
        raise GoamaError(f"--quality {quality}: this is -o too; name another file")
    if output.suffix.lower() == ".eaf" and output.exists():
        require_takes_tiers(output)
