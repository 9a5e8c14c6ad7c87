"""The audit's page: everything the audit found, safe whatever the transcripts hold, alone in one file, audible."""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from goama.audit.findings import Audit, ClipFacts, Finding, Letter
from goama.reports import audit_page
from goama.reports.alphabet import letter_tile, marked_letter
from goama.reports.audit_page import write_audit_report
from tests.reports.looking import PHONE, PLAYED, WEAK_TEXTS, Reader, opened, until

ATTACK = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def clips(sentences: list[dict[str, Any]]) -> tuple[ClipFacts, ...]:
    """Facts of the Dutch clips, with numbers of their sound; the last cannot be read."""
    facts = []
    for number, row in enumerate(sentences, start=1):
        samples, rate = soundfile.read(row["file_name"], dtype="float32")
        text = row["text"].lower()
        facts.append(
            ClipFacts(
                id=Path(row["file_name"]).stem,
                where=f"metadata.jsonl:{number}",
                text=row["text"],
                normalised=text,
                speaker=row["speaker"],
                split=row["split"],
                seconds=len(samples) / rate,
                native_rate=rate,
                channels=1,
                rms_db=float(10 * np.log10(np.mean(samples**2))),
                snr_db=30.0 + number,
                silence_share=0.25,
                bandwidth_hz=7000.0 + number,
                characters=len(text.replace(" ", "")),
                words=len(text.split()),
            )
        )
    facts[-1] = replace(facts[-1], seconds=None, fault="klok.ogg: no such file; check the path")
    return tuple(facts)


@pytest.fixture(scope="module")
def audit(clips: tuple[ClipFacts, ...]) -> Audit:
    ids = tuple(clip.id for clip in clips)
    findings = (
        Finding("audio-unreadable", "error", ids[-1:], "1 clip cannot be read.", "Nothing to hear.", "Copy it again."),
        Finding(
            "audio-clipped",
            "warning",
            ids[:8],
            "8 clips are overdriven.",
            "Loud vowels sound alike.",
            "Use `goama prepare --drop audio-clipped`.",
            {ids[0]: "peak 1.00 in 3.1 % of samples"},
        ),
        Finding("split-speakers", "info", (), "Both speakers are in train and test.", "Scores flatter.", "None."),
    )
    text = "".join(clip.normalised.replace(" ", "") for clip in clips)
    alphabet = tuple(
        Letter(c, f"letter {c}", text.count(c), tuple(i.id for i in clips if c in i.normalised)[:5])
        for c in sorted(set(text), key=text.count, reverse=True)
    )
    return Audit("interviews/2024", "nl", clips, findings, alphabet, {})


@pytest.fixture(scope="module")
def sound(sentences: list[dict[str, Any]]) -> Callable[[ClipFacts], bytes | None]:
    files = {Path(row["file_name"]).stem: Path(row["file_name"]) for row in sentences}
    return lambda clip: files[clip.id].read_bytes()


