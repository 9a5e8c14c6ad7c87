"""Sources that people have (folders, JSONL, CSV, TSV, parquet, `datasets`) become clips; a mistake gets a sentence."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import datasets
import pytest
from hypothesis import given
from hypothesis import strategies as st

import goama.errors
from goama.errors import GoamaError
from goama.sources.columns import find_columns
from goama.sources.hub import read_dataset
from goama.sources.source import Columns, SourceClip, read_source

from .conftest import Tape

ROOT = Path(goama.errors.__file__).parents[1]


def manifest(folder: Path, rows: list[dict[str, Any]], name: str = "metadata.jsonl") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return folder / name


def written(folder: Path, content: str | bytes, name: str = "clips.csv") -> str:
    (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(folder / name)


def clips(source: Any, **columns: str) -> list[SourceClip]:
    return list(read_source(str(source), Columns(**columns)))


def test_importing_the_corpus_room_loads_no_numerical_library() -> None:
    script = (
        "import sys, goama.sources.source, goama.corpus.split, goama.corpus.corpus, goama.corpus.prepare; "
        "print(*{'numpy', 'torch', 'av', 'soundfile', 'datasets', 'lhotse', 'pyarrow'} & set(sys.modules))"
    )
    listing = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert (listing.stdout, listing.stderr) == ("\n", "")


def test_a_source_knows_how_many_clips_it_has(speech: Path, tmp_path: Path, tape: Tape) -> None:
    tape.copy_to(tmp_path)
    lines = [f"{n}\n00:00:0{n},000 --> 00:00:0{n},900\nja {n}\n" for n in range(1, 5)]
    (tmp_path / "tape.srt").write_text("\n".join(lines), encoding="utf-8")
    for place in (speech, speech / "metadata.jsonl", tmp_path, tmp_path / "tape.srt"):
        source = read_source(str(place))
        assert source.count == len(list(source)) > 3


# --- folders


def test_an_audiofolder_gives_every_clip_with_all_that_its_metadata_say(speech: Path) -> None:
    read = clips(speech)
    assert len(read) == 24
    assert read[0] == SourceClip(
        id="alibaba__kni-m-amfornictvi",
        audio=speech / "audio" / "alibaba__kni-m-amfornictvi.ogg",
        text="Het heet waarschijnlijk amforenopslag.",
        where=f"{speech / 'metadata.jsonl'}:1",
        speaker="small fish",
        split="train",
        language="nl",
    )


def test_short_values_of_further_columns_go_along(tmp_path: Path) -> None:
    row = {
        "file_name": "a.wav",
        "text": "ja",
        "dialect": " of  Ouaga ",
        "age": 41,
        "note": "x" * 99,
        "path": "b",
        "7": 1,
    }
    (clip,) = clips(manifest(tmp_path, [row | {"empty": "", "list": ["a"]}]))
    assert clip.columns == (("dialect", "of Ouaga"), ("age", "41"))


def test_metadata_may_lie_in_the_folders_of_the_splits(tmp_path: Path) -> None:
    for split in ("test", "validation", "train"):
        manifest(tmp_path / split, [{"file_name": f"{split}.wav", "text": "ja"}])
    assert [(clip.split, clip.audio) for clip in clips(tmp_path)] == [
        ("train", tmp_path / "train" / "train.wav"),
        ("dev", tmp_path / "validation" / "validation.wav"),
        ("test", tmp_path / "test" / "test.wav"),
    ]


def test_the_folder_of_a_split_counts_more_than_a_column_unless_the_column_was_named(tmp_path: Path) -> None:
    manifest(tmp_path / "test", [{"file_name": "a.wav", "text": "ja", "split": "train"}])
    assert clips(tmp_path)[0].split == "test"
    assert clips(tmp_path, split="split")[0].split == "train"


def test_a_folder_without_metadata_says_what_to_write(tmp_path: Path) -> None:
    with pytest.raises(GoamaError, match=r"no metadata.jsonl or metadata.csv in this folder; write one"):
        clips(tmp_path)


@pytest.mark.parametrize("source", ["no/such/folder", "no/such/clips.csv", "/no/such", "clips.jsonl", "a b"])
def test_a_source_that_is_not_there_says_what_may_be_given(source: str) -> None:
    with pytest.raises(GoamaError, match="no such file or folder; give a folder"):
        clips(source)


# --- JSONL


def test_a_later_row_may_have_columns_that_the_first_lacks(tmp_path: Path) -> None:
    rows = [{"file_name": "a.wav", "text": "ja"}, {"file_name": "b.wav", "text": "nee", "speaker": "Ama"}]
    assert [clip.speaker for clip in clips(manifest(tmp_path, rows))] == [None, "Ama"]


def test_a_byte_order_mark_blank_lines_and_carriage_returns_do_no_harm(tmp_path: Path) -> None:
    lines = '\ufeff{"audio": "a.wav", "text": "één"}\r\n\r\n{"audio": "b.wav", "text": "twee"}\r\n'
    read = clips(written(tmp_path, lines, "clips.jsonl"))
    assert [(clip.text, clip.where.rsplit(":", 1)[1]) for clip in read] == [("één", "1"), ("twee", "3")]


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("{'text': 1}", "not a JSON object"),
        ("[1, 2]", "a clip is a JSON object, this is a list"),
        ("[" * 100_000, "not a JSON object"),
        ("9" * 5_000, "not a JSON object"),
        ("null", "this is a NoneType"),
    ],
)
def test_a_line_that_is_no_object_is_left_out_by_name(tmp_path: Path, line: str, what: str) -> None:
    good = '{{"audio": "{}.wav", "text": "x"}}\n'
    first, faulty, last = clips(written(tmp_path, good.format("a") + line + "\n" + good.format("b"), "clips.jsonl"))
    assert what in str(faulty.fault) and faulty.where.endswith("clips.jsonl:2")
    assert [first.id, last.id] == ["a", "b"]


@pytest.mark.parametrize("nothing", [None, "", float("nan")])
def test_what_spreadsheets_write_for_nothing_is_nothing(tmp_path: Path, nothing: Any) -> None:
    (clip,) = clips(manifest(tmp_path, [{"audio": "a.wav", "text": nothing, "speaker": nothing, "id": nothing}]))
    assert (clip.id, clip.text, clip.speaker) == ("a", "", None)


def test_half_a_surrogate_pair_becomes_a_question_mark(tmp_path: Path) -> None:
    (clip,) = clips(written(tmp_path, '{"audio": "a.wav", "text": "ja \\ud83d"}\n', "clips.jsonl"))
    assert clip.text == "ja ?"


# --- CSV and TSV


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"], ids=["", "byte order mark"])
def test_every_spreadsheet_s_csv_is_read(tmp_path: Path, delimiter: str, newline: str, mark: str) -> None:
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, lineterminator=newline)
    writer.writerows([["path", "sentence"], ["a.wav", "één, twee; drie\tvier"], ["b.wav", 'hij zei "nee"']])
    read = clips(written(tmp_path, mark + text.getvalue()))
    assert [(clip.id, clip.text) for clip in read] == [("a", "één, twee; drie\tvier"), ("b", 'hij zei "nee"')]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_the_unicode_text_of_excel_is_read(tmp_path: Path, encoding: str, newline: str) -> None:
    """UTF-16 with its mark, tabs between the fields."""
    text = newline.join(["Recording\tText", "a.wav\tEén, twee", 'b.wav\t"Ja ""nee"""', ""])
    content = ("\ufeff" if encoding == "utf-16-be" else "") + text
    read = clips(written(tmp_path, content.encode(encoding), "clips.txt"), audio="Recording")
    assert [(clip.text, clip.where.rsplit(":", 1)[1]) for clip in read] == [("Eén, twee", "2"), ('Ja "nee"', "3")]


