"""A run folder becomes RUN/report.html: how the training stands, what is wrong, its curves, and clips to hear."""

from __future__ import annotations

import re
import shlex
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache, partial
from pathlib import Path
from statistics import median
from typing import Any

from rapidfuzz.distance import Levenshtein

from goama.evaluation.scores import ClipScore, ErrorRates, Score, error_rates, score
from goama.files import write_beside
from goama.reports.dev_sounds import DevSound, DevSounds
from goama.reports.page import count_of_clips, duration, render
from goama.reports.run_curves import best_evaluation, draw, percent
from goama.run.files import (
    DEV_FILE,
    HEARD_FILE,
    DevClips,
    RunFiles,
    number,
    read_run,
    remember_texts,
    write_dev_clips,
)
from goama.text.vocabulary import segment

REPORT_FILE = "report.html"
RELOAD_S = 60
"""How often the page of a run that is going asks for itself again, and is written again at most."""

WORST_CLIPS, MIDDLE_CLIPS, BEST_CLIPS = 10, 4, 8
MOST_LISTED = 200  # rows of a table of clips left out; run.json has them all
_GROUPS_SHOWN = 30
_FEW_CLIPS = 5  # groups with fewer are told together: their rates are chance
_STAGES = 12  # evaluations whose text is shown of a clip
_SHORT, _ENOUGH = 10, 30  # a clip of fewer characters is not shown where there are so many others
_MOST_RESAMPLED = 300  # clips; with more the interval is narrow, and drawing it would take a second
_QUIET_S = 300.0  # without a new line a run is taken for dead, or ten times as long as its lines take
_UNUSABLE_CER, _NOTHING_CER = 0.5, 0.9
_WORTH_CORRECTING_WER = 0.3  # above it people type faster than they correct (Gaur et al. 2016)
_OPTION = re.compile(r"(?<!`)(-s [\w.]+=[\w.+-]*\w)")  # in a remedy: something to type

Pieces = tuple[tuple[str, bool], ...]
"""A text in pieces: (piece, whether it differs)."""


class RunPage:
    """The page of a run in the process that trains it; of several, the one that `writes`.

    A page that cannot be written is reported by `say`, and never ends the training.
    """

    def __init__(self, run: Path, say: Callable[[str], None], *, writes: bool = True):
        self._run, self._say, self._writes = run, say, writes
        self._sounds: DevSounds | None = None
        self._written_at = float("-inf")
        self._took_s = 0.0

    def remember(self, step: int, clips: Sequence[ClipScore], *, is_best: bool) -> None:
        """Keep what the network made of the dev clips, and every number of the best so far."""
        if not self._writes:
            return
        with self._harmless(HEARD_FILE):
            remember_texts(self._run, step, clips)
        if is_best:
            with self._harmless(DEV_FILE):
                write_dev_clips(self._run, step, clips)

    def keep_fresh(self) -> None:
        """Write the page if the last one is a minute old, and a hundred times as old as writing takes."""
        if time.monotonic() - self._written_at >= max(RELOAD_S, 100 * self._took_s):
            self.write()

    def write(self, *, going: bool = True) -> None:
        """Write the page as the run stands; `going` is False for the last one."""
        if not self._writes:
            return
        started = time.monotonic()
        with self._harmless(REPORT_FILE):
            files = read_run(self._run)
            self._sounds = self._sounds or DevSounds(files.facts["corpora"])
            write_page(files, self._sounds, going=going)
        self._written_at = time.monotonic()
        self._took_s = self._written_at - started

    @contextmanager
    def _harmless(self, file: str) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # whatever it is: hours of training are worth more than a page
            self._say(f"{self._run / file} could not be written ({error}); the training is not affected")


@dataclass(frozen=True)
class WrittenPage:
    """Where the page is, and sentences of what it lacks."""

    path: Path
    notes: tuple[str, ...]


