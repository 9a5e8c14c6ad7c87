"""The loss is CTC's own, in sums that any way of batching adds up to."""

import torch
from torch.nn import functional
from transformers import Wav2Vec2BertConfig, Wav2Vec2BertForCTC

from goama.training.objective import ctc_sum, disagreement_sum

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


def test_the_disagreement_of_two_views_is_their_divergence_both_ways_and_pulls_each_to_the_other_as_it_stands():
    logits, lengths = logits_and_lengths()
    views = torch.cat([logits, logits.detach() + torch.randn(3, 30, 8, generator=torch.Generator().manual_seed(2))])
    views = views.detach().requires_grad_()
    losses = disagreement_sum(views, lengths.repeat(2))
    one, other = views.detach().softmax(-1).chunk(2)
    for row, length in enumerate(lengths):
        towards_other = (other[row] * (other[row] / one[row]).log())[:length].sum()
        towards_one = (one[row] * (one[row] / other[row]).log())[:length].sum()
        torch.testing.assert_close(losses[row], towards_other)
        torch.testing.assert_close(losses[row + 3], towards_one)
    losses.sum().backward()
    pull = torch.cat([one - other, other - one])  # of cross-entropy against fixed targets
    valid = (torch.arange(30) < lengths[:, None]).repeat(2, 1)
    torch.testing.assert_close(views.grad[valid], pull[valid])
    assert not views.grad[~valid].any()
