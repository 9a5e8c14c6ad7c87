"""`prepare`: a source becomes a corpus; what cannot be used is left out by name; a failure leaves what was there."""

from __future__ import annotations

import io
import json
import shutil
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from goama.corpus.corpus import SPLITS, Corpus
from goama.corpus.left_out import LeftOut, by_reason
from goama.corpus.prepare import Prepared, prepare
from goama.errors import GoamaError
from goama.sound.audio import read_audio
from goama.sources.judge import LONGEST_S
from goama.sources.source import SourceClip, read_source
from goama.text.replacements import Replacement
from goama.text.spelling import Spelling


def metadata(corpus: Corpus) -> dict[str, dict[str, Any]]:
    """Every row by its id, with its split."""
    return {
        row["id"]: row | {"split": split}
        for split in SPLITS
        if (corpus.folder / split).is_dir()
        for row in map(json.loads, (corpus.folder / split / "metadata.jsonl").read_text(encoding="utf-8").splitlines())
    }


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def reasons(made: Prepared) -> dict[str, str]:
    return {entry.id: entry.reason for entry in made.left_out}


@pytest.fixture
def good(sentences: list[dict[str, Any]]) -> list[SourceClip]:
    """Four good clips."""
    return [SourceClip(row["id"], Path(row["file_name"]), row["text"], "here", split="train") for row in sentences[:4]]


# --- what a corpus holds


def test_further_columns_are_in_every_row_and_are_told_by_split(good: list[SourceClip], tmp_path: Path) -> None:
    clips = [replace(good[0], columns=(("dialect", "north"),)), replace(good[1], columns=(("age", "41"),)), *good[2:]]
    made = prepare(clips, tmp_path / "corpus", source="test", language="nl")
    rows = metadata(made.corpus)
    values = [(rows[clip.id]["dialect"], rows[clip.id]["age"]) for clip in good]
    assert values == [("north", ""), ("", "41"), ("", ""), ("", "")]
    told = {name: values for split in SPLITS for name, values in made.corpus.columns(split).items()}
    assert told == {"age": {good[1].id: "41"}, "dialect": {good[0].id: "north"}}


def test_sound_is_16_khz_mono_flac_and_sounds_as_before(corpus: Corpus, sentences: list[dict[str, Any]]) -> None:
    rows = metadata(corpus)
    for sentence in sentences:
        row = rows[sentence["id"]]
        flac = corpus.folder / row["split"] / row["file_name"]
        facts = soundfile.info(flac)
        assert (facts.samplerate, facts.channels, facts.format, facts.subtype) == (16_000, 1, "FLAC", "PCM_16")
        before = np.clip(read_audio(sentence["file_name"]).samples, -1, 1)
        np.testing.assert_allclose(read_audio(flac).samples, before, atol=1 / 32_000)
        assert row["duration"] == pytest.approx(facts.duration, abs=1e-4)


def test_text_is_normalised_and_what_people_wrote_is_kept(corpus: Corpus, sentences: list[dict[str, Any]]) -> None:
    rows = metadata(corpus)
    for sentence in sentences:
        row = rows[sentence["id"]]
        assert (row["original_text"], row["speaker"], row["split"], row["language"]) == (
            sentence["text"],
            sentence["speaker"],
            sentence["split"],
            "nl",
        )
        assert row["text"] == corpus.normaliser(sentence["text"])
    assert rows["engine__mot-v-zvuky0"]["text"] == "wat doe je nou waar gaan we heen"


def test_what_was_changed_on_the_way_in_is_noted(speech: Path, tmp_path: Path) -> None:
    made = prepare(read_source(str(speech)), tmp_path / "corpus", source="x", language="nl")
    assert made.left_out == ()
    assert made.notes == (
        "24 clips converted from 22050 Hz to 16000 Hz",
        "24 clips had more than one channel; the channels were averaged",
    )


