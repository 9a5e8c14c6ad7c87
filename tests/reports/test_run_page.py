"""The page of a run: what it says of a run that goes, ends, breaks or never began, and that nothing in it can harm."""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from goama.corpus.corpus import Corpus
from goama.errors import GoamaError
from goama.evaluation.alignment import marked
from goama.evaluation.scores import ClipScore, score_clip
from goama.reports.guard_events import event_sentence
from goama.reports.run_charts import run_charts
from goama.reports.run_page import RunPage, write_run_report
from goama.reports.run_summary import meaning_of, verdict
from goama.run.dev_clips import (
    HYPOTHESES_FILE,
    append_hypotheses,
    read_dev_clips,
    read_hypotheses,
    write_dev_clips,
)
from goama.run.files import read_run, run_of_model, save_test_score
from goama.run.metrics import parse_metrics
from goama.run.state import RunState
from tests.reports.looking import PHONE, PLAYED, WEAK_TEXTS, Reader, opened, until

ATTACK = "</script><script>alert(1)</script><img src=x onerror=alert(2)>"

ROLLED_BACK = {
    "step": 300,
    "event": "rolled back",
    "kind": "spike",
    "reason": "the loss rose from 1.10 to 4.20 nats per label in 16 steps",
    "to_step": 280,
    "guard_rate": 0.3,
}
ODD = {"step": 200, "event": "odd batch", "batch_loss": 9.3, "clips": [{"id": "barrel", "why": "its text has 'ß'"}]}


def logged(step: int, **changes: Any) -> dict[str, Any]:
    """A line of ten steps as the training logs it."""
    return {
        "step": step,
        "loss": 3.0 - step / 300,
        "learning_rate": 5e-4,
        "gradient_norm": 4.0,
        "blank_share": 0.8,
        "padding_share": 0.05,
        "audio_s_per_s": 60.0,
        "epoch": 0,
        "elapsed_s": step * 0.5,
        "skipped_steps": 0,
    } | changes


def evaluated(step: int, cer: float, *, best: bool = True) -> dict[str, Any]:
    return {"step": step, "dev_cer": cer, "dev_wer": min(1.0, 2 * cer), "dev_clips": 4, "best": best}


METRICS = [
    *map(logged, range(10, 401, 10)),
    evaluated(100, 0.8),
    evaluated(200, 0.42),
    evaluated(400, 0.45, best=False),
]


@pytest.fixture(scope="module")
def recognised(corpus: Corpus) -> list[ClipScore]:
    """The four dev clips, each recognised worse than the one before."""
    clips = []
    for number, cut in enumerate(corpus.cuts("dev")):
        (said,) = cut.supervisions
        hypothesis = said.text.replace("e", "o" * number)
        clips.append(score_clip(cut.id, said.text, hypothesis, seconds=cut.duration, speaker=f"speaker {number % 2}"))
    return clips


@pytest.fixture
def run(corpus: Corpus, recognised: list[ClipScore], tmp_path: Path) -> Path:
    """A run folder as the training leaves it after its last step."""
    folder = tmp_path / "run"
    (folder / "checkpoint-400").mkdir(parents=True)
    (folder / "checkpoint-400" / "state.json").write_text('{"step": 400, "finished": true}')
    (folder / "recipe.toml").write_text("[train]\nsteps = 400\nlearning_rate = 0.0005\n")
    facts = {
        "encoder": "starter",
        "corpora": [
            {
                "name": "corpus",
                "folder": str(corpus.folder),
                "fingerprint": corpus.fingerprint(),
                "language": "nl",
                "splits": corpus.about["splits"],
            }
        ],
        "choices": [{"key": "train.precision", "value": False, "reason": "for a test"}],
        "left_out": [{"id": "clip-99", "reason": "longer than data.longest_s"}],
        "parameters": 6_968_279,
        "device": "CPU, 2 threads",
        "versions": {"goama": "0.1.0"},
    }
    (folder / "run.json").write_text(json.dumps(facts))
    log(folder, METRICS)
    write_dev_clips(folder, 200, recognised)
    return folder


def log(run: Path, lines: list[dict[str, Any]], tail: str = "") -> None:
    (run / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines) + tail, encoding="utf-8")


def change(run: Path, **values: Any) -> None:
    facts = json.loads((run / "run.json").read_text(encoding="utf-8"))
    (run / "run.json").write_text(json.dumps(facts | values), encoding="utf-8")


