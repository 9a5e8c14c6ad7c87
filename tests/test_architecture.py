"""The rooms stand in the order of the data; a room needs only rooms before it."""

import ast
import subprocess
import sys
import time
from pathlib import Path

PACKAGE = Path(__file__).parent.parent / "goama"

ORDER = (
    "errors",
    "files",
    "interrupt",
    "heap",
    "reach",
    "offline",
    "hub",
    "html",
    "whisper_ctc",
    "text",
    "sound",
    "sources",
    "corpus",
    "voices",
    "data",
    "model",
    "transcript",
    "recognition",
    "evaluation",
    "audit",
    "run",
    "training",
    "reports",
    "sharing",
    "doctor",
    "demo",
    "api",
    "cli",
    "__main__",
)


def imports(file: Path) -> set[str]:
    """Rooms that a file imports, at its top or inside its functions."""
    rooms = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        if isinstance(node, ast.ImportFrom) and node.module == "goama":
            names = [f"goama.{alias.name}" for alias in node.names if (PACKAGE / alias.name).is_dir()]
        rooms |= {name.split(".")[1] for name in names if name.startswith("goama.")}
    return rooms


def test_rooms_need_only_rooms_before_them():
    for file in PACKAGE.rglob("*.py"):
        room = file.relative_to(PACKAGE).parts[0].removesuffix(".py")
        if room == "__init__":
            continue
        assert room in ORDER, f"{room}: a new room needs its place in the order"
        for needed in imports(file):
            assert ORDER.index(needed) <= ORDER.index(room), f"{file.relative_to(PACKAGE)} imports {needed}"


def test_only_the_demo_and_the_commands_import_the_voices():
    rooms = {
        file.relative_to(PACKAGE).parts[0].removesuffix(".py")
        for file in PACKAGE.rglob("*.py")
        if "voices" in imports(file)
    }
    assert rooms <= {"voices", "demo", "cli"}


def test_importing_and_asking_for_help_take_less_than_a_second():
    for command in (["-c", "import goama"], ["-m", "goama", "--help"], ["-m", "goama", "voices", "list"]):
        seconds = []
        for _ in range(3):  # the machine may be busy: the best of three
            started = time.perf_counter()
            subprocess.run([sys.executable, *command], check=True, capture_output=True)
            seconds.append(time.perf_counter() - started)
        assert min(seconds) < 1.0, f"{command}: {seconds}"


def test_the_command_line_loads_no_heavy_library_before_it_needs_one():
    heavy = "torch", "transformers", "lhotse", "numpy"
    code = f"import sys, goama.cli.app; print([name for name in {heavy} if name in sys.modules])"
    answer = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert answer.stdout.strip() == "[]"
