"""An evaluation as one HTML file: how good, for whom, which errors, is it worth correcting, and every clip to hear."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from goama import __version__
from goama.corpus.corpus import Corpus
from goama.evaluation.confusions import Confusions, confusions
from goama.evaluation.correction import (
    LISTENING,
    SECONDS_PER_CHARACTER,
    SECONDS_PER_PLACE,
    CorrectionTime,
    correction_time,
)
from goama.evaluation.evaluate import Evaluation
from goama.evaluation.scores import (
    BOOTSTRAP_SAMPLES,
    FEW_SPEAKERS,
    FEWEST_SPEAKERS,
    ClipScore,
    bootstrap_interval,
    by_speaker,
    most_errors_first,
)
from goama.evaluation.seen import Seen, seen_in_training, words_by_novelty
from goama.evaluation.slices import Slice, slice_of
from goama.files import write_beside
from goama.recognition.recogniser import Recogniser
from goama.reports.charts import Histogram, histogram
from goama.reports.clip_properties import Property, about_clip, clip_properties
from goama.reports.clip_sounds import clip_sounds
from goama.reports.error_lists import confusion_matrix, tallies
from goama.reports.formatting import duration, hours, percent
from goama.reports.listening import COARSE
from goama.reports.page import Verdict, language_attribute, render
from goama.reports.recognised_clips import entry
from goama.reports.run_summary import out_of_100
from goama.run.files import corpora_of_model

_UNUSABLE_CER = 0.5
_EXAMPLES = 6

_SORTS = (
    ("errors", "most errors"),
    ("cer", "highest CER"),
    ("cer-up", "lowest CER"),
    ("seconds", "longest"),
    ("seconds-up", "shortest"),
    ("speaker", "speaker"),
    ("place", "name"),
)
_SHOWS = (
    ("", "all clips"),
    ("wrong", "with errors"),
    ("right", "without errors"),
    ("slight", "only marks, case or spaces wrong"),
)


@dataclass(frozen=True)
class ShownDimension:
    """A property with its slices as a table; `scale` is the rate at the right end, `noted` the slices in train."""

    key: str
    about: Property
    slices: tuple[Slice, ...]
    scale: float
    noted: frozenset[str]


@dataclass(frozen=True)
class _Part:
    """Words that are right, wrong, missing or added."""

    kind: str
    name: str
    count: int


def write_evaluation_report(
    evaluation: Evaluation,
    corpus: Corpus,
    path: Path,
    recogniser: Recogniser,
    *,
    progress: Callable[[int], None] | None = None,
) -> None:
    """Write the page of an evaluation. `progress` is called with the number of clips whose sound was read.

    Raises `OSError` when the file cannot be written.
    """
    clips, split = evaluation.clips, evaluation.split
    ranked = most_errors_first(clips)
    sound = clip_sounds(corpus, split, [clip.id for clip in ranked], progress)
    seen = seen_in_training(corpus, clips, split, recogniser.normaliser)
    columns = corpus.columns(split)
    correction = correction_time(clips)
    found = confusions(clips)
    words = _word_parts(found, evaluation.score.words)
    page = render(
        "evaluation.html.jinja",
        evaluation=evaluation,
        score=evaluation.score,
        name=title(corpus),
        verdict=_verdict(evaluation, correction),
        exposure=exposure(seen, corpus, corpora_of_model(Path(evaluation.model))),
        tiles=_tiles(evaluation, seen),
        charts=_charts(clips),
        seen=seen,
        word_parts=words,
        words_right=words[0].count,
        novelty=words_by_novelty(clips, seen.words) if seen.words and split != "train" else None,
        dimensions=_dimensions(clip_properties(clips, sound.measured, columns, seen.sentences), seen),
        entries=[entry(clip, about_clip(clip, sound.measured, columns)) for clip in ranked],
        places={id: place for place, id in enumerate(sorted(clip.id for clip in clips))},
        lists=tallies(found),
        matrix=confusion_matrix(found),
        coarse=sound.encoding.quality is COARSE,
        sounds=sound.sounds,
        not_embedded=sound.reasons,
        sorts=_SORTS,
        shows=_SHOWS,
        facts=_facts(evaluation, corpus, recogniser),
        command=shlex.join(["goama", "evaluate", evaluation.model, evaluation.corpus, "--split", split]),
        language_attribute=language_attribute(corpus.language),
        percent=percent,
        **_rates(evaluation),
        **_slight(found, evaluation),
        **_time(correction),
    )
    write_beside(path, page)


def title(corpus: Corpus) -> str:
    """What the page is about: the language, or the corpus where it names none."""
    return f"Speech recogniser for {corpus.language}" if corpus.language else corpus.folder.resolve().name


def _verdict(evaluation: Evaluation, correction: CorrectionTime | None) -> Verdict:
    score = evaluation.score
    judgement = f"CER {percent(score.cer)}, WER {percent(score.wer)}"
    meaning = out_of_100(score.cer, score.wer) + "."
    if score.cer > _UNUSABLE_CER:
        return Verdict("error", judgement, f"{meaning} Such transcripts are not usable yet.")
    if correction is None:
        return Verdict("info", judgement, meaning)
    severity = "good" if correction.saves_time else "warning"
    return Verdict(severity, judgement, f"{meaning} {_answer(correction)}")


def _answer(correction: CorrectionTime) -> str:
    times = f"{hours(correction.correcting_min)} against {hours(correction.typing_min)} for an hour of speech"
    if correction.saves_time:
        return f"Correcting should save time: {times}, by an estimate."
    if correction.saved_interval[1] < 0:
        return f"Typing should still be quicker than correcting: correcting takes {times}, by an estimate."
    return f"Correcting hardly saves time yet: {times}, by an estimate."


def exposure(seen: Seen, corpus: Corpus, trained_on: Sequence[Mapping[str, Any]] | None) -> Verdict:
    """Whether the evaluation is speaker-disjoint; `trained_on`: the corpora of the model's run, if it is known."""
    total = seen.clips_trained
    repeated = len(seen.sentences)
    also = f" {repeated:,} clips say a sentence that is in the training split too." if repeated else ""
    if trained_on is not None and all(about.get("fingerprint") != corpus.fingerprint() for about in trained_on):
        names = ", ".join(str(about.get("name")) for about in trained_on[:4])
        return Verdict(
            "info",
            "The model was trained on other corpora, or this one has changed since",
            f"It was trained on {names}. Whether the same people speak there, their names cannot tell.",
        )
    if seen.split == "train":
        return Verdict(
            "error",
            "Not speaker-disjoint: these are the training clips",
            "If the model was trained on this corpus, it has learnt them: other speech has more errors.",
        )
    speakers = "1 speaker" if len(seen.speakers) == 1 else f"{len(seen.speakers):,} speakers"
    if seen.speakers_trained:
        return Verdict(
            "warning",
            f"Not speaker-disjoint: {len(seen.speakers_trained):,} of {speakers} are in the training split",
            f"They speak in {total:,} of these clips. Expect more errors from a new speaker.{also}",
        )
    if seen.is_speaker_disjoint is None:
        return Verdict(
            "info",
            "Nobody can tell whether this is speaker-disjoint",
            f"{seen.unnamed:,} clips name no speaker. If the same people speak in the training split, expect more "
            f"errors from a new speaker.{also}",
        )
    few = " With so few, another speaker may fare quite differently." if len(seen.speakers) < FEW_SPEAKERS else ""
    return Verdict(
        "good",
        f"Speaker-disjoint: none of {speakers} is in the training split",
        f"The error rates are those for people whom the model has never heard.{few}{also}",
    )


