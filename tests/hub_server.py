"""A Hub on the loopback interface with the endpoints that huggingface_hub documents, and the faults of a real network.

Repositories have commits and revisions; files go in by preupload, LFS (single or multipart) or Xet, and commit, and
come out by resolve with ranges. `Fault`s make requests fail as a busy Hub or a bad line does.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import socket
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

TOKEN = "hf_writer"
READER = "hf_reader"
SMALL = 2_000  # bytes; larger files go by LFS
PART = 50_000  # bytes of a part of a multipart upload


@dataclass
class Fault:
    """What goes wrong with requests whose method and path match; the first `times` of them.

    status:   answered with this status and headers
    broken_after:  the connection is closed after so many bytes of the body
    silent_s: seconds before anything is answered
    """

    request: str
    times: int = 1
    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    broken_after: int | None = None
    silent_s: float = 0.0


@dataclass
class Repository:
    """Commits oldest first: (id, {path: content}, message); tags and branches besides main name one of them."""

    private: bool = False
    gated: bool = False
    commits: list[tuple[str, dict[str, bytes], str]] = field(default_factory=list)
    refs: dict[str, str] = field(default_factory=dict)

    def add(self, files: Mapping[str, bytes], message: str = "") -> str:
        """A further commit with these files alone; returns its id."""
        parent = self.commits[-1][0] if self.commits else ""
        listing = "".join(f"{name}{_sha(content)}" for name, content in sorted(files.items()))
        commit = hashlib.sha1(f"{parent}{listing}{message}".encode()).hexdigest()
        self.commits.append((commit, dict(files), message))
        return commit

    def at(self, revision: str) -> tuple[str, dict[str, bytes], str] | None:
        """The commit of a revision; None where there is none."""
        wanted = self.refs.get(revision, revision)
        if wanted == "main":
            return self.commits[-1]
        return next((commit for commit in self.commits if commit[0] == wanted), None)


class Hub:
    """The state of a running Hub; tests look at it, and put repositories and faults into it."""

    def __init__(self, *, multipart: bool = False) -> None:
        self.address = ""
        self.models: dict[str, Repository] = {}
        self.datasets: dict[str, Repository] = {}
        self.faults: list[Fault] = []
        self.requests: list[str] = []
        """METHOD PATH of every request, in order."""
        self.bytes_in: dict[str, int] = {}
        """Bytes of bodies that arrived, by METHOD PATH."""
        self.objects: dict[str, bytes] = {}
        """LFS objects by SHA-256."""
        self.parts: dict[str, dict[int, bytes]] = {}
        self.xet_shards: list[bytes] = []
        self.multipart = multipart
        self.lost_answers = 0
        """Commits that are made, but whose answer never arrives."""

    def add_folder(self, name: str, folder: Path, *, kind: str = "models", **flags: Any) -> str:
        """A repository with the files of a folder, or a further commit of it; returns the commit's id."""
        files = {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}
        kept: dict[str, Repository] = getattr(self, kind)
        return kept.setdefault(name, Repository(**flags)).add(files)

    def count(self, request: str) -> int:
        """Requests that match so far."""
        return sum(re.search(request, seen) is not None for seen in self.requests)

    def fault_for(self, request: str) -> Fault | None:
        """The fault of this request, if it has one; it is used up."""
        for fault in self.faults:
            if fault.times and re.search(fault.request, request):
                fault.times -= 1
                return fault
        return None