def read(run: Path) -> Reader:
    return Reader(write_run_report(run).path.read_text(encoding="utf-8"))


# --- how it stands


def test_a_finished_run_says_how_good_it_is_what_that_means_and_what_to_type(run: Path, corpus: Corpus) -> None:
    page = read(run)
    assert "Finished: dev CER 42.0 %, WER 84.0 %" in page.text
    assert "Of 100 characters about 42 are wrong, of 100 words about 84" in page.text
    assert f"goama evaluate {run}/best {corpus.folder} --split test" in page.text
    assert f"goama transcribe {run}/best RECORDING.wav" in page.text
    assert "7.0 M parameters" in page.text and "CPU, 2 threads" in page.text
    assert "refresh" not in page.attributes("http-equiv")


def test_a_run_that_goes_says_how_far_it_is_and_loads_itself_again(run: Path) -> None:
    shutil.rmtree(run / "checkpoint-400")
    log(run, METRICS[:20])
    page = read(run)
    assert "Training, 50 % done" in page.text
    assert "refresh" in page.attributes("http-equiv")
    assert "60" in page.attributes("data-reload")
    assert "reloads itself every minute" in page.text


def test_a_run_that_ended_before_its_end_says_how_to_go_on(run: Path, corpus: Corpus) -> None:
    (run / "checkpoint-400" / "state.json").write_text('{"step": 400, "finished": false}')
    RunPage(run, pytest.fail).ended(RunState())
    page = Reader((run / "report.html").read_text(encoding="utf-8"))
    assert "Stopped at step 400" in page.text
    assert f"goama train {corpus.folder} -o {run} --resume" in page.text
    assert "refresh" not in page.attributes("http-equiv")


def test_a_run_whose_lines_have_long_stopped_is_not_going(run: Path) -> None:
    import os

    shutil.rmtree(run / "checkpoint-400")
    long_ago = time.time() - 3600
    os.utime(run / "metrics.jsonl", (long_ago, long_ago))
    assert "Stopped at step 400" in read(run).text


def test_a_run_that_was_stopped_a_moment_ago_is_not_going(run: Path) -> None:
    (run / "checkpoint-400").rename(run / "checkpoint-407")
    (run / "checkpoint-407" / "state.json").write_text('{"step": 407, "finished": false}')
    assert "Training, 100 % done" in read(run).text
    (run / "last").mkdir()
    page = read(run)
    assert "Stopped at step 407" in page.text and "Resume from step 407:" in page.text
    assert "data-reload" not in {key for _, attributes in page.tags for key in attributes}


@pytest.mark.parametrize("lines", [[], METRICS[:5]])
def test_a_run_without_an_evaluation_has_a_page(run: Path, lines: list[dict[str, Any]]) -> None:
    shutil.rmtree(run / "checkpoint-400")
    (run / "dev.jsonl").unlink()
    log(run, lines)
    text = read(run).text
    assert "the first evaluation is still to come" in text
    assert "transcribe" not in text


def test_a_run_without_any_metrics_has_a_page(run: Path) -> None:
    for file in ("metrics.jsonl", "dev.jsonl", "recipe.toml"):
        (run / file).unlink()
    shutil.rmtree(run / "checkpoint-400")
    assert "No step has been logged yet." in read(run).text


@pytest.mark.parametrize(
    ("cer", "wer", "meaning"),
    [
        (0.95, 1.0, "almost no correct text"),
        (0.6, 0.99, "not usable"),
        (0.2, 0.6, "typing the text is faster"),
        (0.05, 0.2, "correcting such transcripts is quicker"),
    ],
)
def test_error_rates_are_told_as_a_reader_meets_them(cer: float, wer: float, meaning: str) -> None:
    assert meaning in meaning_of(cer, wer)


def test_a_folder_without_a_run_is_refused_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(GoamaError, match="holds no run"):
        write_run_report(tmp_path)


# --- metrics as they come


def test_half_a_line_is_counted_and_the_rest_is_drawn(run: Path) -> None:
    log(run, METRICS, tail='{"step": 410, "lo')
    page = read(run)
    assert "1 line of metrics.jsonl could not be read" in page.text
    assert "Finished: dev CER 42.0 %" in page.text


