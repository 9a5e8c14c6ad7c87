"""Damaged tables and data sets: one sentence or clips, in little time and memory, and no file is touched."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from goama.errors import GoamaError
from goama.sources.source import read_source
from goama.sources.where import parse_where

from .conftest import SECONDS

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3_600)]

WORDS = ["a", "b", "votes", "(", ")", "and", "or", "not", "in", ">=", "==", "'x'", "1", ",", "`c`"]
ROWS = [{"file_name": f"clip{n}.wav", "text": f"zin {n}, één", "speaker": f"s{n % 2}"} for n in range(4)]


def delimited(delimiter: str) -> bytes:
    return "\n".join(
        delimiter.join(f'"{cell}"' for cell in row) for row in (list(ROWS[0]), *map(dict.values, ROWS))
    ).encode()


def workbook(path: Path) -> None:
    import openpyxl

    book = openpyxl.Workbook()
    for row in (list(ROWS[0]), *(list(row.values()) for row in ROWS)):
        book.active.append(row)
    book.save(path)


def parquet(path: Path) -> None:
    import pyarrow
    import pyarrow.parquet

    pyarrow.parquet.write_table(pyarrow.table({"audio": [b"RIFF"] * 4, "text": ["een"] * 4}), path)


def arrow(path: Path) -> None:
    import pyarrow

    table = pyarrow.table({"audio": [row["file_name"] for row in ROWS], "text": ["een"] * 4})
    with pyarrow.ipc.new_stream(str(path), table.schema) as stream:
        stream.write_table(table)


def saved(folder: Path) -> None:
    import datasets

    rows = datasets.Dataset.from_dict({"audio": [row["file_name"] for row in ROWS], "text": ["een"] * 4})
    rows.save_to_disk(folder)


FILES: dict[str, Any] = {
    "t.csv": delimited(","),
    "t.tsv": delimited("\t"),
    "line_index.tsv": b"clip0\teen\nclip1\ttwee\n",
    "t.jsonl": "\n".join(map(json.dumps, ROWS)).encode(),
    "t.json": json.dumps(ROWS, indent=1).encode(),
    "nemo.jsonl": b'{"audio_filepath": "clip0.wav", "duration": 0.5, "text": "een", "offset": 0.0}\n' * 3,
    "t.xlsx": workbook,
    "t.parquet": parquet,
    "t.arrow": arrow,
    "kaldi/wav.scp": b"u0 ../clip0.wav\nu1 ../clip1.wav\n",
    "kaldi/segments": b"a u0 0.0 0.2\nb u1 0.1 0.4\n",
    "kaldi/text": b"a een\nb twee\n",
    "cv/validated.tsv": b"client_id\tpath\tsentence\n" + b"s\tclip0.mp3\teen\n" * 1 + b"t\tclip1.mp3\ttwee\n",
    "ss/ss-corpus-nl.tsv": b"client_id\taudio_id\taudio_file\tduration_ms\ttranscription\tsplit\n"
    b"c\t1\tclip0.mp3\t500\teen\t\n",
    "lj/metadata.csv": b"clip0|een\nclip1|twee\n",
    "saved/state.json": saved,
    "saved/dataset_info.json": saved,
    "saved/data-00000-of-00001.arrow": saved,
}


def build(place: Path) -> None:
    for sub in (".", "cv/clips", "ss/audios", "lj/wavs"):
        (place / sub).mkdir(parents=True, exist_ok=True)
        for number in range(4):
            soundfile.write(place / sub / f"clip{number}.wav", np.zeros(800), 16_000)
    (place / "kaldi").mkdir()
    for name, content in FILES.items():
        target = place / name
        if callable(content):
            content(target.parent if name.startswith("saved/") else target) if not target.exists() else None
        else:
            target.parent.mkdir(exist_ok=True)
            target.write_bytes(content)


@pytest.mark.parametrize("name", FILES)
def test_a_damaged_file_gives_clips_or_one_sentence(
    tmp_path: Path, fuzz: Callable[[Path, Callable[[], object]], int], name: str
) -> None:
    build(tmp_path)
    source = tmp_path / name if "/" not in name else (tmp_path / name).parent
    tried = fuzz(tmp_path / name, lambda: list(read_source(str(source))))
    print(f"{name}: {tried} inputs")
    assert tried


@settings(max_examples=max(50, int(10 * SECONDS)), deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.one_of(
        st.text(max_size=40),
        st.lists(
            st.sampled_from(
                ["a", "b", "votes", "(", ")", "and", "or", "not", "in", ">=", "==", "'x'", "1", ",", "`c", "d`"]
            )
        ).map(" ".join),
    )
)
def test_any_condition_is_understood_or_one_sentence(condition: str) -> None:
    try:
        parse_where(condition)({"a": 1, "b": "x", "votes": None})
    except GoamaError as error:
        assert "\n" not in str(error) or "\n" in condition


@settings(max_examples=max(50, int(5 * SECONDS)), deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.recursive(
        st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8)),
        lambda inner: st.one_of(
            st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(["text", "audio", "x"]), inner, max_size=3)
        ),
        max_leaves=12,
    )
)
def test_any_json_document_gives_clips_or_one_sentence(tmp_path_factory: pytest.TempPathFactory, document: Any) -> None:
    path = tmp_path_factory.mktemp("json") / "t.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    try:
        list(read_source(str(path)))
    except GoamaError as error:
        assert "\n" not in str(error)
