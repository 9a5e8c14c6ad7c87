"""A recipe is read, overridden, written and read again; a slip of the pen is answered with the right key."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from goama.errors import GoamaError
from goama.run.recipe import Recipe, read_recipe


def test_a_written_recipe_reads_back_the_same(tmp_path):
    recipe = read_recipe(None, ["train.minutes=2.5", "train.seed=7", "model.adapter=true", "data.batch_seconds=30"])
    (tmp_path / "recipe.toml").write_text(recipe.to_toml())
    assert read_recipe(tmp_path / "recipe.toml") == recipe


@settings(deadline=None)
@given(name=st.text())
@example(name="𞤆𞤵𞤤𞤢𞤪 🎙")
@example(name='\x00\t\r\n\x1f\x7f\x85\u2028"\\#')
def test_an_encoder_of_any_name_reads_back_the_same(name, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "recipe.toml"
    recipe = Recipe().with_values("model", encoder=name)
    path.write_text(recipe.to_toml(), encoding="utf-8")
    assert read_recipe(path) == recipe


def test_a_name_that_is_not_unicode_is_a_sentence():
    with pytest.raises(GoamaError, match=r"'caf\\udce9' is not Unicode"):
        Recipe().with_values("model", encoder="caf\udce9").to_toml()


def test_the_default_recipe_round_trips(tmp_path):
    (tmp_path / "recipe.toml").write_text(Recipe().to_toml())
    assert read_recipe(tmp_path / "recipe.toml") == Recipe()


def test_overrides_win_over_the_file(tmp_path):
    path = tmp_path / "r.toml"
    path.write_text("[train]\nseed = 3\nsteps = 10\n")
    recipe = read_recipe(path, ["train.steps=20"])
    assert (recipe.train.seed, recipe.train.steps) == (3, 20)


@pytest.mark.parametrize(
    "override, said",
    [
        ("train.minuts=10", r"unknown recipe key train\.minuts; did you mean train\.minutes\?"),
        ("trian.minutes=10", r"did you mean train\.minutes\?"),
        ("train.minutes=ten", r"train\.minutes = 'ten' does not fit"),
        ("train.minutes=-1", r"train\.minutes = -1 does not fit"),
        ("train.minutes=nan", r"train\.minutes"),
        ("train.learning_rate=nan", r"train\.learning_rate"),
        ("train.learning_rate=-1", r"train\.learning_rate = -1 does not fit"),
        ("train.epochs=0", r"train\.epochs = 0 does not fit"),
        ("train.betas=[2,3]", r"train\.betas"),
        ("train.flat_start=0.4", r"train\.flat_start was removed .* cannot be resumed"),
        ("train.thaw=0.1", r"train\.thaw is now train\.head_only"),
        ("augment.reverb=2", r"augment\.reverb = 2 does not fit"),
        ("data.batch_seconds=0", r"data\.batch_seconds = 0 does not fit"),
        ("data.workers=-1", r"data\.workers = -1 does not fit"),
        ("minutes=10", r"section\.key=value"),
        ("train.minutes", r"section\.key=value"),
    ],
)
def test_a_slip_is_answered_with_a_sentence(override, said):
    with pytest.raises(GoamaError, match=said):
        read_recipe(None, [override])


def test_a_slip_in_a_file_names_the_file(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text("[train]\nsed = 3\n")
    with pytest.raises(GoamaError, match=r"mine\.toml: unknown recipe key train\.sed; did you mean train\.seed\?"):
        read_recipe(path)
    path.write_text("[train\n")
    with pytest.raises(GoamaError, match=r"mine\.toml: not TOML"):
        read_recipe(path)
    with pytest.raises(GoamaError, match="no such recipe"):
        read_recipe(tmp_path / "absent.toml")


@pytest.mark.parametrize(
    "overrides, said",
    [
        (["train.foo=1", "train.minutes=10"], r"^-s train\.foo=1: unknown recipe key train\.foo"),
        (["train.minutes=10", "train.foo=1"], r"^-s train\.foo=1: unknown recipe key train\.foo"),
        (["train.seed=-1", "train.minutes=10"], r"^-s train\.seed=-1: train\.seed = -1 does not fit"),
    ],
)
@pytest.mark.parametrize("with_file", [True, False])
def test_each_override_is_blamed_for_its_own_slip_alone(overrides, said, with_file, tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text("[train]\nsteps = 10\n")
    with pytest.raises(GoamaError, match=said):
        read_recipe(path if with_file else None, overrides)


def test_a_file_is_blamed_for_its_own_slip_also_with_overrides(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text("[train]\nseed = -3\n")
    with pytest.raises(GoamaError, match=r"mine\.toml: train\.seed = -3 does not fit"):
        read_recipe(path, ["train.minutes=10"])


def test_scientific_notation_is_a_number():
    assert read_recipe(None, ["train.learning_rate=2e-4"]).train.learning_rate == pytest.approx(2e-4)


def test_the_documentation_shows_the_defaults():
    from pathlib import Path

    page = (Path(__file__).parents[2] / "docs" / "recipe.md").read_text(encoding="utf-8")
    assert Recipe().to_toml().strip() in page