def test_what_is_not_finite_is_a_gap(run: Path) -> None:
    log(run, [*METRICS, logged(410, loss=None)], tail='{"step": 420, "loss": NaN, "gradient_norm": Infinity}\n')
    html = write_run_report(run).path.read_text(encoding="utf-8")
    assert not re.search(r"\b(nan|inf)\b", html, re.IGNORECASE)


@pytest.mark.parametrize(
    "line", ["[]", "3", '"step"', '{"loss": 1}', '{"step": "x", "loss": 1}', '{"step": null}', "{"]
)
def test_lines_of_any_other_kind_are_counted(line: str) -> None:
    assert parse_metrics([line, json.dumps(logged(10))]).unreadable == 1


def test_values_of_any_other_kind_break_nothing(run: Path) -> None:
    odd = {"step": 410, "loss": "x", "elapsed_s": [], "progress": {}, "blank_share": True}
    log(run, [*METRICS, odd, {"step": 411, "dev_cer": "x"}, {"step": 412, "event": 7, "clips": "x", "reason": None}])
    assert "dev CER 42.0 %" in read(run).text


def test_events_of_the_guard_are_on_the_curves_and_in_a_list(run: Path) -> None:
    log(run, [*METRICS, ODD, ROLLED_BACK])
    page = read(run)
    sentence = event_sentence(ROLLED_BACK)
    assert "back to the weights of step 280" in sentence.replace("went ", "") and sentence.startswith("The loss rose")
    assert f"Step 300. {sentence}" in re.sub(r"\s+", " ", page.text)
    assert "its text has 'ß'" in page.text
    assert page.attributes("href").count("#event-2") == len(
        [c for c in page.attributes("class") if c == "mark warning"]
    )
    assert "event-2" in page.attributes("id")


def test_a_thousand_odd_batches_leave_what_changed_the_run(run: Path) -> None:
    odd = [ODD | {"step": step, "batch_loss": float(step)} for step in range(1, 1001)]
    log(run, [*METRICS, *odd, ROLLED_BACK])
    text = re.sub(r"\s+", " ", read(run).text)
    assert "The loss rose from 1.10" in text
    assert "… and 961 more" in text


# --- the diagnosis


def test_the_diagnosis_stands_with_its_evidence_and_what_to_change(run: Path) -> None:
    assert "Diagnosis" not in read(run).text
    found = {
        "name": "learning-rate-too-high",
        "sentence": "The learning rate was too high.",
        "evidence": "loss 1.2 around step 90, 3.4 now",
        "remedy": "train again (-s train.learning_rate=1.7e-04)",
        "clips": ["clip-1"],
        "step": 300,
    }
    diagnosis = {"finished": True, "reason": "the guard stopped the training", "diagnoses": [found, "x", {}]}
    (run / "diagnosis.json").write_text(json.dumps(diagnosis))
    page = read(run)
    for words in ("The learning rate was too high.", "loss 1.2 around step 90", "clip-1", "since step 300"):
        assert words in page.text
    assert "Ended early: the guard stopped the training." in page.text
    html = (run / "report.html").read_text(encoding="utf-8")
    assert "<code>-s train.learning_rate=1.7e-04</code>" in html


@pytest.mark.parametrize("content", ["", "[]", '{"diagnoses": 3}', '{"diagnoses": [{"name": 3}]}'])
def test_a_damaged_diagnosis_is_none(run: Path, content: str) -> None:
    (run / "diagnosis.json").write_text(content)
    assert "Diagnosis" not in read(run).text


# --- clips


def test_dev_clips_are_kept_and_read_back_as_they_were(tmp_path: Path, recognised: list[ClipScore]) -> None:
    odd = replace(recognised[0], hypothesis="a line\u2028and\u0085another\n", speaker=None)
    write_dev_clips(tmp_path, 120, [*recognised, odd])
    kept = read_dev_clips(tmp_path)
    assert kept.step == 120 and kept.clips == (*recognised, odd)


def test_a_clip_shows_its_hypotheses_at_earlier_steps(run: Path, recognised: list[ClipScore]) -> None:
    for step, said in ((0, ""), (100, "zeg maar"), (200, "zoek de vis")):
        append_hypotheses(run, step, [replace(clip, hypothesis=said) for clip in recognised])
    text = read(run).text
    assert text.count("at earlier steps") == len(recognised)
    assert text.count("zeg maar") == text.count("zoek de vis") == len(recognised)