@contextmanager
def serving(hub: Hub) -> Iterator[Hub]:
    """The Hub while it answers at `hub.address`."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Answer", (_Answer,), {"hub": hub}))
    server.daemon_threads = True
    hub.address = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()


class _Answer(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments: object) -> None:
        """Nothing is printed."""

    def do_HEAD(self) -> None:
        self._handle()

    def do_GET(self) -> None:
        self._handle()

    def do_POST(self) -> None:
        self._handle()

    def do_PUT(self) -> None:
        self._handle()

    # --- a request and its fault

    def _handle(self) -> None:
        self.path_only = unquote(urlsplit(self.path).path)
        request = f"{self.command} {self.path_only}"
        self.hub.requests.append(request)
        fault = self.hub.fault_for(request)
        body = self._body(request, fault.broken_after if fault else None)
        if body is None:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        if fault:
            time.sleep(fault.silent_s)
        if fault and fault.status:
            self._send(fault.status, b"", headers=fault.headers)
            return
        self._route(body)

    def _body(self, request: str, broken_after: int | None) -> bytes | None:
        """The body; None where the connection breaks before its end, or (without one) before the answer."""
        body = bytearray()
        for piece in self._pieces():
            body += piece
            self.hub.bytes_in[request] = self.hub.bytes_in.get(request, 0) + len(piece)
            if broken_after is not None and len(body) >= broken_after:
                return None
        return bytes(body) if broken_after is None else None

    def _pieces(self) -> Iterator[bytes]:
        if self.headers.get("Transfer-Encoding") == "chunked":
            while size := int(self.rfile.readline().strip() or b"0", 16):
                yield self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return
        left = int(self.headers.get("Content-Length") or 0)
        while left:
            yield self.rfile.read(min(left, 10_000))
            left -= min(left, 10_000)

    # --- which endpoint

    def _route(self, body: bytes) -> None:
        path = self.path_only
        for pattern, endpoint in _ENDPOINTS:
            found = re.fullmatch(pattern, path)
            if found:
                getattr(self, endpoint)(body, **found.groupdict())
                return
        self._refuse(404, "", f"no endpoint {path}")

    def _account(self) -> str | None:
        given = self.headers.get("Authorization", "").removeprefix("Bearer ")
        return {TOKEN: "writer", READER: "reader"}.get(given)

    def _may_write(self) -> bool:
        if not self.headers.get("Authorization") or self._account() is None:
            self._refuse(401, "", "Invalid credentials in Authorization header")
            return False
        if self._account() != "writer":
            self._refuse(403, "", "You don't have the rights to do this")
            return False
        return True

    def _readable(self, kind: str, name: str) -> Repository | None:
        """The repository, if whoever asks may read it; else the refusal has been sent."""
        if self.headers.get("Authorization") and self._account() is None:
            self._refuse(401, "", "Invalid credentials in Authorization header")
            return None
        found: Repository | None = getattr(self.hub, kind).get(name)
        if found is None or (found.private and self._account() is None):
            self._refuse(404 if self._account() else 401, "RepoNotFound", "Repository not found")
            return None
        if found.gated:
            self._refuse(403, "GatedRepo", f"Access to {name} is restricted.")
            return None
        return found

    # --- endpoints

    def whoami(self, body: bytes) -> None:
        if self._account() is None:
            self._refuse(401, "", "Invalid credentials in Authorization header")
        else:
            self._json({"name": self._account(), "type": "user", "orgs": []})

    def create(self, body: bytes) -> None:
        if not self._may_write():
            return
        wanted = json.loads(body)
        name = f"{wanted['organization']}/{wanted['name']}"
        if wanted["organization"] != "writer":
            self._refuse(403, "", f"You don't have the rights to create a model under {wanted['organization']}")
        elif name in self.hub.models:
            self._json({"url": f"{self.hub.address}/{name}", "error": "You already created this model repo"}, 409)
        else:
            first = Repository(private=wanted.get("visibility") == "private" or bool(wanted.get("private")))
            first.add({".gitattributes": b"*.safetensors filter=lfs\n"}, "initial commit")
            self.hub.models[name] = first
            self._json({"url": f"{self.hub.address}/{name}"})

    def validate_yaml(self, body: bytes) -> None:
        self._json({"errors": [], "warnings": []})

    def info(self, body: bytes, kind: str, name: str, revision: str | None = None) -> None:
        repository = self._readable(kind, name)
        commit = self._commit(repository, revision or "main")
        if repository is not None and commit is not None:
            siblings = [{"rfilename": path} for path in commit[1]]
            self._json({"id": name, "sha": commit[0], "private": repository.private, "siblings": siblings})

    def tree(self, body: bytes, kind: str, name: str, revision: str, folder: str | None) -> None:
        folder = folder or ""
        commit = self._commit(self._readable(kind, name), revision)
        if commit is None:
            return
        below = {p: c for p, c in commit[1].items() if not folder or p.startswith(f"{folder}/")}
        entries = [self._entry(path, content) for path, content in below.items()]
        if "recursive=true" not in self.path.lower():
            depth = len(folder.split("/")) if folder else 0
            folders = {"/".join(p.split("/")[: depth + 1]) for p in below if p.count("/") > depth}
            entries = [entry for entry in entries if entry["path"].count("/") == depth]
            entries += [{"type": "directory", "path": each, "oid": _sha(each.encode())} for each in sorted(folders)]
        self._json(entries)

    def paths_info(self, body: bytes, kind: str, name: str, revision: str) -> None:
        commit = self._commit(self._readable(kind, name), revision)
        if commit is None:
            return
        asked = json.loads(body)["paths"] if body.startswith(b"{") else re.findall(r"paths=([^&]*)", body.decode())
        entries: list[dict[str, Any]] = []
        for path in map(unquote, asked):
            if path in commit[1]:
                entries.append(self._entry(path, commit[1][path]))
            elif any(other.startswith(f"{path}/") for other in commit[1]):
                entries.append({"type": "directory", "path": path, "oid": _sha(path.encode())})
        self._json(entries)

    def _entry(self, path: str, content: bytes) -> dict[str, Any]:
        entry = {"type": "file", "path": path, "size": len(content), "oid": _sha(content)}
        if len(content) > SMALL:
            entry["lfs"] = {"oid": _sha256(content), "size": len(content), "pointerSize": 130}
        return entry

    def _commit(self, repository: Repository | None, revision: str) -> tuple[str, dict[str, bytes], str] | None:
        """The commit, if there is one; else the refusal has been sent."""
        if repository is None:
            return None
        commit = repository.at(revision)
        if commit is None:
            self._refuse(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        return commit

    def preupload(self, body: bytes, name: str, revision: str) -> None:
        if not self._may_write():
            return
        there = self.hub.models[name].at(revision)
        files = there[1] if there else {}

        def answer(wanted: dict[str, Any]) -> dict[str, Any]:
            path, is_large = wanted["path"], wanted["size"] > SMALL
            now = files.get(path)
            oid = None if now is None else (_sha256(now) if is_large else _sha(now))
            return {"path": path, "uploadMode": "lfs" if is_large else "regular", "shouldIgnore": False, "oid": oid}

        self._json({"files": [answer(wanted) for wanted in json.loads(body)["files"]]})

    def lfs_batch(self, body: bytes, name: str) -> None:
        if not self._may_write():
            return
        objects = []
        for wanted in json.loads(body)["objects"]:
            oid, size = wanted["oid"], wanted["size"]
            answer: dict[str, Any] = {"oid": oid, "size": size}
            if oid not in self.hub.objects:
                answer["actions"] = {"upload": self._upload(oid, size), "verify": self._action("lfs/verify")}
            objects.append(answer)
        self._json({"transfer": "multipart" if self.hub.multipart else "basic", "objects": objects})

    def _action(self, path: str) -> dict[str, Any]:
        return {"href": f"{self.hub.address}/{path}", "header": {}}

    def _upload(self, oid: str, size: int) -> dict[str, Any]:
        if not self.hub.multipart:
            return self._action(f"lfs/{oid}")
        parts = {str(n + 1): f"{self.hub.address}/lfs/{oid}/{n + 1}" for n in range(-(-size // PART))}
        return self._action(f"lfs/{oid}/complete") | {"header": {"chunk_size": str(PART), **parts}}

    def lfs_put(self, body: bytes, oid: str) -> None:
        if _sha256(body) != oid:
            self._refuse(400, "", "the content is not what its SHA-256 says")
            return
        self.hub.objects[oid] = body
        self._send(200, b"")

    def lfs_part(self, body: bytes, oid: str, number: str) -> None:
        self.hub.parts.setdefault(oid, {})[int(number)] = body
        self._send(200, b"", headers={"ETag": f'"{_sha(body)}"'})

    def lfs_complete(self, body: bytes, oid: str) -> None:
        parts = self.hub.parts.pop(oid)
        self.lfs_put(b"".join(parts[number] for number in sorted(parts)), oid)

    def lfs_verify(self, body: bytes) -> None:
        self._send(200 if json.loads(body)["oid"] in self.hub.objects else 404, b"")

    def commit(self, body: bytes, name: str, revision: str) -> None:
        if not self._may_write():
            return
        repository = self.hub.models[name]
        files, message = dict(repository.commits[-1][1]), ""
        for line in body.splitlines():
            operation = json.loads(line)
            key, value = operation["key"], operation["value"]
            if key == "header":
                message = value["summary"]
            elif key == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif key == "lfsFile":
                files[value["path"]] = self.hub.objects.get(value["oid"], value["oid"].encode())
            else:
                files.pop(value["path"])
        commit = repository.add(files, message)
        if self.hub.lost_answers:
            self.hub.lost_answers -= 1
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        self._json({"commitUrl": f"{self.hub.address}/{name}/commit/{commit}", "commitOid": commit})

    def resolve(self, body: bytes, name: str, revision: str, path: str, kind: str | None) -> None:
        commit = self._commit(self._readable(kind or "models", name), revision)
        if commit is None:
            return
        if path not in commit[1]:
            self._refuse(404, "EntryNotFound", "Entry not found", {"X-Repo-Commit": commit[0]})
            return
        content = commit[1][path]
        headers = {"ETag": f'"{_sha256(content)}"', "X-Repo-Commit": commit[0], "Accept-Ranges": "bytes"}
        span = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if not span:
            self._send(200, content, headers=headers)
            return
        start, end = int(span[1]), int(span[2] or len(content) - 1)
        piece = content[start : end + 1]
        self._send(206, piece, headers=headers | {"Content-Range": f"bytes {start}-{end}/{len(content)}"})

    # --- Xet: what the client sends is taken; the test looks at it

    def xet_token(self, body: bytes, name: str, revision: str | None) -> None:
        if self._may_write():
            expires = str(int(time.time()) + 3600)
            answer = {"casUrl": f"{self.hub.address}/cas", "accessToken": "cas", "exp": int(expires)}
            headers = {
                "X-Xet-Cas-Url": answer["casUrl"],
                "X-Xet-Access-Token": "cas",
                "X-Xet-Token-Expiration": expires,
            }
            self._send(200, json.dumps(answer).encode(), "application/json", headers)

    def xet_xorb(self, body: bytes) -> None:
        self._json({"was_inserted": True})

    def xet_shard(self, body: bytes) -> None:
        self.hub.xet_shards.append(body)
        self._json({"result": 1})

    # --- answers

    def _json(self, answer: object, status: int = 200) -> None:
        self._send(status, json.dumps(answer).encode(), "application/json")

    def _refuse(self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        self._send(status, b"", headers={"X-Error-Code": code, "X-Error-Message": message, **(headers or {})})

    def _send(
        self, status: int, body: bytes, kind: str = "application/octet-stream", headers: Mapping[str, str] | None = None
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


_NAME = r"(?P<name>[\w.-]+/[\w.-]+)"
_API = rf"/api/(?P<kind>models|datasets)/{_NAME}"
_REVISION = r"(?P<revision>.+?)"
_ENDPOINTS: Sequence[tuple[str, str]] = (
    (r"/api/whoami-v2", "whoami"),
    (r"/api/repos/create", "create"),
    (r"/api/validate-yaml", "validate_yaml"),
    (rf"/api/models/{_NAME}/preupload/{_REVISION}", "preupload"),
    (rf"/api/models/{_NAME}/commit/{_REVISION}", "commit"),
    (rf"/api/models/{_NAME}/xet-write-token(/{_REVISION})?", "xet_token"),
    (rf"{_API}/tree/(?P<revision>refs/\w+/[^/]+|[^/]+)(/(?P<folder>.+))?", "tree"),
    (rf"{_API}/paths-info/{_REVISION}", "paths_info"),
    (rf"{_API}/revision/{_REVISION}", "info"),
    (_API, "info"),
    (rf"/{_NAME}\.git/info/lfs/objects/batch", "lfs_batch"),
    (r"/lfs/verify", "lfs_verify"),
    (r"/lfs/(?P<oid>\w+)/complete", "lfs_complete"),
    (r"/lfs/(?P<oid>\w+)/(?P<number>\d+)", "lfs_part"),
    (r"/lfs/(?P<oid>\w+)", "lfs_put"),
    (rf"/((?P<kind>datasets)/)?{_NAME}/resolve/(?P<revision>refs/\w+/[^/]+|[^/]+)/(?P<path>.+)", "resolve"),
    (r"/cas/v1/xorbs/.+", "xet_xorb"),
    (r"/cas/(v1/)?shards?(/.*)?", "xet_shard"),
)


def _sha(content: bytes) -> str:
    """The id that git gives a file."""
    return hashlib.sha1(f"blob {len(content)}\0".encode() + content).hexdigest()


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