def _tiles(evaluation: Evaluation, seen: Seen) -> list[tuple[str, str]]:
    score = evaluation.score
    right = sum(not clip.character_errors for clip in evaluation.clips)
    return [
        (percent(score.cer), "CER: characters wrong"),
        (percent(score.wer), "WER: words wrong"),
        (percent(right / score.clips), "of clips without an error"),
        (f"{score.clips:,}", "clips"),
        (duration(score.seconds), "of speech"),
        (f"{len(seen.speakers):,}" if seen.speakers else "not named", "speakers"),
    ]


def _rates(evaluation: Evaluation) -> dict[str, Any]:
    clips, score = evaluation.clips, evaluation.score
    speakers = {clip.speaker for clip in clips if clip.speaker}
    intervals = {}
    if len(speakers) >= FEWEST_SPEAKERS:
        intervals = {
            "CER": bootstrap_interval(by_speaker(clips, _counts(clips, "character_errors", "characters"))),
            "WER": bootstrap_interval(by_speaker(clips, _counts(clips, "word_errors", "words"))),
        }
    rates = [("CER", score.cer, score.cer_interval), ("WER", score.wer, score.wer_interval)]
    return {
        "rates": rates,
        "rate_scale": max(1.0, *(interval[1] for *_, interval in rates)),
        "speaker_intervals": intervals,
        "few_speakers": len(speakers) < FEW_SPEAKERS,
        "fewest_speakers": FEWEST_SPEAKERS,
        "word_errors": score.substitutions + score.deletions + score.insertions,
    }


