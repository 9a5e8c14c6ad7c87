"""Speed of goama's components, each compared with the implementation that it replaces, interleaved in one process.

    python benchmarks/parts.py [--rounds 7] [--threads N] [--json FILE]

Log-mel features against `SeamlessM4TFeatureExtractor`; relative-key attention and the convolution module against those
of transformers (forward and backward); a training step with goama's layers against transformers' layers, and in
bfloat16 against float32; fused against unfused AdamW. Each line is the median ratio over interleaved runs, with its
range. `--threads 1` limits torch to one core.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("GOMP_SPINCOUNT", "10000")  # as the command line sets it; both sides profit

import numpy as np
import torch
from transformers import SeamlessM4TFeatureExtractor, Wav2Vec2BertConfig, Wav2Vec2BertForCTC

from goama.model.attention import install
from goama.model.loading import load_for_training
from goama.model.shipped import SCRATCH
from goama.sound.log_mel import LogMel
from goama.text import Vocabulary

VOCABULARY = Vocabulary.from_texts(["de kat zit op de mat"], min_count=1)[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, help="threads of torch; default: all cores")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    results = {}
    for name, (theirs, ours) in {**log_mel(), **layers(), **training_step(), **adamw()}.items():
        results[name] = compare(theirs, ours, options.rounds)
        low, high = results[name]["spread"]
        print(
            f"{name:60} {results[name]['ratio']:5.2f} times as fast  ({low:.2f} to {high:.2f}); "
            f"{1000 * results[name]['ours_s']:.1f} ms against {1000 * results[name]['theirs_s']:.1f} ms",
            flush=True,
        )
    if options.json:
        options.json.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


def compare(theirs: Callable[[], object], ours: Callable[[], object], rounds: int) -> dict:
    theirs(), ours()
    times: list[tuple[float, float]] = []
    for _ in range(rounds):
        started = time.perf_counter()
        theirs()
        between = time.perf_counter()
        ours()
        times.append((between - started, time.perf_counter() - between))
    ratios = [slow / fast for slow, fast in times]
    return {
        "ratio": statistics.median(ratios),
        "spread": [min(ratios), max(ratios)],
        "theirs_s": statistics.median(t for t, _ in times),
        "ours_s": statistics.median(o for _, o in times),
    }


def log_mel() -> dict:
    generator = np.random.default_rng(0)
    clips = [generator.normal(0, 0.1, int(16000 * s)).astype(np.float32) for s in generator.uniform(2, 5, 17)]
    original, ours = SeamlessM4TFeatureExtractor(), LogMel(2)
    return {"log-mel of a minute in 17 clips": (lambda: original(clips, sampling_rate=16000), lambda: ours(clips))}


def layers() -> dict:
    cases = {}
    for batch, frames in ((16, 80), (4, 300), (2, 750)):
        config = Wav2Vec2BertConfig(
            hidden_size=192,
            num_hidden_layers=1,
            num_attention_heads=4,
            intermediate_size=768,
            output_hidden_size=192,
            vocab_size=30,
        )
        theirs = Wav2Vec2BertForCTC(config)
        ours = copy.deepcopy(theirs)
        install(ours)
        states = torch.randn(batch, frames, 192, requires_grad=True)

        def run(
            network: torch.nn.Module, part: str, precision: torch.dtype | None, states: torch.Tensor = states
        ) -> None:
            module = network.wav2vec2_bert.encoder.layers[0].get_submodule(part)
            with torch.autocast("cpu", precision or torch.bfloat16, enabled=precision is not None):
                result = module(states)
            (result[0] if part == "self_attn" else result).float().square().sum().backward()

        for name, part, precision in (
            ("attention", "self_attn", None),
            ("attention in bfloat16", "self_attn", torch.bfloat16),
            ("convolution in bfloat16", "conv_module", torch.bfloat16),
        ):
            cases[f"{name}, {batch} x {frames} frames, forward and backward"] = (
                lambda run=run, network=theirs, part=part, precision=precision: run(network, part, precision),
                lambda run=run, network=ours, part=part, precision=precision: run(network, part, precision),
            )
    return cases


def training_step() -> dict:
    network = load_for_training(SCRATCH, VOCABULARY, adapter=False).network.train()
    plain = Wav2Vec2BertForCTC(network.config).train()
    features = torch.randn(17, 117, 240)  # a minute of clips of 3.5 s

    def step(network: torch.nn.Module, precision: torch.dtype | None) -> None:
        with torch.autocast("cpu", precision or torch.bfloat16, enabled=precision is not None):
            logits = network(features).logits
        logits.float().square().mean().backward()
        network.zero_grad()

    return {
        "7 M network on a minute, goama's layers": (
            lambda: step(plain, torch.bfloat16),
            lambda: step(network, torch.bfloat16),
        ),
        "7 M network on a minute, bfloat16 against float32": (
            lambda: step(network, None),
            lambda: step(network, torch.bfloat16),
        ),
    }


def adamw() -> dict:
    network = load_for_training(SCRATCH, VOCABULARY, adapter=False).network
    for parameter in network.parameters():
        parameter.grad = torch.randn_like(parameter)
    plain = torch.optim.AdamW(network.parameters(), lr=1e-6)
    fused = torch.optim.AdamW(network.parameters(), lr=1e-6, fused=True)
    return {"AdamW on 7 M parameters, fused against unfused": (plain.step, fused.step)}


if __name__ == "__main__":
    main()
