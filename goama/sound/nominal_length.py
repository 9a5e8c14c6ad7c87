"""About how long a recording lasts, for a progress display: by its header, without decoding it."""

from __future__ import annotations

from pathlib import Path


def nominal_seconds(path: Path) -> float | None:
    """The length that the file's header gives or that follows from its bit rate (s); None where nothing tells."""
    import av

    try:
        with path.open("rb") as handle, av.open(handle, metadata_errors="ignore") as container:
            return container.duration / av.time_base if container.duration else None
    except (OSError, ValueError, av.FFmpegError):
        return None
