"""A Hub data set, streamed, or local parquet and arrow files become a Source; sound stays as it is encoded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from goama.errors import GoamaError
from goama.sources.clip import Columns, Source, SourceClip
from goama.sources.columns import clip_from_row, find_columns, in_words, other_readings, split_in_name
from goama.sources.sound_files import SoundFiles

DATA_SUFFIXES = (".parquet", ".arrow")
_HUB_TIMEOUT_S = 10.0


def read_hub(source: str, configuration: str | None, columns: Columns) -> Source:
    """A data set of the Hub by its id (owner/name).

    Raises `GoamaError` when it cannot be found or opened, or its columns are not those named.
    """
    _ask_hub(source)
    return _read(source, columns, None, "Hub data set", path=source, name=configuration)


def read_parquet(path: Path, configuration: str | None, columns: Columns, audio_folder: Path | None) -> Source:
    """A folder of parquet or arrow files, or one of them."""
    if path.is_dir():
        sounds = SoundFiles.of_folder(path, audio_folder)
        return _read(str(path), columns, sounds, "data set in a folder", path=str(path), name=configuration)
    sounds = SoundFiles.of_file(path, audio_folder)
    kind = path.suffix.lower().removeprefix(".")
    files = {"all": str(path)}
    return _read(str(path), columns, sounds, f"{kind} file", path=kind, name=configuration, data_files=files)


def _read(source: str, columns: Columns, sounds: SoundFiles | None, kind: str, **arguments: Any) -> Source:
    import datasets

    try:
        builder = datasets.load_dataset_builder(**arguments)
        _read_one_row_group_at_a_time(builder.config)
        loaded = builder.as_streaming_dataset()
    except Exception as error:  # datasets and its transports raise dozens of kinds
        raise GoamaError(
            f"{source}: this data set cannot be opened ({_reason(error)}); check the id, log in with "
            "`hf auth login` if it is gated, or download it and pass its folder"
        ) from error
    splits = {split: split_in_name(split) for split in loaded}
    known = any(splits.values())
    read = [split for split in loaded if splits[split] or not known]
    features = loaded[read[0]].features
    found = find_columns(features, columns, source) if features else {}
    taken = f"; columns {in_words(found)}" if found else ""
    notes = other_readings(features, found, columns) if features else ()

    def clips() -> Iterator[SourceClip]:
        for split, rows in loaded.items():
            if split in read:
                yield from read_dataset(rows, columns, source, split=splits[split], sounds=sounds)
            else:
                yield SourceClip(
                    id=f"{split}/*",
                    audio=b"",
                    text="",
                    where=f"{source} {split}",
                    fault=f"the whole split {split!r} was not read: it is none of train, dev (or validation) and test",
                )

    files = builder.config.data_files or {}
    left_out = len(loaded) - len(read)
    rows = _rows_in([str(file) for split in read for file in files.get(split, ())])
    return Source(f"{kind}: {', '.join(read)}{taken}", clips, notes, count=None if rows is None else rows + left_out)


def _read_one_row_group_at_a_time(config: Any) -> None:
    """By default, pyarrow reads a whole parquet file ahead and keeps it: up to half a GB of encoded sound."""
    import pyarrow.dataset

    if hasattr(config, "fragment_scan_options"):  # only parquet files have it
        config.fragment_scan_options = pyarrow.dataset.ParquetFragmentScanOptions(pre_buffer=False)


def _rows_in(files: Sequence[str]) -> int | None:
    """Number of rows of local parquet files, from their footers; None for any other files."""
    import pyarrow.parquet

    if not files or not all(file.endswith(".parquet") and Path(file).is_file() for file in files):
        return None
    return sum(pyarrow.parquet.read_metadata(file).num_rows for file in files)


def _ask_hub(source: str) -> None:
    """Raises `GoamaError` when the Hub cannot be reached: `datasets` itself would try for minutes."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import OfflineModeIsEnabled, RepositoryNotFoundError

    try:
        HfApi().dataset_info(source, timeout=_HUB_TIMEOUT_S)
    except OfflineModeIsEnabled:
        return  # it may be in the cache
    except RepositoryNotFoundError as error:
        raise GoamaError(
            f"{source}: neither a folder here nor a data set on the Hub; check the id, "
            "or log in with `hf auth login` if it is private"
        ) from error
    except Exception as error:
        raise GoamaError(
            f"{source}: there is no such folder here, and the Hub cannot be asked ({_reason(error)}); check the "
            "network (`goama doctor` tells), or set HF_HUB_OFFLINE=1 if this machine has the data set in its cache"
        ) from error


def _reason(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__


def read_dataset(
    rows: Any, columns: Columns, source: str, *, split: str | None, sounds: SoundFiles | None = None
) -> Iterator[SourceClip]:
    """The clips of a `datasets` (iterable) data set; `split`: their split, None where its name is not one of a split.

    `sounds` says where files lie that rows only name; None: such rows are faulty.
    Raises `GoamaError` when a column is missing, or the rows cannot be read to their end.
    """
    import datasets

    found: dict[str, str] = {}
    number = 0
    try:
        if rows.features:
            found = find_columns(rows.features, columns, source)
            if isinstance(rows.features[found["audio"]], datasets.Audio):
                rows = rows.cast_column(found["audio"], datasets.Audio(decode=False))
        for number, row in enumerate(rows):
            found = found or find_columns(row, columns, source)
            if split and columns.split is None:
                found.pop("split", None)
            where = f"{source} {split or ''} row {number}".replace("  ", " ")
            yield clip_from_row(row, found, where, sounds=sounds, split=split)
    except GoamaError:
        raise
    except Exception as error:  # the network, a damaged shard, a decoder that is not installed
        raise GoamaError(f"{source}: reading stopped at row {number} ({_reason(error)})") from error
