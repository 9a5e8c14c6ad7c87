"""A Hub data set, streamed, or local parquet and arrow files become a Source; sound stays as it is encoded."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from goama.errors import GoamaError
from goama.hub import split_revision, why_not_read
from goama.reach import answer_within
from goama.sources.clip import Choices, Columns, Source, SourceClip
from goama.sources.columns import clip_from_row, find_columns, in_words, other_readings, split_in_name
from goama.sources.sound_files import SoundFiles
from goama.sources.where import Where, parse_where

DATA_SUFFIXES = (".parquet", ".arrow")
_HUB_TIMEOUT_S = 6.0
_TABLES = (".jsonl", ".csv", ".tsv", ".xlsx", ".json")
_PACKED = (*DATA_SUFFIXES, ".tar", ".zip", ".gz", ".py")
"""Files of data sets that only `datasets` reads."""
_ELSEWHERE = (
    "or set HF_HUB_OFFLINE=1 if this machine has the data set in its cache (`goama doctor` tells what can be reached)"
)


def hub_folder(source: str) -> Path | None:
    """A copy of a Hub data set that is a table beside sound files, as a corpus is; None for any other (streamed).

    `datasets` itself reads such a folder only with torchcodec. Raises `GoamaError` when the Hub does not give the data
    set.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, HTTPError

    repository, revision = split_revision(source)
    files = _ask_hub(source)
    if files is not None and (
        any(name.endswith(_PACKED) for name in files) or not any(name.endswith(_TABLES) for name in files)
    ):
        return None
    try:
        return Path(
            snapshot_download(
                repository, repo_type="dataset", revision=revision, max_workers=1, local_files_only=files is None
            )
        )
    except (HTTPError, OSError, HFValidationError) as error:
        if files is None:
            return None  # offline, and `datasets` may have it in a cache of its own
        raise GoamaError(f"{source}: {why_not_read(source, error, 'data set', _ELSEWHERE)}") from error


def read_hub(source: str, configuration: str | None, columns: Columns, where: str | None = None) -> Source:
    """A data set of the Hub by its id (owner/name), or at a revision (owner/name@revision).

    Raises `GoamaError` when it cannot be found or opened, or its columns are not those named.
    """
    request = Request(source, columns, None, where)
    repository, revision = split_revision(source)
    return _load(request, "Hub data set", path=repository, name=configuration, revision=revision)


def read_parquet(path: Path, configuration: str | None, columns: Columns, choices: Choices) -> Source:
    """A folder of parquet or arrow files, or one of them."""
    if path.is_dir():
        request = Request(str(path), columns, SoundFiles.of_folder(path, choices.audio_folder), choices.where)
        files = _arrow_files(path)
        if files:
            return _load(request, "data set in a folder", path="arrow", name=configuration, data_files=files)
        return _load(request, "data set in a folder", path=str(path), name=configuration)
    request = Request(str(path), columns, SoundFiles.of_file(path, choices.audio_folder), choices.where)
    kind = path.suffix.lower().removeprefix(".")
    return _load(request, f"{kind} file", path=kind, name=configuration, data_files={"all": str(path)})


@dataclass(frozen=True)
class Request:
    """What is wanted of a data set.

    source:   its name, for messages
    sounds:   where files lie that rows only name; None: such rows are faulty
    where:    a condition on the columns, or None
    """

    source: str
    columns: Columns
    sounds: SoundFiles | None = None
    where: str | None = None


def _arrow_files(folder: Path) -> dict[str, list[str]]:
    """The arrow files by split where caches of `map` lie beside them (cache-*.arrow), which hold the rows again."""
    # os.walk passes over folders that vanish meanwhile or may not be read; Path.rglob raises for them
    named = ((parent, name) for parent, _, names in os.walk(folder) for name in names)
    found = [Path(parent, name) for parent, name in named if name.endswith((".arrow", ".parquet"))]
    files = sorted(file for file in found if file.suffix == ".arrow" and file.is_file())
    caches = [file for file in files if file.name.startswith(("cache-", "tmp"))]
    if not caches or any(file.suffix == ".parquet" for file in found):
        return {}
    by_split: dict[str, list[str]] = {}
    for file in files:
        if file not in caches:  # written as NAME-SPLIT.arrow or NAME-SPLIT-00000-of-00001.arrow
            name = re.sub(r"-\d{5}-of-\d{5}$", "", file.stem).rpartition("-")[2]
            by_split.setdefault(name if split_in_name(name) else "all", []).append(str(file))
    return by_split


def _load(request: Request, kind: str, **arguments: Any) -> Source:
    import datasets

    source = request.source
    try:
        builder = datasets.load_dataset_builder(**arguments)
        files = builder.config.data_files or {}
        for file in {str(file) for of_split in files.values() for file in of_split}:
            _check_arrow(file)
        _read_one_row_group_at_a_time(builder.config)
        loaded = builder.as_streaming_dataset()
    except Exception as error:  # datasets and its transports raise dozens of kinds
        raise GoamaError(
            f"{source}: this data set cannot be opened ({_reason(error)}); check the id, log in with "
            "`hf auth login` if it is gated, or download it and pass its folder"
        ) from error
    return source_of(
        request, kind, loaded, lambda read: _rows_in([str(f) for split in read for f in files.get(split, ())])
    )


