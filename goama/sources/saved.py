"""A folder that `datasets` wrote with save_to_disk becomes clips: its state.json says which files hold the rows.

Other arrow files in the folder are caches of `map` and `filter`, which hold the same rows once more.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeGuard

from goama.errors import GoamaError
from goama.sources.clip import Choices, Columns, Source
from goama.sources.columns import SPLIT_NAMES
from goama.sources.hub import Request, source_of
from goama.sources.sound_files import SoundFiles

_LONGEST_NAME = 255  # bytes, in all usual file systems
_STATE = "state.json"
_SPLITS = "dataset_dict.json"
_NO_NAME = "all"


def is_saved(folder: Path) -> bool:
    """Whether `datasets` saved a Dataset or a DatasetDict into this folder."""
    return bool(_datasets_in(folder))


def read_saved(folder: Path, columns: Columns, choices: Choices) -> Source:
    """The clips of a saved Dataset or DatasetDict, read from the files that each state.json names.

    Raises `GoamaError` when a state.json or one of its files cannot be read, or a column is missing.
    """
    import datasets

    loaded: dict[str, Any] = {}
    for split, place in _datasets_in(folder).items():
        _check_files(place)
        try:
            loaded[split] = datasets.load_from_disk(str(place)).with_format(None)
            loaded[split].data.validate(full=True)  # damaged offsets would end the process when the rows are read
        except Exception as error:  # datasets and arrow raise dozens of kinds
            reason = " ".join(str(error).split())[:200] or type(error).__name__
            raise GoamaError(f"{place}: this saved data set cannot be opened ({reason}); save it again") from error
    request = Request(str(folder), columns, SoundFiles.of_folder(folder, choices.audio_folder), choices.where)

    def rows_in(splits: Sequence[str]) -> int:
        return sum(len(loaded[split]) for split in splits)

    return source_of(request, "data set saved to disk", loaded, rows_in)


def _datasets_in(folder: Path) -> dict[str, Path]:
    """Split -> folder of a saved Dataset; a lone Dataset has no name of a split."""
    if (folder / _STATE).is_file():
        return {_NO_NAME: folder}
    if (folder / _SPLITS).is_file():
        names = _json(folder / _SPLITS).get("splits")
        if not isinstance(names, list) or not all(map(_is_name, names)):
            raise GoamaError(f"{folder / _SPLITS}: names no splits; save the data set again")
        missing = next((name for name in names if not (folder / name / _STATE).is_file()), None)
        if missing is not None:
            raise GoamaError(f"{folder}: the split {missing!r} is missing ({missing}/{_STATE}); copy it again")
        return {name: folder / name for name in names}
    return {
        child.name: child
        for child in sorted(folder.iterdir())
        if child.name.lower() in SPLIT_NAMES and (child / _STATE).is_file()
    }


def _check_files(folder: Path) -> None:
    """Raises `GoamaError` when state.json names a file that is not in its folder."""
    state = _json(folder / _STATE)
    listed = [*(state.get("_data_files") or []), *(state.get("_indices_data_files") or [])]
    for entry in listed:
        name = entry.get("filename") if isinstance(entry, dict) else None
        if not _is_name(name):
            raise GoamaError(f"{folder / _STATE}: names {str(name)[:80]!r}, which is no file of this folder")
        if not (folder / name).is_file():
            raise GoamaError(f"{folder}: {name} is missing, which {_STATE} names; copy the data set again")


def _is_name(name: Any) -> TypeGuard[str]:
    """Whether this may be the name of a file or a folder that lies in another one."""
    return isinstance(name, str) and Path(name).name == name and len(name.encode("utf-8", "replace")) <= _LONGEST_NAME


def _json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise GoamaError(f"{path}: cannot be read ({error}); save the data set again") from error
    if not isinstance(value, dict):
        raise GoamaError(f"{path}: not what `datasets` writes; save the data set again")
    return value
