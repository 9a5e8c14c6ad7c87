"""The page of an evaluation and of a comparison: what they say at their head, and that every clip can be found."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from goama.corpus.corpus import Corpus
from goama.evaluation.comparison import compare
from goama.evaluation.evaluate import Evaluation
from goama.evaluation.scores import score, score_clip
from goama.evaluation.seen import Seen
from goama.recognition.recogniser import Recogniser
from goama.reports.clip_sounds import clip_sounds
from goama.reports.comparison_page import verdict, write_comparison_report
from goama.reports.evaluation_page import exposure, write_evaluation_report
from tests.reports.looking import PHONE, PLAYED, Reader, opened, until, violations

ATTACK = "</script><script>alert(1)</script><img src=x onerror=alert(2)>"


def evaluation_of(corpus: Corpus, name: str, misread: Callable[[str, int], str]) -> Evaluation:
    """The four test clips, with hypotheses made of their references."""
    clips = []
    for number, cut in enumerate(corpus.cuts("test")):
        (said,) = cut.supervisions
        written = misread(said.text, number)
        clips.append(score_clip(cut.id, said.text, written, seconds=cut.duration, speaker=said.speaker))
    return Evaluation(name, str(corpus.folder), "test", score(clips), tuple(clips))


@pytest.fixture(scope="module")
def recogniser(tiny_model: Path) -> Recogniser:
    return Recogniser.load(tiny_model, "cpu")


@pytest.fixture(scope="module")
def evaluation(corpus: Corpus) -> Evaluation:
    """The first clip is right, the second lacks its spaces, the others have ever more wrong letters."""

    def misread(text: str, number: int) -> str:
        return text if number == 0 else text.replace(" ", "") if number == 1 else text.replace("e", "o" * number)

    return evaluation_of(corpus, "run/best", misread)


@pytest.fixture(scope="module")
def page(
    evaluation: Evaluation, corpus: Corpus, recogniser: Recogniser, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    path = tmp_path_factory.mktemp("pages") / "evaluation.html"
    write_evaluation_report(evaluation, corpus, path, recogniser)
    return path


@pytest.fixture(scope="module")
def comparison_page(evaluation: Evaluation, corpus: Corpus, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pages") / "comparison.html"
    better = evaluation_of(corpus, "other/best", lambda text, number: text.replace("e", "o") if number == 2 else text)
    write_comparison_report(compare(evaluation, better, corpus.normaliser), corpus, path)
    return path


def words(path: Path) -> str:
    return re.sub(r"\s+", " ", Reader(path.read_text(encoding="utf-8")).text)


# --- what it says


def test_the_head_says_how_good_it_is_and_that_it_is_not_speaker_disjoint(page: Path, evaluation: Evaluation) -> None:
    text = words(page)
    assert f"CER {100 * evaluation.score.cer:.1f} %, WER {100 * evaluation.score.wer:.1f} %" in text
    assert "Not speaker-disjoint: 2 of 2 speakers are in the training split" in text
    assert "They speak in 4 of these clips." in text


SEEN = Seen("test", frozenset({"awa"}), frozenset(), 0, 0, frozenset(), frozenset())


@pytest.mark.parametrize(
    ("seen", "severity", "says"),
    [
        (SEEN, "good", "Speaker-disjoint: none of 1 speaker"),
        (replace(SEEN, unnamed=3), "info", "Nobody can tell"),
        (replace(SEEN, split="train"), "error", "these are the training clips"),
        (
            replace(SEEN, speakers_trained=frozenset({"awa"}), clips_trained=7),
            "warning",
            "Not speaker-disjoint: 1 of 1",
        ),
    ],
)
def test_the_head_says_whether_speakers_were_trained_on(seen: Seen, severity: str, says: str, corpus: Corpus) -> None:
    said = exposure(seen, corpus, None)
    assert said.severity == severity and says in said.judgement


def test_a_model_of_another_corpus_has_not_seen_these_clips(corpus: Corpus) -> None:
    same = [{"name": "nl", "fingerprint": corpus.fingerprint()}]
    assert "Speaker-disjoint" in exposure(SEEN, corpus, same).judgement
    other = exposure(SEEN, corpus, [{"name": "frisian", "fingerprint": "x"}])
    assert "other corpora" in other.judgement and "frisian" in other.reason


def test_every_clip_has_its_sound_and_both_texts(page: Path, evaluation: Evaluation) -> None:
    html = page.read_text(encoding="utf-8")
    assert html.count('<li class="entry"') == len(evaluation.clips) == html.count('class="player"')
    for clip in evaluation.clips:
        assert clip.reference in html and clip.hypothesis in html


def test_errors_that_are_only_spaces_are_told_apart(page: Path, evaluation: Evaluation) -> None:
    spaces = evaluation.clips[1].word_errors
    assert f"{spaces} of {sum(clip.word_errors for clip in evaluation.clips)} word errors" in words(page)
    assert words(page).count("only marks, case or spaces") == 2  # the clip, and the filter that finds it


def test_the_assumptions_of_the_time_saved_are_on_the_page(page: Path) -> None:
    text = words(page)
    for words_ in ("Will it save you time?", "Card, Moran and Newell 1980", "3.45 s", "estimate from edit counts"):
        assert words_ in text


def test_a_model_without_errors_has_a_page(corpus: Corpus, recogniser: Recogniser, tmp_path: Path) -> None:
    write_evaluation_report(evaluation_of(corpus, "m", lambda text, _: text), corpus, tmp_path / "a.html", recogniser)
    text = words(tmp_path / "a.html")
    assert "CER 0.0 %, WER 0.0 %" in text and "None: every word is right." in text
    assert "Correcting should save time" in text


def test_columns_of_the_corpus_are_slices_and_missing_sound_is_said(
    evaluation: Evaluation, corpus: Corpus, recogniser: Recogniser, tmp_path: Path
) -> None:
    import json
    import shutil

    folder = tmp_path / "corpus"
    shutil.copytree(corpus.folder, folder)
    metadata = folder / "test" / "metadata.jsonl"
    rows = [json.loads(line) for line in metadata.read_text(encoding="utf-8").splitlines()]
    metadata.write_text("".join(json.dumps(row | {"dialect": "ab"[n % 2]}) + "\n" for n, row in enumerate(rows)))
    (folder / "test" / rows[0]["file_name"]).unlink()
    write_evaluation_report(evaluation, Corpus.open(folder), tmp_path / "page.html", recogniser)
    html = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert html.count("No sound: ") == 1 and html.count('class="player"') == 3
    assert '<h3 id="by-' in html and ">dialect</h3>" in html
    assert html.count("<bdi>dialect: ") == 4


def test_texts_and_names_stay_text(
    evaluation: Evaluation, corpus: Corpus, recogniser: Recogniser, tmp_path: Path
) -> None:
    clips = [replace(clip, speaker=ATTACK, hypothesis=f"{ATTACK}' {clip.hypothesis}") for clip in evaluation.clips]
    bad = replace(evaluation, model=ATTACK, clips=tuple(clips))
    write_evaluation_report(bad, corpus, tmp_path / "a.html", recogniser)
    write_comparison_report(compare(bad, evaluation, str), corpus, tmp_path / "b.html")
    for name in ("a.html", "b.html"):
        html = (tmp_path / name).read_text(encoding="utf-8")
        assert "<script>alert" not in html and "<img" not in html
        assert html.count("</script>") == 2


def test_sounds_that_do_not_fit_are_left_out_by_name(
    corpus: Corpus, evaluation: Evaluation, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [clip.id for clip in evaluation.clips]
    whole = clip_sounds(corpus, "test", ids)
    assert set(whole.sounds) == set(ids) == set(whole.measured) and not whole.reasons
    monkeypatch.setattr("goama.reports.clip_sounds.SOUND_LIMIT", 20_000)
    tight = clip_sounds(corpus, "test", ids)
    assert sum(sound.excerpt.size for sound in tight.sounds.values()) < 30_000
    assert tight.reasons and set(tight.sounds) | set(tight.reasons) == set(ids)
    assert set(tight.measured) == set(ids)


def test_a_comparison_names_the_better_model_and_the_clips_that_changed(comparison_page: Path) -> None:
    text = words(comparison_page)
    assert "B makes fewer errors" in text
    assert "clips of at least 5 speakers are needed" in text
    html = comparison_page.read_text(encoding="utf-8")
    assert html.count('data-kinds="better changed"') == 3 and html.count('data-kinds="same"') == 1


def test_no_difference_is_said_to_be_none(evaluation: Evaluation) -> None:
    said = verdict(compare(evaluation, replace(evaluation, model="copy"), str))
    assert said.judgement == "No difference can be shown" and said.severity == "info"


# --- what it does in a browser


def shown(tab: Any) -> int:
    return tab.locator(".entry:not([hidden])").count()


def test_clips_are_searched_sorted_and_filtered(browser: Any, page: Path, evaluation: Evaluation) -> None:
    tab, seen = opened(browser, page)
    tab.get_by_label("Search").fill(evaluation.clips[2].reference.split()[0].upper())
    assert 1 <= shown(tab) < 4
    tab.get_by_label("Search").fill("")
    tab.get_by_label("Show").select_option("slight")
    assert tab.locator(".entry:not([hidden]) .id").all_text_contents() == [evaluation.clips[1].id]
    tab.get_by_label("Show").select_option("")
    for order, best_first in (("cer-up", True), ("cer", False)):
        tab.get_by_label("Sort").select_option(order)
        rates = [float(rate) for rate in tab.locator(".entry").evaluate_all("all => all.map(one => one.dataset.cer)")]
        assert rates == sorted(rates, reverse=not best_first)
    tab.locator(".tally a").first.click()
    assert tab.get_by_label("Search").input_value() == tab.locator(".tally a").first.get_attribute("data-find")
    assert 1 <= shown(tab) < 4
    assert tab.locator("output").inner_text() == f"{shown(tab)} of 4 clips"
    assert [url for url in seen if "#" not in url] == [page.as_uri()]


def test_own_figures_change_the_estimate(browser: Any, page: Path) -> None:
    tab, _ = opened(browser, page)
    before = tab.locator("[data-minutes=typing]").inner_text()
    tab.get_by_label("Typing speed").fill("60")
    assert tab.locator("[data-minutes=typing]").inner_text() != before
    assert tab.locator(".answer").inner_text().startswith("With your figures")
    tab.get_by_role("button", name="Standard figures").click()
    until(tab, f"document.querySelector('[data-minutes=typing]').textContent === '{before}'")


def test_everything_is_reached_with_the_keyboard(browser: Any, page: Path) -> None:
    tab, _ = opened(browser, page)
    tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement.textContent") == "Skip to the content"
    tab.get_by_label("Sort").focus()
    tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement.name") == "show"
    tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement.className") == "play"
    tab.keyboard.press("Enter")
    until(tab, f"{PLAYED} > 0.02")


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [{"viewport": {"width": 1280, "height": 900}}, PHONE], ids=["desktop", "phone"])
@pytest.mark.parametrize("which", ["page", "comparison_page"])
def test_axe_finds_no_violation_and_nothing_is_wider_than_the_screen(
    browser: Any, which: str, size: dict[str, Any], scheme: str, request: pytest.FixtureRequest
) -> None:
    tab, _ = opened(browser, request.getfixturevalue(which), color_scheme=scheme, **size)
    assert violations(tab) == []
    assert tab.evaluate("document.documentElement.scrollWidth") <= size["viewport"]["width"]


@pytest.mark.slow
def test_a_thousand_long_clips_stay_below_50_megabytes(corpus: Corpus, recogniser: Recogniser, tmp_path: Path) -> None:
    """Each of 15 s and 40 words."""
    import io

    import numpy as np
    import soundfile

    from goama.corpus.prepare import prepare
    from goama.sound.audio import SAMPLE_RATE
    from goama.sources.source import SourceClip

    speech = np.concatenate([cut.load_audio()[0] for cut in corpus.cuts("train")])
    text = " ".join(cut.supervisions[0].text for cut in corpus.cuts("train"))
    letters = (text * 20).split()
    generator = np.random.default_rng(0)

    def wav(samples: np.ndarray) -> bytes:
        file = io.BytesIO()
        soundfile.write(file, samples, SAMPLE_RATE, format="WAV")
        return file.getvalue()

    def clips() -> Any:
        for number in range(1000):
            start = int(generator.integers(0, len(speech) - 15 * SAMPLE_RATE))
            said = " ".join(letters[number % 200 :][:40])
            piece = speech[start : start + 15 * SAMPLE_RATE]
            yield SourceClip(f"c{number}", wav(piece), said, "test", split="test", speaker=f"s{number % 9}")

    long = prepare(clips(), tmp_path / "long", source="test", language="nl").corpus
    evaluation = evaluation_of(long, "model", lambda said, number: said.replace("e", "a"))
    write_evaluation_report(evaluation, long, tmp_path / "page.html", recogniser)
    html = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert html.count('class="player"') == 1000
    assert len(html.encode()) < 50_000_000
