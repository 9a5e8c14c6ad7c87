"""Tables and data sets as people really have them: each is read right, or what is left out is named."""

from __future__ import annotations

import csv
import io
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from goama.errors import GoamaError
from goama.sound.audio import read_audio
from goama.sources.source import Choices, Columns, Source, SourceClip, read_source
from goama.sources.where import parse_where

TEXTS = ["een twee", "drie vier", "vijf zes", "zeven acht"]


def tone(path: Path, number: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, 0.3 * np.sin(np.arange(8_000) * (0.05 + number / 100)), 16_000)
    return path


def tones(folder: Path, suffix: str = ".wav") -> list[str]:
    return [tone(folder / f"clip{number}{suffix}", number).name for number in range(len(TEXTS))]


def opened(path: Path | str, columns: Columns | None = None, **choices: Any) -> Source:
    return read_source(os.fspath(path), columns, choices=Choices(**choices))


def good(source: Source) -> list[SourceClip]:
    return [clip for clip in source if not clip.fault]


def texts(source: Source) -> list[str]:
    return [clip.text for clip in good(source)]


# --- names that are not UTF-8


def test_file_names_that_are_not_utf_8_are_read_and_shown_in_a_readable_form(tmp_path: Path) -> None:
    folder = os.fsencode(tmp_path / "caf") + b"\xe9"
    os.mkdir(folder)  # noqa: PTH102
    place = Path(os.fsdecode(folder))
    tone(tmp_path / "a.wav").rename(place / "a.wav")
    (place / "metadata.csv").write_text("file_name,text\na.wav,een\n")
    (clip,) = good(opened(place))
    assert read_audio(clip.audio).seconds == 0.5
    assert clip.where == str(tmp_path / "caf\\xe9" / "metadata.csv") + ":2"
    json.dumps(clip.where, ensure_ascii=False).encode("utf-8")


def test_a_name_in_utf_8_finds_the_file_that_an_old_windows_named(tmp_path: Path) -> None:
    tone(tmp_path / "a.wav")
    os.rename(tmp_path / "a.wav", os.fsencode(tmp_path) + b"/caf\xe9.wav")  # noqa: PTH104
    (tmp_path / "metadata.csv").write_text("file_name,text\ncafé.wav,een\n", encoding="utf-8")
    (clip,) = good(opened(tmp_path))
    assert isinstance(clip.audio, Path) and read_audio(clip.audio).seconds == 0.5
    assert clip.id == "café"


# --- rows and lines