def test_a_resumed_run_forgets_what_the_killed_one_wrote_after_that_step(
    run: Path, recognised: list[ClipScore]
) -> None:
    for step in (100, 200, 300):
        append_hypotheses(run, step, recognised)
    with (run / HYPOTHESES_FILE).open("a") as file:
        file.write('\n{"step": 400, "te')
    append_hypotheses(run, 200, recognised[:1])
    assert {step: len(texts) for step, texts in read_hypotheses(run).items()} == {100: len(recognised), 200: 1}


def test_the_worst_clip_stands_first_with_its_errors_marked_and_its_sound(
    run: Path, recognised: list[ClipScore]
) -> None:
    page = read(run)
    worst = max(recognised, key=lambda clip: clip.cer)
    assert page.text.index(worst.id) < min(page.text.index(c.id) for c in recognised if c is not worst)
    assert page.attributes("class").count("player pictured") == len(recognised)
    assert "wrong" in page.attributes("class") and "missed" in page.attributes("class")


def test_differences_are_marked_on_both_sides_and_marks_stay_on_their_letters() -> None:
    missed, wrong = marked("de lamp e\u0303n", "da lap e\u0303n")
    assert missed == (("d", False), ("e", True), (" la", False), ("m", True), ("p \u1ebdn", False))
    assert [piece for piece, differs in wrong if differs] == ["a"]
    assert marked("ja", "")[1] == ()


def test_without_its_corpus_the_page_has_no_sound_and_says_so(
    run: Path, recognised: list[ClipScore], tmp_path: Path, goama: Callable[..., Any]
) -> None:
    facts = json.loads((run / "run.json").read_text(encoding="utf-8"))
    change(run, corpora=[facts["corpora"][0] | {"folder": str(tmp_path / "gone")}])
    told = goama("report", run)
    assert told.status == 0
    assert "gone: the corpus is no longer there" in told.out and f"report: {run}/report.html" in told.out
    page = Reader((run / "report.html").read_text(encoding="utf-8"))
    assert "the corpus is no longer there" in page.text and "player pictured" not in page.attributes("class")
    assert all(clip.id in page.text for clip in recognised)


def test_a_corpus_that_has_changed_gives_no_sound(run: Path) -> None:
    facts = json.loads((run / "run.json").read_text(encoding="utf-8"))
    change(run, corpora=[facts["corpora"][0] | {"fingerprint": "0" * 64}])
    written = write_run_report(run)
    assert len(written.notes) == 1 and "has changed since" in written.notes[0]


def test_speakers_corpora_and_languages_are_compared_where_there_are_two(
    run: Path, corpus: Corpus, frisian: Corpus
) -> None:
    assert "speaker 1" in read(run).text and "Languages" not in read(run).text
    facts = json.loads((run / "run.json").read_text(encoding="utf-8"))
    second = {"name": "frisian", "folder": str(frisian.folder), "fingerprint": frisian.fingerprint(), "language": "fy"}
    change(run, corpora=[*facts["corpora"], second | {"splits": frisian.about["splits"]}])
    both = [(name, cut) for name, one in (("corpus", corpus), ("frisian", frisian)) for cut in one.cuts("dev")]
    write_dev_clips(
        run, 200, [score_clip(f"{n}/{c.id}", c.supervisions[0].text, "ja" if n == "frisian" else "") for n, c in both]
    )
    page = read(run)
    assert "Languages" in page.text and "Corpora" in page.text and "speaker 1" not in page.text
    assert page.attributes("class").count("player pictured") == len(both)


def test_speakers_of_few_clips_are_counted_together(run: Path, recognised: list[ClipScore]) -> None:
    speakers = ["Awa"] * 5 + ["Musa"] * 6 + ["Ali", "Fati", "Fati"]
    write_dev_clips(run, 200, [replace(recognised[0], id=f"c{n}", speaker=name) for n, name in enumerate(speakers)])
    page = read(run)
    rows = re.findall(r"(Awa|Musa|2 others, with fewer than 5 clips each)\s+[\d.]+ %\s*[\d.]+ %(\d)", page.text)
    assert rows == [("Awa", "5"), ("Musa", "6"), ("2 others, with fewer than 5 clips each", "3")]


def test_single_words_do_not_crowd_out_sentences(run: Path, recognised: list[ClipScore]) -> None:
    sentences = [replace(recognised[2], id=f"sentence-{n}") for n in range(30)]
    words = [score_clip(f"word-{n}", "ja", "nee zeg") for n in range(30)]
    write_dev_clips(run, 200, [*words, *sentences])
    text = read(run).text
    assert "sentence-0" in text and "word-" not in text
    assert "60 clips that training never saw" in text


