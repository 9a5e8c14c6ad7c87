"""`goama doctor`: what this machine has, what is missing, and how to fix it."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass

_LIBRARIES = ("torch", "transformers", "accelerate", "lhotse", "datasets", "soundfile", "av", "soxr", "python-calamine")
_HUB = "https://huggingface.co"
_LITTLE_DISK_GB = 5.0


@dataclass(frozen=True)
class Observation:
    """One line of the report: what was checked, what was found, and what to do if something is missing."""

    what: str
    found: str
    remedy: str | None = None

    def __str__(self) -> str:
        mark = "ok  " if self.remedy is None else "look"
        return f"{mark}  {self.what:14} {self.found}" + (f"\n      {'':14} -> {self.remedy}" if self.remedy else "")


def examine() -> Iterator[Observation]:
    """The observations, one after the other; a missing library is an observation, not an error."""
    yield Observation("goama", f"{_version('goama') or 'source tree'}, Python {platform.python_version()}")
    for name in _LIBRARIES:
        version = _version(name)
        yield Observation(
            name, version or "missing", None if version else "make setup, or pip install . in goama's folder"
        )
    for check in (_processor, _gpu, _memory, _disk, _audio_formats, _ffmpeg_program, _torchcodec, _packages, _hub):
        try:
            yield check()
        except ImportError as error:
            yield Observation(check.__name__.strip("_").replace("_", " "), f"unknown: {error.name} is missing")


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _processor() -> Observation:
    import torch

    from goama.model.precision import choose_precision

    precision, why = choose_precision(torch.device("cpu"))
    threads = os.environ.get("OMP_NUM_THREADS")
    found = f"{os.cpu_count()} cores; {why if precision == 'bf16' else 'float32'}"
    return Observation("processor", found + (f"; OMP_NUM_THREADS={threads}" if threads else ""))


def _gpu() -> Observation:
    import torch

    if torch.cuda.is_available():
        names = ", ".join(torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count()))
        free, total = torch.cuda.mem_get_info()
        return Observation("gpu", f"{names}; {free / 1e9:.0f} of {total / 1e9:.0f} GB free")
    if torch.backends.mps.is_available():
        return Observation("gpu", "Apple GPU")
    if shutil.which("nvidia-smi"):
        return Observation(
            "gpu",
            "found, but this torch cannot use it",
            "pip install --force-reinstall torch (on Windows, with the index of pytorch.org for its CUDA)",
        )
    return Observation("gpu", "none; goama trains small encoders on the processor")


def _memory() -> Observation:
    try:
        pages, size = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return Observation("memory", "unknown")
    return Observation("memory", f"{pages * size / 1e9:.0f} GB")


def _disk() -> Observation:
    free = shutil.disk_usage(".").free / 1e9
    remedy = None if free > _LITTLE_DISK_GB else "free some space, or work with -o on another disk"
    return Observation("disk", f"{free:.1f} GB free here", remedy)


def _audio_formats() -> Observation:
    """PyAV contains FFmpeg's libraries: goama itself does not need the ffmpeg program."""
    import av
    import soundfile

    formats = soundfile.available_formats()
    has_mp3 = "MP3" in formats
    return Observation(
        "audio formats",
        f"libsndfile {soundfile.__libsndfile_version__} ({'with' if has_mp3 else 'without'} mp3), "
        f"FFmpeg {av.ffmpeg_version_info} inside PyAV",
    )


def _ffmpeg_program() -> Observation:
    """Only transformers' `pipeline` runs it, and only when it is given the name of a file."""
    place = shutil.which("ffmpeg")
    if place:
        return Observation("ffmpeg program", f'{place}; only `pipeline(...)("clip.wav")` of transformers needs it')
    return Observation(
        "ffmpeg program",
        'not found; goama does not need it, but `pipeline(...)("clip.wav")` of transformers does: give `pipeline` '
        "samples, as RUN/best/README.md shows",
    )


def _torchcodec() -> Observation:
    version = _version("torchcodec")
    if version is None:
        return Observation(
            "torchcodec",
            "missing; goama does not need it, but `datasets.load_dataset(CORPUS)` does to decode sound: "
            "pip install 'goama[datasets]'",
        )
    try:
        import torchcodec  # noqa: F401
    except (ImportError, RuntimeError, OSError) as error:
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        return Observation(
            "torchcodec",
            f"{version} cannot be loaded ({reason[:80]})",
            "install FFmpeg's libraries (apt install ffmpeg), or read the corpus without decoding: "
            'cast_column("audio", datasets.Audio(decode=False))',
        )
    return Observation("torchcodec", f"{version}: `datasets.load_dataset(CORPUS)` decodes sound")


def _packages() -> Observation:
    missing = [program for program in ("apt-get", "dpkg-deb") if shutil.which(program) is None]
    if missing:
        return Observation(
            "goama voices", f"no {' and no '.join(missing)}: needs Debian or Ubuntu; your own recordings work"
        )
    return Observation("goama voices", "apt-get and dpkg-deb found")


def _hub() -> Observation:
    """Connects as the libraries do, through proxies and to HF_ENDPOINT."""
    from goama.model.shipped import small_encoder

    endpoint = os.environ.get("HF_ENDPOINT", _HUB).rstrip("/")
    try:
        with urllib.request.urlopen(f"{endpoint}/api/models?limit=1", timeout=5):
            return Observation("Hub", f"{endpoint} answers")
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        return Observation(
            "Hub",
            f"{endpoint} cannot be reached ({getattr(reason, 'strerror', None) or reason})",
            f"work offline with --encoder {small_encoder()} or a folder, or set HTTPS_PROXY",
        )
