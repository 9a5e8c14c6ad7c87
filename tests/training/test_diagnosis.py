"""Each finding is said of a history that shows it and not of one that does not; four histories are of real runs."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from goama.audit.findings import Finding
from goama.audit.pairs import TIGHT_FRAMES_PER_LABEL
from goama.run.diagnosis import read_diagnosis, save_diagnosis
from goama.run.metrics import Metrics
from goama.training.diagnosis import diagnose
from goama.training.facts import Facts, SplitFacts, Spread, gather_facts

METRICS = Path(__file__).parents[1] / "fixtures" / "metrics"
SPLIT = SplitFacts(500, {"a": 900, "e": 1500, "ë": 2, "|": 600}, Spread(8.0, 12.0, 16.0), Spread(-30.0, -25.0, -20.0))
FACTS = Facts(
    from_scratch=True,
    learning_rate=1e-3,
    head_learning_rate=1e-3,
    adapter=False,
    takes_waveforms=False,
    augmentation_off=("tempo", "reverb"),
    warmup=0.1,
    head_only=0.0,
    steps_per_epoch=50,
    planned_steps=600,
    steps=None,
    epochs=12.0,
    minutes=None,
    unfit=(),
    frames_per_label=(1.8, 3.1),
    train=SPLIT,
    dev=SPLIT,
)


def real(name: str) -> list[dict]:
    return [json.loads(line) for line in (METRICS / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()]


def logged(step: int, loss: float, blank: float = 0.6, rate: float = 1e-3) -> dict:
    return {"step": step, "loss": loss, "blank_share": blank, "learning_rate": rate}


def evaluated(step: int, cer: float, loss: float | None = None, **more) -> dict:
    return {"step": step, "dev_cer": cer, "dev_loss": loss} | more


def run(losses, cers, dev_losses=None, blank: float = 0.6) -> list[dict]:
    """A line every ten steps and evenly spaced evaluations; the rate peaks after a tenth."""
    every = len(losses) // len(cers)
    lines = []
    for number, loss in enumerate(losses, start=1):
        lines.append(logged(10 * number, loss, blank, rate=1e-3 * min(1.0, 10 * number / len(losses))))
        if number % every == 0:
            index = number // every - 1
            lines.append(evaluated(10 * number, cers[index], dev_losses[index] if dev_losses else None))
    return lines


def diagnosed(lines, facts=FACTS, at_end=False) -> list[Finding]:
    return diagnose(Metrics(tuple(lines)), facts, at_end=at_end)


def names(lines, facts=FACTS, at_end=True) -> list[str]:
    return [one.name for one in diagnosed(lines, facts, at_end=at_end)]


def only(lines, facts=FACTS, at_end=True) -> Finding:
    (found,) = diagnosed(lines, facts, at_end=at_end)
    return found


FALLING = [3.0 * 0.97**step for step in range(60)]
FLAT_END = [max(0.8, loss) for loss in FALLING]
HEALTHY = run(FLAT_END, [0.8, 0.5, 0.3, 0.25, 0.24, 0.239], [2.0, 1.4, 1.0, 0.9, 0.89, 0.885])


def test_of_a_healthy_run_nothing_is_said():
    assert names(HEALTHY) == []
    assert names(HEALTHY, at_end=False) == []
    assert names([]) == []


def test_real_runs_that_learnt_are_not_accused():
    for name in ("fine-tuned", "scratch-learns"):
        lines = real(name)
        for end in range(0, len(lines), 5):
            assert not set(names(lines[:end], at_end=False)) - {"blank-plateau"}, (name, end)


def test_a_real_run_on_the_blank_plateau_hears_until_when_that_is_normal():
    lines = real("scratch-stuck")
    live = only(lines, at_end=False)
    assert live.name == "blank-plateau"
    assert "normal until about step 1000" in live.message and "99 % of the frames are blank" in live.evidence
    assert only(lines).name == "ended-on-the-blank-plateau"
    late = [logged(60, 3.0), *(line | {"step": line["step"] + 1500} for line in lines)]  # the rate peaked long ago
    assert only(late, at_end=False).name == "stuck-on-the-blank-plateau"
    assert only(late).remedy == "Train from a pretrained encoder (--encoder)."
    tuned = replace(FACTS, from_scratch=False)
    assert "--encoder" not in only(late, tuned).remedy


def test_the_plateau_of_a_new_head_is_counted_from_where_the_encoder_begins_to_learn():
    lines = [logged(10 * n, 3.0, 0.99, rate=1e-5 * min(n, 10)) for n in range(1, 61)] + [evaluated(600, 1.0)]
    frozen = replace(STEPS, from_scratch=False, steps=5000, planned_steps=5000, head_only=0.12)
    assert only(lines, frozen, at_end=False).message.endswith("normal until about step 900.")
    assert only(lines, replace(frozen, head_only=0.0), at_end=False).name == "stuck-on-the-blank-plateau"


def test_a_network_that_writes_is_on_no_plateau_however_blank_its_frames():
    lines = run([0.3] * 60, [0.12] * 6, blank=0.97)
    assert names(lines) == []


def test_a_run_that_ends_while_everything_falls_was_too_short():
    lines = run(FALLING, [0.9, 0.8, 0.7, 0.6, 0.5, 0.4], [2.9, 2.4, 1.9, 1.5, 1.2, 0.9])
    found = only(lines)
    assert found.name == "under-training"
    assert "fell by 40 %" in found.message
    assert found.remedy == "Train again for twice as long (-s train.epochs=24)."
    assert names(lines, at_end=False) == []


STEPS = replace(FACTS, steps=600, epochs=None)
MINUTES = replace(FACTS, minutes=10.0, planned_steps=None, epochs=None)


@pytest.mark.parametrize(
    "facts, settings",
    [
        (STEPS, "-s train.steps=1200"),
        (MINUTES, "-s train.minutes=20"),
        (replace(STEPS, minutes=15.0), "-s train.steps=1200 -s train.minutes=20"),
        (replace(STEPS, minutes=60.0), "-s train.steps=1200"),
        (replace(MINUTES, epochs=100.0), "-s train.minutes=20"),
        (replace(STEPS, steps=6000), "with more train.patience"),
    ],
)
def test_what_bounded_a_run_that_was_too_short_is_what_its_remedy_raises(facts, settings):
    lines = run(FALLING, [0.9, 0.8, 0.7, 0.6, 0.5, 0.4], [2.9, 2.4, 1.9, 1.5, 1.2, 0.9])
    timed = [line | {"elapsed_s": float(line["step"])} if "loss" in line else line for line in lines]
    assert only(timed, facts).remedy == f"Train again for twice as long ({settings})."


def test_a_run_of_a_fraction_of_an_epoch_is_given_steps_not_epochs():
    lines = run(FALLING, [0.9, 0.8, 0.7, 0.6, 0.5, 0.4], [2.9, 2.4, 1.9, 1.5, 1.45, 1.38])
    assert "-s train.steps=900)" in only(lines, replace(STEPS, steps_per_epoch=6000.0)).remedy


def test_a_dev_set_that_gets_worse_while_training_gets_better_is_over_fitting():
    by_cer = only(run(FALLING, [0.6, 0.4, 0.39, 0.42, 0.45, 0.47]))
    assert by_cer.name == "over-fitting" and "since step 300" in by_cer.message
    assert "39.0 % -> 47.0 %" in by_cer.evidence and "augment.tempo" in by_cer.remedy
    assert "(-s augment.tempo=0.1 -s augment.reverb=0.3), a shorter run" in by_cer.remedy
    augmented = only(run(FALLING, [0.6, 0.4, 0.39, 0.42, 0.45, 0.47]), replace(FACTS, augmentation_off=()))
    assert "most; else a shorter run" in augmented.remedy and "augment." not in augmented.remedy
    waveforms = only(run(FALLING, [0.6, 0.4, 0.39, 0.42, 0.45, 0.47]), replace(FACTS, takes_waveforms=True))
    assert "augment.tempo" not in waveforms.remedy and "augment.time_masks_per_s" in waveforms.remedy
    by_loss = only(run(FALLING, [0.6, 0.4, 0.39, 0.385, 0.38, 0.379], [1.5, 1.0, 1.05, 1.2, 1.4, 1.6]))
    assert by_loss.name == "over-fitting" and "though the CER does not yet" in by_loss.message


def test_a_dev_set_that_gets_worse_together_with_training_is_not_over_fitting():
    assert "over-fitting" not in names(run([1.0] * 60, [0.6, 0.4, 0.39, 0.42, 0.45, 0.47]))


ROLLED_BACK = {
    "event": "rolled back",
    "kind": "spike",
    "step": 316,
    "since_step": 300,
    "to_step": 250,
    "usual": 1.2,
    "now": 4.1,
    "learning_rate": 9e-4,
    "guard_rate": 0.3,
    "reason": "the loss rose from 1.20 to 4.10",
}


def test_a_spike_that_was_undone_shows_a_rate_too_high():
    found = only([*HEALTHY, ROLLED_BACK])
    assert found.name == "learning-rate-too-high"
    assert "from step 300 on the loss rose from 1.20 to 4.10, at a rate of up to 9.0e-04;" in found.evidence
    assert "train.learning_rate=3.3e-04" in found.remedy


W2V_BERT = replace(FACTS, from_scratch=False, learning_rate=5e-5, head_learning_rate=5e-4)
"""The rates that the plan gives a large pretrained encoder and its head; metrics hold those of the head."""


@pytest.mark.parametrize(
    "kind, encoder, head",
    [("spike", "1.7e-05", "1.7e-04"), ("grown weights", "5.0e-06", "5.0e-05"), ("forgotten", "5.0e-06", "5.0e-05")],
)
def test_a_remedy_lowers_the_rates_of_the_recipe_that_of_the_encoder_and_that_of_its_head(kind, encoder, head):
    halfway_down_and_cut_once = ROLLED_BACK | {"kind": kind, "learning_rate": 0.15 * 5e-4}
    found = only([*HEALTHY, halfway_down_and_cut_once], W2V_BERT)
    assert f"-s train.learning_rate={encoder} -s train.head_learning_rate={head}" in found.remedy
    assert "at a rate of up to 7.5e-06 (7.5e-05 for new parameters)" in found.evidence


def test_a_loss_that_creeps_up_lowers_them_too():
    creeping = [3.0, *[2.0 - 0.02 * n for n in range(29)], *[1.4 + 0.03 * n for n in range(30)]]
    lines = [
        line | {"learning_rate": 0.5 * line["learning_rate"]} if "loss" in line else line
        for line in run(creeping, [0.6, 0.5, 0.45, 0.5, 0.6, 0.7])
    ]
    found = only(lines, W2V_BERT)
    assert "-s train.learning_rate=1.7e-05 -s train.head_learning_rate=1.7e-04" in found.remedy
    assert "up to 5.0e-05 (5.0e-04 for new parameters)" in found.evidence


def test_weights_that_outgrow_themselves_show_a_rate_far_too_high():
    grown = {"kind": "grown weights", "usual": 1.0, "now": 3.4, "reason": "the weights grew to 3.4 times their size"}
    found = only([*HEALTHY, ROLLED_BACK | grown])
    assert found.name == "learning-rate-too-high" and "to 3.4 times their size" in found.evidence
    assert "train.learning_rate=1.0e-04" in found.remedy


def test_a_network_that_forgot_what_it_could_write_shows_one_too():
    forgotten = {"kind": "forgotten", "usual": 0.8, "now": None, "reason": "dev CER 80 % 48 steps ago"}
    found = only([*HEALTHY, ROLLED_BACK | forgotten])
    assert found.name == "learning-rate-too-high" and "forgot" in found.message
    assert "train.learning_rate=1.0e-04" in found.remedy


def test_a_spike_right_after_a_handful_of_warm_up_steps_blames_the_warm_up():
    lines = [logged(10 * n, 2.0, rate=1e-3 if n == 2 else 9e-4) for n in range(1, 12)]
    spike = ROLLED_BACK | {"step": 66, "since_step": 50, "to_step": 0}
    short = replace(STEPS, steps=200, planned_steps=200)
    found = only([*lines, spike], short)
    assert found.name == "warm-up-too-short" and "The warm-up of 20 steps" in found.message
    assert found.remedy == "Let the rate rise over 40 of the 200 steps (-s train.warmup=0.2)."
    late = spike | {"since_step": 90, "step": 106}
    assert only([*lines, late], short).name == "learning-rate-too-high"


def test_a_warm_up_is_as_long_as_planned_though_the_guard_cut_the_rate_within_it():
    lines = [logged(10 * n, 2.0, rate=1.7e-4 * n if n < 4 else 5e-5 * n) for n in range(1, 7)]
    spike = ROLLED_BACK | {"step": 46, "since_step": 30, "to_step": 0}
    assert only([*lines, spike]).name == "learning-rate-too-high", "of 600 steps the rate rises over 60"


def test_the_share_of_a_run_that_its_warm_up_needs_follows_from_its_length():
    lines = [logged(10 * n, 2.0) | {"progress": n / 25, "elapsed_s": 24.0 * n} for n in range(1, 8)]
    spike = ROLLED_BACK | {"step": 66, "since_step": 50, "to_step": 0}
    assert "40 of the 250 steps (-s train.warmup=0.16)" in only([*lines, spike], MINUTES).remedy
    unknown = [logged(10 * n, 2.0) for n in range(1, 8)]
    assert "-s train.warmup" not in only([*unknown, spike], MINUTES).remedy
    tiny = only([*unknown, spike | {"since_step": 36}], replace(FACTS, epochs=2.0, planned_steps=100))
    assert "-s train.epochs=3 -s train.warmup=0.3" in tiny.remedy and "no room" in tiny.remedy


def test_a_loss_that_creeps_up_for_hundreds_of_steps_shows_a_rate_too_high():
    creeping = [3.0, *[2.0 - 0.02 * n for n in range(29)], *[1.4 + 0.03 * n for n in range(30)]]
    lines = run(creeping, [0.6, 0.5, 0.45, 0.5, 0.6, 0.7])
    assert names(lines) == ["learning-rate-too-high"]


def test_a_guard_that_stopped_the_run_is_said_first():
    stopped = ROLLED_BACK | {"event": "stopped", "step": 400, "reason": "the loss rose from 1.2 to 4.1"}
    found = diagnosed([*HEALTHY, ROLLED_BACK, stopped], FACTS, at_end=True)
    assert [one.name for one in found] == ["stopped-by-the-guard", "learning-rate-too-high"]
    assert "at step 400" in found[0].message


def test_skipped_steps_and_unsound_clips_are_named():
    clip = {"id": "c7", "text": "ja", "loss": None, "why": "its text needs 9 frames, its sound has 5"}
    skipped = {"step": 30, "event": "skipped", "clips": [clip]}
    found = only([*HEALTHY, skipped])
    assert found.name == "steps-skipped" and found.clips == ("c7",) and "needs 9 frames" in found.evidence
    unexplained = only([*HEALTHY, skipped | {"clips": []}])
    assert "train.learning_rate=3.3e-04 -s train.head_learning_rate=3.3e-04" in unexplained.remedy
    unsound = only([*HEALTHY, {"step": 3, "event": "unsound", "clips": [{"id": "c9"}]}])
    assert unsound.name == "sound-not-finite" and unsound.clips == ("c9",)


def odd(*clips: tuple[str, str]) -> list[dict]:
    return [
        {"step": 10 * n, "event": "odd batch", "clips": [{"id": name, "text": text, "loss": 30.0, "why": "far off"}]}
        for n, (name, text) in enumerate(clips, start=1)
    ]


def test_rare_characters_behind_odd_batches_are_named_with_their_clips():
    found = only([*HEALTHY, *odd(("c1", "a ë"), ("c2", "ëa"), ("c3", "a a"))])
    assert found.name == "rare-characters" and found.clips == ("c1", "c2")
    assert "'ë' (2 times)" in found.message
    assert names([*HEALTHY, *odd(("c1", "a ë"), ("c2", "ëa"))]) == [], "two may be chance"


def test_clips_that_return_without_a_rare_character_are_suspects():
    found = only([*HEALTHY, *odd(("c1", "a"), ("c2", "ea"), ("c1", "a"), ("c4", "e"))])
    assert found.name == "clips-that-do-not-fit" and found.clips == ("c1",)
    assert names([*HEALTHY, *odd(("c1", "a"), ("c2", "ea"), ("c3", "a"), ("c4", "e"))]) == []


def test_the_real_run_with_odd_batches_is_no_drift():
    assert "learning-rate-too-high" not in names(real("rare-characters"))


def test_too_few_frames_are_told_from_enough():
    tight = only(HEALTHY, replace(FACTS, frames_per_label=(1.1, 1.6), adapter=True))
    assert tight.name == "too-few-frames-per-label" and "model.adapter=false" in tight.remedy
    just_enough = replace(FACTS, frames_per_label=(TIGHT_FRAMES_PER_LABEL, 1.6), adapter=True)
    assert names(HEALTHY, just_enough) == [], "the plan takes the adapter where they suffice"
    unfit = only(HEALTHY, replace(FACTS, unfit=("c1", "c2", "c3", "c4", "c5", "c6")))
    assert "6 clips of 506 left out" in unfit.message and unfit.clips[0] == "c1"
    assert names(HEALTHY, replace(FACTS, unfit=("c1",))) == [], "one in five hundred"


@pytest.mark.parametrize(
    "dev, name, said",
    [
        (replace(SPLIT, characters={"a": 90, "x": 10}), "characters", "10.0 % of the dev set's characters"),
        (replace(SPLIT, labels_per_s=Spread(15.0, 18.0, 22.0)), "speaking-rate", "is faster than"),
        (replace(SPLIT, level_db=Spread(-50.0, -45.0, -40.0)), "loudness", "more quietly"),
    ],
)
def test_a_dev_set_unlike_the_training_set_is_described(dev, name, said):
    found = only(HEALTHY, replace(FACTS, dev=dev))
    assert found.name == f"dev-unlike-train-{name}" and said in found.message


def test_a_dev_set_within_the_training_set_is_not():
    near = SplitFacts(20, {"a": 90, "e": 150}, Spread(10.0, 15.5, 18.0), Spread(-29.0, -28.0, -20.0))
    assert names(HEALTHY, replace(FACTS, dev=near)) == []


def test_one_speaker_much_worse_than_the_others_is_named():
    def with_speakers(speakers):
        return [*HEALTHY, evaluated(600, 0.239, 0.885, speakers=speakers)]

    found = only(with_speakers({"awa": [300, 600, 12], "issa": [90, 700, 14], "pol": [80, 600, 12]}))
    assert found.name == "one-speaker-much-worse" and found.message.startswith("awa ")
    assert "50.0 % over 12 clips, the others 13.1 %" in found.evidence
    assert names(with_speakers({"awa": [30, 40, 2], "issa": [90, 700, 14]})) == [], "two clips are no evidence"
    assert names(with_speakers({"awa": [120, 600, 12], "issa": [100, 700, 14]})) == []


def test_a_corpus_whose_texts_are_of_another_language_is_named():
    """The counts of the starter's second training, in which `drascula-it` was English speech under Italian texts."""
    heard = {"asterisk-it": [101, 382, 12], "drascula-es": [352, 905, 19], "drascula-it": [891, 1177, 26]}
    found = only([*HEALTHY, evaluated(600, 0.44, 0.9, corpora=heard)])
    assert found.name == "one-corpus-much-worse" and "The corpus drascula-it has" in found.message
    assert "75.7 % over 26 clips, the others 35.2 %" in found.evidence
    heard["drascula-it"][0] = 500
    assert names([*HEALTHY, evaluated(600, 0.4, 0.9, corpora=heard)]) == []


