"""The steps since the last line of metrics.jsonl, and what that line says of them."""

from __future__ import annotations

from goama.training.learner import StepResult


class RecentSteps:
    """Collects the results of steps. Its state: those results, and the seconds that they took."""

    def __init__(self) -> None:
        self._results: list[StepResult] = []
        self._seconds = 0.0

    def add(self, result: StepResult, seconds: float) -> None:
        """Add a step that took so many seconds."""
        self._results.append(result)
        self._seconds += seconds

    def values(self) -> dict[str, float]:
        """Means over the steps, of the loss over those that were not skipped; the largest gradient norm."""
        results = self._results
        taken = [result for result in results if not result.skipped] or results
        audio_s, padded_s = sum(r.audio_s for r in results), sum(r.padded_s for r in results)
        disagreements = [result.disagreement for result in results if result.disagreement is not None]
        return {
            "loss": sum(result.loss for result in taken) / len(taken),
            "gradient_norm": max(result.gradient_norm for result in taken),
            "blank_share": sum(result.blank_share for result in results) / len(results),
            **({"disagreement": sum(disagreements) / len(disagreements)} if disagreements else {}),
            "padding_share": 1 - audio_s / padded_s if padded_s else 0.0,
            "audio_s_per_s": audio_s / self._seconds,
        }