# --- what it never does


def test_markup_stays_text_wherever_it_comes_from(run: Path, recognised: list[ClipScore]) -> None:
    facts = json.loads((run / "run.json").read_text(encoding="utf-8"))
    write_dev_clips(
        run,
        200,
        [replace(c, hypothesis=ATTACK, reference=ATTACK, speaker=ATTACK + str(n)) for n, c in enumerate(recognised)]
        + [replace(recognised[0], id=ATTACK)],
    )
    change(
        run,
        encoder=ATTACK,
        device=ATTACK,
        versions={ATTACK: ATTACK},
        choices=[{"key": ATTACK, "value": ATTACK, "reason": ATTACK}],
        left_out=[{"id": ATTACK, "reason": ATTACK}],
        corpora=[facts["corpora"][0] | {"language": ATTACK}],
    )
    (run / "recipe.toml").write_text(f"# {ATTACK}\n")
    finding = {"name": ATTACK, "sentence": ATTACK, "evidence": ATTACK, "remedy": f"`{ATTACK}", "clips": [ATTACK]}
    (run / "diagnosis.json").write_text(json.dumps({"reason": ATTACK, "diagnoses": [finding]}))
    log(run, [*METRICS, ODD | {"clips": [{"id": ATTACK, "why": ATTACK}]}, ROLLED_BACK | {"reason": ATTACK}])
    page = read(run)
    tags = [tag for tag, _ in page.tags]
    assert tags.count("script") == 2 and "img" not in tags  # the store of sounds and the page's own
    assert not page.attributes("onerror")
    assert ATTACK in page.text


def test_nothing_is_asked_of_the_network(run: Path) -> None:
    page = read(run)
    assert all(where.startswith(("#", "data:")) for name in ("src", "href") for where in page.attributes(name))
    html = (run / "report.html").read_text(encoding="utf-8")
    assert "http:" not in html and "https:" not in html
    assert all(where.startswith("data:") for where in re.findall(r"url\(([^)]*)\)", html))


def test_the_page_of_a_hundred_thousand_steps_is_small_and_quick(run: Path) -> None:
    rows = [logged(step, loss=2 + step % 7, gradient_norm=1 + step % 11) for step in range(10, 100_001, 10)]
    rows += [evaluated(step, 0.5) for step in range(1000, 100_001, 1000)]
    log(run, rows)
    page = RunPage(run, pytest.fail)
    page.ended(RunState())
    started = time.process_time()
    page.ended(RunState())
    assert time.process_time() - started < 2.0  # 0.3 s on an idle core
    assert (run / "report.html").stat().st_size < 1_500_000


def test_the_page_stays_below_five_megabytes(
    run: Path, recognised: list[ClipScore], monkeypatch: pytest.MonkeyPatch
) -> None:
    from goama.reports import dev_sounds

    monkeypatch.setattr(dev_sounds, "SOUND_LIMIT", 20_000)
    page = read(run)
    assert "the page would become too large" in page.text
    assert page.attributes("class").count("player pictured") < len(recognised)


def test_the_longest_clips_stay_below_the_limit() -> None:
    """22 clips of which each is 15 s of the loudest noise: nothing is larger as MP3 or as a picture."""
    import numpy as np

    from goama.reports.dev_sounds import SOUND_LIMIT
    from goama.reports.listening import excerpt

    noise = np.random.default_rng(0).uniform(-1, 1, 15 * 16_000).astype(np.float32)
    assert SOUND_LIMIT + excerpt(noise).size < 4_600_000


def test_a_page_that_cannot_be_written_is_told_and_ends_nothing(run: Path) -> None:
    told: list[str] = []
    (run / "report.html.partial").mkdir()
    RunPage(run, told.append).ended(RunState())
    assert len(told) == 1 and "could not be written" in told[0] and "the training is not affected" in told[0]


def test_a_fresh_page_is_left_alone(run: Path) -> None:
    page = RunPage(run, pytest.fail)
    page.logged(100, {})
    first = (run / "report.html").stat().st_mtime_ns
    page.logged(100, {})
    assert (run / "report.html").stat().st_mtime_ns == first


