"""Frame labels guide a network that begins from nothing: an inner layer learns them before CTC learns to write.

CTC alone leaves a fresh network on its blank plateau. So Gaussians align the letters (`gaussians.py`), the network
learns these labels frame by frame, aligns better itself, learns from that (Senior et al. 2014, "GMM-free DNN acoustic
model training"; Zeyer et al. 2017 for CTC), and then CTC fades in above.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import reduce
from operator import add
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from goama.data.batches import ordered_batches
from goama.model.encoder import feature_stride
from goama.model.frame_head import frame_logits
from goama.sound.front_end import FrontEnd
from goama.sound.log_mel import FRAME_SHIFT_S
from goama.text.vocabulary import Vocabulary
from goama.training.alignment import Alignment, Passing, best_paths, label_starts, make_chain
from goama.training.gaussians import flat_start
from goama.training.monitor import Monitor, clock
from goama.training.processes import Processes

if TYPE_CHECKING:
    from lhotse import CutSet

LASTING = 0.3
"""The frame loss's share of the loss once CTC has faded in."""

FADING = 0.1
"""The share of training over which it does."""

_PRIOR_SCALE = 0.4  # posteriors become likelihoods by their priors, but frames are not independent
_SMALLEST_PRIOR = 1e-4
_PASSING = Passing(stay=-0.4, leave=-0.9)
_BATCH_S = 60.0


def guidance(progress: float, share: float) -> float:
    """The frame loss's weight at `progress` in [0, 1]; CTC has the rest. Alone for a `share` of training, then
    falling to `LASTING`; 0 throughout where the share is 0."""
    if not share:
        return 0.0
    return 1.0 - (1.0 - LASTING) * min(1.0, max(0.0, progress - share) / FADING)


def align_again(
    network: nn.Module,
    front_end: FrontEnd,
    vocabulary: Vocabulary,
    cuts: CutSet,
    alignment: Alignment,
    progress: Callable[[float], None] = lambda share: None,
    *,
    rank: int = 0,
    world_size: int = 1,
) -> Alignment:
    """The labels' places as a network in evaluation mode hears them, in whole frames of its own.

    One state a letter; silence is what the network takes for blank or for a space. A clip whose letters need more
    frames than the network has keeps the place it had. Of `world_size` processes each aligns its share of the clips.
    """
    blank, delimiter = vocabulary.blank_id, vocabulary.delimiter_id
    log_prior = _priors(vocabulary, cuts, alignment).clamp_min(_SMALLEST_PRIOR).log()
    columns = {label: (label,) for label in range(len(vocabulary))}
    starts: dict[str, np.ndarray] = {}
    for batch in ordered_batches(cuts, vocabulary, batch_s=_BATCH_S, rank=rank, world_size=world_size):
        starts |= {clip: alignment.starts[clip] for clip in batch.ids}
        with torch.inference_mode():
            features, mask = front_end(batch.waveforms)
            states = network(features, attention_mask=mask.long(), output_hidden_states=True).hidden_states
            log_posteriors = frame_logits(network, states).float().log_softmax(-1).cpu()
        scores = log_posteriors - _PRIOR_SCALE * log_prior
        scores[..., blank] = log_posteriors[..., [blank, delimiter]].logsumexp(-1) - _PRIOR_SCALE * log_prior[
            [blank, delimiter]
        ].logsumexp(-1)
        lengths = mask.sum(1).tolist()
        chains = {clip: make_chain(ids, columns, blank, delimiter) for clip, ids in enumerate(batch.labels) if ids}
        fitting = [clip for clip, chain in chains.items() if chain.fewest_frames <= lengths[clip]]
        heard = [scores[clip, : lengths[clip]].numpy() for clip in fitting]
        for clip, path in zip(fitting, best_paths(heard, [chains[clip] for clip in fitting], _PASSING), strict=True):
            starts[batch.ids[clip]] = feature_stride(network.config) * label_starts(path, chains[clip])
        progress(world_size * len(starts) / len(alignment.starts))
    return Alignment(starts)


