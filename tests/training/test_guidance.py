"""Frame labels have the loss to themselves, then share it with CTC; a network finds again what it has learnt."""

import numpy as np
import pytest
import torch

from goama.data.batches import ordered_batches
from goama.model.frame_head import FRAME_HEAD, add_frame_head, frame_logits
from goama.model.loading import load_for_training
from goama.sound.log_mel import LogMel
from goama.text import Vocabulary
from goama.training.alignment import Alignment, frame_targets
from goama.training.gaussians import flat_start
from goama.training.guidance import FADING, LASTING, Guide, align_again, guidance
from goama.training.objective import frame_sum
from goama.training.processes import Processes


def test_ctc_fades_in_when_the_share_is_over_and_frame_labels_keep_theirs():
    assert [guidance(progress, 0.45) for progress in (0.0, 0.2, 0.45)] == [1.0, 1.0, 1.0]
    assert guidance(0.45 + FADING / 2, 0.45) == pytest.approx((1 + LASTING) / 2)
    assert guidance(0.45 + FADING, 0.45) == guidance(1.0, 0.45) == pytest.approx(LASTING)
    assert guidance(0.0, 0.0) == 0.0


def test_the_network_aligns_again_evenly_within_its_share(tmp_path):
    guide = Guide(tmp_path, [], Vocabulary(("[PAD]", "|", "[UNK]")), None, share=0.4, realign=3, processes=Processes())
    moments = np.linspace(0, 1, 1001)
    first = [next(moment for moment in moments if guide.is_due(moment, done)) for done in range(3)]
    assert first == pytest.approx([0.1, 0.2, 0.3], abs=0.002)
    assert not guide.is_due(1.0, 3)


def test_a_run_that_goes_back_learns_the_labels_of_then_under_the_number_of_now(tmp_path):
    vocabulary = Vocabulary(("[PAD]", "|", "[UNK]"))
    guide = Guide(tmp_path, [], vocabulary, None, share=0.4, realign=3, processes=Processes())
    for realigned in range(3):
        Alignment({"a": np.array([realigned, 9])}).save(tmp_path / f"alignment-{realigned}.npz")
    guide.go_back(1, 2)
    assert guide.alignment.starts["a"].tolist() == [1, 9]
    guide.begin(2)
    assert guide.alignment.starts["a"].tolist() == [1, 9]


@pytest.fixture(scope="module")
def cuts(corpus):
    return corpus.cuts("train").to_eager()


@pytest.fixture(scope="module")
def vocabulary(cuts) -> Vocabulary:
    return Vocabulary.from_texts(cut.supervisions[0].text for cut in cuts)[0]


def guided_network(encoder, vocabulary, *, adapter: bool = False):
    torch.manual_seed(0)
    network = load_for_training(str(encoder), vocabulary, adapter=adapter).network
    add_frame_head(network)
    return network


def test_the_frame_head_hears_an_inner_layer_at_the_encoders_own_rate(tiny_encoder, vocabulary):
    for adapter in (False, True):
        network = guided_network(tiny_encoder, vocabulary, adapter=adapter).eval()
        output = network(torch.randn(2, 30, 160), output_hidden_states=True)
        assert output.logits.shape[1] == (15 if adapter else 30)
        logits = frame_logits(network, output.hidden_states)
        assert logits.shape == (2, 30, len(vocabulary))
        torch.testing.assert_close(logits, network.get_submodule(FRAME_HEAD)(output.hidden_states[2]))
    eight = [torch.full((1, 1, 64), float(layer)) for layer in range(9)]
    torch.testing.assert_close(frame_logits(network, eight), network.get_submodule(FRAME_HEAD)(eight[6]))


def test_a_network_that_knows_nothing_gives_whole_alignments(tiny_encoder, cuts, vocabulary):
    network, log_mel = guided_network(tiny_encoder, vocabulary).eval(), LogMel(2)
    first = Alignment(flat_start(cuts, vocabulary).starts)
    again = align_again(network, log_mel, vocabulary, cuts, first)
    assert again.starts.keys() == first.starts.keys()
    for cut in cuts:
        starts, labels = again.starts[cut.id], np.array(vocabulary.encode(cut.supervisions[0].text))
        assert len(starts) == len(labels) + 1
        assert (starts % 2 == 0).all() and starts[0] >= 0 and starts[-1] <= 2 * log_mel.frames(cut.num_samples)
        assert (np.diff(starts)[labels != vocabulary.delimiter_id] >= 2).all()


def test_a_network_finds_again_the_labels_it_has_learnt(tiny_encoder, cuts, vocabulary):
    four = cuts.subset(first=4)
    network, log_mel = guided_network(tiny_encoder, vocabulary).train(), LogMel(2)
    learnt = Alignment(flat_start(four, vocabulary).starts)
    (batch,) = ordered_batches(four, vocabulary, batch_s=60)
    features, mask = log_mel(batch.waveforms)
    targets = frame_targets(
        [learnt.starts[clip] for clip in batch.ids],
        batch.labels,
        mask.sum(1).tolist(),
        stride=2,
        stretches=[1.0] * len(batch.ids),
        blank_id=vocabulary.blank_id,
    )
    optimiser = torch.optim.AdamW(network.parameters(), lr=3e-3)
    for _ in range(60):
        output = network(features, attention_mask=mask.long(), output_hidden_states=True)
        loss = frame_sum(frame_logits(network, output.hidden_states), targets).sum() / mask.sum()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        optimiser.zero_grad()
    found = align_again(network.eval(), log_mel, vocabulary, four, learnt)
    assert found.moved_s(learnt) < 0.04
