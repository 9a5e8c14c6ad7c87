"""`goama doctor`, `goama demo`, `goama voices`: first steps without recordings of your own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from goama.cli.terminal import Spinner, next_command, out, quiet_libraries

voices = typer.Typer(help="Real speech from Debian packages, to try goama without recordings.", no_args_is_help=True)


@voices.command("list")
def voices_list() -> None:
    """List the voices that `goama voices get` can fetch."""
    from goama.voices import VOICES

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
    from goama.voices import get_voice

    with Spinner() as status:
        folder = get_voice(name, output, progress=lambda what, done, total: status(f"{what} {done}/{total}"))
    for split, clips in folder.clips.items():
        out.print(f"{split:5}  {clips:5d} clips  {folder.minutes[split]:6.1f} min")
    left_out = sum(folder.left_out.values())
    if left_out:
        most = ", ".join(f"{count} {reason}" for reason, count in list(folder.left_out.items())[:3])
        out.print(f"{left_out} recordings left out ({most}); all listed in {output / 'left-out.jsonl'}", markup=False)
    out.print(f"licence: {folder.voice.licence}; see {output / 'ATTRIBUTION.md'}", markup=False)
    next_command("prepare", output, "-o", "corpus")


def doctor() -> None:
    """Show what this machine has, what is missing, and how to fix it."""
    from goama.doctor import examine

    for line in examine():
        out.print(str(line), markup=False)


def demo(
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder to work in.")] = Path("demo"),
    minutes: Annotated[float, typer.Option(help="Minutes of training.")] = 9.0,
    encoder: Annotated[
        str | None,
        typer.Option(help="What to fine-tune. [default: the starter if the package contains it, else scratch]"),
    ] = None,
) -> None:
    """Fetch Dutch speech, prepare it, train, evaluate and transcribe, all in one command."""
    from goama.demo import run_demo
    from goama.model.shipped import small_encoder

    quiet_libraries()
    run_demo(output, minutes=minutes, encoder=encoder or small_encoder(), console=out)
