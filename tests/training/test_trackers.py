"""A run's curves reach the trackers that its recipe names; one that is not there is said before anything is loaded."""

import importlib.util
import json
import time

import pytest
from accelerate.tracking import GeneralTracker
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from goama.errors import GoamaError
from goama.run.recipe import read_recipe
from goama.training.trackers import require_trackers, start_trackers
from goama.training.train import train
from goama.training.watchers import MetricsFile, Trackers, Watchers

ABSENT = [name for name in ("wandb", "mlflow", "trackio") if importlib.util.find_spec(name) is None]


def looking_on(run, trackers, from_step=0) -> Watchers:
    return Watchers([MetricsFile(run, from_step), Trackers(run, trackers, print)])


def test_tensorboard_shows_each_logged_step_once_also_after_a_resumed_one(tmp_path):
    recipe = read_recipe()
    for from_step in (0, 1):  # killed after step 2, resumed from step 1
        time.sleep(1.1 * from_step)  # TensorBoard reads the files of one second in any order
        trackers = start_trackers(recipe, tmp_path, "id", from_step)
        with looking_on(tmp_path, trackers, from_step) as watchers:
            for step in range(from_step + 1, 4 - (from_step == 0)):
                watchers.logged(step, {"loss": 1.0 / step, "note": "not a number"})
    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert [(event.step, round(event.value, 3)) for event in events.Scalars("loss")] == [(1, 1.0), (2, 0.5), (3, 0.333)]


@pytest.mark.skipif(not ABSENT, reason="every tracker is installed")
def test_a_tracker_that_is_not_installed_is_named_before_the_run_folder_is_made(mixture, tiny_encoder, tmp_path):
    recipe = read_recipe(None, [f'train.trackers=["tensorboard", "{ABSENT[0]}"]'])
    with pytest.raises(GoamaError, match=f"{ABSENT[0]} is not installed; pip install {ABSENT[0]}"):
        train(mixture, tmp_path / "run", encoder=str(tiny_encoder), recipe=recipe)
    assert not (tmp_path / "run").exists()


def test_an_unknown_tracker_is_refused_with_the_known_ones():
    with pytest.raises(GoamaError, match=r"train\.trackers.*'wandb', 'mlflow' or 'trackio'"):
        read_recipe(None, ['train.trackers=["clipboard"]'])


class Failing(GeneralTracker):
    """A server that goes away."""

    name = "failing"
    requires_logging_directory = False
    main_process_only = False

    @property
    def tracker(self):
        return None

    def log(self, values, step=None, **_):
        raise ConnectionError("the server is gone")


def test_a_tracker_that_fails_on_the_way_is_dropped_and_training_goes_on(tmp_path, capsys):
    with looking_on(tmp_path, [Failing()]) as watchers:
        watchers.logged(1, {"loss": 1.0})
        watchers.logged(2, {"loss": 0.5})
    assert capsys.readouterr().out.count("failing stopped accepting metrics (the server is gone)") == 1
    assert [json.loads(line)["step"] for line in (tmp_path / "metrics.jsonl").read_text().splitlines()] == [1, 2]


class GoneAtTheEnd(Failing):
    """A server that goes away after the last figures."""

    def log(self, values, step=None, **_):
        pass

    def finish(self):
        raise ConnectionError("the server is gone")


def test_a_tracker_that_fails_at_the_end_leaves_the_run_finished(tmp_path, capsys):
    with looking_on(tmp_path, [GoneAtTheEnd()]) as watchers:
        watchers.logged(1, {"loss": 1.0})
    assert capsys.readouterr().out.count("failing stopped accepting metrics (the server is gone)") == 1


@pytest.mark.parametrize("name", ["wandb", "mlflow", "trackio"])
def test_each_tracker_takes_the_recipe_and_the_curves(tmp_path, monkeypatch, name):
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))
    pytest.importorskip(name)  # which reads some of these
    recipe = read_recipe(None, [f'train.trackers=["{name}"]'])
    require_trackers(recipe.train.trackers)
    trackers = start_trackers(recipe, tmp_path, "0123456789ab", 0)
    curves = Trackers(tmp_path, trackers, print)
    with Watchers([curves]) as watchers:
        watchers.logged(10, {"loss": 1.5, "best": True})
        assert curves._trackers, "it took the figures"
    written = [path for path in tmp_path.rglob("*") if path.is_file() and path.name != "metrics.jsonl"]
    assert written