def _priors(vocabulary: Vocabulary, cuts: CutSet, alignment: Alignment) -> torch.Tensor:
    """(V,) float32: each label's share of the frames, as they are aligned."""
    frames = np.zeros(len(vocabulary))
    for cut in cuts:
        starts = alignment.starts[cut.id]
        np.add.at(frames, vocabulary.encode(cut.supervisions[0].text), np.diff(starts))
        frames[vocabulary.blank_id] += max(0.0, cut.duration / FRAME_SHIFT_S - (starts[-1] - starts[0]))
    return torch.from_numpy(frames / frames.sum()).float()


class Guide:
    """A run's frame labels: aligned at its start, again as the network learns, each kept as RUN/alignment-<n>.npz."""

    def __init__(
        self,
        run: Path,
        corpora: Sequence[tuple[str, CutSet]],
        vocabulary: Vocabulary,
        monitor: Monitor,
        *,
        share: float,
        realign: int,
        processes: Processes,
    ):
        """`corpora`: the names and training clips of corpora that are aligned each by itself at first.

        Of several processes the main one makes the first alignment; later ones they share out. All have the same.
        """
        self._run, self._corpora, self._vocabulary, self._monitor = run, corpora, vocabulary, monitor
        self._share, self._realign, self._processes = share, realign, processes
        self.alignment = Alignment({})

    def begin(self, realigned: int) -> None:
        """Take up the alignment that a run had which was aligned again so often; make the first where there is none.

        Raises `GoamaError` when a later one is gone or damaged.
        """
        self.alignment = self._processes.on_main(lambda: self._taken_up(realigned))

    def go_back(self, realigned: int, now: int) -> None:
        """Take up an earlier alignment in the place of the one now used: a network in trouble had made that."""
        self.begin(realigned)
        self._processes.on_main(lambda: self.alignment.save(self._path(now)))

    def weight(self, progress: float) -> float:
        return guidance(progress, self._share)

    def is_due(self, progress: float, realigned: int) -> bool:
        """Whether the network is to align again: so often, evenly spaced, in the share of training that it guides."""
        return realigned < self._realign and progress >= self._share * (realigned + 1) / (self._realign + 1)

    def align_again(self, network: nn.Module, front_end: FrontEnd, progress: float, realigned: int) -> None:
        """Align by the network, which is in evaluation mode, for the `realigned`th time."""
        started = time.monotonic()
        before = self.alignment
        cuts = reduce(add, (cuts for _, cuts in self._corpora))
        show = self._shown("the network aligns the letters again", progress)
        rank, count = self._processes.rank, self._processes.count
        here = self._processes.together(
            lambda: align_again(network, front_end, self._vocabulary, cuts, before, show, rank=rank, world_size=count)
        )
        self.alignment = Alignment(dict(self._processes.gathered(here.starts.items())))
        self._processes.on_main(lambda: self.alignment.save(self._path(realigned)))
        self._monitor.say(
            f"the network has aligned the letters again in {clock(time.monotonic() - started)}: "
            f"they moved by {1000 * self.alignment.moved_s(before):.0f} ms on average"
        )

    def _taken_up(self, realigned: int) -> Alignment:
        path = self._path(realigned)
        if realigned or path.is_file():
            return Alignment.load(path)
        made = self._from_flat_start()
        made.save(path)
        return made

    def _from_flat_start(self) -> Alignment:
        starts: dict[str, np.ndarray] = {}
        for name, cuts in self._corpora:
            started = time.monotonic()
            made = flat_start(cuts, self._vocabulary, self._shown(f"aligning the letters of {name}", 0.0))
            starts |= made.starts
            self._monitor.say(
                f"{name}: letters aligned in {len(made.starts) - len(made.spread)} clips "
                f"in {clock(time.monotonic() - started)}{_spread(made.spread)}"
            )
        return Alignment(starts)

    def _shown(self, what: str, progress: float) -> Callable[[float], None]:
        started = time.monotonic()

        def show(share: float) -> None:
            left = (time.monotonic() - started) * (1 - share) / share if share else None
            self._monitor.show(progress, left, f"{what}: {100 * share:.0f} %")

        return show

    def _path(self, realigned: int) -> Path:
        return self._run / f"alignment-{realigned}.npz"


def _spread(clips: Sequence[str]) -> str:
    if not clips:
        return ""
    more = f" and {len(clips) - 3} more" if len(clips) > 3 else ""
    return f"; spread evenly in {len(clips)}, too short or too few to align ({', '.join(clips[:3])}{more})"
