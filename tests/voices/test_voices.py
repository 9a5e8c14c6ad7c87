"""Debian voices: what is read, what is left out and why, where the clips go, what a user is told."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

import goama.errors
from goama.errors import GoamaError
from goama.voices import VOICES, VoiceFolder, find_voice, get_voice, write_voice
from goama.voices.debian import Package
from goama.voices.splits import comparison_key

ROOT = Path(goama.errors.__file__).parents[1]


# --- the catalogue


def test_the_catalogue_holds_a_voice_for_each_promised_name() -> None:
    names = {voice.name for voice in VOICES}
    assert {"fillets-nl", "fillets-cs", "festvox-ru", "queen-en"} <= names
    assert {f"asterisk-{language}" for language in ("en", "es", "fr", "it", "ru")} <= names
    assert {f"tuxpaint-{code}" for code in ("ro", "es", "ru", "fr", "be", "bg", "el", "ca", "da")} <= names
    assert {"drascula-en", "drascula-es"} <= names
    assert "drascula-it" not in names  # its recordings are the English ones
    assert len(names) == len(VOICES)


def test_every_voice_names_its_authors_licence_and_packages() -> None:
    for voice in VOICES:
        assert voice.name.endswith(f"-{voice.language}")
        assert voice.licence and voice.attribution and voice.description and voice.packages
        assert voice.minutes > 0 and voice.clips > 0 and voice.speakers > 0


def test_listing_the_voices_loads_no_numerical_library() -> None:
    script = (
        "import sys; from goama.voices import VOICES; print(*{'numpy', 'torch', 'av', 'soundfile'} & set(sys.modules))"
    )
    listing = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert (listing.stdout, listing.stderr) == ("\n", "")


# --- what the user is told


def test_an_unknown_name_is_answered_with_the_nearest_one(tmp_path: Path) -> None:
    with pytest.raises(GoamaError, match="no voice 'filets-nl': the nearest name is 'fillets-nl'"):
        get_voice("filets-nl", tmp_path / "out")


def test_an_output_folder_with_files_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(GoamaError, match="is not an empty folder"):
        get_voice("fillets-nl", tmp_path)
    assert (tmp_path / "mine.txt").read_text() == "keep"


def test_without_apt_the_way_with_own_recordings_is_shown(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(GoamaError, match=r"has no dpkg-deb: .* `goama prepare FOLDER -o CORPUS`.*file_name"):
        get_voice("fillets-nl", tmp_path / "out", cache=tmp_path / "cache")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("apt_says", "user_reads"),
    [
        ("E: Unable to locate package fillets-ng-data-nl", "run `apt-get update` first"),
        (
            "E: Failed to fetch x  Temporary failure resolving 'y'",
            "could not be downloaded .*Temporary failure",
        ),
    ],
)
def test_a_failed_download_is_one_sentence(tmp_path: Path, monkeypatch: Any, apt_says: str, user_reads: str) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    for name, script in (("apt-get", f'echo "{apt_says}" >&2; exit 100'), ("dpkg-deb", "exit 0")):
        (programs / name).write_text(f"#!/bin/sh\n{script}\n")
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(programs))
    with pytest.raises(GoamaError, match=user_reads) as error:
        get_voice("fillets-nl", tmp_path / "out", cache=tmp_path / "cache")
    assert "goama prepare" in str(error.value) and "\n" not in str(error.value)
    assert list((tmp_path / "cache").glob("*.deb")) == []


@pytest.mark.skipif(not shutil.which("dpkg-deb"), reason="dpkg-deb is not on this machine")
def test_a_damaged_package_in_the_cache_is_named(tmp_path: Path) -> None:
    (tmp_path / "festvox-ru_1_all.deb").write_bytes(b"half a packa")
    with pytest.raises(GoamaError, match=r"festvox-ru_1_all.deb is not a readable Debian package: delete it"):
        get_voice("festvox-ru", tmp_path / "out", cache=tmp_path)


# --- the folder


def test_the_folder_holds_text_sound_licence_attribution_and_what_was_left_out(tmp_path: Path) -> None:
    written = get_from_tree("fillets-nl", fillets_tree(tmp_path / "tree"), tmp_path / "out")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "metadata.jsonl",
        "left-out.jsonl",
        "audio",
        "LICENCE",
        "ATTRIBUTION.md",
    }
    first = rows(written)["airplane__plane"]
    assert first == {
        "file_name": "audio/airplane__plane.ogg",
        "id": "airplane__plane",
        "text": 'Wat is dit "voor" raar schip?',
        "speaker": "small fish",
        "language": "nl",
        "split": first["split"],
        "licence": "GPL-2",
        "source": find_voice("fillets-nl").attribution,
    }
    assert "Copyright 2004" in (tmp_path / "out/LICENCE").read_text()
    assert "fillets-ng-data-nl 1.0" in (tmp_path / "out/ATTRIBUTION.md").read_text()
    assert "modified version" in (tmp_path / "out/ATTRIBUTION.md").read_text()
    assert not (tmp_path / "out.partial").exists()


def test_a_recording_that_any_decoder_reads_is_kept_byte_for_byte(tmp_path: Path) -> None:
    tree = fillets_tree(tmp_path / "tree")
    get_from_tree("fillets-nl", tree, tmp_path / "out")
    original = tree / "usr/share/games/fillets-ng/sound/airplane/nl/plane.ogg"
    assert (tmp_path / "out/audio/airplane__plane.ogg").read_bytes() == original.read_bytes()


def test_an_empty_output_folder_and_the_rest_of_a_stopped_run_are_replaced(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out.partial").mkdir()
    (tmp_path / "out.partial/rest").write_text("")
    get_from_tree("fillets-nl", fillets_tree(tmp_path / "tree"), tmp_path / "out")
    assert not (tmp_path / "out/rest").exists()


def test_progress_is_told_to_the_last_clip(tmp_path: Path) -> None:
    heard: list[tuple[str, int, int]] = []
    voice = find_voice("fillets-nl")
    tree = fillets_tree(tmp_path / "tree")
    write_voice(voice, tree, packages(voice.packages), tmp_path / "out", lambda *step: heard.append(step))
    assert ("listening", 9, 9) in heard and heard[-1] == ("writing", 2, 2)


@pytest.mark.skipif(not shutil.which("dpkg-deb"), reason="dpkg-deb is not on this machine")
def test_packages_in_the_cache_need_no_network(tmp_path: Path) -> None:
    tree = festvox_tree(tmp_path / "tree")
    (tree / "DEBIAN").mkdir()
    (tree / "DEBIAN/control").write_text(
        "Package: festvox-ru\nVersion: 7.5-1\nArchitecture: all\nMaintainer: A <a@example.org>\nDescription: x\n"
    )
    (tmp_path / "cache").mkdir()
    deb = tmp_path / "cache/festvox-ru_7.5-1_all.deb"
    subprocess.run(["dpkg-deb", "--build", str(tree), str(deb)], check=True, capture_output=True)
    written = get_voice("festvox-ru", tmp_path / "out", cache=tmp_path / "cache")
    assert sum(written.clips.values()) == 2
    assert "festvox-ru 7.5-1" in (tmp_path / "out/ATTRIBUTION.md").read_text()


def test_a_clip_named_like_a_split_does_not_hide_the_others_from_datasets(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    stamp(tree, "vehicles/toy_train", "Toy train.", fr="Un petit train.", seed=1)
    stamp(tree, "vehicles/trainer", "Trainer.", fr="Une basket.", seed=2)
    written = get_from_tree("tuxpaint-fr", with_copyright(tree, "tuxpaint-stamps-default"), tmp_path / "out")
    assert rows(written)["vehicles__toy_train"]["file_name"] == "audio/vehicles__toy_train~.ogg"
    assert rows(written)["vehicles__trainer"]["file_name"] == "audio/vehicles__trainer.ogg"


# --- nothing is lost


def test_every_recording_is_either_a_clip_or_left_out_with_a_reason(tmp_path: Path) -> None:
    written = get_from_tree("fillets-nl", fillets_tree(tmp_path / "tree"), tmp_path / "out")
    left_out = rows(written, "left-out.jsonl")
    assert {id: row["reason"] for id, row in left_out.items()} == {
        "airplane__count": "the text holds digits",
        "airplane__name": "the text holds a placeholder",
        "airplane__nobody": "no transcript in the source",
        "airplane__twin": "same audio as another clip",
        "airplane__still": "silent",
        "airplane__nothing": "the recording is empty",
        "airplane__broken": "the recording cannot be decoded",
    }
    assert left_out["airplane__twin"]["detail"] == "airplane__plane"
    assert written.left_out == {row["reason"]: 1 for row in left_out.values()}
    assert set(rows(written)) == {"airplane__plane", "airplane__shared"}


def test_a_text_far_too_long_or_too_short_for_its_recording_is_left_out(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    for number in range(40):
        stamp(tree, f"a/thing{number:02d}", "x", fr="une chose toute simple", seed=number)
    stamp(tree, "b/long", "x", fr="une chose toute simple et encore un texte beaucoup plus long", seed=50)
    stamp(tree, "b/short", "x", fr="rien", seed=51, seconds=8)
    written = get_from_tree("tuxpaint-fr", with_copyright(tree, "tuxpaint-stamps-default"), tmp_path / "out")
    assert written.left_out == {
        "the text is too long for the recording": 1,
        "the text is too short for the recording": 1,
    }
    assert "characters a second" in rows(written, "left-out.jsonl")["b__long"]["detail"]


# --- splits


def test_the_comparison_key_never_changes() -> None:
    """The published splits are hashes of this key: a test to be extended, never to be adapted."""
    assert comparison_key("Wat is dit? LC-10, ’t is 'n  schip…", "nl") == "wat is dit lc 10 't is 'n schip"
    assert comparison_key("Ştiinţă; cafe\u0301", "ro") == "știință café"
    assert comparison_key("L'Il·lusió 'rara'", "ca") == "l'il·lusió rara"
    assert comparison_key("un po' «così»", "it") == "un po' così"
    assert comparison_key("un po' x", "fr") == "un po x"


def test_scenes_stay_whole_and_a_held_out_text_is_in_no_other_split(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    for number in range(40):
        own = f"Zin {chr(97 + number // 26)}{chr(97 + number % 26)} van de kamer."
        fillets_level(tree, f"room{number}", {"a": own, "b": "Telkens weer!"}, number)
    written = get_from_tree("fillets-nl", with_copyright(tree, *FILLETS), tmp_path / "out")
    kept = rows(written).values()
    split_of_room = {row["id"].split("__")[0]: row["split"] for row in kept}
    assert all(split_of_room[row["id"].split("__")[0]] == row["split"] for row in kept)
    assert set(split_of_room.values()) == {"train", "dev", "test"}
    assert {row["split"] for row in kept if row["text"] == "Telkens weer!"} == {"test"}
    assert no_text_is_shared(written)
    assert set(written.left_out) == {"its text is also in a held-out split"}


def test_a_text_goes_to_the_same_split_wherever_it_is_said(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    for number in range(120):
        text = f"la chose {'abcdefghijkl'[number % 60 // 5]} {'x' * (number % 5)}"
        stamp(tree, f"a/thing{number}", "x", fr=text, seed=number)
    written = get_from_tree("tuxpaint-fr", with_copyright(tree, "tuxpaint-stamps-default"), tmp_path / "out")
    assert set(written.clips) == {"train", "dev"}
    assert no_text_is_shared(written)


# --- the sources


def test_fillets_prefers_the_line_of_the_level_to_a_shared_one(tmp_path: Path) -> None:
    tree = fillets_tree(tmp_path / "tree")
    script = tree / "usr/share/games/fillets-ng/script/share/border_dialogs_nl.lua"
    script.write_text(script.read_text() + dialog("plane", "font_big", "Niet deze."))
    written = get_from_tree("fillets-nl", tree, tmp_path / "out")
    assert rows(written)["airplane__plane"]["text"] == 'Wat is dit "voor" raar schip?'
    assert rows(written)["airplane__shared"]["text"] == "Wacht even... ik kom eraan."
    assert rows(written)["airplane__shared"]["speaker"] == "big fish"


def test_asterisk_spells_numbers_restores_accents_and_leaves_tones_and_letters_out(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    texts = {
        "conf-menu": "Su opcion: marque 1 o 12.",
        "letters/at": "arroba [@]",
        "letters/b": "be",
        "digits/many": "hasta 13 personas",
        "note": "adios [con enfasis]",
        "beep": "[tono simple]",
    }
    lines = [
        "\ufeff; Core Asterisk Sounds in Spanish",
        "",
        *(f"{name}: {text}" for name, text in texts.items()),
    ]
    listing = tree / "usr/share/doc/asterisk-core-sounds-es/core-sounds-es.txt.gz"
    listing.parent.mkdir(parents=True)
    listing.write_bytes(gzip.compress("\n".join(lines).encode()))
    for seed, name in enumerate([*texts, "unwritten"]):
        g722(tree / f"usr/share/asterisk/sounds/es_MX_f_Allison/{name}.g722", seed)
    tree = with_copyright(tree, "asterisk-core-sounds-es", "asterisk-core-sounds-es-g722")
    written = get_from_tree("asterisk-es", tree, tmp_path / "out")
    kept = rows(written)
    assert {id: row["text"] for id, row in kept.items()} == {
        "conf-menu": "Su opción: marque uno o doce.",
        "letters__at": "arroba",
    }
    sound = soundfile.info(tmp_path / "out" / kept["conf-menu"]["file_name"])
    assert (sound.format, sound.samplerate, sound.channels) == ("FLAC", 16_000, 1)
    assert sound.duration == pytest.approx(1.0, abs=0.05)
    assert {id: row["reason"] for id, row in rows(written, "left-out.jsonl").items()} == {
        "letters__b": "a single letter or sign",
        "digits__many": "the text holds digits",
        "note": "the text holds brackets",
        "beep": "not speech",
        "unwritten": "no transcript in the source",
    }


def test_tuxpaint_writes_romanian_commas_and_leaves_untranslated_stamps_out(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    stamp(tree, "animals/cat", "A cat.", ro="O pisică frumoasă şi ţanţoşă.", seed=1)
    stamp(tree, "animals/dog", "A dog.", ro="A dog.", seed=2)
    stamp(tree, "symbols/alphabet/a", "A", ro="Litera A", seed=3)
    stamp(tree, "animals/fish", "A fish.", seed=4, sounds=("ro",))
    written = get_from_tree("tuxpaint-ro", with_copyright(tree, "tuxpaint-stamps-default"), tmp_path / "out")
    assert rows(written)["animals__cat"]["text"] == "O pisică frumoasă și țanțoșă."
    assert {id: row["reason"] for id, row in rows(written, "left-out.jsonl").items()} == {
        "animals__dog": "the text was not translated",
        "symbols__alphabet__a": "a single letter or sign",
        "animals__fish": "no transcript in the source",
    }


def test_festvox_drops_stress_marks_and_keeps_case_and_commas(tmp_path: Path) -> None:
    written = get_from_tree("festvox-ru", festvox_tree(tmp_path / "tree"), tmp_path / "out")
    assert [row["text"] for row in rows(written).values()] == ["Она завела, прядь волос.", "Взял её."]
    assert rows(written, "left-out.jsonl")["ru_0003"]["reason"] == "no transcript in the source"


def test_drascula_pairs_a_recording_with_the_entry_of_its_table(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    tables = {"": ["", "¿NO SABES CUANTO?"], "VB": ["¡LA POCION!"]}
    table_file = tree / "usr/share/scummvm/drascula.dat"
    table_file.parent.mkdir(parents=True)
    table_file.write_bytes(drascula_tables(tables, language=1))
    for seed, name in enumerate(("1", "VB0", "9", "S3")):
        als(tree / f"usr/share/scummvm/drascula/es/{name}.ALS", seed)
    tree = with_copyright(tree, "drascula-spanish", "scummvm-data")
    written = get_from_tree("drascula-es", tree, tmp_path / "out")
    kept = rows(written)
    assert {id: (row["text"], row["speaker"]) for id, row in kept.items()} == {
        "001": ("¿no sabes cuanto?", "John Hacker"),
        "VB000": ("¡la poción!", "von Braun"),
    }
    assert soundfile.info(tmp_path / "out" / kept["001"]["file_name"]).duration == pytest.approx(1.0, abs=0.001)
    assert {id: row["reason"] for id, row in rows(written, "left-out.jsonl").items()} == {
        "009": "no transcript in the source",
        "S003": "not speech",
    }


def test_queen_cuts_a_sentence_at_the_commands_to_the_animation(tmp_path: Path) -> None:
    descriptions = ["It's *GM a door.", "A key*12 and a lock."]
    answers = ["No way!"] + ["*"] * 39
    names = {"070005J1": "Who are you?", "0700A6P1": "Bob.", "07XXXXP1": "You again.", "07XXXXJ1": "Hello."}
    texts = {
        **{name: (text, "BOB1" if "P" in name else "JOE") for name, text in names.items()},
        "CRASH011": ("Look", "CUT"),
        "CRASH012": ("out!", "CUT"),
        "JOE00011": ("No way!", "JOE"),
        "JOE00412": ("a door.", "JOE"),
        "JOE00421": ("A key", "JOE"),
        "JOE00422": ("and a lock.", "JOE"),
    }
    files = {
        "QUEEN.JAS": bytes(20) + struct.pack(">4H", 1, 2, 0, len(descriptions)),
        "QUEEN2.JAS": "\r\n".join([*descriptions, *["-"] * 15, *answers]).encode("cp437"),
        "BOB1.DOG": bytes(20) + queen_dialogue(),
        "CRASH.CUT": bytes(20) + queen_scene(),
        **{f"{name}.SB": mp3(seed) for seed, name in enumerate([*texts, "NOBODY"])},
    }
    tree = tmp_path / "tree"
    archive = tree / "usr/share/scummvm/flight-of-the-amazon-queen/queen.1c"
    archive.parent.mkdir(parents=True)
    archive.write_bytes(queen_archive(files))
    written = get_from_tree("queen-en", with_copyright(tree, "flight-of-the-amazon-queen"), tmp_path / "out")
    assert {id: (row["text"], row["speaker"]) for id, row in rows(written).items()} == texts
    assert rows(written, "left-out.jsonl")["NOBODY"]["reason"] == "no transcript in the source"
    assert (tmp_path / "out/audio/JOE00011.mp3").read_bytes() == files["JOE00011.SB"]


@pytest.mark.parametrize("voice", ["queen-en", "drascula-en"])
def test_a_game_archive_of_another_layout_is_one_sentence(tmp_path: Path, voice: str) -> None:
    for name in ("drascula.dat", "flight-of-the-amazon-queen/queen.1c"):
        (tmp_path / "usr/share/scummvm" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "usr/share/scummvm" / name).write_bytes(b"\x01\xff" * 40)
    with pytest.raises(GoamaError, match="not known to goama"):
        get_from_tree(voice, tmp_path, tmp_path / "out")


def test_a_package_without_the_files_it_should_hold_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(GoamaError, match=r"asterisk-core-sounds-fr 1.0 .*do not hold the files of asterisk-fr"):
        get_from_tree("asterisk-fr", tmp_path, tmp_path / "out")


# --- the real thing


@pytest.mark.apt
@pytest.mark.skipif(
    not (shutil.which("apt-get") and shutil.which("dpkg-deb")),
    reason="apt-get and dpkg-deb are not on this machine",
)
@pytest.mark.parametrize(
    ("name", "clips", "minutes", "left_out"),
    [
        ("fillets-nl", {"train": 1115, "dev": 123, "test": 353}, {"train": 64, "dev": 8, "test": 22}, 25),
        pytest.param(
            *("fillets-cs", {"train": 1160, "dev": 166, "test": 440}, {"train": 64, "dev": 11, "test": 26}, 116),
            marks=pytest.mark.slow,
        ),
    ],
)
def test_fish_fillets_come_from_debian_as_published(
    name: str, clips: dict[str, int], minutes: dict[str, int], left_out: int, tmp_path: Path
) -> None:
    """GOAMA_CACHE, if set, spares the downloads of 100 and 40 MB."""
    configured = os.environ.get("GOAMA_CACHE")
    cache = Path(configured) if configured else tmp_path / "cache"
    written = get_voice(name, tmp_path / name, cache=cache)
    assert written.clips == clips
    assert {split: round(length) for split, length in written.minutes.items()} == minutes
    assert len(rows(written)) == written.voice.clips
    assert len({row["speaker"] for row in rows(written).values()}) == written.voice.speakers
    assert len(rows(written, "left-out.jsonl")) == sum(written.left_out.values()) == left_out
    assert no_text_is_shared(written)


# --- hand-made packages

FILLETS = ("fillets-ng-data", "fillets-ng-data-nl")


def get_from_tree(name: str, tree: Path, out: Path) -> VoiceFolder:
    voice = find_voice(name)
    return write_voice(voice, tree, packages(voice.packages), out)


def packages(names: tuple[str, ...]) -> list[Package]:
    return [Package(name, "1.0", Path(f"{name}_1.0_all.deb")) for name in names]


def with_copyright(tree: Path, *names: str) -> Path:
    for name in names:
        (tree / "usr/share/doc" / name).mkdir(parents=True, exist_ok=True)
        (tree / "usr/share/doc" / name / "copyright").write_text("Copyright 2004 by its authors\n")
    return tree


def rows(written: VoiceFolder, name: str = "metadata.jsonl") -> dict[str, dict[str, str]]:
    lines = (written.path / name).read_text(encoding="utf-8").splitlines()
    return {row["id"]: row for row in map(json.loads, lines)}


def no_text_is_shared(written: VoiceFolder) -> bool:
    split_of: dict[str, str] = {}
    keys = ((comparison_key(row["text"], row["language"]), row["split"]) for row in rows(written).values())
    return all(split_of.setdefault(key, split) == split for key, split in keys)


def noise(seed: int, rate: int, seconds: float = 1.0) -> np.ndarray:
    return (np.random.default_rng(seed).normal(size=int(seconds * rate)) * 0.1).astype(np.float32)


def ogg(path: Path, seed: int, seconds: float = 1.0, gain: float = 1.0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, noise(seed, 22_050, seconds) * gain, 22_050, format="OGG", subtype="VORBIS")


def dialog(name: str, font: str, text: str) -> str:
    return f'dialogId("{name}", "{font}", "English")\ndialogStr("{text}")\n\n'


def fillets_level(tree: Path, level: str, texts: dict[str, str], seed: int) -> None:
    game = tree / "usr/share/games/fillets-ng"
    (game / "script" / level).mkdir(parents=True, exist_ok=True)
    script = "".join(dialog(name, "font_small", text) for name, text in texts.items())
    (game / "script" / level / "dialogs_nl.lua").write_text(script, encoding="utf-8")
    for number, name in enumerate(texts):
        ogg(game / f"sound/{level}/nl/{name}.ogg", seed * 100 + number)


def fillets_tree(tree: Path) -> Path:
    texts = {
        "plane": r"Wat is dit \"voor\" raar schip?",
        "count": "De LC-10 Lemura.",
        "name": "Dag, %1!",
        "twin": "Wat is dit nu weer?",
        "still": "Stil.",
        "nothing": "Niets.",
        "broken": "Stuk.",
    }
    fillets_level(tree, "airplane", texts, seed=1)
    game = tree / "usr/share/games/fillets-ng"
    (game / "script/share").mkdir()
    (game / "script/share/border_dialogs_nl.lua").write_text(
        "-- " + dialog("shared", "font_big", "Oud.") + dialog("shared", "font_big", "Wacht even… ik kom eraan."),
        encoding="utf-8",
    )
    sounds = game / "sound/airplane/nl"
    ogg(sounds / "shared.ogg", seed=500)
    ogg(sounds / "nobody.ogg", seed=501)
    ogg(sounds / "still.ogg", seed=502, gain=0.0)
    ogg(sounds / "nothing.ogg", seed=503, seconds=0.001)
    (sounds / "broken.ogg").write_bytes(b"OggS, or so it says")
    shutil.copyfile(sounds / "plane.ogg", sounds / "twin.ogg")
    return with_copyright(tree, *FILLETS)


def stamp(
    tree: Path,
    name: str,
    english: str,
    *,
    seed: int,
    seconds: float = 1.0,
    sounds: tuple[str, ...] = (),
    **texts: str,
) -> None:
    path = tree / "usr/share/tuxpaint/stamps" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [english, *(f"{language}.utf8={text}" for language, text in texts.items())]
    path.with_suffix(".txt").write_text("\n".join(lines), encoding="utf-8")
    for language in (*sounds, *texts):
        ogg(path.with_name(f"{path.name}_desc_{language}.ogg"), seed, seconds)


def festvox_tree(tree: Path) -> Path:
    voice = tree / "usr/share/festival/voices/russian/msu_ru_nsh_clunits"
    (voice / "etc").mkdir(parents=True)
    (voice / "wav").mkdir()
    (voice / "etc/txt.done.data").write_text(
        '( ru_0001 "Она завела, прядь вол+ос." )\n( ru_0002 "Взял иё." )\n', encoding="utf-8"
    )
    for number in (1, 2, 3):
        soundfile.write(voice / f"wav/ru_000{number}.wav", noise(number, 16_000), 16_000)
    return with_copyright(tree, "festvox-ru")


def g722(path: Path, seed: int) -> None:
    import av

    path.parent.mkdir(parents=True, exist_ok=True)
    samples = (noise(seed, 16_000) * 32767).astype("<i2")[None]
    with av.open(str(path), "w", format="g722") as container:
        stream = container.add_stream("g722", rate=16_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
        frame.sample_rate = 16_000
        container.mux([*stream.encode(frame), *stream.encode(None)])


def als(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = (noise(seed, 11_025) * 128 + 128).clip(0, 255).astype(np.uint8)
    path.write_bytes(bytes(32) + samples.tobytes() + bytes(32))


def drascula_tables(tables: dict[str, list[str]], language: int, languages: int = 5) -> bytes:
    """drascula.dat with thirteen empty tables of other things, then the text tables in their order."""
    data = bytes(9) + struct.pack(">H", 0) * 13 + struct.pack(">H", languages)
    for prefix in ("", "D", "B", "BJ", "E", "I", "L", "P", "T", "VB"):
        texts = tables.get(prefix, [])
        data += struct.pack(">H", len(texts))
        for number in range(languages):
            entries = [text.encode("cp850") if number == language else b"OTHER" for text in texts]
            block = b"".join(struct.pack(">H", len(entry) + 3) + entry + b"\0" for entry in entries)
            data += struct.pack(">H", len(block) + 2) + bytes(2) + block
    return data


def mp3(seed: int) -> bytes:
    from io import BytesIO

    sound = BytesIO()
    soundfile.write(sound, noise(seed, 11_025), 11_025, format="MP3")
    return sound.getvalue()


def queen_string(data: bytearray, text: str, align: int = 2) -> None:
    data += bytes([len(text)]) + text.encode("cp437")
    data += bytes(-len(data) % align)


def queen_dialogue() -> bytes:
    """Character 7: sentence 5 by Joe, sentence 0xA6 by Bob, and both greetings of a later meeting."""
    data = bytearray(32)
    data += struct.pack(">hh", 0, 0x5)
    queen_string(data, "Who are you?", align=4)
    struct.pack_into(">H", data, 22, len(data))
    data += struct.pack(">hh", 0, 0xA6)
    queen_string(data, "Bob.", align=4)
    struct.pack_into(">H", data, 26, len(data))
    queen_string(data, "You again.")
    queen_string(data, "Hello.")
    struct.pack_into(">4h", data, 4, 7, 1, 1, 0)
    return bytes(data)


def queen_scene() -> bytes:
    """One action after the title: a sentence in two pieces."""
    data = bytearray(10)
    struct.pack_into(">h", data, 2, 1)
    struct.pack_into(">H", data, 8, len(data))
    queen_string(data, "A title")
    queen_string(data, "Look *12out!")
    return bytes(data)


def queen_archive(files: dict[str, bytes]) -> bytes:
    position = 15 + 21 * len(files)
    entries, contents = b"", b""
    for name, content in files.items():
        entries += struct.pack(">12sBII", name.encode(), 1, position + len(contents), len(content))
        contents += content
    return b"QTBLCEM10\0\0\0\1" + struct.pack(">H", len(files)) + entries + contents
