"""Debian packages are fetched and unpacked into one folder, without root and without installing anything.

`apt-get download` fetches and verifies them, `dpkg-deb -x` unpacks them into a folder that is thrown away.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from goama.errors import GoamaError
from goama.offline import is_offline

OWN_RECORDINGS = (
    "your own recordings need no Debian: `goama prepare FOLDER -o CORPUS`, where FOLDER holds the audio and "
    "a metadata.jsonl or metadata.csv with the columns file_name and text"
)


@dataclass(frozen=True)
class Package:
    """One package on this disk: its name, version and .deb file."""

    name: str
    version: str
    path: Path


def default_cache() -> Path:
    """Where .deb files stay: `$GOAMA_CACHE`, else `~/.cache/goama/debian`."""
    configured = os.environ.get("GOAMA_CACHE")
    return Path(configured) if configured else Path.home() / ".cache" / "goama" / "debian"


def download(names: Sequence[str], cache: Path, downloaded: Callable[[int, int], None] | None = None) -> list[Package]:
    """The packages in the cache, fetched where they are missing; `downloaded` is called with (done, all).

    Raises GoamaError if apt-get or dpkg-deb is absent, apt knows no such package, or the download fails.
    """
    dpkg_deb = _program("dpkg-deb")
    packages = []
    for number, name in enumerate(names, start=1):
        path = _cached(name, cache) or _fetch(name, cache)
        field = _run([dpkg_deb, "--field", str(path), "Version"])
        if field.returncode:
            raise GoamaError(f"{path} is not a readable Debian package: delete it and try again")
        packages.append(Package(name, field.stdout.strip(), path))
        if downloaded:
            downloaded(number, len(names))
    return packages


@contextmanager
def unpacked(packages: Sequence[Package]) -> Iterator[Path]:
    """A temporary folder with the files of all packages laid over each other; removed at the end.

    Raises GoamaError if dpkg-deb is absent or a package cannot be unpacked.
    """
    dpkg_deb = _program("dpkg-deb")
    with tempfile.TemporaryDirectory(prefix="goama-voices-") as folder:
        tree = Path(folder) / "tree"
        for package in packages:
            outcome = _run([dpkg_deb, "--extract", str(package.path), str(tree)])
            if outcome.returncode:
                raise GoamaError(
                    f"{package.path} could not be unpacked ({_last_line(outcome.stderr)}): if the disk "
                    "is not full, delete that file and try again"
                )
        yield tree


def copyright_text(package: str, tree: Path) -> str:
    """What the package itself says about its authors and licence (Debian Policy 12.5).

    Raises GoamaError if it says nothing.
    """
    path = tree / "usr/share/doc" / package / "copyright"
    if not path.is_file():
        raise GoamaError(f"the package {package} holds no copyright file: without a licence no voice is written")
    return path.read_text(encoding="utf-8", errors="replace")


def _cached(name: str, cache: Path) -> Path | None:
    newest_first = sorted(cache.glob(f"{name}_*.deb"), key=lambda path: path.stat().st_mtime, reverse=True)
    return newest_first[0] if newest_first else None


def _fetch(name: str, cache: Path) -> Path:
    if is_offline():
        raise GoamaError(f"--offline: the Debian package {name} is not in {cache}; fetch it with a connection first")
    apt_get = _program("apt-get")
    try:
        cache.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=".partial-", dir=cache))
    except OSError as error:
        raise GoamaError(f"the cache folder {cache} cannot be written ({error.strerror}): set GOAMA_CACHE") from error
    try:
        fetch = ["-q", "-o", "Acquire::Retries=2", "download", name]
        outcome = _run([apt_get, *fetch], folder)
        if outcome.returncode and _is_unknown(outcome.stderr):  # a fresh machine has no package lists yet
            own_lists = _own_lists(apt_get, cache)
            outcome = _run([apt_get, *own_lists, *fetch], folder)
        arrived = list(folder.glob("*.deb"))
        if outcome.returncode or len(arrived) != 1:
            raise GoamaError(_why_not(name, outcome.stderr))
        return arrived[0].replace(cache / arrived[0].name)  # only whole files ever carry the final name
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _own_lists(apt_get: str, cache: Path) -> list[str]:
    """Options that make apt-get use package lists in the cache, fetched now; the machine's own stay untouched."""
    lists = cache / "lists"
    (lists / "partial").mkdir(parents=True, exist_ok=True)
    options = ["-o", f"Dir::State::Lists={lists}", "-o", "Dir::Cache::pkgcache=", "-o", "Dir::Cache::srcpkgcache="]
    _run([apt_get, *options, "-q", "-o", "Acquire::Retries=2", "update"])  # what fails here, the download tells
    return options


_UNKNOWN = (
    "Unable to locate package",
    "No packages found",
    "Can't find a source",
    "has no installation candidate",
    "Can't select candidate version",
)


def _is_unknown(stderr: str) -> bool:
    return any(sign in stderr for sign in _UNKNOWN)


def _why_not(name: str, stderr: str) -> str:
    if _is_unknown(stderr):
        return (
            f"apt knows no package {name} on this machine: run `apt-get update` first (as root), "
            f"or else {OWN_RECORDINGS}"
        )
    return (
        f"the Debian package {name} could not be downloaded ({_last_line(stderr)}): try again, or else {OWN_RECORDINGS}"
    )


def _program(name: str) -> str:
    found = shutil.which(name)
    if not found:
        raise GoamaError(
            f"voices come from Debian packages and this machine has no {name}: use a Debian or "
            f"Ubuntu machine or container, or else {OWN_RECORDINGS}"
        )
    return found


def _run(command: Sequence[str], folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "LC_ALL": "C"},  # messages are read by `_why_not`
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )


def _last_line(stderr: str) -> str:
    errors = [
        line.removeprefix("E: ").strip() for line in stderr.splitlines() if not line.startswith("W:") and line.strip()
    ]
    return errors[-1].rstrip(".") if errors else "no reason given"
