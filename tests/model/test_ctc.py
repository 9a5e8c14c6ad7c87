"""One CTC loss for training, evaluation and audit."""

import math

import pytest
import torch
from torch.nn import functional

from goama.model.ctc import ctc_loss, ctc_losses

LABELS = [[1, 2, 1], [3], [2, 2]]


@pytest.fixture
def log_probabilities() -> torch.Tensor:
    torch.manual_seed(0)
    return torch.randn(3, 9, 5).log_softmax(-1)


def test_each_clip_of_a_batch_has_the_loss_it_has_alone(log_probabilities):
    lengths = torch.tensor([9, 4, 6])
    losses = ctc_losses(log_probabilities, lengths, LABELS, 0)
    for row, length, labels, loss in zip(log_probabilities, lengths.tolist(), LABELS, losses.tolist(), strict=True):
        assert ctc_loss(row[:length], labels, 0) == pytest.approx(loss, abs=1e-5)
        theirs = functional.ctc_loss(
            row[:length, None], torch.tensor([labels]), (length,), (len(labels),), reduction="sum"
        )
        assert loss == pytest.approx(float(theirs), abs=1e-5)


def test_labels_that_need_more_frames_than_there_are_have_an_infinite_loss_or_none_at_all(log_probabilities):
    assert math.isinf(ctc_loss(log_probabilities[0, :2], [2, 2], 0))
    logits = log_probabilities.clone().requires_grad_()
    losses = ctc_losses(logits, torch.tensor([9, 4, 2]), LABELS, 0, zero_infinity=True)
    assert losses[2] == 0.0
    losses.sum().backward()
    assert logits.grad is not None and torch.isfinite(logits.grad).all() and not logits.grad[2].any()