@pytest.mark.parametrize("first", ["sep=;", '"sep=;"', "sep=\t", "sep=|"])
def test_excel_s_own_line_names_the_delimiter(tmp_path: Path, first: str) -> None:
    delimiter = first.strip('"')[-1]
    lines = [first, delimiter.join(["file", "text, as heard"]), delimiter.join(["a.wav", "ja, nee, ja"]), ""]
    (clip,) = clips(written(tmp_path, "\r\n".join(lines)), text="text, as heard")
    assert (clip.text, clip.where.rsplit(":", 1)[1]) == ("ja, nee, ja", "3")


def test_what_is_no_source_yet_is_told_what_to_do_with_it(tmp_path: Path, speech: Path) -> None:
    import shutil

    import openpyxl

    openpyxl.Workbook().save(tmp_path / "book.xlsx")
    (tmp_path / "book.xlsx").rename(tmp_path / "book.csv")
    ogg = sorted((speech / "audio").iterdir())[0]
    shutil.make_archive(str(tmp_path / "recordings"), "zip", speech / "audio")
    shutil.make_archive(str(tmp_path / "recordings"), "gztar", speech / "audio")
    shutil.copy(ogg, tmp_path / "tape.ogg")
    shutil.copy(ogg, tmp_path / "renamed.csv")
    written(tmp_path, "file,text\na.wav,ja\n", "text.xlsx")
    written(tmp_path, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "secret.xlsx")
    for name, sentence in {
        "book.csv": "an Excel workbook under another name; rename it to book.xlsx",
        "recordings.zip": "an archive; unpack it first, and name the folder",
        "recordings.tar.gz": "an archive; unpack it first, and name the folder",
        "tape.ogg": "a recording without transcripts; name a table with the columns file_name and text",
        "renamed.csv": "a recording without transcripts",
        "text.xlsx": "this is text, not a workbook; rename it to .csv or .tsv",
        "secret.xlsx": "a workbook with a password, or a damaged one of an old Excel; save it as .xlsx",
    }.items():
        with pytest.raises(GoamaError) as refused:
            clips(tmp_path / name)
        assert str(refused.value).startswith(f"{tmp_path / name}: {sentence}"), name
    written(tmp_path, "1\n00:00:01,000 --> 00:00:02,000\nja\n", "tape.srt")
    with pytest.raises(GoamaError, match="tape.srt beside it has them: name that as the source"):
        clips(tmp_path / "tape.ogg")