@pytest.fixture(scope="module")
def page(audit: Audit, sound: Callable[[ClipFacts], bytes | None], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "audit.html"
    write_audit_report(audit, path, sound=sound)
    return path


def with_text(audit: Audit, **changes: Any) -> Audit:
    return replace(audit, clips=(replace(audit.clips[0], **changes), *audit.clips[1:]))


def written(audit: Audit, folder: Path, sound: Callable[[ClipFacts], bytes | None] = lambda _: None) -> Reader:
    write_audit_report(audit, folder / "page.html", sound=sound)
    return Reader((folder / "page.html").read_text(encoding="utf-8"))


# --- what it says


def test_the_verdict_counts_what_must_be_mended_and_what_can_be_used(page: Path) -> None:
    text = Reader(page.read_text(encoding="utf-8")).text
    assert "Mend one thing before you train, and one thing to look at" in text
    assert "23 of 24 clips can be used." in text


def test_sound_is_not_called_speech(page: Path, audit: Audit) -> None:
    html = page.read_text(encoding="utf-8")
    minutes = sum(clip.seconds or 0.0 for clip in audit.clips if not clip.fault) / 60
    tiles = dict(re.findall(r"<dt>([^<]*)</dt><dd>([^<]*)</dd>", html))
    assert tiles["of sound"] == f"{minutes:.1f} min"
    assert tiles["of it speech"] == f"{0.75 * 60 * minutes:.1f} s"  # 25 % is silence
    assert html.count('<th scope="col">sound</th>') == 2 and '<th scope="col">speech</th>' not in html


def test_without_measured_speech_none_is_claimed(audit: Audit, tmp_path: Path) -> None:
    unheard = replace(audit, clips=tuple(replace(clip, silence_share=None) for clip in audit.clips))
    assert "of it speech" not in written(unheard, tmp_path).text


@pytest.mark.parametrize(
    ("kept", "verdict"),
    [((), "Fit to train on"), (("info",), "Fit to train on"), (("warning",), "Fit to train on, with one thing to")],
)
def test_without_errors_the_corpus_is_fit_to_train_on(
    audit: Audit, tmp_path: Path, kept: tuple[str, ...], verdict: str
) -> None:
    milder = replace(audit, findings=tuple(f for f in audit.findings if f.severity in kept))
    assert verdict in written(milder, tmp_path).text


def test_a_corpus_of_which_nothing_can_be_used_still_has_a_page(audit: Audit, tmp_path: Path) -> None:
    broken = replace(audit, clips=tuple(replace(c, fault="truncated", seconds=None) for c in audit.clips), alphabet=())
    assert "Nothing to train on yet" in written(broken, tmp_path).text
    assert "Nothing to train on yet" in written(Audit("empty", None, (), (), (), {}), tmp_path).text


def test_every_finding_stands_with_its_reason_its_remedy_and_its_evidence(page: Path, audit: Audit) -> None:
    text = Reader(page.read_text(encoding="utf-8")).text
    for finding in audit.findings:
        assert finding.message in text and finding.why in text and finding.name in text
        assert finding.remedy.replace("`", "") in text
    assert "peak 1.00 in 3.1 % of samples" in text
    assert "<code>goama prepare --drop audio-clipped</code>" in page.read_text(encoding="utf-8")


def test_every_clip_of_a_finding_and_every_clip_left_out_is_named(page: Path, audit: Audit) -> None:
    text = Reader(page.read_text(encoding="utf-8")).text
    assert all(id in text for finding in audit.findings for id in finding.clips)
    assert "klok.ogg: no such file; check the path" in text


def test_long_lists_are_cut_and_say_how_much_is_missing(audit: Audit, tmp_path: Path) -> None:
    many = tuple(replace(audit.clips[0], id=f"clip {n}", fault="truncated") for n in range(1000))
    finding = replace(audit.findings[0], clips=tuple(clip.id for clip in many))
    text = written(replace(audit, clips=many, findings=(finding,)), tmp_path).text
    assert "1,000 clips of 1,000 cannot be used" in text
    assert "695 more, all named by" in text and "700 more." in text


def test_letters_are_shown_with_their_count_and_an_example_around_them(page: Path, audit: Audit) -> None:
    reader = Reader(page.read_text(encoding="utf-8"))
    for letter in audit.alphabet:
        assert f"letter {letter.character}" in reader.text
        assert f"U+{ord(letter.character):04X}" in reader.text
    assert ("mark", {}) in reader.tags


def test_a_letter_that_carries_another_mark_is_not_an_example() -> None:
    """Yoruba ẹ̀: the ẹ in it is no ẹ."""
    assert marked_letter("kẹ̀ lẹ", "ẹ") == (("kẹ̀ l", False), ("ẹ", True))


def test_marks_and_spaces_can_be_seen() -> None:
    assert letter_tile(Letter("\u0301", "acute", 3, ()), {}).shown == "◌\u0301"
    assert letter_tile(Letter("\u200d", "joiner", 3, ()), {}).shown == "U+200D"


# --- what it never does


@pytest.mark.parametrize("field", ["text", "id", "speaker", "where", "fault", "split", "normalised"])
def test_markup_in_the_data_stays_text(audit: Audit, tmp_path: Path, field: str) -> None:
    attacked = with_text(audit, **{field: f"a {ATTACK}"})
    if field == "id":
        finding = replace(audit.findings[1], clips=(f"a {ATTACK}",), details={f"a {ATTACK}": ATTACK})
        attacked = replace(attacked, findings=(finding,))
    if field == "normalised":
        attacked = replace(attacked, alphabet=(Letter("<", ATTACK, 2, (audit.clips[0].id,)),))
    reader = written(attacked, tmp_path)
    assert ATTACK in reader.text
    assert [tag for tag, _ in reader.tags].count("script") == 2  # its own, and the store of sounds


def test_markup_in_a_source_a_language_and_a_message_stays_text(audit: Audit, tmp_path: Path) -> None:
    finding = Finding("x", "error", (), f"`{ATTACK}` {ATTACK}", ATTACK, f"`{ATTACK}", {})
    attacked = replace(audit, source=ATTACK, language='"><script>', findings=(finding,))
    reader = written(attacked, tmp_path)
    assert reader.text.count(ATTACK) >= 5
    assert [tag for tag, _ in reader.tags].count("script") == 2


def test_sound_cannot_close_the_store_it_lies_in(audit: Audit, tmp_path: Path) -> None:
    hostile = with_text(audit, id="</script><script>alert(1)</script>")
    reader = written(hostile, tmp_path, sound=lambda _: tone(0.3))
    assert [tag for tag, _ in reader.tags].count("script") == 2


def test_nothing_is_asked_of_the_network(page: Path) -> None:
    html = page.read_text(encoding="utf-8")
    reader = Reader(html)
    places = ("src", "href", "srcset", "poster", "data", "action")
    links = [value for name in places for value in reader.attributes(name)]
    assert links and all(value.startswith(("#", "data:")) for value in links)
    assert not re.search(r"@import|url\((?!data:)", html)
    assert "default-src 'none'" in reader.attributes("content")[0]


def test_texts_find_their_own_direction(page: Path) -> None:
    reader = Reader(page.read_text(encoding="utf-8"))
    texts = [attributes for tag, attributes in reader.tags if attributes.get("class") == "text"]
    assert texts and all(text.get("dir") == "auto" and text.get("lang") == "nl" for text in texts)


# --- sound


def tone(seconds: float) -> bytes:
    encoded = io.BytesIO()
    soundfile.write(encoded, 0.3 * np.sin(np.arange(int(seconds * 16000)) * 0.2), 16000, format="WAV")
    return encoded.getvalue()


def store(page: Path) -> dict[str, str]:
    match = re.search(r'<script type="application/json" id="sounds">(.*?)</script>', page.read_text(encoding="utf-8"))
    assert match
    return json.loads(match[1])


def test_the_sounds_in_the_page_are_those_of_the_clips(page: Path, audit: Audit) -> None:
    sounds = store(page)
    assert len(sounds) >= audit_page.RANDOM_CLIPS
    first = audit.findings[1].clips[0]
    samples, rate = soundfile.read(io.BytesIO(base64.b64decode(sounds["s0"])))
    seconds = next(clip.seconds for clip in audit.clips if clip.id == first)
    assert rate == 16000 and len(samples) / rate == pytest.approx(seconds, abs=0.15)


def test_a_long_clip_is_heard_in_part_and_the_page_says_so(audit: Audit, tmp_path: Path) -> None:
    text = written(with_text(audit, seconds=40.0), tmp_path, sound=lambda _: tone(40.0)).text
    assert "The first 15.0 s of 40.0 s." in text


def test_very_short_and_silent_clips_have_a_picture_too(audit: Audit, tmp_path: Path) -> None:
    for data in (tone(0.002), tone(0.02)):
        written(audit, tmp_path, sound=lambda _, data=data: data)
        assert store(tmp_path / "page.html")


def test_a_page_never_grows_too_large_and_says_what_cannot_be_heard(
    audit: Audit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_page, "SOUND_LIMIT", 60_000)
    reader = written(audit, tmp_path, sound=lambda _: tone(3.0))
    heard = store(tmp_path / "page.html")
    assert 1 < len(heard) < 12
    assert sum(map(len, heard.values())) < 60_000
    assert "No sound here: the page would become too large." in reader.text


def test_clips_without_sound_at_hand_are_shown_with_the_reason(audit: Audit, tmp_path: Path) -> None:
    assert "its sound is not at hand" in written(audit, tmp_path).text
    assert "not a sound file" in written(audit, tmp_path, sound=lambda _: b"RIFF, or so it says").text


def test_the_page_is_the_same_each_time(page: Path, audit: Audit, sound: Any, tmp_path: Path) -> None:
    write_audit_report(audit, tmp_path / "again.html", sound=sound)
    assert (tmp_path / "again.html").read_bytes() == page.read_bytes()


# --- in a browser


def test_a_browser_loads_one_file_and_complains_of_nothing(browser: Any, page: Path) -> None:
    tab, seen = opened(browser, page)
    tab.get_by_role("button", name="Play").first.click()
    until(tab, "document.querySelector('.playing') !== null")
    assert seen == [page.as_uri()]


def test_a_clip_is_played_and_paused_with_the_keyboard_alone(browser: Any, page: Path) -> None:
    tab, _ = opened(browser, page)
    button = tab.locator(".play").first
    name = button.get_attribute("aria-label")
    button.focus()
    tab.keyboard.press("Enter")
    until(tab, f"{PLAYED} > 0.05")
    assert button.get_attribute("aria-label") == name.replace("Play", "Pause")
    tab.keyboard.press("Enter")
    until(tab, "document.querySelector('.playing') === null")
    assert button.get_attribute("aria-label") == name


def test_the_waveform_is_a_place_to_jump_to(browser: Any, page: Path) -> None:
    tab, _ = opened(browser, page)
    tab.locator(".track input").first.fill("700")
    until(tab, f"Math.abs({PLAYED} - 0.7) < 0.05")


def test_a_phone_shows_the_page_without_scrolling_sideways(browser: Any, page: Path, tmp_path: Path) -> None:
    tab, _ = opened(browser, page, **PHONE)
    tab.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert tab.evaluate("document.documentElement.scrollWidth") == 360
    buttons = tab.evaluate("[...document.querySelectorAll('.play')].map(b => b.getBoundingClientRect().width)")
    assert min(buttons) >= 44
    picture = tmp_path / "phone.png"
    tab.screenshot(path=picture)
    assert picture.stat().st_size > 20_000


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_stands_out_from_its_ground(browser: Any, page: Path, scheme: str) -> None:
    """WCAG AA: 4.5 to 1 for text. The ground is the nearest painted one around it."""
    tab, _ = opened(browser, page, color_scheme=scheme)
    assert tab.evaluate(WEAK_TEXTS) == []


def test_arabic_stands_on_the_right_and_dutch_on_the_left(browser: Any, audit: Audit, tmp_path: Path) -> None:
    finding = replace(audit.findings[1], clips=(audit.clips[0].id, audit.clips[1].id))
    written(replace(with_text(audit, text="مرحبا بكم في القرية"), findings=(finding,)), tmp_path)
    tab, _ = opened(browser, tmp_path / "page.html")
    texts = tab.locator(".finding .text")
    assert texts.evaluate_all("all => all.map(text => getComputedStyle(text).direction)") == ["rtl", "ltr"]


def test_a_clip_that_cannot_be_used_is_heard_where_there_is_sound(
    audit: Audit, sound: Callable[[ClipFacts], bytes | None], tmp_path: Path
) -> None:
    silent = replace(audit.clips[1], fault="the clip would last -1.00 s")
    page = written(replace(audit, clips=(audit.clips[0], silent, *audit.clips[2:])), tmp_path, sound)
    assert f"Play {silent.id}" in page.attributes("aria-label")