def test_the_newest_checkpoint_says_whether_a_run_is_finished(run: Path) -> None:
    (run / "checkpoint-1000").mkdir()
    (run / "checkpoint-1000" / "state.json").write_text('{"finished": false}')
    (run / "checkpoint-2000.partial").mkdir()
    assert not read_run(run).finished


# --- in a browser


def test_a_browser_plays_a_clip_and_asks_for_nothing(browser: Any, run: Path) -> None:
    page = write_run_report(run).path
    tab, seen = opened(browser, page)
    tab.get_by_role("button", name="Play").first.click()
    until(tab, f"{PLAYED} > 0.05")
    assert seen == [page.as_uri()]


def test_a_tap_on_a_mark_leads_to_its_sentence(browser: Any, run: Path) -> None:
    log(run, [*METRICS, ROLLED_BACK])
    tab, _ = opened(browser, write_run_report(run).path, **PHONE)
    tab.locator(".chart.large .mark circle").first.tap()
    assert tab.evaluate("location.hash") == "#event-1"
    assert "The loss rose from 1.10 to 4.20" in tab.locator("#event-1").inner_text()


def test_a_page_of_a_run_that_goes_loads_itself_again_but_not_while_a_sound_plays(browser: Any, run: Path) -> None:
    shutil.rmtree(run / "checkpoint-400")
    tab = browser.new_page()
    loads: list[str] = []
    tab.on("load", lambda page: loads.append(page.url))
    tab.clock.install()
    tab.goto(write_run_report(run).path.as_uri())
    tab.locator(".play").first.click()
    until(tab, "document.querySelector('.playing') !== null")
    tab.clock.run_for(61_000)
    assert len(loads) == 1
    tab.locator(".play").first.click()
    until(tab, "document.querySelector('.playing') === null")
    tab.clock.run_for(61_000)
    tab.wait_for_timeout(1000)
    assert len(loads) >= 2


def test_the_recipe_is_copied_at_a_click(browser: Any, run: Path) -> None:
    tab, _ = opened(browser, write_run_report(run).path)
    copy = tab.locator("[data-copy=recipe-toml]")
    copy.click()
    until(tab, "document.querySelector('[data-copy=recipe-toml]').textContent === 'Copied'")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_stands_out_and_nothing_is_wider_than_a_phone(browser: Any, run: Path, scheme: str) -> None:
    log(run, [*METRICS, ODD, ROLLED_BACK])
    tab, _ = opened(browser, write_run_report(run).path, color_scheme=scheme, **PHONE)
    tab.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert tab.evaluate(WEAK_TEXTS) == []
    assert tab.evaluate("document.documentElement.scrollWidth") == 360


# --- what the page shows at its head


@pytest.mark.parametrize(
    ("cer", "wer", "colour"),
    [(0.05, 0.2, "good"), (0.2, 0.45, "warning"), (0.45, 0.956, "warning"), (0.95, 1.0, "error")],
)
def test_the_colour_follows_the_result(run: Path, cer: float, wer: float, colour: str) -> None:
    head = verdict(read_run(run), {"step": 200, "dev_cer": cer, "dev_wer": wer}, going=False)
    assert head.severity == colour
    if wer > 0.9:
        assert "such transcripts are not usable yet" in head.reason or colour == "error"


def test_the_title_names_the_language_and_the_test_score_of_the_best_model_is_shown(run: Path) -> None:
    (run / "best").mkdir()
    (run / "best" / "model.safetensors").write_bytes(b"")
    assert run_of_model(run) == run and run_of_model(run / "best") == run.resolve()
    assert "test CER" not in read(run).text
    save_test_score(run, {"cer": 0.31, "wer": 0.77})
    page = read(run)
    assert "Speech recogniser for nl (run)" in page.text
    assert "test CER of RUN/best" in page.text and "31.0 %" in page.text
    newer = (run / "test-score.json").stat().st_mtime + 10
    os.utime(run / "best" / "model.safetensors", (newer, newer))
    assert "test CER" not in read(run).text


def test_the_errors_chart_begins_with_the_network_as_it_was_loaded(run: Path) -> None:
    before = {"step": 0, "event": "before training", "reason": "dev CER 99.0 %", "cer": 0.99}
    log(run, [before, *METRICS])
    chart = run_charts(read_run(run).metrics).large[0]
    assert chart.traces[0].dots[0][0] == 0.0 and len(chart.traces[0].dots) == 4