def common_voice(folder: Path, rows: list[list[str]], name: str = "validated.tsv") -> Path:
    tones(folder / "clips", ".mp3")
    lines = ["\t".join(row) for row in [["client_id", "path", "sentence", "locale"], *rows]]
    (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def test_a_common_voice_row_with_a_tab_too_many_is_left_out_by_name(tmp_path: Path) -> None:
    rows = [["s", f"clip{n}.mp3", text, "nl"] for n, text in enumerate(TEXTS)]
    rows[1][2] = "drie\tvier"
    source = opened(common_voice(tmp_path, rows))
    assert texts(source) == [TEXTS[0], *TEXTS[2:]]
    (bad,) = [clip for clip in source if clip.fault]
    assert bad.where == f"{tmp_path / 'validated.tsv'}:3"
    assert bad.fault == "5 fields where the header has 4; put one tab between two fields"


@pytest.mark.parametrize(
    ("line", "is_read"), [("b.wav,ja,,", True), ("b.wav", False), ("b.wav,ja,nee", False)], ids=["ends", "less", "more"]
)
def test_a_csv_row_of_another_length_is_left_out_and_empty_fields_at_its_end_do_no_harm(
    tmp_path: Path, line: str, is_read: bool
) -> None:
    (tmp_path / "t.csv").write_text(f"file,text\na.wav,een\n{line}\n")
    read = list(opened(tmp_path / "t.csv"))
    assert [clip.where.rsplit(":")[-1] for clip in read] == ["2", "3"]
    assert (read[1].fault is None) == is_read


def test_a_workbook_s_row_and_an_ljspeech_line_of_another_length_are_left_out(tmp_path: Path) -> None:
    import openpyxl

    book = openpyxl.Workbook()
    for row in (["file", "text"], ["a.wav", "een"], ["b.wav", "twee", "drie"]):
        book.active.append(row)
    book.save(tmp_path / "t.xlsx")
    assert [bool(clip.fault) for clip in opened(tmp_path / "t.xlsx")] == [False, True]
    tones(tmp_path / "lj" / "wavs")
    (tmp_path / "lj" / "metadata.csv").write_text("clip0|een\nclip1|twee|drie\nclip2|vier\n")
    assert [bool(clip.fault) for clip in opened(tmp_path / "lj")] == [False, True, False]


@pytest.mark.parametrize(("top", "left"), [(1, 1), (4, 3)])
def test_a_merged_cell_counts_for_every_row_that_it_spans(tmp_path: Path, top: int, left: int) -> None:
    import openpyxl

    book = openpyxl.Workbook()
    sheet = book.active
    rows = [["file", "text", "speaker"], ["a.wav", "een", "Awa"], ["b.wav", "twee"], ["c.wav", "drie"], ["d.wav"]]
    for row, values in enumerate(rows, start=top):
        for column, value in enumerate(values, start=left):
            sheet.cell(row, column, value)
    sheet.merge_cells(start_row=top + 1, end_row=top + 2, start_column=left + 2, end_column=left + 2)
    sheet.merge_cells(start_row=top + 3, end_row=top + 4, start_column=left + 1, end_column=left + 1)
    book.save(tmp_path / "t.xlsx")
    source = read_source(str(tmp_path / "t.xlsx"))
    assert [(clip.text, clip.speaker) for clip in source] == [
        ("een", "Awa"),
        ("twee", "Awa"),
        ("drie", None),
        ("drie", None),
    ]
    assert "each merged cell counts for all rows that it spans (merged cells: 2)" in source.taken


@pytest.mark.parametrize("newline", ["\r", "\r\n", "\n"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl"])
def test_every_line_end_is_read_also_that_of_excel_for_mac(
    tmp_path: Path, newline: str, encoding: str, suffix: str
) -> None:
    rows = [["file", "text"], ["a.wav", "één"], ["b.wav", "twee"]]
    lines = ["\t".join(row) if suffix == ".tsv" else ",".join(row) for row in rows]
    if suffix == ".jsonl":
        lines = [json.dumps({"file": name, "text": text}) for name, text in rows[1:]]
    (tmp_path / f"t{suffix}").write_bytes((newline.join(lines) + newline).encode(encoding))
    assert texts(opened(tmp_path / f"t{suffix}")) == ["één", "twee"]


def test_a_quoted_text_over_two_lines_stays_one_text_with_any_line_end(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(b'file,text\ra.wav,"een\rtwee"\rb.wav,drie\r')
    assert texts(opened(tmp_path / "t.csv")) == ["een\ntwee", "drie"]


ROWS = [{"file_name": f"clip{n}.wav", "text": text} for n, text in enumerate(TEXTS)]
DOCUMENTS = {
    "array": json.dumps(ROWS),
    "indented array": json.dumps(ROWS, indent=2),
    "array, one row a line": "[" + ",\n".join(map(json.dumps, ROWS)) + "]",
    "array under a name": json.dumps({"version": 1, "data": ROWS}),
    "indented, under a name": json.dumps({"data": ROWS}, indent=1),
    "columns": json.dumps({key: [row[key] for row in ROWS] for key in ROWS[0]}),
    "pandas": json.dumps({key: {str(n): row[key] for n, row in enumerate(ROWS)} for key in ROWS[0]}),
    "by id": json.dumps({f"u{n}": row for n, row in enumerate(ROWS)}, indent=2),
    "as jq prints": "\n".join(json.dumps(row, indent=2) for row in ROWS),
    "lines": "\n".join(map(json.dumps, ROWS)),
}


@pytest.mark.parametrize("kind", DOCUMENTS)
@pytest.mark.parametrize("suffix", [".json", ".jsonl"])
def test_json_that_holds_a_list_of_clips_is_read_however_it_is_written(tmp_path: Path, kind: str, suffix: str) -> None:
    (tmp_path / f"t{suffix}").write_text(DOCUMENTS[kind])
    tones(tmp_path)
    assert texts(opened(tmp_path / f"t{suffix}")) == TEXTS


def test_a_long_array_on_one_line_is_read_and_one_clip_with_a_list_of_words_is_one_clip(tmp_path: Path) -> None:
    rows = [{"file_name": f"{n}.wav", "text": "x" * 300} for n in range(5_000)]
    (tmp_path / "t.json").write_text(json.dumps(rows))
    assert len(texts(opened(tmp_path / "t.json"))) == 5_000
    (tmp_path / "one.jsonl").write_text(json.dumps(ROWS[0] | {"words": [{"word": "een"}, {"word": "twee"}]}))
    assert texts(opened(tmp_path / "one.jsonl")) == [TEXTS[0]]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("[3, 4]", ":1: a clip is a JSON object, this is a int"),
        ('[{"text": "a"', "not JSON"),
        ("[]", "which column|no clips"),
        ("[[[[", "not JSON"),
        ('{"a": 1,\n"b": 2}', "which columns hold the audio"),
    ],
)
def test_json_that_is_no_list_of_clips_is_one_sentence(tmp_path: Path, content: str, sentence: str) -> None:
    (tmp_path / "t.json").write_text(content)
    with pytest.raises(GoamaError, match=sentence):
        opened(tmp_path / "t.json")


# --- tables without a header


@pytest.mark.parametrize(
    ("name", "line", "place"),
    [
        ("line_index.tsv", "clip{n}\t{text}", "."),
        ("line_index.tsv", "clip{n}\t{text}", "wavs"),
        ("utt_spk_text.tsv", "clip{n}\tb{s}\t{text}", "data/cl"),
        ("list.csv", "clip{n}.wav,{text}", "."),
        ("list.txt", "clip{n}.wav|{text}, ja, ja", "."),
        ("list.csv", '"{text}";"audio/clip{n}.wav"', "audio"),
        ("list.tsv", "spk{s}\tclip{n}.wav\t{text}", "clips"),
    ],
    ids=range(7),
)
def test_a_table_without_a_header_loses_no_clip(tmp_path: Path, name: str, line: str, place: str) -> None:
    tones(tmp_path / place)
    rows = [line.format(n=n, s=n % 2, text=text) for n, text in enumerate(TEXTS)]
    (tmp_path / name).write_text("\n".join(rows) + "\n")
    source = opened(tmp_path / name)
    read = list(source)
    assert [clip.text.removesuffix(", ja, ja") for clip in read] == TEXTS
    assert all(isinstance(clip.audio, Path) and clip.audio.is_file() for clip in read)
    assert "has no header, so its first line is a clip" in source.notes[0]
    assert {clip.speaker for clip in read} == ({None} if "{s}" not in line else {read[0].speaker, read[1].speaker})


def test_a_sheet_without_a_header_loses_no_clip(tmp_path: Path) -> None:
    import openpyxl

    book = openpyxl.Workbook()
    for name, text in zip(tones(tmp_path), TEXTS, strict=True):
        book.active.append([name, text])
    book.save(tmp_path / "t.xlsx")
    assert texts(opened(tmp_path / "t.xlsx")) == TEXTS


def test_openslr_s_tables_for_women_and_men_are_one_source(tmp_path: Path) -> None:
    tones(tmp_path)
    (tmp_path / "line_index_female.tsv").write_text("clip0\teen\nclip1\ttwee\n")
    (tmp_path / "line_index_male.tsv").write_text("clip2\tdrie\n")
    assert texts(opened(tmp_path)) == ["een", "twee", "drie"]


def test_columns_of_a_table_without_a_header_are_named_by_number_and_a_header_stays_one(tmp_path: Path) -> None:
    tones(tmp_path)
    (tmp_path / "t.csv").write_text("clip0.wav,kort,de lange tekst\nclip1.wav,klein,nog een lange\n")
    assert texts(opened(tmp_path / "t.csv")) == ["de lange tekst", "nog een lange"]
    assert texts(opened(tmp_path / "t.csv", Columns(text="2"))) == ["kort", "klein"]
    (tmp_path / "h.csv").write_text("Datei,Satz\nclip0.wav,een\n")
    with pytest.raises(GoamaError, match="which columns hold the audio"):
        opened(tmp_path / "h.csv")
    assert texts(opened(tmp_path / "h.csv", Columns(audio="Datei", text="Satz"))) == ["een"]


# --- Mozilla's Spontaneous Speech

SS_COLUMNS = (  # as the export's header has them
    *("client_id", "audio_id", "audio_file", "duration_ms", "prompt_id", "prompt", "transcription", "votes", "age"),
    *("gender", "accents", "variant", "language", "prompt_upvotes", "prompt_reports", "is_edited", "split"),
    *("char_per_sec", "quality_tags"),
)


@pytest.fixture
def spontaneous(tmp_path: Path) -> Path:
    tones(tmp_path / "audios", ".mp3")
    rows = [
        dict.fromkeys(SS_COLUMNS, "")
        | {
            "client_id": f"s{n}",
            "audio_id": str(100 + n),
            "audio_file": f"clip{n}.mp3",
            "duration_ms": "500",
            "transcription": f"{text} [noise]" if n == 1 else text,
            "votes": str(n),
            "split": ["train", "unassigned", "dev", "test"][n],
            "quality_tags": "background-noise" if n == 2 else "",
        }
        for n, text in enumerate(TEXTS)
    ]
    text = io.StringIO()
    writer = csv.DictWriter(text, SS_COLUMNS, delimiter="\t", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    (tmp_path / "ss-corpus-nl.tsv").write_text(text.getvalue())
    (tmp_path / "ss-reported-audios-nl.tsv").write_text("audio_id\taudio_file\treason\n9\tother.mp3\toffensive\n")
    return tmp_path


@pytest.mark.parametrize("table", [False, True])
def test_a_spontaneous_speech_export_is_read_with_its_splits_and_tags(spontaneous: Path, table: bool) -> None:
    source = opened(spontaneous / "ss-corpus-nl.tsv" if table else spontaneous)
    read = good(source)
    assert [clip.id for clip in read] == ["100", "101", "102", "103"]
    assert [clip.split for clip in read] == ["train", None, "dev", "test"]
    assert [clip.tags for clip in read] == [(), (), ("background-noise",), ()]
    assert read[0].duration == 0.5 and read[0].speaker == "s0"
    assert isinstance(read[0].audio, Path) and read[0].audio.is_file()
    assert any("background-noise ×1" in note for note in source.notes)


def test_recordings_that_people_reported_are_never_used(spontaneous: Path) -> None:
    (spontaneous / "ss-reported-audios-nl.tsv").write_text("audio_id\taudio_file\treason\n101\tclip1.mp3\tx\n")
    assert [clip.id for clip in good(opened(spontaneous))] == ["100", "102", "103"]
    for choices in ({}, {"format": "table"}):
        with pytest.raises(GoamaError, match="no material to learn from"):
            opened(spontaneous / "ss-reported-audios-nl.tsv", **choices)
    (spontaneous / "ss-corpus-nl.tsv").unlink()
    with pytest.raises(GoamaError):
        opened(spontaneous)


# --- conditions on rows


@pytest.mark.parametrize(
    ("condition", "numbers"),
    [
        ("votes>=1", [1, 2, 3]),
        ("votes >= 1 and votes < 3", [1, 2]),
        ("not votes = 2", [0, 1, 3]),
        ("quality_tags == ''", [0, 1, 3]),
        ("split in ('dev', \"test\") or client_id = 's0'", [0, 2, 3]),
        ("split not in ('dev')", [0, 1, 3]),
        ("(votes<1 or votes>2) and `client_id` != 's3'", [0]),
        ("transcription contains 'NOISE'", [1]),
        ("age > 0", []),
        ("votes <> 1.0", [0, 2, 3]),
    ],
)
def test_only_rows_that_meet_a_condition_are_clips(spontaneous: Path, condition: str, numbers: list[int]) -> None:
    source = opened(spontaneous, where=condition)
    assert [int(clip.id) - 100 for clip in source] == numbers
    assert any(f"{len(numbers)} of 4 rows meet it" in note for note in source.notes)


@pytest.mark.parametrize(
    ("condition", "sentence"),
    [
        ("vote >= 1", "no column 'vote'.*did you mean 'votes'"),
        ("split == unassigned", "text is written in quotes: 'unassigned'"),
        ("votes >=", "a value is missing at the end"),
        ("votes", "a comparison such as >= is missing"),
        ("votes >= 1)", r"'\)' was not expected"),
        ("(votes >= 1", r"a \) is missing"),
        ("__import__('os').system('true')", "comparison|not understood|not expected"),
        ("votes >= 1; 2", "not understood"),
        ("(" * 200 + "votes > 1", "too many brackets"),
        ("not " * 3000 + "votes > 1", "too many brackets"),
    ],
)
def test_a_condition_that_cannot_be_understood_says_where(spontaneous: Path, condition: str, sentence: str) -> None:
    with pytest.raises(GoamaError, match=sentence):
        opened(spontaneous, where=condition)


def test_an_empty_cell_is_neither_less_nor_more_than_a_number() -> None:
    for sign in ("<", "<=", ">", ">="):
        assert not parse_where(f"votes {sign} 1")({"votes": ""})
        assert not parse_where(f"votes {sign} 1")({"votes": None})
    assert parse_where("edited == true")({"edited": True}) and parse_where("edited == true")({"edited": "True"})


# --- one level down


def test_the_parent_of_a_common_voice_locale_folder_is_read(tmp_path: Path) -> None:
    rows = [["s", f"clip{n}.mp3", text, "nl"] for n, text in enumerate(TEXTS)]
    common_voice(tmp_path / "nl", rows)
    source = opened(tmp_path)
    assert texts(source) == TEXTS
    assert source.notes[0] == f"{tmp_path} itself holds no clips; {tmp_path / 'nl'} in it does"
    common_voice(tmp_path / "fy-NL", rows)
    with pytest.raises(GoamaError, match="2 folders in it are sources of clips; name one of them: fy-NL, nl"):
        opened(tmp_path)


# --- data sets of `datasets`


def wav_bytes(number: int, rate: int = 16_000) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples(number, rate), rate, format="WAV")
    return file.getvalue()


def samples(number: int, rate: int = 16_000) -> np.ndarray:
    return (0.3 * np.sin(np.arange(rate // 2) * (0.05 + number / 100))).astype(np.float32)


SOUNDS: dict[str, Any] = {
    "bytes": lambda n: wav_bytes(n),
    "bytes in a struct": lambda n: {"bytes": wav_bytes(n), "path": None},
    "samples": lambda n: {"array": samples(n), "sampling_rate": 16_000},
    "samples at 8 kHz": lambda n: {"array": samples(n, 8_000), "sampling_rate": 8_000, "path": f"clip{n}.wav"},
    "16 bit samples": lambda n: {"array": (samples(n) * 32_768).astype(np.int16), "sampling_rate": 16_000},
    "two channels": lambda n: {"array": np.stack([samples(n)] * 2).tolist(), "sampling_rate": 16_000},
}


@pytest.mark.parametrize("kind", SOUNDS)
def test_parquet_is_read_whether_it_holds_bytes_or_samples(tmp_path: Path, kind: str) -> None:
    import pyarrow
    import pyarrow.parquet

    rows = {"audio": [SOUNDS[kind](n) for n in range(4)], "text": TEXTS}
    pyarrow.parquet.write_table(pyarrow.table(rows), tmp_path / "train.parquet")
    read = list(opened(tmp_path / "train.parquet"))
    assert [(clip.text, clip.fault) for clip in read] == [(text, None) for text in TEXTS]
    audio = read_audio(read[1].audio, name="x")
    assert audio.seconds == 0.5
    assert abs(audio.samples).max() == pytest.approx(0.3, abs=0.02)


@pytest.mark.parametrize(
    ("sound", "fault"),
    [
        ([0.0, 0.1], "samples without their rate"),
        ({"array": [0.1], "sampling_rate": 3}, "the rate 3 Hz"),
        (b"", "0 bytes of sound"),
        ({"array": [], "sampling_rate": 16_000}, "is empty|0 samples"),
        ({"other": 1}, "is empty"),
        ("data:audio/wav;base64," + "A" * 100_000, "a text of 100022 characters"),
    ],
)
def test_sound_that_is_neither_bytes_nor_samples_is_one_short_sentence(tmp_path: Path, sound: Any, fault: str) -> None:
    import re

    import pyarrow
    import pyarrow.parquet

    table = pyarrow.table({"audio": [sound], "text": ["een"]})
    pyarrow.parquet.write_table(table, tmp_path / "train.parquet")
    (clip,) = opened(tmp_path / "train.parquet")
    assert clip.fault and re.search(fault, clip.fault) and len(clip.fault) < 200


def test_a_condition_is_met_by_the_rows_of_a_data_set_too(tmp_path: Path) -> None:
    import pyarrow
    import pyarrow.parquet

    rows = {"audio": [wav_bytes(n) for n in range(4)], "text": TEXTS, "votes": [0, 1, 2, None]}
    pyarrow.parquet.write_table(pyarrow.table(rows), tmp_path / "train.parquet")
    assert texts(opened(tmp_path / "train.parquet", where="votes >= 1")) == TEXTS[1:3]
    with pytest.raises(GoamaError, match="no column 'vote'"):
        opened(tmp_path / "train.parquet", where="vote >= 1")


def saved_rows(texts: list[str] = TEXTS) -> Any:
    import datasets

    sounds = [{"bytes": wav_bytes(n), "path": f"clip{n}.wav"} for n in range(len(texts))]
    rows = datasets.Dataset.from_dict({"audio": sounds, "text": texts})
    return rows.cast_column("audio", datasets.Audio(decode=False))


def test_a_saved_dataset_is_read_without_the_caches_that_map_left_in_it(tmp_path: Path) -> None:
    import datasets

    saved_rows().save_to_disk(tmp_path / "one")
    reopened = datasets.load_from_disk(str(tmp_path / "one"))
    reopened.map(lambda row: {"text": row["text"].upper()}, cache_file_name=str(tmp_path / "one" / "cache-1.arrow"))
    source = opened(tmp_path / "one")
    assert [clip.text for clip in source] == TEXTS and source.count == 4
    assert {clip.split for clip in source} == {None}


def test_a_saved_dataset_dict_is_read_by_its_splits_and_a_missing_file_is_named(tmp_path: Path) -> None:
    import datasets

    datasets.DatasetDict({"train": saved_rows(), "validation": saved_rows(["vijf"])}).save_to_disk(tmp_path / "two")
    (tmp_path / "two" / "train" / "cache-1.arrow").write_bytes(
        next((tmp_path / "two" / "train").glob("data-*.arrow")).read_bytes()
    )
    assert [(clip.text, clip.split) for clip in opened(tmp_path / "two")] == [
        *((text, "train") for text in TEXTS),
        ("vijf", "dev"),
    ]
    (tmp_path / "two" / "dataset_dict.json").unlink()
    assert len(list(opened(tmp_path / "two"))) == 5
    next((tmp_path / "two" / "train").glob("data-*.arrow")).unlink()
    with pytest.raises(GoamaError, match=r"data-00000-of-00001\.arrow is missing, which state\.json names"):
        opened(tmp_path / "two")


@pytest.mark.parametrize("name", ["../secret.arrow", "/etc/passwd", 3])
def test_a_saved_dataset_does_not_reach_out_of_its_folder(tmp_path: Path, name: Any) -> None:
    saved_rows().save_to_disk(tmp_path / "one")
    state = json.loads((tmp_path / "one" / "state.json").read_text())
    state["_data_files"] = [{"filename": name}]
    (tmp_path / "one" / "state.json").write_text(json.dumps(state))
    with pytest.raises(GoamaError, match="which is no file of this folder"):
        opened(tmp_path / "one")


def test_arrow_files_of_the_hub_s_cache_are_read_without_those_of_map(tmp_path: Path) -> None:
    saved_rows().save_to_disk(tmp_path / "one")
    arrow = next((tmp_path / "one").glob("data-*.arrow"))
    (tmp_path / "cache").mkdir()
    for name in ("csv-train.arrow", "cache-0123.arrow"):
        (tmp_path / "cache" / name).write_bytes(arrow.read_bytes())
    assert [(clip.text, clip.split) for clip in opened(tmp_path / "cache")] == [(text, "train") for text in TEXTS]


EAF = """<?xml version="1.0" encoding="UTF-8"?>
<ANNOTATION_DOCUMENT><HEADER TIME_UNITS="milliseconds"><MEDIA_DESCRIPTOR MEDIA_URL="file:///C:/tapes/caf%E9.wav"/></HEADER>
<TIME_ORDER><TIME_SLOT TIME_SLOT_ID="a" TIME_VALUE="0"/><TIME_SLOT TIME_SLOT_ID="b" TIME_VALUE="400"/></TIME_ORDER>
<TIER TIER_ID="tx" LINGUISTIC_TYPE_REF="utterance"><ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a1"
TIME_SLOT_REF1="a" TIME_SLOT_REF2="b"><ANNOTATION_VALUE>een</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION>
</TIER><LINGUISTIC_TYPE LINGUISTIC_TYPE_ID="utterance"/></ANNOTATION_DOCUMENT>"""


@pytest.mark.parametrize("eaf", [b"session.eaf", b"caf\xe9.eaf"])
def test_elan_finds_a_recording_whose_name_is_not_utf_8(tmp_path: Path, eaf: bytes) -> None:
    tone(tmp_path / "a.wav")
    os.rename(tmp_path / "a.wav", os.fsencode(tmp_path) + b"/caf\xe9.wav")  # noqa: PTH104
    file = Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + eaf))
    file.write_text(EAF, encoding="utf-8")
    (clip,) = good(opened(tmp_path))
    assert read_audio(clip.audio, offset=clip.offset or 0.0, duration=clip.duration).seconds == pytest.approx(0.4)
    clip.where.encode("utf-8")
    clip.id.encode("utf-8")


def test_arrow_files_with_damaged_offsets_are_refused_and_do_not_end_the_process(tmp_path: Path) -> None:
    import datasets
    import pyarrow

    offsets = pyarrow.py_buffer(np.array([0, 2_000_000_000, 3], np.int32).tobytes())
    texts = pyarrow.StringArray.from_buffers(2, offsets, pyarrow.py_buffer(b"abc"))
    table = pyarrow.table({"audio": pyarrow.array(["a.wav", "b.wav"]), "text": texts})
    datasets.Dataset.from_dict({"audio": ["a.wav", "b.wav"], "text": ["een", "twee"]}).save_to_disk(tmp_path / "saved")
    for file in (next((tmp_path / "saved").glob("data-*.arrow")), tmp_path / "t.arrow"):
        with pyarrow.ipc.new_stream(str(file), table.schema) as stream:
            stream.write_table(table)
    for source in (tmp_path / "saved", tmp_path / "t.arrow"):
        with pytest.raises(GoamaError, match="cannot be opened"):
            list(opened(source))


def test_a_name_in_state_json_that_no_file_can_have_is_refused(tmp_path: Path) -> None:
    (tmp_path / "state.json").write_text(json.dumps({"_data_files": [{"filename": "a" * 300}]}))
    (tmp_path / "dataset_info.json").write_text("{}")
    with pytest.raises(GoamaError, match="which is no file of this folder"):
        opened(tmp_path)