def test_the_file_keeps_what_was_told_and_when(tmp_path):
    (plateau,) = diagnosed(real("scratch-stuck"))
    assert save_diagnosis(tmp_path, [plateau], finished=False, reason="") == [plateau]
    assert save_diagnosis(tmp_path, [replace(plateau, step=999)], finished=False, reason="") == []
    content = json.loads((tmp_path / "diagnosis.json").read_text())
    assert content["diagnoses"][0]["step"] == plateau.step
    of_0_1 = {"name", "sentence", "evidence", "remedy", "clips", "step", "subject"}
    assert set(content["diagnoses"][0]) == of_0_1 | {"severity", "message", "why", "details"}
    assert save_diagnosis(tmp_path, [], finished=True, reason="why") == []
    assert save_diagnosis(tmp_path, [plateau], finished=True, reason="why") == [], "it was told before"
    assert read_diagnosis(tmp_path).findings == (plateau,) and read_diagnosis(tmp_path).reason == "why"


def test_the_file_of_an_earlier_goama_is_read(tmp_path):
    old = {"name": "rate", "sentence": "Too high.", "evidence": "e", "remedy": "lower it", "clips": ["c1"], "step": 30}
    (tmp_path / "diagnosis.json").write_text(json.dumps({"diagnoses": [old, "x", {}], "told": {"rate": 30}}))
    (found,) = read_diagnosis(tmp_path).findings
    assert found == Finding("rate", "warning", ("c1",), "Too high.", "", "lower it", evidence="e", step=30)
    assert save_diagnosis(tmp_path, [replace(found, step=50)], finished=False, reason="") == []