def source_of(
    request: Request, kind: str, loaded: Mapping[str, Any], rows_in: Callable[[Sequence[str]], int | None]
) -> Source:
    """The Source of the splits of a data set, `loaded` as `datasets` has them; `rows_in`: number of rows in splits."""
    source, columns = request.source, request.columns
    condition = parse_where(request.where) if request.where else None
    splits = {split: split_in_name(split) for split in loaded}
    known = any(splits.values())
    read = [split for split in loaded if splits[split] or not known]
    features = loaded[read[0]].features
    found = find_columns(features, columns, source) if features else {}
    taken = f"; columns {in_words(found)}" if found else ""
    if condition:
        taken += f"; rows where {condition.text}"
        if features:
            condition.check_columns(features, source)
    notes = other_readings(features, found, columns) if features else ()

    def clips() -> Iterator[SourceClip]:
        for split, rows in loaded.items():
            if split in read:
                yield from read_dataset(
                    rows, columns, source, split=splits[split], sounds=request.sounds, where=condition
                )
            else:
                yield SourceClip(
                    id=f"{split}/*",
                    audio=b"",
                    text="",
                    where=f"{source} {split}",
                    fault=f"the whole split {split!r} was not read: it is none of train, dev (or validation) and test",
                )

    left_out = len(loaded) - len(read)
    rows = None if request.where else rows_in(read)
    return Source(f"{kind}: {', '.join(read)}{taken}", clips, notes, count=None if rows is None else rows + left_out)


def _read_one_row_group_at_a_time(config: Any) -> None:
    """By default, pyarrow reads a whole parquet file ahead and keeps it: up to half a GB of encoded sound."""
    import pyarrow.dataset

    if hasattr(config, "fragment_scan_options"):  # only parquet files have it
        config.fragment_scan_options = pyarrow.dataset.ParquetFragmentScanOptions(pre_buffer=False)


def _check_arrow(file: str) -> None:
    """Raises pyarrow's error where the offsets in an arrow file are damaged: they would end the process later."""
    import pyarrow

    if not file.endswith(".arrow") or not Path(file).is_file():
        return
    with pyarrow.memory_map(file) as content:
        try:
            batches = pyarrow.ipc.open_stream(content)
        except pyarrow.ArrowInvalid:
            reader = pyarrow.ipc.open_file(content)
            batches = map(reader.get_batch, range(reader.num_record_batches))
        for batch in batches:
            batch.validate(full=True)


def _rows_in(files: Sequence[str]) -> int | None:
    """Number of rows of local parquet files, from their footers; None for any other files."""
    import pyarrow.parquet

    if not files or not all(file.endswith(".parquet") and Path(file).is_file() for file in files):
        return None
    return sum(pyarrow.parquet.read_metadata(file).num_rows for file in files)


def _ask_hub(source: str) -> list[str] | None:
    """The names of its files; None offline. Raises `GoamaError` when the Hub does not give the data set.

    `datasets` itself would try for minutes.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, OfflineModeIsEnabled

    repository, revision = split_revision(source)
    try:
        info = answer_within(lambda: HfApi().dataset_info(repository, revision=revision, timeout=_HUB_TIMEOUT_S))
    except OfflineModeIsEnabled:
        return None  # it may be in the cache
    except Exception as error:  # whatever goes wrong on the way has its own exception
        cause = error if isinstance(error, HfHubHTTPError | HFValidationError) else ConnectionError(str(error))
        raise GoamaError(
            f"{source}: there is no such folder here, and {why_not_read(source, cause, 'data set', _ELSEWHERE)}"
        ) from error
    return [file.rfilename for file in info.siblings or ()]


def _reason(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__


def read_dataset(
    rows: Any,
    columns: Columns,
    source: str,
    *,
    split: str | None,
    sounds: SoundFiles | None = None,
    where: Where | None = None,
) -> Iterator[SourceClip]:
    """The clips of a `datasets` (iterable) data set; `split`: their split, None where its name is not one of a split.

    `sounds` says where files lie that rows only name; None: such rows are faulty. `where`: a condition on the rows.
    Raises `GoamaError` when a column is missing, or the rows cannot be read to their end.
    """
    found: dict[str, str] = {}
    number = 0
    try:
        if rows.features:
            found = find_columns(rows.features, columns, source)
            for name, feature in rows.features.items():
                if getattr(feature, "decode", False):  # sound, pictures and films stay as they are encoded
                    rows = rows.cast_column(name, type(feature)(decode=False))
        for number, row in enumerate(rows):
            if not found or (where and number == 0):
                found = found or find_columns(row, columns, source)
                if where:
                    where.check_columns(row, source)
            if split and columns.split is None:
                found.pop("split", None)
            if where and not where(row):
                continue
            place = f"{source} {split or ''} row {number}".replace("  ", " ")
            yield clip_from_row(row, found, place, sounds=sounds, split=split)
    except GoamaError:
        raise
    except Exception as error:  # the network, a damaged shard, a decoder that is not installed
        raise GoamaError(f"{source}: reading stopped at row {number} ({_reason(error)})") from error
