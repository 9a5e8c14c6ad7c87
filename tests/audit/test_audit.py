"""The whole audit: sources of all kinds, hostile files, limits, and the command line."""

from __future__ import annotations

import io
import json
import resource
import shlex
import shutil
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from goama.audit.audit import audit
from goama.corpus.corpus import Corpus
from goama.errors import GoamaError
from goama.sources.source import SourceClip, read_source


def names(found: Any) -> set[str]:
    return {finding.name for finding in found.findings}


def test_a_prepared_corpus_is_checked_as_people_wrote_it(corpus: Corpus) -> None:
    found = audit(read_source(str(corpus.folder)), source="corpus", language="nl")
    assert len(found.clips) == 24 and not found.has_errors
    assert any(clip.text != clip.text.lower() for clip in found.clips)
    assert {name: split["clips"] for name, split in found.summary["splits"].items()} == {
        "train": 16,
        "dev": 4,
        "test": 4,
    }


def test_bytes_are_checked_like_files(speech: Path) -> None:
    clips = list(read_source(str(speech)))
    in_memory = [SourceClip(c.id, Path(str(c.audio)).read_bytes(), c.text, c.where, split=c.split) for c in clips]
    one, other = (audit(source, source="s", language="nl") for source in (clips, in_memory))
    facts = [[clip.to_json() | {"speaker": None} for clip in found.clips] for found in (one, other)]
    assert facts[0] == facts[1]


def test_without_sound_the_texts_are_still_checked(planted) -> None:
    found = audit(read_source(str(planted.folder)), source="s", language="nl", read_sound=False)
    texts = {name for name in planted.expected if name.startswith("text-")}
    assert texts <= names(found)
    assert not {name for name in names(found) if name.startswith(("audio-", "duplicate-"))}


def test_an_empty_source_is_refused() -> None:
    with pytest.raises(GoamaError, match="nothing to check"):
        audit([], source="s")


def test_pieces_of_a_long_recording_are_checked_one_by_one(speech: Path, tmp_path: Path) -> None:
    rows = [json.loads(line) for line in (speech / "metadata.jsonl").read_text(encoding="utf-8").splitlines()]
    recording = np.concatenate([soundfile.read(speech / row["file_name"])[0][:22_050] for row in rows])
    soundfile.write(tmp_path / "tape.wav", recording, 22_050)
    (tmp_path / "clips.jsonl").write_text(
        "".join(
            json.dumps({"audio": "tape.wav", "text": row["text"], "offset": float(n), "duration": 1.0}) + "\n"
            for n, row in enumerate(rows)
        ),
        encoding="utf-8",
    )
    found = audit(read_source(str(tmp_path / "clips.jsonl")), source="s", language="nl")
    assert [clip.seconds for clip in found.clips] == [1.0] * 24
    assert not {name for name in names(found) if name.startswith("duplicate-")}


# --- hostile files


def flac_that_promises(samples: int) -> bytes:
    """A FLAC of 0.1 s whose header says another length, up to 2³⁶ samples."""
    file = io.BytesIO()
    soundfile.write(file, np.zeros(1600), 16_000, format="FLAC")
    data = bytearray(file.getvalue())
    data[21] = (data[21] & 0xF0) | (samples >> 32)  # STREAMINFO begins at byte 8; the length is its bits 108 to 143
    data[22:26] = struct.pack(">I", samples & 0xFFFFFFFF)
    return bytes(data)


def wav_that_promises(size: int) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, np.zeros(1600), 16_000, format="WAV", subtype="PCM_16")
    data = bytearray(file.getvalue())
    at = data.index(b"data") + 4
    data[at : at + 4] = struct.pack("<I", size)
    return bytes(data)


def flac_of_silence(seconds: int, rate: int, channels: int) -> bytes:
    file = io.BytesIO()
    with soundfile.SoundFile(file, "w", rate, channels, format="FLAC") as flac:
        for _ in range(seconds):
            flac.write(np.zeros((rate, channels), np.int16))
    return file.getvalue()