def test_a_folder_of_sound_alone_lacks_transcripts(tmp_path: Path) -> None:
    (tmp_path / "day 1").mkdir()
    for name in ("a.wav", "b.MP3", "day 1/c.m4a", "notes.txt"):
        (tmp_path / name).write_bytes(b"x")
    with pytest.raises(GoamaError, match="3 sound files, but no transcripts: write metadata.csv with the columns"):
        clips(tmp_path)


def test_a_text_may_run_over_two_lines_and_the_first_is_named(tmp_path: Path) -> None:
    read = clips(written(tmp_path, 'file,text\n\na.wav,"eerste\ntweede"\nb.wav,derde\n'))
    assert [(clip.text, clip.where.rsplit(":", 1)[1]) for clip in read] == [("eerste\ntweede", "3"), ("derde", "5")]


def test_a_quote_that_never_closes_does_not_swallow_the_other_clips(tmp_path: Path) -> None:
    before, faulty, after = clips(written(tmp_path, 'file,text\na.wav,ja\nb.wav,"nee\nc.wav,misschien\n'))
    assert "this line is not CSV" in str(faulty.fault) and faulty.where.endswith("clips.csv:3")
    assert [before.text, after.text] == ["ja", "misschien"]


def test_a_tsv_that_knows_no_quotes_is_read_line_by_line(tmp_path: Path) -> None:
    lines = 'path\tsentence\na.wav\t"Ja," zei ze.\nb.wav\t"nee\nc.wav\tmisschien\n'
    assert [clip.text for clip in clips(written(tmp_path, lines, "clips.tsv"))] == [
        '"Ja," zei ze.',
        '"nee',
        "misschien",
    ]


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "the file is empty; its first line must name the columns"),
        (b"\n\n", "the file is empty"),
        (b"file,text\n", "the manifest holds no clips"),
        (b"file,text\na.wav,ja,nee\n", r"clips\.csv:2: 3 fields where the header has 2"),
        (b"file,text\na.wav\n", r"clips\.csv:2: 1 fields where the header has 2"),
        ("file,text\na.wav,één\n".encode("latin-1"), r"clips\.csv:2: not UTF-8 text"),
        ("file,text\na.wav,ja\n".encode("utf-16-le"), r"clips\.csv: UTF-16 text without its mark; save .*CSV UTF-8"),
        (b"\xff\xfef\0i\0l\0e\0,\0t\0\n\0a", r"clips\.csv:2: the file ends within this line"),
        (b"GIF89a\0\0\n\1\2", r"clips\.csv:1: not text"),
        (b"file,text\na.wav," + b"a" * 2_000_000, r"clips\.csv:2: this line is longer than 1000000 bytes"),
        (b"file,sound\na.wav,ja\n", "which column holds the text.* Name it with --text-column.*: file, sound"),
        (b"sentence,n\nja,1\n", "which column holds the audio"),
        (b"a,b\nja,1\n", "which columns hold the audio and the text.* with --audio-column and --text-column; .*: a, b"),
    ],
    ids=range(13),
)
def test_a_csv_that_cannot_be_read_says_why_and_where(tmp_path: Path, content: bytes, what: str) -> None:
    with pytest.raises(GoamaError, match=what) as refused:
        clips(written(tmp_path, content))
    assert "\n" not in str(refused.value)


