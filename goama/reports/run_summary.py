"""The summary of a run on its page: how it stands, what is trained on what, key figures, the next command."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from statistics import median
from typing import Any

from goama.reports.formatting import count_of_clips, duration, percent
from goama.reports.page import Verdict
from goama.run.files import RunFiles
from goama.run.metrics import Line, number

_UNUSABLE_CER, _UNUSABLE_WER, _NOTHING_CER = 0.5, 0.9, 0.9
_WORTH_CORRECTING_CER = 0.1
_WORTH_CORRECTING_WER = 0.3  # above it people type faster than they correct (Gaur et al. 2016)


def verdict(files: RunFiles, best: Line | None, *, going: bool) -> Verdict:
    """How the run stands and what its best error rates mean; `best` is the best evaluation so far, if any."""
    done = progress(files)
    share = f", {100 * done:.0f} % done" if done is not None else ""
    if files.finished and not going:
        state = "Finished"
    else:
        state = ("Training" if going else f"Stopped at step {files.step:,}") + share
    if best is None:
        meaning = (
            "The dev clips have not been recognised yet: no figure says what the model can do."
            if files.step
            else "No step has been logged yet."
        )
        return Verdict("info" if going or files.finished else "warning", state, meaning)
    cer, wer = best["dev_cer"], number(best, "dev_wer")
    rates = f"dev CER {percent(cer)}{f', WER {percent(wer)}' if wer is not None else ''}"
    judgement = f"{state}: {rates}{' so far' if going else ''}"
    return Verdict(_severity(files, cer, wer, going), judgement, meaning_of(cer, wer))


def _severity(files: RunFiles, cer: float, wer: float | None, going: bool) -> str:
    if going:
        return "info"
    if cer >= _NOTHING_CER or any(line["event"] == "stopped" for line in files.metrics.events):
        return "error"
    return "good" if files.finished and _is_usable(cer, wer) else "warning"


def _is_usable(cer: float, wer: float | None) -> bool:
    """Whether correcting the transcripts is quicker than typing them."""
    return cer <= _WORTH_CORRECTING_CER if wer is None else wer <= _WORTH_CORRECTING_WER


def meaning_of(cer: float, wer: float | None) -> str:
    """What the error rates mean for a reader of the transcripts."""
    if cer >= _NOTHING_CER:
        return "The best model so far produces almost no correct text."
    of_100 = out_of_100(cer, wer)
    if cer > _UNUSABLE_CER or (wer is not None and wer > _UNUSABLE_WER):
        return f"{of_100}: such transcripts are not usable yet."
    if wer is None:
        return f"{of_100}."
    if wer > _WORTH_CORRECTING_WER:
        return f"{of_100}: a reader can often guess what was said, but typing the text is faster than correcting it."
    return f"{of_100}: correcting such transcripts is quicker than typing them."


def out_of_100(cer: float, wer: float | None) -> str:
    """ "Of 100 characters about 12 are wrong, of 100 words about 34", without a full stop."""
    characters = f"Of 100 characters about {_whole(100 * cer)} are wrong"
    if wer is None:
        return characters
    return characters + (", and nearly every word" if wer > 0.9 else f", of 100 words about {_whole(100 * wer)}")


def _whole(value: float) -> str:
    return f"{value:.0f}" if value >= 10 or value == 0 else f"{value:.1f}"


def title(files: RunFiles) -> str:
    """What the page is about: the languages, or the folder's name where no corpus names one."""
    languages = sorted({str(corpus["language"]) for corpus in files.facts["corpora"] if corpus.get("language")})
    name = str(files.folder.resolve().name)
    return (
        f"Speech recogniser for {', '.join(languages[:4])}{' …' if len(languages) > 4 else ''} ({name})"
        if languages
        else name
    )


def progress(files: RunFiles) -> float | None:
    """The share of the run that is done, 0 to 1, or None where it is unknown."""
    if files.finished:
        return 1.0
    last = files.metrics.last
    if (logged := last("progress")) is not None:
        return min(1.0, logged)
    train = files.recipe.get("train", {})
    shares = []
    if (minutes := number(train, "minutes")) and (elapsed := last("elapsed_s")) is not None:
        shares.append(elapsed / (60 * minutes))
    if steps := number(train, "steps"):
        shares.append(files.step / steps)
    if not shares and (epochs := number(train, "epochs")) and (epoch := last("epoch")) is not None:
        shares.append(epoch / epochs)
    return min(1.0, max(shares)) if shares else None