def test_files_that_would_fill_the_memory_are_refused_within_limits(speech: Path, tmp_path: Path) -> None:
    bombs = {
        "fifty-days.flac": flac_that_promises(2**36 - 1),
        "four-gigabytes.wav": wav_that_promises(3_900_000_000),
        "hours-of-silence.flac": flac_of_silence(3 * 3600, 1000, 1),  # 30 kB
        "many-channels.flac": flac_of_silence(2, 655_350, 8),  # 40 MB a second
    }
    shutil.copytree(speech, tmp_path / "speech")
    with (tmp_path / "speech/metadata.jsonl").open("a", encoding="utf-8") as file:
        for name, content in bombs.items():
            (tmp_path / "speech/audio" / name).write_bytes(content)
            row = {"file_name": f"audio/{name}", "id": name, "text": "een zin", "speaker": "x", "split": "train"}
            file.write(json.dumps(row) + "\n")
    code = (
        "import re, sys\n"
        "from goama.audit.audit import audit\n"
        "from goama.sources.source import read_source\n"
        "found = audit(read_source(sys.argv[1]), source='s', language='nl')\n"
        "print(*sorted(clip.id for clip in found.clips if clip.fault))\n"
        # ru_maxrss begins at the parent's
        "memory = re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())\n"
        "print(int(memory[1]) // 1024)\n"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "speech"],
        capture_output=True,
        text=True,
        check=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CPU, (60, 60)),
        timeout=120,
    )
    refused, megabytes = answer.stdout.strip().splitlines()
    assert refused.split() == sorted(bombs.keys() - {"four-gigabytes.wav"})  # a size as pipes leave it: 0.1 s are read
    assert int(megabytes) < 600


# --- the command line


def test_the_screen_shows_findings_with_clips_and_remedies(
    goama: Any, planted, tiny_encoder: Path, tmp_path: Path
) -> None:
    given = ("--language", "nl", "--encoder", tiny_encoder)
    outcome = goama("check", planted.folder, *given, "--json", tmp_path / "findings.json")
    assert outcome.status == 0 and outcome.err == ""
    assert "error " in outcome.out and "hours-of-silence" in outcome.out and "→" in outcome.out
    assert outcome.out.rstrip().endswith(f"next: goama prepare {planted.folder} --language nl -o corpus")
    written = json.loads((tmp_path / "findings.json").read_text(encoding="utf-8"))
    assert {finding["name"] for finding in written["findings"]} >= set(planted.expected)
    assert written["corpus"]["clips"] == len(planted.clean) + sum(len(ids) for ids in planted.expected.values())
    for finding in written["findings"]:
        assert {"name", "severity", "clips", "message", "why", "remedy"} <= set(finding)


def test_the_next_command_reads_the_source_as_this_one_did(goama: Any, speech: Path, tmp_path: Path) -> None:
    shutil.copytree(speech, tmp_path / "two words")
    given = ["--language", "nl-NL", "--text-column", "text", "--format", "audiofolder"]
    outcome = goama("check", tmp_path / "two words", *given, "--text-only")
    following = outcome.out.rpartition("next: ")[2]
    assert shlex.split(following) == ["goama", "prepare", str(tmp_path / "two words"), *given, "-o", "corpus"]


def test_clips_that_cannot_be_used_are_not_counted_as_words(goama: Any, tmp_path: Path) -> None:
    rows = [{"audio": f"{n}.wav", "text": "een hele zin"} for n in range(3)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    outcome = goama("check", tmp_path / "rows.jsonl", "--language", "nl")
    assert "3 clips, none of which can be used; language nl" in outcome.out and "0 words" not in outcome.out


def test_strict_is_status_2_for_errors_and_0_without(goama: Any, planted, speech: Path) -> None:
    assert goama("check", planted.folder, "--language", "nl", "--strict", "--text-only").status == 2
    assert goama("check", speech, "--strict", "--text-only").status == 0


def test_facts_are_one_line_a_clip(goama: Any, corpus: Corpus, tmp_path: Path) -> None:
    outcome = goama("check", corpus.folder, "--facts", tmp_path / "facts.jsonl")
    facts = [json.loads(line) for line in (tmp_path / "facts.jsonl").read_text(encoding="utf-8").splitlines()]
    assert len(facts) == 24 and all(fact["bandwidth_hz"] > 2000 for fact in facts)
    assert f"next: goama train {corpus.folder} -o run" in outcome.out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["nowhere"], "no such file or folder"),
        (["SPEECH", "--json", "nowhere/findings.json"], "there is no folder nowhere"),
        (["SPEECH", "--report", "."], "--report .: this is a folder"),
        (["SPEECH", "--facts", "/dev/null"], "this is a device"),
        (["SPEECH", "--report", "/proc/page.html"], "--report /proc/page.html: it cannot be written"),
        (["SPEECH", "--text-only", "--model", "run"], "leaves unread"),
        (["SPEECH", "--text-column", "words"], "no column 'words'"),
        (["SPEECH", "--language", "Dutch!"], "is not a language code"),
    ],
)
def test_a_mistake_gets_one_sentence(goama: Any, speech: Path, arguments: list[str], sentence: str) -> None:
    outcome = goama("check", *(speech if argument == "SPEECH" else argument for argument in arguments))
    assert outcome.status == 2 and sentence in outcome.err and "Traceback" not in outcome.err