@pytest.mark.parametrize("of, name", [("speakers", "one-speaker-much-worse"), ("corpora", "one-corpus-much-worse")])
def test_a_second_speaker_or_corpus_that_fails_later_is_told_too(tmp_path, of, name):
    def told_at(step: int, counts) -> list[tuple[str, str, int]]:
        found = diagnosed([*HEALTHY, evaluated(step, 0.2, 0.8, **{of: counts})], FACTS)
        new = save_diagnosis(tmp_path, found, finished=False, reason="")
        return [(one.name, one.subject, one.step) for one in new]

    one = {"awa": [300, 600, 12], "issa": [90, 700, 14], "pol": [80, 600, 12], "sita": [85, 1500, 30]}
    assert told_at(600, one) == [(name, "awa", 600)]
    two = one | {"issa": [400, 700, 14]}
    assert told_at(650, two) == [(name, "issa", 650)]
    assert told_at(700, two) == []
    steps = [found["step"] for found in json.loads((tmp_path / "diagnosis.json").read_text())["diagnoses"]]
    assert steps == [600, 650], "each keeps its own"


def facts_of(mixture, corpus, encoder, *settings: str) -> Facts:
    import torch

    from goama.model.encoder import read_config
    from goama.run.recipe import read_recipe
    from goama.text import Vocabulary
    from goama.training.plan import complete_plan, make_plan

    vocabulary, _ = Vocabulary.from_texts(cut.supervisions[0].text for cut in corpus.cuts("train"))
    config = read_config(str(encoder))
    plan = make_plan(read_recipe(None, settings), mixture, vocabulary, str(encoder), config, torch.device("cpu"))
    plan = complete_plan(plan, encoder=str(encoder), config=config, known=1.0, steps_per_epoch=8)
    return gather_facts(mixture, vocabulary, plan, config, steps_per_epoch=8)


