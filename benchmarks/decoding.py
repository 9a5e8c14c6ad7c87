"""What beam search with an n-gram is worth: WER on test against greedy, speed, hot words, and pyctcdecode as reference.

    python benchmarks/decoding.py --model MODEL [--corpus CORPUS] [--text FILE ...] [--emissions FOLDER] [--json FILE|-]

The n-grams are made of the corpus's training transcripts, with --text once more with these files, and all weights are
tuned on dev; test is decoded once with each. The model folder itself is not changed. --emissions keeps what the network
says about dev and test, so that a second run needs no network. With --json - the last line is one JSON object with
`greedy_wer` and `beam_wer`.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("GOMP_SPINCOUNT", "10000")  # as the command line sets it

import numpy as np
import torch
from portions import corpus_of

from goama.corpus.corpus import Corpus
from goama.corpus.ngram_text import read_ngram_text
from goama.evaluation.scores import bootstrap_difference, bootstrap_interval, score_clip
from goama.evaluation.tune import RecognisedClip, Tunable, recognise_split, tune
from goama.files import write_beside
from goama.model.encoder import frame_shift_s
from goama.model.folder import SpeechModel, load_model_folder
from goama.recognition.beam import BeamDecoder, HotWords, NgramFile
from goama.recognition.decoder import Decoder
from goama.recognition.decoding import ModelDecoding
from goama.recognition.greedy import GreedyDecoder
from goama.recognition.options import DecodingOptions
from goama.recognition.recogniser import Recogniser
from goama.text.ngram import NGRAM_FOLDER, ORDERS, UNITS, add_words, estimate, ngram_file, perplexity, tokens_of

HOT_WORDS = 200
ORACLE_CLIPS = 200
ROUNDS = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--corpus", type=Path, help="default: Dutch, from Debian packages")
    parser.add_argument("--text", type=Path, nargs="+", default=[], help="further text for the second n-gram")
    parser.add_argument("--emissions", type=Path, help="folder that keeps the network's output")
    parser.add_argument("--json", help="file for the results, or - for the last line of the output")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        corpus = corpus_of("fillets-nl", Path(work), options.corpus)
        model = load_model_folder(options.model)
        clips = {split: recognised(model, corpus, split, options.emissions) for split in ("dev", "test")}
        results = measure(model, corpus, clips, [], Path(work, "transcripts"))
        if options.text:
            results["with_text"] = measure(model, corpus, clips, options.text, Path(work, "with-text"))
    if options.json and options.json != "-":
        write_beside(Path(options.json), json.dumps(results, indent=2) + "\n")
    if options.json == "-":
        print(json.dumps(results))


def recognised(model: SpeechModel, corpus: Corpus, split: str, kept: Path | None) -> list[RecognisedClip]:
    """The clips of a split with their emissions, from the folder that keeps them or from the network."""
    references = {cut.id: model.normaliser(cut.supervisions[0].text) for cut in corpus.cuts(split)}
    file = kept / f"emissions-{split}.npz" if kept else None
    if file and file.is_file():
        with np.load(file) as arrays:
            return [RecognisedClip(id, torch.from_numpy(arrays[id]), references[id]) for id in arrays.files]
    recogniser = Recogniser(model, options=DecodingOptions(method="greedy", blank_penalty=0.0))
    clips = recognise_split(recogniser, corpus, split, lambda what, done, total: print(f"{what}, {done} of {total}"))
    if file:
        file.parent.mkdir(parents=True, exist_ok=True)
        np.savez(file, **{clip.id: clip.emission.numpy() for clip in clips})
    return clips


def measure(
    model: SpeechModel, corpus: Corpus, clips: dict[str, list[RecognisedClip]], texts: Sequence[Path], folder: Path
) -> dict[str, Any]:
    """Makes n-grams in `folder`, tunes on dev, and decodes test."""
    about = make_ngrams(model, corpus, texts, folder)
    shift_s = frame_shift_s(model.network.config)
    started = time.process_time()
    decoding = tune(Tunable(folder, model.vocabulary, shift_s), clips["dev"], lambda *_: None).decoding
    tuning_s = time.process_time() - started
    print(decoding.reason)
    test = clips["test"]
    greedy = errors(GreedyDecoder(model.vocabulary), test)
    found = {scorer: errors(beam(model, shift_s, folder, decoding, scorer), test) for scorer in decoding.weights}
    chosen = found[decoding.scorer] if decoding.method == "beam" else greedy
    results = {
        "greedy_wer": rate(greedy),
        "beam_wer": rate(chosen),
        "relative": 1 - rate(chosen) / rate(greedy),
        "difference": bootstrap_difference(chosen[:, :2], greedy[:, :2]),
        "greedy_cer": rate(greedy[:, 2:]),
        "beam_cer": rate(chosen[:, 2:]),
        "chosen": decoding.scorer,
        "dev": dict(decoding.measured),
        "test": {name: {"wer": rate(each), "cer": rate(each[:, 2:])} for name, each in found.items()},
        "weights": {name: vars(weights) for name, weights in decoding.weights.items()},
        "ngrams": about,
        "tuning_cpu_s": round(tuning_s, 1),
    }
    for name, each in {"greedy": greedy, **found}.items():
        low, high = bootstrap_interval(each[:, :2])
        print(
            f"{name:10} test WER {100 * rate(each):.1f} % ({100 * low:.1f} to {100 * high:.1f}), "
            f"CER {100 * rate(each[:, 2:]):.1f} %"
        )
    print(f"WER {100 * results['relative']:.1f} % lower than greedy, with the scorer {decoding.scorer!r}")
    if not texts:
        results["speed"] = speeds(model, shift_s, folder, decoding, test)
        results["oracle"] = equal_to_pyctcdecode(model, folder, decoding, [*test, *clips["dev"]][:ORACLE_CLIPS])
        print(f"speed: {results['speed']}\npyctcdecode: {results['oracle']}")
    return results


def make_ngrams(model: SpeechModel, corpus: Corpus, texts: Sequence[Path], folder: Path) -> dict[str, Any]:
    """Writes both n-grams, and says how well they predict dev."""
    text = read_ngram_text([corpus.folder, *texts], model.normaliser, model.vocabulary)
    (folder / NGRAM_FOLDER).mkdir(parents=True)
    about = {}
    for units in UNITS:
        file = ngram_file(folder, units)
        made = estimate(
            (tokens_of(line, units, model.vocabulary) for line in text.sentences), units, ORDERS[units], file
        )
        on_dev, unknown = perplexity(file, (tokens_of(line, units, model.vocabulary) for line in text.dev))
        made = replace(made, perplexity=on_dev, unknown=unknown)
        print(made.sentence)
        about[units] = vars(made)
    return about


def beam(
    model: SpeechModel, shift_s: float, folder: Path, decoding: ModelDecoding, scorer: Any, hot: Sequence[str] = ()
) -> BeamDecoder:
    ngram = None if scorer == "none" else NgramFile(ngram_file(folder, scorer), scorer)
    return BeamDecoder(model.vocabulary, shift_s, decoding.weights_of(scorer), ngram, HotWords(tuple(hot), 5.0))


def errors(decoder: Decoder, clips: Sequence[RecognisedClip]) -> np.ndarray:
    """(clips, 4): word errors, words, character errors, characters."""
    scores = [score_clip(clip.id, clip.reference, decoder.text(clip.emission)) for clip in clips]
    return np.array([(s.word_errors, s.words, s.character_errors, s.characters) for s in scores])


def rate(counts: np.ndarray) -> float:
    return float(counts[:, 0].sum() / counts[:, 1].sum())


def speeds(
    model: SpeechModel, shift_s: float, folder: Path, decoding: ModelDecoding, clips: Sequence[RecognisedClip]
) -> dict[str, float]:
    """Seconds of sound a second of one core, with units and times; and the cost of 200 hot words, a third phrases."""
    words = sorted({word for clip in clips for word in clip.reference.split() if len(word) > 3})
    random.Random(0).shuffle(words)
    hot = [*words[: 2 * HOT_WORDS // 3]]
    hot += [" ".join(words[n : n + 2]) for n in range(len(hot), len(hot) + 2 * (HOT_WORDS - len(hot)), 2)]
    decoders = {scorer: beam(model, shift_s, folder, decoding, scorer) for scorer in decoding.weights}
    decoders["hot_words"] = beam(model, shift_s, folder, decoding, "words", hot)
    whole = torch.cat([clip.emission for clip in clips])
    took: dict[str, list[float]] = {name: [] for name in decoders}
    for _ in range(ROUNDS):  # interleaved
        for name, decoder in decoders.items():
            started = time.process_time()
            decoder.units([whole])
            took[name].append(time.process_time() - started)
    seconds = len(whole) * shift_s
    times = {f"{name}_times_real_time": round(seconds / min(each), 1) for name, each in took.items()}
    return times | {"hot_words": len(hot), "hot_words_ratio": round(min(took["hot_words"]) / min(took["words"]), 3)}


def equal_to_pyctcdecode(
    model: SpeechModel, folder: Path, decoding: ModelDecoding, clips: Sequence[RecognisedClip]
) -> dict[str, int]:
    """How many clips have the text of pyctcdecode at equal settings, with the n-gram of words."""
    try:
        from pyctcdecode import build_ctcdecoder
    except ImportError:
        return {}
    weights, vocabulary = decoding.weights_of("words"), model.vocabulary
    ours = BeamDecoder(vocabulary, 1e-6, weights, NgramFile(ngram_file(folder, "words"), "words"))  # never cuts
    plain = folder / "words.arpa"
    add_words(ngram_file(folder, "words"), [], plain)
    labels = ["" if id == vocabulary.blank_id else token for id, token in enumerate(vocabulary.tokens)]
    labels[vocabulary.delimiter_id], labels[vocabulary.unk_id] = " ", "\ue000"
    theirs = build_ctcdecoder(labels, str(plain), alpha=weights.ngram_weight, beta=weights.word_bonus)
    equal = 0
    for clip in clips:
        emission = clip.emission.clone()
        emission[:, vocabulary.blank_id] -= weights.blank_penalty
        emission[:, vocabulary.unk_id] = -1e4
        text = theirs.decode(emission.numpy(), beam_width=weights.beam_width)
        equal += " ".join(text.split()) == ours.text(clip.emission)
    return {"clips": len(clips), "equal": equal}


if __name__ == "__main__":
    main()
