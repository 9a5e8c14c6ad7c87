"""Clips that lie in shards, tar files on a disk or in object storage: their bytes in, waveforms out.

A cut says in which shard its FLAC is, where it begins and how long it is. So any clip can be read at any time, by one
ranged request, and training needs no order of its own for shards: each process fetches its clips and no others.
"""

from __future__ import annotations

import io
import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from goama.errors import GoamaError, first_line

if TYPE_CHECKING:
    import numpy as np
    from lhotse import MonoCut

SHARD = "shard"
"""A cut's custom field: the shard's path or URL, the first byte of the clip's FLAC and how many they are."""

_TRIES = 3


def in_shard(cut: MonoCut) -> bool:
    """Whether the sound of a clip lies in a shard, not in a file of its own."""
    return SHARD in (cut.custom or {})


def waveforms(cuts: Sequence[MonoCut]) -> list[np.ndarray]:
    """Each clip's (N,) float32; those that lie in shards are fetched all at once where the storage can do that.

    Raises `GoamaError` with the clip's id when its shard cannot be reached or is not what was written.
    """
    fetched = _fetch([cut for cut in cuts if in_shard(cut)])
    return [_decoded(cut, fetched[cut.id]) if in_shard(cut) else cut.load_audio()[0] for cut in cuts]


def missing_shards(sizes: Iterable[tuple[str, int]]) -> list[str]:
    """The shards, of (path or URL, bytes), that are not there or not whole; `GoamaError` for storage out of reach."""
    missing = []
    for shard, size in sizes:
        system, path = _file_system(shard)
        try:
            there = system.size(path)
        except FileNotFoundError:
            there = None
        except Exception as error:  # each storage has its own kinds
            raise GoamaError(f"{shard}: the storage does not answer ({first_line(error)})") from error
        if there != size:
            missing.append(shard)
    return missing


def _fetch(cuts: Sequence[MonoCut]) -> dict[str, bytes]:
    if not cuts:
        return {}
    places = [cut.custom[SHARD] for cut in cuts]
    system, _ = _file_system(places[0][0])
    paths = [_file_system(shard)[1] for shard, _, _ in places]
    starts = [start for _, start, _ in places]
    ends = [start + size for _, start, size in places]
    for attempt in range(1, _TRIES + 1):
        try:
            pieces = system.cat_ranges(paths, starts, ends)
            for failed in (piece for piece in pieces if isinstance(piece, Exception)):
                raise failed
            return dict(zip((cut.id for cut in cuts), pieces, strict=True))
        except Exception as error:  # each storage has its own kinds
            if attempt == _TRIES:
                raise GoamaError(
                    f"{places[0][0]}: the sound of {cuts[0].id} cannot be fetched ({first_line(error)}); "
                    "go on with --resume once the storage answers"
                ) from error
            time.sleep(attempt)
    raise AssertionError


def _file_system(url: str) -> tuple[Any, str]:
    from fsspec.core import url_to_fs

    try:
        return url_to_fs(url)
    except (ImportError, ValueError) as error:
        raise GoamaError(f"{url}: this kind of storage needs a package that is not installed ({error})") from error


def _decoded(cut: MonoCut, flac: bytes) -> np.ndarray:
    import soundfile

    try:
        samples, rate = soundfile.read(io.BytesIO(flac), dtype="float32")
    except soundfile.LibsndfileError as error:
        raise GoamaError(f"{cut.custom[SHARD][0]}: the sound of {cut.id} is damaged; upload the shard again") from error
    if (len(samples), rate) != (cut.num_samples, cut.sampling_rate):
        raise GoamaError(f"{cut.custom[SHARD][0]}: holds another sound than {cut.id}'s; upload the shard again")
    return samples
