"""`goama align`: a recording and its text become words with times."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from goama.cli.corpora import require_writable
from goama.cli.terminal import Spinner, err, next_command, out, quiet_libraries, require_model_first, sound_progress
from goama.errors import GoamaError
from goama.files import readable, write_beside
from goama.heap import keep_heap_small
from goama.sound.nominal_length import nominal_seconds

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
    for option, file in (("-o", output), ("--quality", quality)):
        if file is not None:
            require_writable(option, file)
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
            stream_audio(audio, repairs=repairs),
            content,
            name=readable(str(audio)),
            progress=sound_progress(status, f"aligning {readable(audio.name)}", nominal_seconds(audio)),
        )
    for repair in repairs:
        err.print(f"{audio}: {repair.sentence}", markup=False)
    found = findings(alignment)
    save(alignment.transcript, output)
    if quality is not None:
        write_beside(quality, as_table(found))
    words = len(alignment.transcript.words)
    missing = sum(passage.words for passage in alignment.unspoken)
    out.print(f"{words} of {words + missing} words have times: {output}", markup=False)
    for kind, count in Counter(finding.kind for finding in found).items():
        out.print(f"{kind}: {count}")
    worst = sorted(found, key=lambda finding: -finding.value)[:_NAMED]
    for finding in sorted(worst, key=lambda finding: finding.start):
        out.print(f"  {finding.start:.1f} s  {finding.kind}: {finding.text[:70]}", markup=False)
    if found and quality is None:
        next_command("align", model, audio, text, "-o", output, "--overwrite", "--quality", "findings.tsv")
