"""`goama --offline`: nothing leaves the machine; proven by a second guard, which goama knows nothing of."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from goama.offline import VARIABLE

WITNESS = """
import json, os, sys
def witness(event, arguments, log=os.environ["WITNESS"]):
    if event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        address = arguments[1]
    elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
        address = arguments[0]
    elif event == "subprocess.Popen":
        address = str(arguments[1])
    else:
        return
    if not isinstance(address, (str, bytes)) or event != "socket.connect":  # not a Unix socket
        with open(log, "a") as file:
            file.write(json.dumps([event, str(address)]) + "\\n")
sys.addaudithook(witness)
"""


def isolated() -> list[str]:
    """Words before a command that take all networks away from it, where this system allows that."""
    words = ["unshare", "--map-root-user", "--net"]
    if shutil.which("unshare") and not subprocess.run([*words, "true"], capture_output=True, check=False).returncode:
        return words
    return []


Seen = list[list[str]]
"""(event, address) of all that the witness saw."""


def run_python(
    arguments: list[str], tmp_path: Path, *, before: list[str] | None = None, **more: str
) -> tuple[subprocess.CompletedProcess[str], Seen]:
    """A Python process with the witness in it, and what that saw; `before`: words in front of the command."""
    (tmp_path / "witness").mkdir(exist_ok=True)
    (tmp_path / "witness" / "sitecustomize.py").write_text(WITNESS)
    log = tmp_path / "seen.jsonl"
    log.write_text("")
    kept = {name: value for name, value in os.environ.items() if "OFFLINE" not in name}
    path = os.pathsep.join([str(tmp_path / "witness"), str(Path(__file__).parents[1])])
    answer = subprocess.run(
        [*(before or []), sys.executable, *arguments],
        env=kept | {"PYTHONPATH": path, "WITNESS": str(log), "HF_HOME": str(tmp_path / "hf"), **more},
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    return answer, [json.loads(line) for line in log.read_text().splitlines()]


def connections(seen: Seen) -> Seen:
    return [entry for entry in seen if entry[0].startswith("socket.")]


TRY = """
import os, socket, sys, urllib.request
if "--offline" in sys.argv:
    sys.argv = ["goama", "--offline", "voices", "list"]
    from goama.cli.app import app
    app(standalone_mode=False)
def attempt(name, call):
    try:
        call()
        print(name, "went through")
    except OSError as error:
        print(name, type(error).__name__, "--offline" in str(error))
import goama
attempt("tcp", lambda: socket.create_connection(("192.0.2.1", 443), 0.2))
attempt("udp", lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("192.0.2.1", 53)))
attempt("ipv6", lambda: socket.socket(socket.AF_INET6).connect(("2001:db8::1", 443)))
attempt("name", lambda: socket.getaddrinfo("huggingface.co", 443))
attempt("url", lambda: urllib.request.urlopen("http://192.0.2.1/", timeout=0.2))
server = socket.create_server(("127.0.0.1", 0))
attempt("here", lambda: socket.create_connection(server.getsockname(), 1))
print(os.environ["HF_HUB_OFFLINE"], os.environ["GOAMA_OFFLINE"])
"""


@pytest.mark.parametrize("how", ["option", "variable", "child"])
def test_every_kind_of_connection_is_refused_and_those_inside_the_machine_are_not(how: str, tmp_path: Path) -> None:
    (tmp_path / "try.py").write_text(TRY)
    command = ["try.py", "--offline"] if how == "option" else ["try.py"]
    if how == "child":  # of a process that is offline
        start = "from goama.offline import go_offline; go_offline(); "
        command = ["-c", start + "import subprocess, sys; subprocess.run([sys.executable, 'try.py'])"]
    more = {VARIABLE: "1"} if how == "variable" else {}
    answer, _ = run_python(command, tmp_path, **more)
    lines = answer.stdout.splitlines()[-7:]
    refused = [f"{name} OfflineError True" for name in ("tcp", "udp", "ipv6", "name")]
    assert lines == [*refused, "url URLError True", "here went through", "1 1"], answer.stderr


def test_a_model_of_the_hub_that_is_not_here_is_one_sentence(tmp_path: Path) -> None:
    answer, seen = run_python(["-m", "goama", "--offline", "transcribe", "owner/name", "tape.wav"], tmp_path)
    assert answer.returncode == 2 and "the Hugging Face Hub cannot be reached (--offline)" in answer.stderr
    assert not connections(seen)


def test_a_voice_that_is_not_in_the_cache_is_not_fetched(tmp_path: Path) -> None:
    command = ["-m", "goama", "--offline", "voices", "get", "fillets-nl", "-o", "voice"]
    answer, seen = run_python(command, tmp_path, GOAMA_CACHE=str(tmp_path / "cache"))
    assert answer.returncode == 2 and "--offline: the Debian package" in answer.stderr
    assert not any("apt" in entry[1] for entry in seen)


def test_the_whole_demo_connects_to_nobody_and_needs_no_network(
    speech: Path, tiny_encoder: Path, tmp_path: Path
) -> None:
    shutil.copytree(speech, tmp_path / "demo" / "fillets-nl")  # as `goama voices get` leaves it
    command = ["-m", "goama", "--offline", "demo", "-o", "demo", "--minutes", "0.05", "--encoder", str(tiny_encoder)]
    answer, seen = run_python(command, tmp_path, before=isolated())
    assert answer.returncode == 0, answer.stderr
    assert json.loads((tmp_path / "demo" / "results.json").read_text())["test"]["clips"] == 4
    assert connections(seen) == []