def write_run_report(run: Path) -> WrittenPage:
    """Write the page of any run folder. Raises `GoamaError` where there is no run."""
    files = read_run(run)
    sounds = DevSounds(files.facts["corpora"])
    path = write_page(files, sounds, going=_is_going(files))
    return WrittenPage(path, tuple(f"without sound: {why}" for why in sounds.missing))


def write_page(files: RunFiles, sounds: DevSounds, *, going: bool) -> Path:
    """Read files into RUN/report.html."""
    best = best_evaluation(files.metrics)
    heard = _Heard.of(files.dev)
    embedded, reasons = sounds.of(clip.id for _, _, clips in heard.shown for clip in clips)
    drawing = draw(files.metrics)
    languages = {str(about["language"]) for about in files.facts["corpora"] if about.get("language")}
    page = render(
        "run.html.jinja",
        run=str(files.folder),
        name=files.folder.resolve().name,
        going=going,
        reload_s=RELOAD_S,
        written=datetime.now(UTC),
        verdict=_verdict(files, best, going=going),
        about=_about(files),
        tiles=_tiles(files, best, going=going),
        commands=_commands(files, best, going=going),
        diagnoses=_diagnoses(files.diagnosis),
        ended_because=str(files.diagnosis.get("reason") or ""),
        drawing=drawing,
        heard=heard,
        is_evaluated=best is not None,
        dev_step=files.dev.step,
        marked=marked,
        as_it_learnt=partial(_as_it_learnt, files.heard),
        sounds=embedded,
        not_embedded=reasons,
        missing=sounds.missing,
        sound_store={sound.key: sound.excerpt.mp3 for sound in embedded.values()},
        megabytes=_megabytes(embedded),
        speakers=_groups(files.dev.clips, lambda clip: clip.speaker),
        corpora=_groups(files.dev.clips, _corpus_of(files, "name")),
        languages=_groups(files.dev.clips, _corpus_of(files, "language")),
        groups_shown=_GROUPS_SHOWN,
        facts=files.facts,
        recipe_toml=files.recipe_toml,
        unreadable=files.metrics.unreadable,
        most_listed=MOST_LISTED,
        language_attribute=languages.pop() if len(languages) == 1 else None,
        percent=percent,
    )
    path = files.folder / REPORT_FILE
    write_beside(path, page)
    return path


def _is_going(files: RunFiles) -> bool:
    """A guess from the outside: whether lines still come."""
    if files.finished or files.changed_at is None or (files.ended_at or 0.0) >= files.changed_at:
        return False
    times = [elapsed for line in files.metrics.steps[-20:] if (elapsed := number(line, "elapsed_s")) is not None]
    typical_s = (times[-1] - times[0]) / (len(times) - 1) if len(times) > 1 else 0.0
    return time.time() - files.changed_at < max(_QUIET_S, 10 * typical_s)


# --- how it stands


@dataclass(frozen=True)
class _Verdict:
    severity: str
    judgement: str
    reason: str


def _verdict(files: RunFiles, best: dict[str, Any] | None, *, going: bool) -> _Verdict:
    step = files.step
    done = progress(files)
    share = f", {100 * done:.0f} % done" if done is not None else ""
    if best is None:
        meaning = (
            "The dev clips have not been recognised yet: no figure says what the model can do."
            if step
            else "No step has been logged yet."
        )
        return _Verdict("info" if going or files.finished else "warning", _state(files, going, share), meaning)
    cer, wer = best["dev_cer"], number(best, "dev_wer")
    rates = f"dev CER {percent(cer)}{f', WER {percent(wer)}' if wer is not None else ''}"
    stopped = any(line["event"] == "stopped" for line in files.metrics.events)
    severity = (
        "info"
        if going
        else "error"
        if stopped or cer >= _NOTHING_CER
        else "warning"
        if cer > _UNUSABLE_CER or not files.finished
        else "good"
    )
    return _Verdict(
        severity, f"{_state(files, going, share)}: {rates}{' so far' if going else ''}", meaning_of(cer, wer)
    )