def test_a_telephone_recording_in_stereo_is_converted_with_a_note(good: list[SourceClip], tmp_path: Path) -> None:
    samples = 0.9 * read_audio(good[0].audio).samples[::2]
    soundfile.write(tmp_path / "phone.wav", np.stack([samples, samples], axis=1), 8_000)
    clips = [*good, SourceClip("phone", tmp_path / "phone.wav", "ja", "here")]
    made = prepare(clips, tmp_path / "corpus", source="x")
    assert made.left_out == ()
    assert "1 clip converted from 8000 Hz to 16000 Hz: telephone quality, nothing above 4 kHz" in made.notes
    assert metadata(made.corpus)["phone"]["duration"] == pytest.approx(len(samples) / 8_000, abs=1e-3)


def test_progress_counts_every_clip(good: list[SourceClip], tmp_path: Path) -> None:
    done: list[int] = []
    prepare([*good, replace(good[0], id="bad", text="")], tmp_path / "corpus", source="x", progress=done.append)
    assert done == [1, 2, 3, 4, 5]


def test_pieces_of_one_long_recording_are_cut_out(sentences: list[dict[str, Any]], tmp_path: Path) -> None:
    pieces = [0.9 * read_audio(row["file_name"]).samples for row in sentences]
    soundfile.write(tmp_path / "tape.wav", np.concatenate(pieces), 16_000)
    rows, start = [], 0.0
    for sentence, piece in zip(sentences, pieces, strict=True):
        end = start + len(piece) / 16_000
        rows.append({"file_name": "tape.wav", "start": round(start, 6), "end": round(end, 6), "text": sentence["text"]})
        start = end
    (tmp_path / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    made = prepare(read_source(str(tmp_path)), tmp_path / "corpus", source="x", language="nl")
    assert made.left_out == ()
    cut_out = metadata(made.corpus)
    assert len(cut_out) == 24
    row = cut_out[f"tape__{rows[7]['start']:.2f}"]
    flac = made.corpus.folder / row["split"] / row["file_name"]
    assert row["original_text"] == sentences[7]["text"]
    np.testing.assert_allclose(read_audio(flac).samples, pieces[7], atol=2e-3)


def test_a_corpus_prepared_again_is_the_same(corpus: Corpus, tmp_path: Path) -> None:
    again = prepare(
        read_source(str(corpus.folder)), tmp_path / "again", source="tests/fixtures/nl", language="nl"
    ).corpus
    assert again.fingerprint() == corpus.fingerprint()
    before, after = files(corpus.folder), files(again.folder)
    del before["cuts.jsonl.gz"], after["cuts.jsonl.gz"]  # gzip writes the time into its header
    assert {name for name in before if before[name] != after.get(name)} == set()
    assert before.keys() == after.keys()


def test_the_same_source_gives_the_same_split_and_another_seed_another(speech: Path, tmp_path: Path) -> None:
    def splits(name: str, seed: int, backwards: bool = False) -> dict[str, str]:
        clips = [replace(clip, split=None) for clip in read_source(str(speech))]
        made = prepare(clips[::-1] if backwards else clips, tmp_path / name, source="x", seed=seed)
        return {clip_id: row["split"] for clip_id, row in metadata(made.corpus).items()}

    assert splits("a", 0) == splits("b", 0, backwards=True)
    assert splits("a2", 0) != splits("c", 1)


def test_eight_speakers_are_kept_apart(speech: Path, tmp_path: Path) -> None:
    clips = [replace(clip, split=None, speaker=f"speaker {n % 8}") for n, clip in enumerate(read_source(str(speech)))]
    made = prepare(clips, tmp_path / "corpus", source="x")
    by_split: dict[str, set[str]] = {split: set() for split in SPLITS}
    for row in metadata(made.corpus).values():
        by_split[row["split"]].add(row["speaker"])
    assert all(by_split.values()) and sum(map(len, by_split.values())) == 8
    assert made.corpus.about["split_by"] == "split by speaker (none is in two splits), seed 0"


def test_no_audio_is_kept_in_memory(sentences: list[dict[str, Any]], tmp_path: Path) -> None:
    def clips(times: int) -> Iterator[SourceClip]:
        for n in range(times):
            for row in sentences:
                yield SourceClip(f"{row['id']}{n}", Path(row["file_name"]), row["text"], "here")

    def peak(times: int) -> int:
        tracemalloc.start()
        prepare(clips(times), tmp_path / f"corpus{times}", source="x")
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    prepare(clips(1), tmp_path / "warm-up", source="x")  # imports, which take long under tracemalloc
    few, many = peak(2), peak(5)
    assert many < few + 4_000_000  # three times 4.3 MB of sound more passed through


def test_the_sound_of_a_data_set_is_not_kept_in_memory(sentences: list[dict[str, Any]], tmp_path: Path) -> None:
    """Noise of half a second as WAV: 4 MB of encoded sound in the small data set, 32 MB in the large one."""
    import datasets

    noise = np.random.default_rng(0)

    def wav() -> bytes:
        file = io.BytesIO()
        soundfile.write(file, noise.uniform(-0.5, 0.5, 64_000), 128_000, format="WAV", subtype="PCM_16")
        return file.getvalue()

    def peak(clips: int) -> int:
        folder = tmp_path / f"data{clips}"
        folder.mkdir()
        rows = {
            "audio": [{"bytes": wav(), "path": f"{n}.wav"} for n in range(clips)],
            "text": [sentences[n % 24]["text"] for n in range(clips)],
        }
        datasets.Dataset.from_dict(rows).to_parquet(folder / "train.parquet", batch_size=8)
        source = read_source(str(folder))
        assert source.count == clips
        tracemalloc.start()
        made = prepare(source, tmp_path / f"corpus{clips}", source="x")
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert made.left_out == ()
        return most

    peak(32)
    assert peak(256) < peak(33) + 6_000_000


# --- the language


def test_a_first_row_without_a_language_does_not_decide_on_the_spelling_rules(
    good: list[SourceClip], tmp_path: Path
) -> None:
    clips = [replace(good[0], text="'t Is z'n boot."), *(replace(clip, language="nl") for clip in good[1:])]
    made = prepare(clips, tmp_path / "corpus", source="x")
    assert made.corpus.language == "nl" and made.corpus.normaliser.language == "nl"
    assert metadata(made.corpus)[good[0].id]["text"] == "'t is z'n boot"  # general rules take the first sign away
    assert metadata(made.corpus)[good[0].id]["language"] == "nl"
    assert "1 clip without a language: nl is taken, which the others name (--language CODE takes another)" in made.notes


def test_of_several_languages_the_one_of_most_clips_picks_the_rules_and_all_are_named(
    good: list[SourceClip], tmp_path: Path
) -> None:
    clips = [replace(clip, language=code) for clip, code in zip(good, ("fr", "nl", "nl", "nl"), strict=True)]
    made = prepare(clips, tmp_path / "corpus", source="x")
    assert made.corpus.normaliser.language == "nl"
    assert any("the clips name 2 languages: nl (3), fr (1)" in note for note in made.notes)
    assert {row["language"] for row in metadata(made.corpus).values()} == {"fr", "nl"}


# --- the user's wishes


def test_a_table_of_replacements_changes_the_text_and_is_kept_with_the_corpus(
    good: list[SourceClip], tmp_path: Path
) -> None:
    clips = [replace(good[0], text="Het kost 10%."), *good[1:]]
    table = [Replacement("10", "tien"), Replacement("%", "procent")]
    made = prepare(clips, tmp_path / "corpus", source="x", language="nl", spelling=Spelling(tables=(tuple(table),)))
    assert metadata(made.corpus)[good[0].id]["text"] == "het kost tien procent"
    assert metadata(made.corpus)[good[0].id]["original_text"] == "Het kost 10%."
    assert Corpus.open(tmp_path / "corpus").normaliser("20 en 10 %") == "20 en tien procent"


def test_numbers_are_never_guessed_but_noted(good: list[SourceClip], tmp_path: Path) -> None:
    made = prepare([replace(good[0], text="Het kost 10,-"), *good[1:]], tmp_path / "corpus", source="x")
    assert any(note.startswith("1 clip with numbers in digits (10, …)") for note in made.notes)


def test_split_by_speaker_replaces_the_splits_of_the_source(speech: Path, tmp_path: Path) -> None:
    clips = [replace(clip, speaker=f"speaker {n % 5}") for n, clip in enumerate(read_source(str(speech)))]
    made = prepare(clips, tmp_path / "corpus", source="x", split_by="speaker")
    by_split: dict[str, set[str]] = {split: set() for split in SPLITS}
    for row in metadata(made.corpus).values():
        by_split[row["split"]].add(row["speaker"])
    assert all(by_split.values()) and sum(map(len, by_split.values())) == 5
    assert made.corpus.about["split_by"].endswith("in place of the source's own splits")


def test_clips_cut_out_of_one_recording_stay_in_one_split(sentences: list[dict[str, Any]], tmp_path: Path) -> None:
    clips = []
    for tape in range(6):
        pieces = [read_audio(row["file_name"]).samples for row in sentences[4 * tape : 4 * tape + 4]]
        soundfile.write(tmp_path / f"tape{tape}.wav", np.concatenate(pieces), 16_000)
        start = 0.0
        for row, piece in zip(sentences[4 * tape :], pieces, strict=False):
            seconds = len(piece) / 16_000
            clips.append(
                SourceClip(row["id"], tmp_path / f"tape{tape}.wav", row["text"], "here", offset=start, duration=seconds)
            )
            start += seconds
    made = prepare(clips, tmp_path / "corpus", source="x")
    rows = metadata(made.corpus)
    splits_of_tape = {tape: {rows[c.id]["split"] for c in clips[4 * tape : 4 * tape + 4]} for tape in range(6)}
    assert made.left_out == ()
    assert all(len(splits) == 1 for splits in splits_of_tape.values())
    assert {split for splits in splits_of_tape.values() for split in splits} == set(SPLITS)


# --- names


def test_any_id_becomes_a_file(good: list[SourceClip], tmp_path: Path) -> None:
    ids = [
        "a/b", "a_b", "..", "../../up", ".hidden", "-rf", "a" * 400, "ሰላም" * 60, "e\u0301", "é", "A", "a", "con\nnect",
        "toy_train", "test_01", "dev-0001", "val", " ", "*",
    ]  # fmt: skip
    made = prepare([replace(good[0], id=clip_id) for clip_id in ids], tmp_path / "corpus", source="x")
    rows = metadata(made.corpus)
    assert set(rows) == set(ids)
    assert len({row["file_name"].casefold() for row in rows.values()}) == len(ids)
    for row in rows.values():
        assert (made.corpus.folder / row["split"] / row["file_name"]).is_file()
    assert {cut.id for split in SPLITS if made.corpus.clips(split) for cut in made.corpus.cuts(split)} == set(ids)


def test_each_split_s_folder_alone_opens_with_all_its_files(good: list[SourceClip], tmp_path: Path) -> None:
    """`datasets` forgets the other files as soon as one is called test_01.flac."""
    import datasets

    ids = ["toy_train", "test_01", "dev-0001", "plain"]
    clips = [replace(clip, id=clip_id) for clip, clip_id in zip(good, ids, strict=True)]
    clips.append(replace(good[0], id="kept for dev", split="dev"))
    made = prepare(clips, tmp_path / "corpus", source="x")
    found = datasets.load_dataset_builder(str(made.corpus.folder / "train")).config.data_files
    assert {str(split): len(names) for split, names in found.items()} == {"train": 5}


def test_speakers_that_only_some_clips_have_keep_one_type_for_datasets(good: list[SourceClip], tmp_path: Path) -> None:
    clips = [replace(good[0], speaker="Ama"), replace(good[1], split="dev"), replace(good[2], split="test")]
    made = prepare(clips, tmp_path / "corpus", source="x")
    assert {row["speaker"] for row in metadata(made.corpus).values()} == {"Ama", ""}
    assert [cut.supervisions[0].speaker for cut in made.corpus.cuts("dev")] == [None]


# --- clips that are left out


def test_each_faulty_clip_is_left_out_with_its_reason_and_the_others_are_kept(
    good: list[SourceClip], tmp_path: Path
) -> None:
    def broken(clip_id: str, content: bytes) -> SourceClip:
        (tmp_path / clip_id).write_bytes(content)
        return SourceClip(clip_id, tmp_path / clip_id, "ja", f"clips.csv:{clip_id}")

    ogg = good[0].audio.read_bytes()
    soundfile.write(tmp_path / "whole.wav", read_audio(ogg).samples, 16_000)
    soundfile.write(tmp_path / "none.wav", np.zeros(0), 16_000)
    soundfile.write(tmp_path / "short.wav", np.zeros(800), 16_000)
    soundfile.write(tmp_path / "silent.flac", np.full(16_000, 2 / 32_768), 16_000)
    soundfile.write(tmp_path / "long.flac", np.zeros(61 * 16_000), 16_000)
    wav = (tmp_path / "whole.wav").read_bytes()
    bad = {
        replace(good[0], id="empty text", text=" \n"): "the transcript is empty",
        replace(good[0], id="no letters", text="?!"): "nothing with a sound is left of the transcript '?!'",
        SourceClip("missing", tmp_path / "no.wav", "ja", "x"): "no such file",
        SourceClip("folder", tmp_path, "ja", "x"): "this is a folder",
        SourceClip("none", tmp_path / "none.wav", "ja", "x"): "holds no samples",
        SourceClip("short", tmp_path / "short.wav", "ja", "x"): "too short to hold speech",
        SourceClip("silent", tmp_path / "silent.flac", "ja", "x"): "silent: there is nothing to hear",
        SourceClip(
            "long", tmp_path / "long.flac", "ja", "x"
        ): f"61 s in one piece; cut it into pieces of at most {60} s",
        SourceClip("fault", b"", "ja", "x", fault="the column 'audio' is empty"): "the column 'audio' is empty",
        broken("text.wav", b"This is a text.\n" * 50): "not a sound file",
        broken("zero.wav", b""): "the file is empty (0 bytes)",
        broken("cut.wav", wav[: len(wav) // 2]): "truncated, 50 % of the sound",
        broken("cut.ogg", ogg[: len(ogg) // 2]): "truncated, its last Ogg page is cut off",
        replace(good[0], id="promise", duration=9.5): "s of the 9.50 s its manifest promises",
        replace(good[0], id="beyond", offset=2.0, duration=9.5): "does not lie within the recording's",
    }
    made = prepare([*good[:2], *bad, *good[2:]], tmp_path / "corpus", source="x")
    assert LONGEST_S == 60
    assert set(metadata(made.corpus)) == {clip.id for clip in good}
    for clip, reason in bad.items():
        assert reason in reasons(made)[clip.id], clip.id
    listed = [json.loads(line) for line in (made.corpus.folder / "left-out.jsonl").read_text().splitlines()]
    assert [(entry["id"], entry["where"]) for entry in listed] == [(clip.id, clip.where) for clip in bad]
    assert made.corpus.about["left_out"] == len(bad)


def test_what_is_said_of_clips_left_out_is_said_once_for_a_file_and_a_reason() -> None:
    tiers = [LeftOut(f"t{n}", f"/a/t.eaf, tier 'tx@{n}', 0:00:0{n}.500", "silent") for n in range(3)]
    rows = [LeftOut(f"r{n}", f"/a/c.csv:{n}", "silent") for n in range(2)]
    cues = [LeftOut("s", "/a/s.srt, 0:00:01.000", "silent"), LeftOut("o", "/a/c.csv:9", "empty")]
    assert by_reason([*tiers, *rows, *cues]) == [
        (3, "3 clips, the first t0 (/a/t.eaf, tier 'tx@0', 0:00:00.500): silent"),
        (2, "2 clips, the first r0 (/a/c.csv:0): silent"),
        (1, "s (/a/s.srt, 0:00:01.000): silent"),
        (1, "o (/a/c.csv:9): empty"),
    ]


def test_speech_is_kept_however_faint_it_is(good: list[SourceClip], tmp_path: Path) -> None:
    """70 dB below full scale, in 24 bits: what a recorder writes whose gain was never turned up."""
    samples = read_audio(good[0].audio).samples
    soundfile.write(tmp_path / "faint.wav", samples * 10 ** (-70 / 20) / abs(samples).max(), 16_000, subtype="PCM_24")
    made = prepare([*good, SourceClip("faint", tmp_path / "faint.wav", "ja", "x")], tmp_path / "corpus", source="x")
    assert made.left_out == ()


def test_when_no_clip_can_be_used_nothing_is_written(good: list[SourceClip], tmp_path: Path) -> None:
    with pytest.raises(GoamaError, match=r"x: no clip can be used \(.*, here: the transcript is empty, and 3 more"):
        prepare([replace(clip, text="") for clip in good], tmp_path / "corpus", source="x")
    with pytest.raises(GoamaError, match="the source is empty"):
        prepare([], tmp_path / "corpus", source="x")
    assert list(tmp_path.iterdir()) == []


# --- what was there before


@pytest.fixture
def standing(corpus: Corpus, tmp_path: Path) -> Path:
    """A corpus that somebody has already."""
    return Path(shutil.copytree(corpus.folder, tmp_path / "corpus"))


def test_an_output_that_exists_is_left_alone(good: list[SourceClip], standing: Path) -> None:
    before = files(standing)
    with pytest.raises(GoamaError, match="exists already; choose another output or pass --overwrite"):
        prepare(good, standing, source="x")
    assert files(standing) == before


def test_overwrite_replaces_the_corpus_and_leaves_nothing_beside_it(good: list[SourceClip], standing: Path) -> None:
    made = prepare(good, standing, source="x", overwrite=True)
    assert set(metadata(made.corpus)) == {clip.id for clip in good}
    assert [path.name for path in standing.parent.iterdir()] == ["corpus"]


def test_a_failure_on_the_way_leaves_the_corpus_that_was_there(good: list[SourceClip], standing: Path) -> None:
    def breaks_off() -> Iterator[SourceClip]:
        yield from good
        raise GoamaError("clips.csv:5: the id 'a' is used twice")

    before = files(standing)
    with pytest.raises(GoamaError, match="used twice"):
        prepare(breaks_off(), standing, source="x", overwrite=True)
    assert files(standing) == before
    assert [path.name for path in standing.parent.iterdir()] == ["corpus"]


def test_ctrl_c_leaves_the_corpus_that_was_there(good: list[SourceClip], standing: Path) -> None:
    def stop(done: int) -> None:
        raise KeyboardInterrupt

    before = files(standing)
    with pytest.raises(KeyboardInterrupt):
        prepare(good, standing, source="x", overwrite=True, progress=stop)
    assert files(standing) == before
    assert [path.name for path in standing.parent.iterdir()] == ["corpus"]


def test_overwrite_never_replaces_a_folder_that_is_no_corpus(good: list[SourceClip], tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter1.txt").write_text("years of work")
    for out in (tmp_path / "thesis", tmp_path / "thesis" / "chapter1.txt"):
        with pytest.raises(GoamaError, match="is not a corpus: --overwrite replaces a corpus only"):
            prepare(good, out, source="x", overwrite=True)
    assert (tmp_path / "thesis" / "chapter1.txt").read_text() == "years of work"


def test_overwrite_never_replaces_what_the_corpus_is_made_of(standing: Path, tmp_path: Path) -> None:
    before = files(standing)
    with pytest.raises(GoamaError, match="is what the corpus is made of"):
        prepare(read_source(str(standing)), standing, source=str(standing), overwrite=True)
    elsewhere = tmp_path / "clips.jsonl"
    (sound, *_) = sorted(standing.glob("train/*.flac"))
    elsewhere.write_text(json.dumps({"audio": str(sound), "text": "ja"}) + "\n")
    with pytest.raises(GoamaError, match="which the corpus is made of"):
        prepare(read_source(str(elsewhere)), standing, source=str(elsewhere), overwrite=True)
    assert files(standing) == before


def test_an_empty_folder_may_be_the_output(
    good: list[SourceClip], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "corpus").mkdir()
    monkeypatch.chdir(tmp_path / "corpus")
    prepare(good, ".", source="x")
    assert Corpus.open(tmp_path / "corpus").clips("train")


def test_what_a_killed_run_left_does_not_get_in_the_way(good: list[SourceClip], tmp_path: Path) -> None:
    (tmp_path / "corpus.partial" / "clips").mkdir(parents=True)
    (tmp_path / "corpus.partial" / "clips" / "stray.flac").touch()
    prepare(good, tmp_path / "corpus", source="x")
    assert [path.name for path in tmp_path.iterdir()] == ["corpus"]
    assert not list(tmp_path.rglob("stray.flac"))