@given(
    rows=st.lists(
        st.tuples(st.text("abc/. é", min_size=1).filter(str.strip), st.text("ab ,;\t\"\n'é", min_size=1)), min_size=1
    ),
    delimiter=st.sampled_from(",;\t"),
)
def test_what_a_csv_writer_wrote_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]], delimiter: str
) -> None:
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter)
    writer.writerow(["id", "file_name", "text"])
    writer.writerows([n, f"{name}.wav", sentence] for n, (name, sentence) in enumerate(rows))
    read = clips(written(tmp_path_factory.mktemp("csv"), text.getvalue()))
    assert [clip.text for clip in read] == [sentence for _, sentence in rows]


# --- columns, ids, pieces, splits


def test_columns_are_found_by_their_usual_names_in_any_case() -> None:
    found = find_columns(["Path", "Sentence", "client_id", "locale", "up_votes"], Columns(), "x")
    assert found == {"audio": "Path", "text": "Sentence", "speaker": "client_id", "language": "locale"}


def test_without_a_speaker_the_columns_that_could_hold_it_are_named(tmp_path: Path) -> None:
    place = written(tmp_path, "file,text,Vorbitor,Nr,sentence\na.wav,ja,Awa,1,nee\n")
    notes = read_source(place).notes
    assert any("name it with --speaker-column: Vorbitor, Nr" in note and "sentence" not in note for note in notes)
    assert not any("--speaker-column" in note for note in read_source(place, Columns(speaker="Vorbitor")).notes)


def test_spaces_around_a_name_do_not_make_another_speaker(tmp_path: Path) -> None:
    read = clips(
        written(tmp_path, "file,text,speaker\na.wav,ja,Awa\nb.wav,nee, Awa  \nc.wav,wel,Awa \u00a0 Diop\nd.wav,o, \n")
    )
    assert [clip.speaker for clip in read] == ["Awa", "Awa", "Awa Diop", None]


def test_a_column_that_was_named_counts_more_than_a_usual_name(tmp_path: Path) -> None:
    source = manifest(tmp_path, [{"audio": "a.wav", "text": "written", "heard": "said"}])
    assert clips(source, text="heard")[0].text == "said"


def test_a_misspelt_column_is_answered_with_the_nearest_one(tmp_path: Path) -> None:
    source = manifest(tmp_path, [{"audio": "a.wav", "transcript": "ja"}])
    with pytest.raises(
        GoamaError, match=r"no column 'transcrip' \(did you mean 'transcript'\?\); the columns are: audio"
    ):
        clips(source, text="transcrip")


def test_an_id_that_is_used_twice_is_refused_with_both_places(tmp_path: Path) -> None:
    source = manifest(tmp_path, [{"id": 7, "audio": f"{name}.wav", "text": "ja"} for name in "abc"])
    with pytest.raises(GoamaError, match=r"metadata\.jsonl:2: the id '7' is used twice \(first at .*jsonl:1\)"):
        read_source(str(source))


def test_without_ids_the_file_names_are_the_ids_and_stay_apart(tmp_path: Path) -> None:
    names = ["ama/01.wav", "kofi/01.wav", "kofi/01.flac", "../other/02.wav", ".", "/tmp/03.wav"]
    read = clips(manifest(tmp_path, [{"audio": name, "text": "ja"} for name in names]))
    assert [clip.id for clip in read] == ["ama__01", "kofi__01", "kofi__01-2", "other__02", "row-5", "tmp__03"]


def test_a_recording_that_is_listed_twice_is_refused(tmp_path: Path) -> None:
    source = manifest(tmp_path, [{"audio": "a.wav", "text": "ja"}, {"audio": "a.wav", "text": "nee"}])
    with pytest.raises(GoamaError, match=r"metadata\.jsonl:2: .*a\.wav is listed twice \(first at .*jsonl:1\)"):
        clips(source)