def _counts(clips: Sequence[ClipScore], errors: str, total: str) -> np.ndarray:
    return np.array([(getattr(clip, errors), getattr(clip, total)) for clip in clips])


def _word_parts(found: Confusions, total: int) -> list[_Part]:
    """The words that are right, wrong, missing and added; the first three are all words of the references."""
    wrong = sum(count for pair, count in found.words.items() if None not in pair)
    missing = sum(count for (_, written), count in found.words.items() if written is None)
    added = sum(count for (said, _), count in found.words.items() if said is None)
    return [
        _Part("right", "right", total - wrong - missing),
        _Part("confused", "wrong", wrong),
        _Part("missing", "missing", missing),
        _Part("added", "added", added),
    ]


def _charts(clips: Sequence[ClipScore]) -> list[Histogram]:
    rates = [min(100.0, 100 * clip.cer) for clip in clips if clip.characters]
    made = [
        histogram("CER of a clip", rates, "%", "To the left the clips that need little correction."),
        histogram("Wrong words in a clip", [clip.word_errors for clip in clips], "words", ""),
        histogram("Length of a clip", [clip.seconds for clip in clips], "s", ""),
    ]
    return [chart for chart in made if chart] if len(clips) > 1 else []


def _slight(found: Confusions, evaluation: Evaluation) -> dict[str, Any]:
    score = evaluation.score
    errors = score.substitutions + score.deletions + score.insertions
    rows = [
        {"kind": kind.kind, "word_errors": kind.word_errors, "top": list(kind.examples.items())[:_EXAMPLES]}
        for kind in found.slight
    ]
    return {
        "slight": rows,
        "slight_count": found.slight_word_errors,
        "wer_without_slight": (errors - found.slight_word_errors) / max(1, score.words),
    }


def _time(correction: CorrectionTime | None) -> dict[str, Any]:
    if correction is None:
        return {"correction": None}
    low, high = correction.saved_interval
    return {
        "correction": correction,
        "answer": _answer(correction),
        "time_scale": max(correction.typing_min, correction.correcting_min),
        "saved": _signed(correction.saved_min),
        "saved_between": f"{_signed(low)} to {_signed(high)}",
        "total": {
            "seconds": sum(work.seconds for work in correction.clips),
            "characters": sum(work.characters for work in correction.clips),
            "places": sum(work.places for work in correction.clips),
            "keystrokes": sum(work.keystrokes for work in correction.clips),
        },
        "works": [(round(work.seconds, 2), work.characters, work.places, work.keystrokes) for work in correction.clips],
        "seconds_per_character": SECONDS_PER_CHARACTER,
        "seconds_per_place": SECONDS_PER_PLACE,
        "listening": LISTENING,
        # English: 5 characters and a space a word
        "break_even": f"{100 * 6 * SECONDS_PER_CHARACTER / (SECONDS_PER_PLACE + 5 * SECONDS_PER_CHARACTER):.0f} %",
    }


def _signed(minutes: float) -> str:
    return f"{'−' if minutes < 0 else ''}{hours(abs(minutes))}"


def _dimensions(properties: Sequence[Property], seen: Seen) -> list[ShownDimension]:
    shown = []
    for number, one in enumerate(properties, start=1):
        slices = tuple(slice_of(group, intervals=True) for group in one.groups)
        highest = max(max(part.cer, part.cer_interval[1] if part.cer_interval else 0.0) for part in slices)
        noted = seen.speakers_trained if one.title == "Speaker" else frozenset()
        shown.append(ShownDimension(str(number), one, slices, min(1.0, 1.05 * highest) or 1.0, noted))
    return shown


def _facts(evaluation: Evaluation, corpus: Corpus, recogniser: Recogniser) -> list[tuple[str, str]]:
    about = corpus.about
    return [
        ("Model", f"`{evaluation.model}`: {recogniser!r}"),
        (
            "Corpus",
            f"`{evaluation.corpus}`, split {evaluation.split}, SHA-256 of its manifest `{corpus.fingerprint()}`; "
            f"splits: {about.get('split_by')}",
        ),
        (
            "Spelling",
            "References and hypotheses are compared after the model's own rules: "
            + (", ".join(recogniser.normaliser.rules) or "none")
            + ".",
        ),
        (
            "Intervals",
            f"95 %, percentile bootstrap with {BOOTSTRAP_SAMPLES:,} samples (2,000 for slices) over clips, and over "
            "speakers where there are several.",
        ),
        ("Written", f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC by goama {__version__}"),
    ]
