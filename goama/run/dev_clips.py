"""What the network wrote for the dev clips: with every number for the best model, as text for every evaluation.

RUN/dev.jsonl    a line for each dev clip, as RUN/best recognised it
RUN/heard.jsonl  a line for each evaluation: the hypotheses of that step
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from goama.evaluation.scores import ClipScore
from goama.files import write_beside
from goama.run.metrics import jsonl_lines

DEV_FILE = "dev.jsonl"
HYPOTHESES_FILE = "heard.jsonl"

MOST_HYPOTHESES = 1000
"""Dev clips whose hypotheses are kept at every evaluation: the first by their ids."""


@dataclass(frozen=True)
class DevClips:
    """The dev clips as the best model so far recognised them; `step` is None where nothing was kept."""

    step: int | None
    clips: tuple[ClipScore, ...]


def write_dev_clips(run: Path, step: int, clips: Sequence[ClipScore]) -> None:
    """Replace RUN/dev.jsonl by the scores of the best model so far, which is of this step."""
    lines = (json.dumps({"step": step, **asdict(clip)}, ensure_ascii=False) + "\n" for clip in clips)
    write_beside(run / DEV_FILE, "".join(lines))


def read_dev_clips(run: Path) -> DevClips:
    """What `write_dev_clips` kept; lines that are no clips are ignored."""
    clips, step = [], None
    for line in jsonl_lines(run / DEV_FILE):
        try:
            value = json.loads(line)
            kept_at = int(value.pop("step"))
            clips.append(ClipScore(**value))
            step = kept_at
        except (ValueError, KeyError, TypeError, AttributeError):
            continue
    return DevClips(step if clips else None, tuple(clips))


def append_hypotheses(run: Path, step: int, clips: Sequence[ClipScore]) -> None:
    """Add a line to RUN/heard.jsonl: what the network of this step wrote for up to a thousand dev clips."""
    kept = sorted(clips, key=lambda clip: clip.id)[:MOST_HYPOTHESES]
    line = {"step": step, "texts": {clip.id: clip.hypothesis for clip in kept}}
    with (run / HYPOTHESES_FILE).open("a", encoding="utf-8") as file:
        # The line break comes first: the half line that a killed run left must not spoil this one.
        file.write("\n" + json.dumps(line, ensure_ascii=False))


def read_hypotheses(run: Path) -> dict[int, dict[str, str]]:
    """Step to clip id to hypothesis, by rising steps; a resumed run's lines replace those of later steps."""
    hypotheses: dict[int, dict[str, str]] = {}
    for line in jsonl_lines(run / HYPOTHESES_FILE):
        try:
            value = json.loads(line)
            step, texts = int(value["step"]), {str(id): str(text) for id, text in value["texts"].items()}
        except (ValueError, KeyError, TypeError, AttributeError):
            continue
        hypotheses = {earlier: then for earlier, then in hypotheses.items() if earlier < step}
        hypotheses[step] = texts
    return hypotheses