def test_pieces_of_one_recording_are_clips_of_their_own(tmp_path: Path) -> None:
    rows = [
        {"audio": "hour.wav", "offset": 0, "duration": 2.5, "text": "ja"},
        {"audio": "hour.wav", "offset": "3.5", "duration": "1", "text": "nee"},
    ]
    read = clips(manifest(tmp_path, rows))
    assert [(c.id, c.offset, c.duration) for c in read] == [("hour__0.00", 0.0, 2.5), ("hour__3.50", 3.5, 1.0)]


def test_a_piece_may_be_given_by_its_start_and_its_end(tmp_path: Path) -> None:
    read = clips(manifest(tmp_path, [{"audio": "hour.wav", "start": 3.5, "end": 5, "text": "ja"}]))
    assert [(clip.offset, clip.duration) for clip in read] == [(3.5, 1.5)]


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        ({"audio": ""}, "the column 'audio' is empty"),
        ({"audio": None}, "the column 'audio' is empty"),
        ({"text": ["ja", "nee"]}, "the column 'text' holds a list, not text"),
        ({"offset": "00:12:"}, "the offset '00:12:' is not a number of seconds"),
        ({"offset": -1}, "the offset -1 is not a number of seconds"),
        ({"offset": float("nan"), "duration": float("inf")}, "the duration inf is not a number of seconds"),
        ({"offset": 2, "end": 1}, "the clip would last -1.00 s"),
        ({"offset": 2, "duration": 0}, "the clip would last 0.00 s"),
    ],
    ids=range(8),
)
def test_a_fault_of_one_row_goes_along_with_its_clip(tmp_path: Path, row: dict, fault: str) -> None:
    good = {"id": "good", "audio": "a.wav", "text": "ja"}
    read = clips(manifest(tmp_path, [good, good | {"id": "bad", "audio": "b.wav"} | row]))
    assert read[0].fault is None
    assert fault in (read[1].fault or "")


@pytest.mark.parametrize(
    ("name", "split"), [("train", "train"), ("Validation", "dev"), ("dev", "dev"), (" test ", "test"), ("eval", "test")]
)
def test_splits_have_many_names(tmp_path: Path, name: str, split: str) -> None:
    assert clips(manifest(tmp_path, [{"audio": "a.wav", "text": "ja", "split": name}]))[0].split == split


def test_an_unknown_split_is_refused(tmp_path: Path) -> None:
    source = manifest(tmp_path, [{"audio": "a.wav", "text": "ja", "split": "trian"}])
    with pytest.raises(GoamaError, match=r"jsonl:1: unknown split 'trian'; splits are train, dev"):
        clips(source)


# --- `datasets`


def rows_of_a_data_set(sentences: list[dict], split: str = "train") -> dict[str, list]:
    chosen = [row for row in sentences if row["split"] == split]
    return {
        "audio": [
            {"bytes": Path(row["file_name"]).read_bytes(), "path": Path(row["file_name"]).name} for row in chosen
        ],
        "transcript": [row["text"] for row in chosen],
        "speaker_id": [row["speaker"] for row in chosen],
    }


@pytest.fixture
def hub_folder(tmp_path: Path, sentences: list[dict]) -> Path:
    """A data set as the Hub stores one: parquet files with the encoded sound inside."""
    for split, name in (("train", "train"), ("dev", "validation"), ("test", "test")):
        rows = datasets.Dataset.from_dict(rows_of_a_data_set(sentences, split))
        rows = rows.cast_column("audio", datasets.Audio())
        (tmp_path / "hub" / "data").mkdir(parents=True, exist_ok=True)
        rows.to_parquet(str(tmp_path / "hub" / "data" / f"{name}-00000-of-00001.parquet"))
    return tmp_path / "hub"


@pytest.mark.parametrize("decode", [False, True])
def test_a_data_set_gives_its_sound_as_it_is_encoded(sentences: list[dict], decode: bool) -> None:
    rows = datasets.Dataset.from_dict(rows_of_a_data_set(sentences)).cast_column("audio", datasets.Audio(decode=decode))
    read = list(read_dataset(rows, Columns(text="transcript"), "owner/name", split="train"))
    first = next(row for row in sentences if row["split"] == "train")
    assert len(read) == 16
    assert (read[0].id, read[0].text, read[0].speaker) == (Path(first["file_name"]).stem, first["text"], "small fish")
    assert read[0].audio == Path(first["file_name"]).read_bytes()
    assert (read[0].where, read[0].split) == ("owner/name train row 0", "train")


