"""A job in sentences, printed before its first step: speech, characters, network, choices, excluded clips."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from goama.run.folder import RUN_FILE
from goama.sources.clip import count_of_clips
from goama.training.job import Job

_NAMED = 5  # clips named on the screen; run.json names all


def summary(job: Job) -> Iterator[str]:
    """The sentences; the choices of a resumed run are in its recipe already, and left out."""
    million = sum(p.numel() for p in job.network.parameters()) / 1e6
    yield (
        f"{job.corpora}: {60 * job.plan.hours:.1f} min to train on, "
        f"{job.corpora.seconds('dev') / 60:.1f} min dev; "
        f"{len(job.vocabulary.units)} characters; encoder {job.encoder}, {million:.1f} M parameters"
    )
    if job.teacher is not None:
        taught = sum(p.numel() for p in job.teacher.model.network.parameters()) / 1e6
        yield f"teacher {job.teacher.facts.folder}, {taught:.1f} M parameters: its vocabulary and normaliser are used"
    yield from _characters(job)
    yield from _network(job, million)
    if not job.is_resumed:
        for choice in job.plan.choices:
            yield f"  {choice.key} = {choice.value}  ({choice.reason})"
    yield from _excluded(job)


def _characters(job: Job) -> Iterator[str]:
    rare = job.characters.rare
    if rare:
        named = ", ".join(f"{unit.unit!r} ({unit.count})" for unit in rare[:10])
        more = f" and {len(rare) - 10} more" if len(rare) > 10 else ""
        which = f"seen fewer than {job.characters.min_count} times"
        if job.teacher is not None:
            which = "that the teacher does not write"
        yield f"characters {which} become [UNK]: {named}{more}"


def _network(job: Job, million: float) -> Iterator[str]:
    trained = sum(p.numel() for p in job.network.parameters() if p.requires_grad) / 1e6
    if trained < million:
        yield f"{trained:.1f} M of the parameters are trained, the others are frozen"
    reused = job.loaded.carried_over
    if reused.language:
        yield f"attention adapters: those of {reused.language} in {job.encoder}"
    if reused.renewed:
        languages = ", ".join(job.corpora.languages) or "this language"
        yield (
            f"attention adapters: new ones, {job.encoder} has none for {languages} "
            "(-s model.language=CODE takes another language's)"
        )
    if reused.characters:
        yield f"{reused.characters} characters keep the weights that they have in the encoder's own CTC head"


def _excluded(job: Job) -> Iterator[str]:
    for clips, why in (
        (job.plan.unfit, "their text does not fit their sound"),
        (job.plan.too_long, "they are too long"),
    ):
        if clips:
            evidence = [f"{clip.id} ({clip.reason})" for clip in clips]
            yield f"{count_of_clips(len(clips))} left out, {why}: {_first(evidence)}"


def _first(named: Sequence[str]) -> str:
    more = f" and {len(named) - _NAMED} more in {RUN_FILE}" if len(named) > _NAMED else ""
    return ", ".join(named[:_NAMED]) + more