def _state(files: RunFiles, going: bool, share: str) -> str:
    if files.finished and not going:
        return "Finished"
    return f"{'Training' if going else f'Stopped at step {files.step:,}'}{share}"


def meaning_of(cer: float, wer: float | None) -> str:
    """Error rates as a reader of the transcripts meets them."""
    if cer >= _NOTHING_CER:
        return "The best model so far writes next to nothing that is right."
    of_100 = f"Of 100 characters about {_whole(100 * cer)} are wrong"
    if wer is not None:
        of_100 += ", and nearly every word" if wer > 0.9 else f", of 100 words about {_whole(100 * wer)}"
    if cer > _UNUSABLE_CER:
        return f"{of_100}: nobody can use such transcripts yet."
    if wer is None:
        return f"{of_100}."
    if wer > _WORTH_CORRECTING_WER:
        return f"{of_100}: a reader can often guess what is said, but typing it anew is quicker than correcting it."
    return f"{of_100}: correcting such transcripts is quicker than typing them."


def _whole(value: float) -> str:
    return f"{value:.0f}" if value >= 10 or value == 0 else f"{value:.1f}"


def progress(files: RunFiles) -> float | None:
    """The share of the run that is done, 0 to 1; None where it cannot be told."""
    if files.finished:
        return 1.0
    last = files.metrics.last
    if (said := last("progress")) is not None:
        return min(1.0, said)
    train = files.recipe.get("train", {})
    shares = []
    if (minutes := number(train, "minutes")) and (elapsed := last("elapsed_s")) is not None:
        shares.append(elapsed / (60 * minutes))
    if steps := number(train, "steps"):
        shares.append(files.step / steps)
    if not shares and (epochs := number(train, "epochs")) and (epoch := last("epoch")) is not None:
        shares.append(epoch / epochs)
    return min(1.0, max(shares)) if shares else None


def _about(files: RunFiles) -> list[str]:
    """What is trained, on what."""
    corpora = files.facts["corpora"]
    languages = sorted({str(about["language"]) for about in corpora if about.get("language")})
    millions = number(files.facts, "parameters")
    size = f" ({millions / 1e6:.1f} M parameters)" if millions else ""
    named = f"`{corpora[0]['folder']}`" if len(corpora) == 1 else f"{len(corpora)} corpora"
    spoken = (
        f" in {len(languages)} languages" if len(languages) > 3 else f" in {', '.join(languages)}" if languages else ""
    )
    train, dev = _split(corpora, "train"), _split(corpora, "dev")
    left_out = len(files.facts.get("left_out") or ())
    missing = f" ({count_of_clips(left_out)} left out, named below)" if left_out else ""
    return [
        f"The encoder `{files.facts.get('encoder')}`{size} learns to write what is said in {named}{spoken}: "
        f"{duration(train[1])} of speech in {count_of_clips(train[0])}{missing}.",
        f"Another {count_of_clips(dev[0])} ({duration(dev[1])}), the dev clips, are not trained on; how well they are "
        "recognised decides which model is kept as the best.",
    ]


def _split(corpora: Sequence[dict[str, Any]], split: str) -> tuple[int, float]:
    parts = [about.get("splits", {}).get(split, {}) for about in corpora]
    return int(sum(part.get("clips", 0) for part in parts)), float(sum(part.get("seconds", 0) for part in parts))