def test_a_data_set_that_knows_no_features_is_read_too(sentences: list[dict]) -> None:
    columns = rows_of_a_data_set(sentences)
    rows = datasets.IterableDataset.from_generator(
        lambda: ({name: values[n] for name, values in columns.items()} for n in range(16))
    )
    assert len(list(read_dataset(rows, Columns(), "owner/name", split=None))) == 16


def test_rows_whose_files_have_one_name_keep_apart(tmp_path: Path, sentences: list[dict]) -> None:
    columns = rows_of_a_data_set(sentences)
    columns["audio"] = [sound | {"path": "audio.ogg"} for sound in columns["audio"]]
    rows = datasets.Dataset.from_dict(columns).cast_column("audio", datasets.Audio(decode=False))
    rows.to_parquet(str(tmp_path / "train.parquet"))
    read = clips(tmp_path)
    assert [clip.id for clip in read[:3]] == ["audio", "audio-2", "audio-3"]


def test_a_row_without_sound_is_a_fault_of_that_clip(sentences: list[dict]) -> None:
    columns = rows_of_a_data_set(sentences)
    columns["audio"][1] = {"bytes": None, "path": None}
    rows = datasets.Dataset.from_dict(columns)
    read = list(read_dataset(rows, Columns(), "owner/name", split="train"))
    assert [clip.fault is None for clip in read[:3]] == [True, False, True]
    assert read[1].id == "train-1"


def test_a_data_set_s_misspelt_column_is_one_sentence(hub_folder: Path) -> None:
    with pytest.raises(GoamaError, match="no column 'sentence'; the columns are: audio, transcript, speaker_id"):
        clips(hub_folder, text="sentence")


def test_a_folder_of_parquet_is_read_split_by_split(hub_folder: Path) -> None:
    read = clips(hub_folder)
    assert [sum(clip.split == split for clip in read) for split in ("train", "dev", "test")] == [16, 4, 4]
    assert all(isinstance(clip.audio, bytes) and clip.text for clip in read)


def test_a_data_set_saved_to_disk_is_read(tmp_path: Path, sentences: list[dict]) -> None:
    rows = datasets.Dataset.from_dict(rows_of_a_data_set(sentences)).cast_column("audio", datasets.Audio(decode=False))
    datasets.DatasetDict({"train": rows}).save_to_disk(str(tmp_path / "saved"))
    assert len(clips(tmp_path / "saved")) == 16


def test_a_split_that_is_none_of_ours_is_named_and_not_mixed_into_training(
    tmp_path: Path, sentences: list[dict]
) -> None:
    (tmp_path / "README.md").write_text(
        "---\nconfigs:\n- config_name: default\n  data_files:\n"
        "  - {split: train, path: a.parquet}\n  - {split: invalidated, path: b.parquet}\n---\n"
    )
    for name in ("a", "b"):
        datasets.Dataset.from_dict(rows_of_a_data_set(sentences)).to_parquet(str(tmp_path / f"{name}.parquet"))
    read = clips(tmp_path)
    assert len(read) == 17
    assert "the whole split 'invalidated' was not read" in (read[-1].fault or "")


def test_a_data_set_of_one_nameless_split_leaves_the_splitting_to_goama(tmp_path: Path, sentences: list[dict]) -> None:
    (tmp_path / "README.md").write_text(
        "---\nconfigs:\n- config_name: default\n  data_files:\n  - {split: full, path: a.parquet}\n---\n"
    )
    datasets.Dataset.from_dict(rows_of_a_data_set(sentences)).to_parquet(str(tmp_path / "a.parquet"))
    assert {clip.split for clip in clips(tmp_path)} == {None}


def test_damaged_parquet_is_one_sentence(hub_folder: Path) -> None:
    shard = hub_folder / "data" / "train-00000-of-00001.parquet"
    shard.write_bytes(shard.read_bytes()[:1000])
    with pytest.raises(GoamaError, match=r"cannot be opened|reading stopped"):
        clips(hub_folder)


def test_a_data_set_that_is_not_in_the_cache_is_one_sentence_when_offline() -> None:
    with pytest.raises(GoamaError, match="owner/name: this data set cannot be opened") as refused:
        clips("owner/name")
    assert "\n" not in str(refused.value)


def test_an_id_with_a_dot_is_a_hub_id_and_a_missing_manifest_is_not() -> None:
    with pytest.raises(GoamaError, match="this data set cannot be opened"):
        clips("mozilla-foundation/common_voice_17.0")
    with pytest.raises(GoamaError, match="no such file or folder"):
        clips("recordings/clips.csv")
