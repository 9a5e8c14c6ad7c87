"""The loss is CTC's own, in sums that any way of batching adds up to."""

import numpy as np
import pytest
import torch
from torch.nn import functional
from transformers import Wav2Vec2BertConfig, Wav2Vec2BertForCTC

from goama.acoustics.log_mel import LogMel
from goama.training.objective import active_frames, ctc_sum, flat_start_sum, without_blank_sum

LABELS = ((3, 4, 4, 5), (6,), (3, 5, 3, 5, 3, 5))


def logits_and_lengths():
    generator = torch.Generator().manual_seed(0)
    return torch.randn(3, 30, 8, generator=generator, requires_grad=True), torch.tensor([30, 12, 25])


def test_it_equals_torch_clip_by_clip():
    logits, lengths = logits_and_lengths()
    losses = ctc_sum(logits, lengths, LABELS, 0)
    for row, labels in enumerate(LABELS):
        alone = functional.ctc_loss(
            logits[row, : lengths[row]].log_softmax(-1),
            torch.tensor(labels),
            torch.tensor(int(lengths[row])),
            torch.tensor(len(labels)),
            reduction="sum",
        )
        torch.testing.assert_close(losses[row], alone)


def test_it_equals_what_transformers_computes_with_reduction_sum():
    torch.manual_seed(0)
    config = Wav2Vec2BertConfig(
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        output_hidden_size=32,
        vocab_size=8,
        pad_token_id=0,
        ctc_loss_reduction="sum",
    )
    network = Wav2Vec2BertForCTC(config).eval()
    mask = (torch.arange(30) < torch.tensor([30, 12, 25])[:, None]).long()
    labels = torch.full((3, 6), -100)
    for row, ids in enumerate(LABELS):
        labels[row, : len(ids)] = torch.tensor(ids)
    output = network(torch.randn(3, 30, 160), attention_mask=mask, labels=labels)
    torch.testing.assert_close(ctc_sum(output.logits, mask.sum(1), LABELS, 0).sum(), output.loss)


def test_labels_that_do_not_fit_cost_nothing_and_pull_nowhere():
    logits = torch.randn(1, 4, 8, requires_grad=True)
    loss = ctc_sum(logits, torch.tensor([4]), ((3, 3, 3),), 0)
    loss.sum().backward()
    assert float(loss) == 0.0
    assert not logits.grad.any()


def test_a_flat_start_wants_each_label_in_its_share_of_the_loud_frames_and_blanks_elsewhere():
    logits = torch.zeros(1, 8, 6)
    logits[0, [0, 7], 0] = 50.0
    logits[0, 1:4, 2] = 50.0
    logits[0, 4:7, 5] = 50.0
    loud = torch.tensor([[False] + [True] * 6 + [False]])
    assert float(flat_start_sum(logits, loud, torch.tensor([8]), ((2, 5),), 0)) == pytest.approx(0.0, abs=1e-4)
    assert float(flat_start_sum(logits, loud, torch.tensor([8]), ((5, 2),), 0)) > 100


def test_a_flat_start_ignores_padding():
    logits = torch.randn(1, 8, 6)
    loud = torch.ones(1, 8, dtype=torch.bool)
    short = flat_start_sum(logits[:, :5], loud[:, :5], torch.tensor([5]), ((2, 5),), 0)
    torch.testing.assert_close(flat_start_sum(logits, loud, torch.tensor([5]), ((2, 5),), 0), short)


def test_speech_is_told_from_the_silence_around_it(corpus):
    cut = next(iter(corpus.cuts("test")))
    sound = cut.load_audio()[0]
    silence = np.random.default_rng(0).normal(0, 1e-4, 16_000).astype(np.float32)
    features, mask = LogMel(4)([np.concatenate([silence, sound, silence])])
    loud = active_frames(features, mask)[0]
    assert not loud[:24].any() and not loud[-24:].any()
    assert loud[25:-25].float().mean() > 0.5


def test_without_the_blank_saying_nothing_is_no_answer():
    silent, right = torch.zeros(1, 6, 6), torch.zeros(1, 6, 6)
    silent[..., 0] = 20.0
    right[0, [0, 5], 1] = right[0, 1:3, 2] = right[0, 3:5, 5] = 20.0
    said, unsaid = (float(without_blank_sum(x, torch.tensor([6]), ((2, 5),), 0, 1)) for x in (right, silent))
    assert said < 0.01 < 5.0 < unsaid


def test_without_the_blank_a_doubled_letter_is_still_possible():
    logits = torch.randn(1, 7, 6, requires_grad=True)
    loss = without_blank_sum(logits, torch.tensor([7]), ((3, 3),), 0, 1)
    loss.sum().backward()
    assert 0.0 < float(loss) < 40.0
    assert not logits.grad[..., 0].any(), "the blank cannot be learnt where it is not asked for"