def _tiles(files: RunFiles, best: dict[str, Any] | None, *, going: bool) -> list[tuple[str, str]]:
    done, elapsed = progress(files), files.metrics.last("elapsed_s")
    tiles = []
    if best is not None:
        tiles.append((percent(best["dev_cer"]), "best dev CER"))
        if (wer := number(best, "dev_wer")) is not None:
            tiles.append((percent(wer), "dev WER with it"))
        tiles.append((f"{best['step']:,}", "step of the best"))
    tiles.append((f"{files.step:,}", "steps so far" if going else "steps"))
    if elapsed is not None:
        tiles.append((duration(elapsed), "of training"))
        if going and done and 0.01 < done < 1:
            tiles.append((duration(elapsed * (1 - done) / done), "left, about"))
    speeds = [speed for line in files.metrics.steps if (speed := number(line, "audio_s_per_s")) is not None]
    if speeds:
        tiles.append((f"{median(speeds):.0f} ×", "as fast as speech"))
    if device := files.facts.get("device"):
        tiles.append((str(device), "trained on"))
    return tiles


def _commands(files: RunFiles, best: dict[str, Any] | None, *, going: bool) -> list[tuple[str, str]]:
    """(what it does, what to type), the most useful first."""
    run, model = str(files.folder), str(files.folder / "best")
    corpora = files.facts["corpora"]
    tested = next((about for about in corpora if about.get("splits", {}).get("test", {}).get("clips")), None)
    commands = []
    if not going and not files.finished:
        folders = [str(about["folder"]) for about in corpora]
        commands.append((f"Go on from step {files.saved_step:,}:", _goama("train", *folders, "-o", run, "--resume")))
    if best is not None:
        if tested and not going:
            what = "Measure it on clips it has never met:"
            commands.append((what, _goama("evaluate", model, tested["folder"], "--split", "test")))
        what = "Try the best model so far on a recording of yours:" if going else "Transcribe a recording of yours:"
        commands.append((what, _goama("transcribe", model, "RECORDING.wav")))
        if not tested and not going:
            what = "See every clip it was measured on:"
            commands.append((what, _goama("evaluate", model, corpora[0]["folder"], "--split", "dev")))
    return commands


def _goama(*arguments: str) -> str:
    return shlex.join(["goama", *arguments])


def _diagnoses(diagnosis: dict[str, Any]) -> list[dict[str, Any]]:
    """As diagnosis.json has them, with a severity; whatever is no finding is passed over."""
    found = diagnosis.get("diagnoses")
    graves = {"stopped-by-the-guard": "error", "sound-not-finite": "error", "blank-plateau": "info"}
    return [
        {
            "severity": graves.get(str(one.get("name")), "warning"),
            **{key: str(one.get(key) or "") for key in ("name", "sentence", "evidence")},
            "remedy": _OPTION.sub(r"`\1`", str(one.get("remedy") or "")),
            "clips": [str(clip) for clip in one.get("clips") or ()],
            "step": number(one, "step"),
        }
        for one in (found if isinstance(found, list) else ())
        if isinstance(one, dict) and one.get("sentence")
    ]


# --- clips


