"""Spreadsheets, Common Voice, LJSpeech, NeMo, Kaldi: the same stream of clips from what people have."""

from __future__ import annotations

import csv
import json
import re
import shutil
import subprocess
import time
import tracemalloc
import zipfile
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import odf.opendocument
import odf.table
import odf.text
import openpyxl
import pytest
import soundfile
import xlwt

from goama.errors import GoamaError
from goama.sound.audio import read_audio
from goama.sources.source import Choices, Columns, Source, SourceClip, read_source

from .conftest import Tape, assert_refused_cheaply, is_piece

Sentences = list[dict[str, Any]]


def read(path: Path, columns: Columns | None = None, **choices: Any) -> Source:
    return read_source(str(path), columns, choices=Choices(**choices))


def sounds_right(clips: list[SourceClip], sentences: Sentences) -> None:
    """Each clip has its sentence's text, and its file is there."""
    assert [clip.text for clip in clips] == [row["text"] for row in sentences]
    assert all(isinstance(clip.audio, Path) and clip.audio.is_file() and not clip.fault for clip in clips)


# --- spreadsheets


@pytest.fixture
def workbook(tmp_path: Path, sentences: Sentences) -> Path:
    """What comes back from transcribers: a cover sheet, a title row, a number where a name should be, blank rows."""
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "Session 1"
    sheet.append([])
    sheet.append(["No.", "Recording", "What was said", "Speaker", "Done on"])
    for number, row in enumerate(sentences[:6], start=1):
        sheet.append([number, row["file_name"], row["text"], row["speaker"], datetime(2026, 1, number)])
        if number == 3:
            sheet.append([None, "", None])
    book.create_sheet("Session 2").append(["file_name", "text"])
    book["Session 2"].append([sentences[7]["file_name"], sentences[7]["text"]])
    book.save(tmp_path / "clips.xlsx")
    return tmp_path / "clips.xlsx"


def test_a_spreadsheet_gives_its_clips_with_the_numbers_of_their_rows(workbook: Path, sentences: Sentences) -> None:
    source = read(workbook, Columns(id="No.", audio="Recording", text="What was said"))
    clips = list(source)
    sounds_right(clips, sentences[:6])
    assert [clip.where.rsplit(":", 1)[1] for clip in clips] == ["3", "4", "5", "7", "8", "9"]
    assert (clips[0].id, clips[0].speaker) == ("1", sentences[0]["speaker"])
    assert source.taken == (
        "table: clips.xlsx (sheet 'Session 1' (--sheet takes another: Session 2)); "
        "columns id=No., audio=Recording, text=What was said, speaker=Speaker"
    )


def test_another_sheet_is_taken_when_it_is_named(workbook: Path, sentences: Sentences) -> None:
    sounds_right(list(read(workbook, sheet="Session 2")), sentences[7:8])
    with pytest.raises(GoamaError, match=r"no sheet 'Sesion'; the sheets are: Session 1, Session 2"):
        read(workbook, sheet="Sesion")


@pytest.mark.parametrize(
    "cells", [[["Interviews 2026"], ["made by", "Awa"]], [["title", "text"], [1, 2]], []], ids=range(3)
)
def test_a_title_page_without_clips_is_answered_with_the_other_sheets(workbook: Path, cells: list) -> None:
    book = openpyxl.load_workbook(workbook)
    cover = book.create_sheet("Cover", 0)
    for row in cells:
        cover.append(row)
    book.save(workbook)
    with pytest.raises(GoamaError, match=r"; this is the sheet 'Cover', and --sheet takes another: 'Session 1', 'Ses"):
        read(workbook)
    assert len(list(read(workbook, sheet="Session 2"))) == 1


def test_a_cell_beyond_the_header_is_not_lost_without_a_word(workbook: Path) -> None:
    book = openpyxl.load_workbook(workbook)
    book["Session 2"]["D2"] = "and then he laughed"
    book.save(workbook)
    with pytest.raises(GoamaError, match=r"clips\.xlsx:2: more cells than the header has"):
        read(workbook, sheet="Session 2")


def with_shared_texts(path: Path) -> Path:
    """The workbook as Excel and LibreOffice write it: texts in a list of their own, some in pieces of one colour."""
    texts: list[str] = []

    def piece(text: str) -> str:
        return f'<r><t xml:space="preserve">{text}</t></r>'

    def share(match: re.Match[str]) -> str:
        texts.append(match[1])
        return f't="s"><v>{len(texts) - 1}</v></c>'

    target = path.with_name("shared.xlsx")
    with zipfile.ZipFile(path) as archive, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as copy:
        for info in archive.infolist():
            content = archive.read(info).decode()
            if "sheets/sheet" in info.filename:
                content = re.sub(r't="inlineStr"><is><t>([^<]*)</t></is></c>', share, content)
            if info.filename == "[Content_Types].xml":
                part = 'PartName="/xl/sharedStrings.xml" ContentType="application/vnd.openxmlformats-officedocument.'
                content = content.replace("</Types>", f'<Override {part}spreadsheetml.sharedStrings+xml"/></Types>')
            copy.writestr(info.filename, content)
        pieces = "".join(f"<si>{piece(text[:2])}{piece(text[2:])}</si>" for text in texts)
        name = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
        copy.writestr("xl/sharedStrings.xml", f'<sst xmlns="{name}">{pieces}</sst>')
    return target