def about(files: RunFiles) -> list[str]:
    """Sentences about the encoder, the training clips and the dev clips."""
    corpora = files.facts["corpora"]
    languages = sorted({str(corpus["language"]) for corpus in corpora if corpus.get("language")})
    parameters = number(files.facts, "parameters")
    size = f" ({parameters / 1e6:.1f} M parameters)" if parameters else ""
    named = f"`{corpora[0]['folder']}`" if len(corpora) == 1 else f"{len(corpora)} corpora"
    spoken = (
        f" in {len(languages)} languages" if len(languages) > 3 else f" in {', '.join(languages)}" if languages else ""
    )
    train, dev = _split(corpora, "train"), _split(corpora, "dev")
    excluded = len(files.facts.get("left_out") or ())
    missing = f" ({count_of_clips(excluded)} left out, named below)" if excluded else ""
    teacher = files.facts.get("teacher")
    taught = f" It learns from the teacher `{teacher['folder']}`; its loss is in nats per frame." if teacher else ""
    return [
        f"The encoder `{files.facts.get('encoder')}`{size} is trained on {named}{spoken}: "
        f"{duration(train[1])} of speech in {count_of_clips(train[0])}{missing}.{taught}",
        f"The dev clips, another {count_of_clips(dev[0])} ({duration(dev[1])}), are not trained on; the model that "
        "recognises them best is kept as RUN/best.",
    ]


def _split(corpora: Sequence[dict[str, Any]], split: str) -> tuple[int, float]:
    parts = [corpus.get("splits", {}).get(split, {}) for corpus in corpora]
    return int(sum(part.get("clips", 0) for part in parts)), float(sum(part.get("seconds", 0) for part in parts))


def tiles(files: RunFiles, best: Line | None, *, going: bool) -> list[tuple[str, str]]:
    """Key figures: (value, what it is)."""
    done, elapsed = progress(files), files.metrics.last("elapsed_s")
    figures = []
    if best is not None:
        figures.append((percent(best["dev_cer"]), "best dev CER"))
        if (wer := number(best, "dev_wer")) is not None:
            figures.append((percent(wer), "its dev WER"))
        figures.append((f"{best['step']:,}", "its step"))
    if files.test_score and (cer := number(files.test_score, "cer")) is not None:
        figures.append((percent(cer), "test CER of RUN/best"))
        if (wer := number(files.test_score, "wer")) is not None:
            figures.append((percent(wer), "its test WER"))
    figures.append((f"{files.step:,}", "steps so far" if going else "steps"))
    if elapsed is not None:
        figures.append((duration(elapsed), "of training"))
        if going and done and 0.01 < done < 1:
            figures.append((duration(elapsed * (1 - done) / done), "left (estimate)"))
    speeds = [speed for line in files.metrics.steps if (speed := number(line, "audio_s_per_s")) is not None]
    if speeds:
        figures.append((f"{median(speeds):.0f} ×", "faster than real time"))
    if device := files.facts.get("device"):
        figures.append((str(device), "trained on"))
    return figures


def commands(files: RunFiles, best: Line | None, *, going: bool) -> list[tuple[str, str]]:
    """Commands to type next: (what it does, command), the most useful first."""
    run, model = str(files.folder), str(files.folder / "best")
    corpora = files.facts["corpora"]
    tested = next((corpus for corpus in corpora if corpus.get("splits", {}).get("test", {}).get("clips")), None)
    found = []
    if not going and not files.finished:
        folders = [str(corpus["folder"]) for corpus in corpora]
        teacher = files.facts.get("teacher")
        verb = ["train"] if teacher is None else ["distil", teacher["folder"]]
        found.append((f"Resume from step {files.saved_step:,}:", _goama(*verb, *folders, "-o", run, "--resume")))
    if best is not None:
        if tested and not going:
            what = "Measure the best model on the test clips:"
            found.append((what, _goama("evaluate", model, tested["folder"], "--split", "test")))
        what = "Try the best model so far on your own recording:" if going else "Transcribe your own recording:"
        found.append((what, _goama("transcribe", model, "RECORDING.wav")))
        if not tested and not going:
            what = "Measure it on the dev clips and see the worst:"
            found.append((what, _goama("evaluate", model, corpora[0]["folder"], "--split", "dev")))
    return found


def _goama(*arguments: str) -> str:
    return shlex.join(["goama", *arguments])