@dataclass(frozen=True)
class _Heard:
    """What the best model made of the dev clips; `shown` is (title, hint, clips)."""

    count: int
    rates: ErrorRates
    shown: tuple[tuple[str, str, tuple[ClipScore, ...]], ...]
    whole: Score | None
    """With intervals; None without clips, or with so many that the interval is narrow."""

    @classmethod
    def of(cls, dev: DevClips) -> _Heard:
        long = [clip for clip in dev.clips if clip.characters >= _SHORT]
        ranked = sorted(
            long if len(long) >= _ENOUGH else dev.clips, key=lambda clip: (-clip.cer, -clip.characters, clip.id)
        )
        worst, rest = ranked[:WORST_CLIPS], ranked[WORST_CLIPS:]
        best = sorted(rest, key=lambda clip: (clip.cer, -clip.characters, clip.id))[:BEST_CLIPS]
        rest = rest[: len(rest) - len(best)]
        start = max(0, (len(rest) - MIDDLE_CLIPS) // 2)
        middle = rest[start : start + MIDDLE_CLIPS]
        shown = (
            ("Worst", "It may be the clip: listen whether the reference is what is said.", tuple(worst)),
            (
                "In the middle",
                "Half of the dev clips are recognised better than these.",
                tuple(middle),
            ),
            ("Best", "", tuple(best)),
        )
        return cls(
            len(dev.clips),
            error_rates(dev.clips),
            tuple(part for part in shown if part[2]),
            _with_intervals(dev.clips),
        )


@lru_cache(maxsize=1)  # drawn once for every new best model, not for every page
def _with_intervals(clips: tuple[ClipScore, ...]) -> Score | None:
    has_words = any(clip.words for clip in clips)
    return score(clips) if has_words and len(clips) <= _MOST_RESAMPLED else None


def _as_it_learnt(heard: dict[int, dict[str, str]], clip: ClipScore) -> list[tuple[int, str]]:
    """(step, text): what the network made of a clip, from its first evaluation on; of many, some, evenly spaced."""
    texts = [(step, then[clip.id]) for step, then in heard.items() if clip.id in then]
    every = -(-len(texts) // _STAGES)
    return texts[:: max(1, every)]


def marked(clip: ClipScore) -> tuple[Pieces, Pieces]:
    """Reference and hypothesis, each in pieces: what the other does not have is marked. Marks stay on their letters."""
    reference, hypothesis = segment(clip.reference), segment(clip.hypothesis)
    missed: list[tuple[str, bool]] = []
    wrong: list[tuple[str, bool]] = []
    for edit in Levenshtein.opcodes(reference, hypothesis):
        differs = edit.tag != "equal"
        missed.append(("".join(reference[edit.src_start : edit.src_end]), differs))
        wrong.append(("".join(hypothesis[edit.dest_start : edit.dest_end]), differs))
    return _joined(missed), _joined(wrong)


def _joined(pieces: Sequence[tuple[str, bool]]) -> Pieces:
    joined: list[tuple[str, bool]] = []
    for text, differs in pieces:
        if not text:
            continue
        if joined and joined[-1][1] == differs:
            joined[-1] = (joined[-1][0] + text, differs)
        else:
            joined.append((text, differs))
    return tuple(joined)


def _megabytes(sounds: dict[str, DevSound]) -> str:
    return f"{sum(sound.excerpt.size for sound in sounds.values()) / 1e6:.1f}"


# --- speakers, corpora, languages


@dataclass(frozen=True)
class _Group:
    """Dev clips that share a speaker, a corpus or a language; rates are fractions."""

    name: str
    clips: int
    seconds: float
    cer: float
    wer: float


def _groups(clips: Sequence[ClipScore], name: Callable[[ClipScore], str | None]) -> list[_Group]:
    """The worst first, those of few clips together at the end; empty where there are no two to compare."""
    members: dict[str, list[ClipScore]] = defaultdict(list)
    for clip in clips:
        if (group := name(clip)) is not None:
            members[group].append(clip)
    if len(members) < 2:
        return []
    small = [group for group, inside in members.items() if len(inside) < _FEW_CLIPS]
    others = []
    if len(small) > 1 and len(members) - len(small) > 1:
        together = [clip for group in small for clip in members.pop(group)]
        others.append(_group(f"{len(small)} others, with fewer than {_FEW_CLIPS} clips each", together))
    groups = [_group(group, inside) for group, inside in members.items()]
    return sorted(groups, key=lambda group: (-group.cer, group.name)) + others


def _group(name: str, clips: Sequence[ClipScore]) -> _Group:
    rates = error_rates(clips)
    return _Group(name, rates.clips, sum(clip.seconds for clip in clips), rates.cer, rates.wer)


def _corpus_of(files: RunFiles, key: str) -> Callable[[ClipScore], str | None]:
    """What a clip's corpus says under `key`; with several corpora a clip's id begins with its corpus's name."""
    corpora = {str(about.get("name")): about.get(key) for about in files.facts["corpora"]}
    return lambda clip: corpora.get(clip.id.partition("/")[0]) if len(corpora) > 1 else None