def test_the_facts_of_a_real_corpus(mixture, corpus, tiny_encoder):
    facts = facts_of(mixture, corpus, tiny_encoder)
    assert (facts.train.clips, facts.dev.clips, facts.from_scratch) == (16, 4, False)
    assert 5 < facts.train.labels_per_s.median < 25
    assert -60 < facts.train.level_db.low <= facts.train.level_db.median <= facts.train.level_db.high < 0
    assert 1 < facts.frames_per_label[0] <= facts.frames_per_label[1] < 10
    assert facts.train.characters["|"] > 16


def test_the_facts_keep_the_rates_of_encoder_and_head_apart(mixture, corpus, tiny_encoder):
    facts = facts_of(mixture, corpus, tiny_encoder, "train.learning_rate=5e-5", "train.head_learning_rate=5e-4")
    assert (facts.learning_rate, facts.head_learning_rate) == (5e-5, 5e-4)


def test_the_facts_know_what_bounds_a_run(mixture, corpus, tiny_encoder):
    by_steps = facts_of(mixture, corpus, tiny_encoder, "train.steps=80", "train.warmup=0.2")
    assert (by_steps.steps, by_steps.epochs, by_steps.minutes, by_steps.warmup) == (80, None, None, 0.2)
    assert by_steps.planned_steps == 80