def test_texts_that_cells_share_are_read(workbook: Path, sentences: Sentences) -> None:
    path = with_shared_texts(workbook)
    sounds_right(list(read(path, Columns(id="No.", audio="Recording", text="What was said"))), sentences[:6])


def altered(path: Path, member: str, alter: Callable[[bytes], bytes]) -> Path:
    """A workbook with one of its parts changed."""
    target = path.with_name("altered.xlsx")
    with zipfile.ZipFile(path) as archive, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as copy:
        for info in archive.infolist():
            content = archive.read(info)
            copy.writestr(info.filename, alter(content) if info.filename.endswith(member) else content)
    return target


def sheet_of(rows: str) -> Callable[[bytes], bytes]:
    return lambda content: content[: content.index(b"<sheetData>") + 11] + rows.encode() + b"</sheetData></worksheet>"


HOSTILE_WORKBOOKS: dict[str, tuple[str, Callable[[bytes], bytes], str]] = {
    "zip bomb": ("sheet1.xml", sheet_of(" " * 40_000_000), "would unpack to 40"),
    "entities": (
        "sheet1.xml",
        lambda content: (
            b'<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]>'
            + sheet_of('<row r="1"><c t="inlineStr"><is><t>&b;</t></is></c></row>')(content.split(b"?>", 1)[-1])
        ),
        "not a workbook, or a damaged one",
    ),
    "a row without end": (
        "sheet1.xml",
        sheet_of('<row r="1">' + "<c><v>1</v></c>" * 600_000 + "</row>"),
        "more than 1000 columns",
    ),
    "opposite corners": (
        "sheet1.xml",
        sheet_of('<row r="1"><c r="A1"><v>1</v></c></row><row r="1048576"><c r="XFD1048576"><v>1</v></c></row>'),
        "needs more than 2 GB of memory",
    ),
    "cut off": ("sheet1.xml", lambda content: content[: len(content) // 2], "not a workbook, or a damaged one"),
    "a text that is not there": (
        "sheet1.xml",
        sheet_of('<row r="1"><c r="A1" t="s"><v>999999</v></c></row>'),
        "not a workbook, or a damaged one",
    ),
    "two columns of one name": (
        "sheet1.xml",
        sheet_of('<row r="1">' + '<c t="str"><v>text</v></c>' * 2 + "</row>"),
        "two columns are named 'text'",
    ),
    "nothing": ("sheet1.xml", sheet_of(""), "is empty; its first row must name the columns"),
}


@pytest.mark.parametrize("kind", HOSTILE_WORKBOOKS)
def test_a_workbook_made_to_do_harm_is_refused_in_little_time_and_memory(workbook: Path, kind: str) -> None:
    member, alter, sentence = HOSTILE_WORKBOOKS[kind]
    path = altered(workbook, member, alter)
    assert_refused_cheaply(read, path, sentence)


def test_a_row_beyond_all_that_excel_allows_is_not_waited_for(workbook: Path) -> None:
    row = '<row r="1048577"><c r="A1048577"><v>1</v></c></row>'
    with pytest.raises(GoamaError, match="has more rows than Excel itself allows"):
        read(altered(workbook, "sheet1.xml", sheet_of(row)))


@pytest.mark.parametrize("content", [b"", b"PK\3\4", b"file_name,text\n", b"\xd0\xcf\x11\xe0" * 99])
def test_what_is_no_workbook_is_one_sentence(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.xlsx").write_bytes(content)
    with pytest.raises(GoamaError, match="not a workbook, or a damaged one|this is text|with a password, or a damaged"):
        read(tmp_path / "x.xlsx")


@pytest.mark.parametrize("name", ["clips.numbers", "clips.xlsb"])
def test_a_spreadsheet_of_another_program_is_to_be_saved_anew(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"PK\3\4")
    with pytest.raises(GoamaError, match="is not read; save it as .xlsx or CSV"):
        read(tmp_path / name)


Cells = list[list[Any]]


def write_xls(path: Path, sheets: dict[str, Cells]) -> None:
    book = xlwt.Workbook()
    for name, rows in sheets.items():
        sheet = book.add_sheet(name)
        for number, row in enumerate(rows):
            for column, value in enumerate(row):
                is_time = isinstance(value, timedelta)
                style = xlwt.easyxf(num_format_str="[h]:mm:ss" if is_time else "General")
                sheet.write(number, column, value / timedelta(days=1) if is_time else value, style)
    book.save(str(path))


def write_ods(path: Path, sheets: dict[str, Cells]) -> None:
    document = odf.opendocument.OpenDocumentSpreadsheet()
    for name, rows in sheets.items():
        sheet = odf.table.Table(name=name)
        for row in rows:
            line = odf.table.TableRow()
            for value in row:
                if isinstance(value, timedelta):
                    time_value = f"PT00H00M{value.total_seconds():06.3f}S"
                    cell = odf.table.TableCell(valuetype="time", timevalue=time_value)
                elif isinstance(value, int | float):
                    cell = odf.table.TableCell(valuetype="float", value=value)
                else:
                    cell = odf.table.TableCell(valuetype="string")
                    cell.addElement(odf.text.P(text=value))
                line.addElement(cell)
            sheet.addElement(line)
        empty = odf.table.TableRow(numberrowsrepeated=1_048_000)  # LibreOffice fills its sheets like this
        empty.addElement(odf.table.TableCell(numbercolumnsrepeated=16_384))
        sheet.addElement(empty)
        document.spreadsheet.addElement(sheet)
    document.save(str(path))


@pytest.mark.parametrize("write, name", [(write_xls, "clips.xls"), (write_ods, "clips.ods")])
def test_spreadsheets_of_old_excel_and_of_libreoffice_are_read(
    tape: Tape, tmp_path: Path, write: Callable[[Path, dict[str, Cells]], None], name: str
) -> None:
    tape.copy_to(tmp_path)
    header = ["id", "file", "text", "start", "end"]
    rows = [[n, "tape.wav", piece.text, piece.start, piece.end] for n, piece in enumerate(tape.pieces)]
    times = [7, "tape.wav", "é ɛ̃", timedelta(seconds=1), timedelta(seconds=2)]
    write(tmp_path / name, {"one": [header, *rows], "two": [[], header, [], times]})
    source = read(tmp_path / name)
    assert source.taken.startswith(f"table: {name} (sheet 'one' (--sheet takes another: two)); columns id=id, audio=")
    clips = list(source)
    assert all(is_piece(clip, piece) for clip, piece in zip(clips, tape.pieces, strict=True))
    assert [clip.id for clip in clips] == [str(n) for n in range(len(rows))]
    (clip,) = read(tmp_path / name, sheet="two")
    assert (clip.id, clip.text, clip.offset, clip.duration) == ("7", "é ɛ̃", 1.0, 1.0)
    assert clip.where == f"{tmp_path / name}:4"
    with pytest.raises(GoamaError, match=r"no sheet 'thre'; the sheets are: one, two"):
        read(tmp_path / name, sheet="thre")


def test_an_xls_of_many_sheets_with_two_cells_each_is_refused(tmp_path: Path) -> None:
    book = xlwt.Workbook()
    for number in range(20):
        sheet = book.add_sheet(str(number))
        sheet.write(0, 0, "file")
        sheet.write(65_535, 255, "text")
    book.save(str(tmp_path / "x.xls"))
    with pytest.raises(GoamaError, match="needs more than 2 GB of memory"):
        read(tmp_path / "x.xls")


def test_an_ods_that_repeats_a_cell_without_end_is_refused(tmp_path: Path) -> None:
    document = odf.opendocument.OpenDocumentSpreadsheet()
    sheet = odf.table.Table(name="x")
    for _ in range(10_000):
        row = odf.table.TableRow()
        row.addElement(odf.table.TableCell(valuetype="float", value=1, numbercolumnsrepeated=16_384))
        sheet.addElement(row)
    document.spreadsheet.addElement(sheet)
    document.save(str(tmp_path / "x.ods"))
    with pytest.raises(GoamaError, match="needs more than 2 GB of memory"):
        read(tmp_path / "x.ods")


# --- CSV and JSONL of any make


def test_a_delimiter_can_be_given_where_the_header_misleads(tmp_path: Path) -> None:
    path = tmp_path / "clips.csv"
    path.write_text("file;text, as it was heard\na.wav;ja, nee\n")
    with pytest.raises(GoamaError, match="which columns hold the audio"):
        read(path)
    columns = Columns(text="text, as it was heard")
    assert [clip.text for clip in read(path, columns, delimiter="semicolon")] == ["ja, nee"]
    with pytest.raises(GoamaError, match="--delimiter ;;: one character is needed, or one of comma"):
        read(path, delimiter=";;")


def test_a_delimiter_that_divides_nothing_is_answered_with_the_one_that_does(tmp_path: Path) -> None:
    (tmp_path / "clips.csv").write_text("file,text\na.wav,ja\n")
    with pytest.raises(GoamaError, match=r"the columns are: file,text; that is one column: is the comma .*er comma\)"):
        read(tmp_path / "clips.csv", delimiter="semicolon")


def test_a_sheet_or_a_delimiter_is_refused_where_there_is_none(workbook: Path) -> None:
    (workbook.parent / "clips.csv").write_text("file,text\na.wav,ja\n")
    (workbook.parent / "clips.jsonl").write_text('{"file": "a.wav", "text": "ja"}\n')
    for name, choice in (("clips.csv", "sheet"), ("clips.jsonl", "sheet"), ("clips.jsonl", "delimiter")):
        with pytest.raises(GoamaError, match=f"{name}: .* so --{choice} does not apply; remove it"):
            read(workbook.parent / name, **{choice: "comma"})
    with pytest.raises(GoamaError, match="--delimiter does not apply"):
        read(workbook, delimiter="comma")


def test_an_option_that_would_change_nothing_is_refused(tmp_path: Path, speech: Path) -> None:
    with pytest.raises(GoamaError, match="read as audiofolder, which does not use --tier; remove it"):
        read(speech, tiers=("tx",))
    with pytest.raises(GoamaError, match="--format elan, but there is no .eaf file in this folder"):
        read(speech, format="elan")
    with pytest.raises(GoamaError, match="--format eaf: formats are ljspeech, audiofolder, "):
        read(speech, format="eaf")
    with pytest.raises(GoamaError, match="--audio-folder .*: there is no such folder"):
        read(speech, audio_folder=tmp_path / "none")


def test_where_two_columns_could_be_the_text_the_other_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("file,sentence,transcription\na.wav,ja,nee\n")
    source = read(tmp_path / "a.csv")
    assert [clip.text for clip in source] == ["ja"]
    assert source.notes[0] == (
        "the text was taken from the column 'sentence'; --text-column transcription takes the other: transcription"
    )


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("a.csv", b"c" + b",c" * 999_999 + b"\n", "longer than 1000000 bytes|more than 1000 columns"),
        ("a.csv", b",".join(b"c%d" % n for n in range(100_000)) + b"\n", "more than 1000 columns"),
        ("a.csv", b"file,text\na.wav," + b"ja " * 500_000 + b"\n", "a.csv:2: this line is longer than"),
        (
            "a.csv",
            b'file,text\na.wav,"' + (b"ja " * 300 + b"\n") * 1_500,
            r"a.csv:2: this line is not CSV \(field larger",
        ),
        ("a.jsonl", b'{"file": "' + b"a" * 3_000_000, "a.jsonl:1: this line is longer than"),
        (
            "a.jsonl",
            b"".join(b'{"file": "a", "text": "b", "c%d": 1}\n' % n for n in range(2000)),
            "more than 1000 different names",
        ),
    ],
    ids=range(6),
)
def test_a_table_without_end_is_refused_in_little_memory(
    tmp_path: Path, name: str, content: bytes, sentence: str
) -> None:
    (tmp_path / name).write_bytes(content)
    tracemalloc.start()
    try:
        with pytest.raises(GoamaError, match=sentence):
            read(tmp_path / name)
        assert tracemalloc.get_traced_memory()[1] < 30e6
    finally:
        tracemalloc.stop()


def test_the_csv_module_s_limit_on_fields_is_left_as_it_was(tmp_path: Path) -> None:
    """It belongs to the whole process: another library may have raised it."""
    (tmp_path / "good.csv").write_text("file,text\na.wav,ja\n")
    (tmp_path / "bad.csv").write_bytes(b'file,text\na.wav,"' + (b"ja " * 300 + b"\n") * 1_500)
    before = csv.field_size_limit(10**9)
    try:
        assert len(list(read(tmp_path / "good.csv"))) == 1
        with pytest.raises(GoamaError, match=r"bad.csv:2: this line is not CSV \(field larger"):
            read(tmp_path / "bad.csv")
        assert csv.field_size_limit() == 10**9
    finally:
        csv.field_size_limit(before)


def test_ten_gigabytes_without_a_line_end_are_refused_at_once(tmp_path: Path) -> None:
    with (tmp_path / "a.csv").open("wb") as file:
        file.truncate(10 << 30)
    started = time.process_time()
    with pytest.raises(GoamaError, match="a.csv:1: "):
        read(tmp_path / "a.csv")
    assert time.process_time() - started < 1


@pytest.mark.parametrize("name", ["clips.csv", "clips.jsonl"])
def test_a_hundred_hours_of_clips_need_only_what_tells_them_apart(tmp_path: Path, name: str) -> None:
    """4,000 rows here; 100,000 need 33 MB and three seconds."""
    rows = ({"file": f"speaker{n % 40}/clip-{n:06}.wav", "text": f"zin {n} " * 12} for n in range(4_000))
    with (tmp_path / name).open("w") as file:
        if name.endswith("csv"):
            writer = csv.DictWriter(file, ["file", "text"])
            writer.writeheader()
            writer.writerows(rows)
        else:
            file.writelines(json.dumps(row) + "\n" for row in rows)
    peaks = []
    for _ in range(2):  # Python's own table of names may grow in one of them, by megabytes
        tracemalloc.start()
        count = sum(1 for _ in read(tmp_path / name))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert count == 4_000
    assert min(peaks) < 4e6


def test_thousands_of_files_of_one_name_are_told_apart_without_trying_every_number(tmp_path: Path) -> None:
    lines = "".join(f'{{"file": "audio.wav{" " * (n % 2)}.{n}", "text": "ja"}}\n' for n in range(4_000))
    (tmp_path / "a.jsonl").write_text(lines)
    started = time.process_time()
    assert len({clip.id for clip in read(tmp_path / "a.jsonl")}) == 4_000
    assert time.process_time() - started < 5


def test_a_table_in_a_folder_of_sound_is_found_and_several_must_be_chosen_from(
    tmp_path: Path, sentences: Sentences
) -> None:
    for row in sentences[:3]:
        shutil.copy(row["file_name"], tmp_path)
    rows = [{"file": Path(row["file_name"]).name, "text": row["text"]} for row in sentences[:3]]
    (tmp_path / "my clips.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    sounds_right(list(read(tmp_path)), sentences[:3])
    (tmp_path / "others.csv").write_text("file,text\nx.wav,ja\n")
    with pytest.raises(GoamaError, match="2 tables lie here; name one of them as the source: my clips.jsonl, others.c"):
        read(tmp_path)


def test_tables_that_are_named_like_splits_are_read_as_splits(tmp_path: Path) -> None:
    for name in ("test", "train", "dev"):
        (tmp_path / f"{name}_manifest.jsonl").write_text(f'{{"audio_filepath": "{name}.wav", "text": "ja"}}\n')
    assert {(clip.id, clip.split) for clip in read(tmp_path)} == {(name, name) for name in ("train", "dev", "test")}


# --- where file names may lead


@pytest.mark.parametrize("name", ["../../secret.wav", "a/../../secret.wav", "/tmp/secret.wav", "..\\secret.wav"])
def test_a_folder_from_others_does_not_reach_out_of_itself(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "downloads" / "data"
    folder.mkdir(parents=True)
    for place in (tmp_path, tmp_path / "downloads"):
        (place / "secret.wav").touch()
    (folder / "metadata.jsonl").write_text(json.dumps({"file_name": name, "text": "ja"}) + "\n")
    (clip,) = read(folder)
    assert "lies outside of" in (clip.fault or "") and "pass --audio-folder" in (clip.fault or "")


def test_the_folder_that_a_refusal_names_opens_the_way(tmp_path: Path, sentences: Sentences) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "metadata.jsonl").write_text(json.dumps(sentences[0]) + "\n")
    (clip,) = read(folder)
    named = (clip.fault or "").rsplit("--audio-folder ", 1)[1]
    sounds_right(list(read(folder, audio_folder=Path(named))), sentences[:1])


def test_a_file_that_the_user_named_may_name_any_file(tmp_path: Path, sentences: Sentences) -> None:
    (tmp_path / "tables").mkdir()
    shutil.copy(sentences[0]["file_name"], tmp_path / "a.ogg")
    rows = [{"file": "../a.ogg", "text": sentences[0]["text"]}, {"file": sentences[1]["file_name"], "text": "x"}]
    (tmp_path / "tables" / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert [clip.fault for clip in read(tmp_path / "tables" / "a.jsonl")] == [None, None]


def test_links_inside_a_folder_are_followed(tmp_path: Path, sentences: Sentences) -> None:
    """The Hub's cache consists of them."""
    (tmp_path / "a.ogg").symlink_to(sentences[0]["file_name"])
    (tmp_path / "metadata.csv").write_text(f"file_name,text\na.ogg,{sentences[0]['text']}\n")
    sounds_right(list(read(tmp_path)), sentences[:1])


def test_names_written_on_windows_are_found(tmp_path: Path, sentences: Sentences) -> None:
    (tmp_path / "audio").mkdir()
    shutil.copy(sentences[0]["file_name"], tmp_path / "audio" / "a.ogg")
    (tmp_path / "metadata.csv").write_text(f"file_name,text\naudio\\a.ogg,{sentences[0]['text']}\n")
    sounds_right(list(read(tmp_path)), sentences[:1])


# --- Common Voice

HEADER = (
    "client_id\tpath\tsentence_id\tsentence\tsentence_domain\tup_votes\tdown_votes\tage\tgender\taccents\tvariant\t"
    "locale\tsegment"
)


@pytest.fixture
def common_voice(tmp_path: Path, sentences: Sentences) -> Path:
    """An export: MP3s in clips/, tables without quoting rules, clips that were validated but are in no split."""
    folder = tmp_path / "cv-corpus" / "nl"
    (folder / "clips").mkdir(parents=True)
    lines: dict[str, list[str]] = {"train": [], "dev": [], "test": [], "validated": []}
    for number, row in enumerate(sentences):
        name = f"common_voice_nl_{number:08}.mp3"
        soundfile.write(folder / "clips" / name, 0.9 * read_audio(row["file_name"]).samples, 16_000, format="MP3")
        client = ("ab" if row["speaker"] == "small fish" else "cd") * 64
        line = "\t".join([client, name, "ef" * 32, '"' + row["text"], "", "2", "0", "", "", "", "", "nl", ""])
        lines["validated"].append(line)
        if number % 6:
            lines[row["split"]].append(line)
    for name, rows in lines.items():
        (folder / f"{name}.tsv").write_text("\n".join([HEADER, *rows]) + "\n", encoding="utf-8")
    (folder / "invalidated.tsv").write_text(HEADER + "\n")
    return folder


def test_a_common_voice_export_is_read_with_its_own_splits(common_voice: Path, sentences: Sentences) -> None:
    source = read(common_voice)
    clips = list(source)
    assert source.taken.startswith(
        "Common Voice: train.tsv, dev.tsv, test.tsv (tab between the fields); columns audio="
    )
    assert "validated.tsv as the source takes all that was validated" in source.notes[0]
    wanted = [
        row for split in ("train", "dev", "test") for n, row in enumerate(sentences) if row["split"] == split and n % 6
    ]
    assert [(clip.text, clip.split) for clip in clips] == [(f'"{row["text"]}', row["split"]) for row in wanted]
    assert all(read_audio(clip.audio).seconds > 0.3 for clip in clips)
    assert {clip.language for clip in clips} == {"nl"} and len({clip.speaker for clip in clips}) == 2


@pytest.mark.parametrize("with_suffix", [True, False])
def test_a_table_of_an_export_is_read_when_it_is_named(
    common_voice: Path, sentences: Sentences, with_suffix: bool
) -> None:
    if not with_suffix:  # as exports were until 2019
        table = common_voice / "validated.tsv"
        table.write_text(table.read_text().replace(".mp3", ""))
    source = read(common_voice / "validated.tsv")
    assert len(list(source)) == 24
    assert all(isinstance(clip.audio, Path) and clip.audio.is_file() and clip.split is None for clip in source)
    assert {clip.split for clip in read(common_voice / "test.tsv")} == {"test"}


# --- LJSpeech


def test_ljspeech_s_layout_is_recognised(tmp_path: Path, sentences: Sentences) -> None:
    (tmp_path / "wavs").mkdir()
    lines = []
    for number, row in enumerate(sentences[:5], start=1):
        soundfile.write(
            tmp_path / "wavs" / f"LJ001-{number:04}.wav", 0.9 * read_audio(row["file_name"]).samples, 16_000
        )
        lines.append(f'LJ001-{number:04}|"{number}, {row["text"]}|{row["text"]}')
    (tmp_path / "metadata.csv").write_text("\n".join(lines), encoding="utf-8")
    source = read(tmp_path)
    clips = list(source)
    sounds_right(clips, sentences[:5])
    assert clips[0].id == "LJ001-0001"
    assert source.taken == ("LJSpeech: metadata.csv; columns id=id, audio=file, text=normalized_transcription")
    assert "--text-column transcription takes those as printed" in source.notes[0]
    assert next(iter(read(tmp_path, Columns(text="transcription")))).text == f'"1, {sentences[0]["text"]}'


# --- NeMo


def test_a_nemo_manifest_is_a_table_of_pieces(tape: Tape, tmp_path: Path) -> None:
    tape.copy_to(tmp_path / "wavs")
    rows = [
        {
            "audio_filepath": "wavs/tape.wav",
            "offset": piece.start,
            "duration": piece.end - piece.start,
            "text": piece.text,
        }
        for piece in tape.pieces
    ]
    (tmp_path / "train_manifest.json").write_text("".join(json.dumps(row) + "\n" for row in rows))
    clips = list(read(tmp_path / "train_manifest.json"))
    assert all(is_piece(clip, piece) for clip, piece in zip(clips, tape.pieces, strict=True))


# --- Kaldi


def kaldi(folder: Path, **tables: list[str]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, lines in tables.items():
        (folder / name.replace("_", ".")).write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    return folder


def test_a_kaldi_folder_with_segments_gives_pieces_of_its_recordings(tape: Tape, tmp_path: Path) -> None:
    tape.copy_to(tmp_path, "a tape.wav")
    names = [f"{piece.speaker.replace(' ', '-')}-{n:02}" for n, piece in enumerate(tape.pieces)]
    kaldi(
        tmp_path,
        wav_scp=["tape a tape.wav"],
        text=[f"{name} {piece.text}" for name, piece in zip(names, tape.pieces, strict=True)],
        utt2spk=[f"{name} {piece.speaker.replace(' ', '-')}" for name, piece in zip(names, tape.pieces, strict=True)],
        segments=[f"{name} tape {p.start:.4f} {p.end:.4f}" for name, p in zip(names, tape.pieces, strict=True)],
    )
    source = read(tmp_path)
    clips = list(source)
    assert source.taken.endswith("(wav.scp, text); pieces from segments")
    assert all(is_piece(clip, piece) for clip, piece in zip(clips, tape.pieces, strict=True))
    assert [clip.id for clip in clips] == names
    assert clips[0].speaker == tape.pieces[0].speaker.replace(" ", "-")


def test_a_kaldi_folder_without_segments_gives_whole_recordings_by_split(
    tmp_path: Path, sentences: Sentences, speech: Path
) -> None:
    for split in ("train", "test"):
        rows = [row for row in sentences if row["split"] == split]
        kaldi(
            tmp_path / split,
            wav_scp=[f"{row['id']} {row['file_name']}" for row in rows],
            text=[f"{row['id']}\t{row['text']}" for row in rows],
        )
    clips = list(read(tmp_path, audio_folder=speech))
    sounds_right(clips, [row for split in ("train", "test") for row in sentences if row["split"] == split])
    assert [clip.split for clip in clips] == ["train"] * 16 + ["test"] * 4
    assert "--audio-folder" in (next(iter(read(tmp_path))).fault or "")


@pytest.mark.parametrize("command", ["sph2pipe -f wav a.sph |", "touch {proof} |", "| touch {proof}"])
def test_a_command_in_wav_scp_is_refused_and_not_run(tmp_path: Path, command: str) -> None:
    proof = tmp_path / "proof"
    kaldi(tmp_path / "data", wav_scp=["a a.wav", f"b {command.format(proof=proof)}"], text=["a ja", "b nee"])
    with pytest.raises(
        GoamaError, match=r"wav\.scp:2: .* is a shell command, and goama runs none .*done < wav.scp > new.scp`"
    ):
        read(tmp_path / "data")
    assert not proof.exists()


@pytest.mark.parametrize(
    ("tables", "fault"),
    [
        ({"segments": []}, "segments has no line for it"),
        ({"segments": ["u tape 3 2"]}, "its segment from 3.00 s to 2.00 s is not possible"),
        ({"segments": ["u tape nan 2"]}, "its segment from nan s"),
        ({"segments": ["u tape 1"]}, "is not `utterance recording start end`"),
        ({"segments": ["u tape 1 2 A"]}, "names a channel"),
        ({"segments": ["u other 1 2"]}, "wav.scp names no sound file for 'other'"),
        ({"wav_scp": ["u raw.ark:17"]}, "lies in a Kaldi archive"),
        ({"wav_scp": ["u ../../etc/passwd"]}, "lies outside of"),
    ],
    ids=range(8),
)
def test_what_is_wrong_with_an_utterance_is_its_fault(tmp_path: Path, tables: dict, fault: str) -> None:
    kaldi(tmp_path, **({"wav_scp": ["tape tape.wav"], "text": ["u ja"]} | tables))
    (clip,) = (clip for clip in read(tmp_path) if clip.text)
    assert fault in (clip.fault or "")


def test_an_utterance_without_a_line_in_text_is_not_one_whose_text_is_empty(tmp_path: Path) -> None:
    kaldi(tmp_path, wav_scp=["a a.wav", "b b.wav", "c c.wav"], text=["b ja", "c"])
    assert [(clip.id, clip.text, clip.fault) for clip in read(tmp_path)] == [
        ("b", "ja", None),
        ("c", "", None),
        ("a", "", "text has no line for it"),
    ]


def test_the_advice_for_commands_makes_files_of_them_and_leaves_files_alone(
    tmp_path: Path, sentences: Sentences
) -> None:
    shutil.copy(sentences[0]["file_name"], tmp_path / "a b.ogg")
    proof = tmp_path / "plain"  # a path that would leave a trace if it were run
    proof.write_text(f"#!/bin/sh\ntouch {tmp_path}/was-run\n")
    proof.chmod(0o755)
    kaldi(tmp_path, wav_scp=["a cat 'a b.ogg' | cat |", f"b {proof}", "c a b.ogg"], text=["a ja", "b nee", "c ja"])
    with pytest.raises(GoamaError) as refused:
        read(tmp_path)
    advice = str(refused.value).split("`")[1]
    subprocess.run(["bash", "-c", advice], cwd=tmp_path, check=True)
    assert not (tmp_path / "was-run").exists()
    (tmp_path / "new.scp").rename(tmp_path / "wav.scp")
    assert [clip.audio for clip in read(tmp_path)] == [tmp_path / "wav" / "a.wav", proof, tmp_path / "a b.ogg"]
    assert (tmp_path / "wav" / "a.wav").read_bytes() == (tmp_path / "a b.ogg").read_bytes()


# --- times


@pytest.mark.parametrize(
    ("start", "end", "place"),
    [
        ("0,4", "2,75", (0.4, 2.35)),
        ("12", "14,5", (12.0, 2.5)),
        ("0:03", "0:05", (3.0, 2.0)),
        ("0:03.5", "1:02:05", (3.5, 3721.5)),
        ("00:00:00.4", "00:00:02,500", (0.4, 2.1)),
        ("90:00", "90:01.25", (5400.0, 1.25)),
    ],
)
def test_times_may_have_a_comma_or_be_as_clocks_show_them(
    tmp_path: Path, start: str, end: str, place: tuple[float, float]
) -> None:
    (tmp_path / "clips.csv").write_text(f"file;text;start;end\na.wav;ja;{start};{end}\n")
    (clip,) = read(tmp_path / "clips.csv")
    assert clip.fault is None
    assert (clip.offset, clip.duration) == (pytest.approx(place[0]), pytest.approx(place[1]))


def test_three_digits_behind_a_comma_are_a_fraction_where_another_row_says_so(tmp_path: Path) -> None:
    rows = "file;text;start;end\na.wav;ja;1,234;2,345\n"
    (tmp_path / "clips.csv").write_text(rows)
    (clip,) = read(tmp_path / "clips.csv")
    assert clip.fault == (
        "the offset '1,234' may be 1.234 or 1234 seconds: write it with a point, or without the comma"
    )
    (tmp_path / "clips.csv").write_text(rows + "a.wav;nee;3,5;4\n")
    assert [clip.offset for clip in read(tmp_path / "clips.csv")] == [1.234, 3.5]


@pytest.mark.parametrize("start", ["1.234,5", "1:2:3:4", "0:61", "1:75:00", "-0:03", "three", "1e999", "٣:٠٠"])
def test_what_is_no_time_is_answered_with_what_is(tmp_path: Path, start: str) -> None:
    (tmp_path / "clips.csv").write_text(f"file;text;start;end\na.wav;ja;{start};9999\n", encoding="utf-8")
    (clip,) = read(tmp_path / "clips.csv")
    assert clip.fault == f"the offset {start!r} is not a number of seconds; 12.5 is one, and 0:00:12.5"


def test_cells_of_a_spreadsheet_that_hold_times_are_read(tape: Tape, tmp_path: Path) -> None:
    tape.copy_to(tmp_path)
    book = openpyxl.Workbook()
    book.active.append(["file", "text", "start", "end"])
    for piece, kind in zip(tape.pieces, (timedelta, timedelta, None, None), strict=False):
        times = [timedelta(seconds=at) if kind else at for at in (piece.start, piece.end)]
        book.active.append(["tape.wav", piece.text, *times])
    book.active.append(["tape.wav", "ja", datetime(2026, 1, 1, 0, 0, 1).time(), datetime(2026, 1, 1, 0, 0, 2).time()])
    book.save(tmp_path / "clips.xlsx")
    *cut, last = read_source(str(tmp_path / "clips.xlsx"), choices=Choices(overlaps="keep"))
    assert all(is_piece(clip, piece) for clip, piece in zip(cut, tape.pieces, strict=False))
    assert (last.offset, last.duration) == (1.0, 1.0)


# --- names of sound files


@pytest.mark.parametrize(
    ("named", "there"),
    [
        ("ñandú é.ogg", "n\u0303andu\u0301 e\u0301.ogg"),  # a table from Windows, a disk of a Mac
        ("n\u0303andu\u0301.ogg", "ñandú.ogg"),
        ("upper.ogg", "UPPER.OGG"),
        (" same.ogg ", "same.ogg"),
        ("sesión/uno.ogg", "SESIO\u0301N/Uno.ogg"),
        ("sesión\\uno.ogg", "SESIO\u0301N/Uno.ogg"),
    ],
    ids=range(6),
)
def test_a_name_written_in_another_way_finds_its_file_and_that_is_said(
    tmp_path: Path, sentences: Sentences, named: str, there: str
) -> None:
    (tmp_path / there).parent.mkdir(exist_ok=True)
    shutil.copy(sentences[0]["file_name"], tmp_path / there)
    with (tmp_path / "clips.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("file", "text"), (named, sentences[0]["text"])])
    source = read(tmp_path / "clips.csv")
    sounds_right(list(source), sentences[:1])
    (note,) = source.notes
    assert note.startswith("1 sound file was found under a name whose case, spaces or form of accents differs: ")
    assert note.endswith(f"as {Path(there).name!r}")


def test_a_file_of_exactly_that_name_counts_before_others(tmp_path: Path, sentences: Sentences) -> None:
    for name, row in zip(("a.ogg", "A.ogg"), sentences, strict=False):
        shutil.copy(row["file_name"], tmp_path / name)
    (tmp_path / "metadata.csv").write_text("file,text\na.ogg,een\nA.ogg,twee\na.OGG,drie\n")
    source = read(tmp_path)
    assert [clip.audio for clip in source] == [tmp_path / name for name in ("a.ogg", "A.ogg", "a.OGG")]
    assert source.notes == ()  # which of two is meant is not guessed


def test_that_no_file_is_there_is_said_with_what_helps(tmp_path: Path, speech: Path) -> None:
    names = sorted(path.name for path in (speech / "audio").iterdir())[:3]
    (tmp_path / "clips.csv").write_text("file,text\n" + "".join(f"{name},ja\n" for name in names))
    (note,) = read(tmp_path / "clips.csv").notes
    assert f"(the first: {tmp_path / names[0]}); --audio-folder FOLDER names the folder where they lie" in note
    assert read(tmp_path / "clips.csv", audio_folder=speech / "audio").notes == ()


def test_a_folder_outside_is_not_searched_for_names_like_it(tmp_path: Path, sentences: Sentences) -> None:
    shutil.copy(sentences[0]["file_name"], tmp_path / "Private.ogg")
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "metadata.csv").write_text("file,text\n../private.ogg,ja\n" + "a/" * 20_000 + "x,ja\n")
    one, two = read(tmp_path / "source")
    assert "lies outside of" in (one.fault or "") and "Private" not in (one.fault or "")
    assert not two.fault


# --- data sets


def test_one_parquet_file_is_a_source(tmp_path: Path, sentences: Sentences) -> None:
    import datasets

    rows = [{"bytes": Path(row["file_name"]).read_bytes(), "path": "a.ogg"} for row in sentences[:3]]
    table = datasets.Dataset.from_dict({"audio": rows, "text": [row["text"] for row in sentences[:3]]})
    table.to_parquet(str(tmp_path / "a.parquet"))
    source = read(tmp_path / "a.parquet")
    assert [clip.text for clip in source] == [row["text"] for row in sentences[:3]]
    assert [clip.audio for clip in source] == [row["bytes"] for row in rows]
    assert source.taken == "parquet file: all; columns audio=audio, text=text"


def test_a_data_set_s_rows_that_only_name_a_file_outside_are_refused(tmp_path: Path, sentences: Sentences) -> None:
    import datasets

    rows = [{"bytes": None, "path": row["file_name"]} for row in sentences[:3]]
    table = datasets.Dataset.from_dict({"audio": rows, "text": ["ja"] * 3})
    (tmp_path / "data").mkdir()
    table.to_parquet(str(tmp_path / "data" / "train.parquet"))
    assert all("lies outside of" in (clip.fault or "") for clip in read(tmp_path / "data"))
