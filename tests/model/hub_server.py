"""A Hub on the loopback interface that answers as huggingface.co does, also for gated and unknown names."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

COMMIT = "c0ffee" + 34 * "0"


@contextmanager
def hub(repositories: dict[str, Path], *, gated: frozenset[str] = frozenset()) -> Iterator[str]:
    """The address of a Hub that has these repositories, each the files of a folder; the gated ones it refuses."""

    class Answer(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self._answer()

        def do_GET(self) -> None:
            self._answer()

        def _answer(self) -> None:
            parts = self.path.split("?")[0].strip("/").removeprefix("api/models/").split("/")
            name, rest = "/".join(parts[:2]), parts[2:]
            if name in gated:
                self._refuse(403, "GatedRepo", f"Access to model {name} is restricted.")
            elif name not in repositories:
                self._refuse(404, "RepoNotFound", "Repository not found")
            elif rest[:1] == ["resolve"]:
                self._file(repositories[name] / "/".join(rest[2:]))
            elif rest[:1] == ["tree"]:
                files = sorted(repositories[name].iterdir())
                self._json([{"type": "file", "path": f.name, "size": f.stat().st_size, "oid": _sha(f)} for f in files])
            else:
                self._json({"id": name, "sha": COMMIT, "siblings": []})

        def _json(self, answer: object) -> None:
            self._send(200, json.dumps(answer).encode(), "application/json")

        def _file(self, path: Path) -> None:
            if path.is_file():
                self._send(200, path.read_bytes(), "application/octet-stream")
            else:
                self._refuse(404, "EntryNotFound", "Entry not found")

        def _refuse(self, status: int, code: str, message: str) -> None:
            self.send_response(status)
            self.send_header("X-Error-Code", code)
            self.send_header("X-Error-Message", message)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def _send(self, status: int, body: bytes, kind: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("ETag", f'"{hashlib.sha1(body).hexdigest()}"')
            self.send_header("X-Repo-Commit", COMMIT)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        def log_message(self, *arguments: object) -> None:
            """Nothing is printed."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def _sha(file: Path) -> str:
    return hashlib.sha1(file.read_bytes()).hexdigest()
