"""The notebook "Fine-tune W2V2-BERT for low-resource ASR" with current libraries: the baseline of all comparisons.

As in the notebook: features are computed by `Dataset.map` and stored as Arrow lists, the vocabulary is that of train
and dev together, 16 clips x 2 accumulation steps, batches grouped by length, gradient checkpointing, adapter, no
dropout, learning rate 5e-5, warm-up of 500 steps, greedy decoding of logits collected on the host. Changed because the
libraries changed: audio is decoded with soundfile, WER comes from jiwer, and the Trainer's loss is divided by the
accumulation steps, as it was in 2024.

    python benchmarks/notebook_recipe.py --train train.jsonl --dev dev.jsonl --out run [--model FOLDER]
                                         [--epochs 10 | --minutes 9] [--warm-up 500] [--test test.jsonl]

Manifests are JSONL with `audio` and `text`. Results are run/result.json, and run/hypotheses.json: the transcripts of
the test manifest by the last model, in the order of the manifest. With `--minutes`, the number of steps that fit is
estimated from the first steps, and the learning rate falls to zero at the last one. If there are fewer steps than the
warm-up's 500, the learning rate is still rising when training ends and never reaches 5e-5; result.json has
`peak_learning_rate`. `--warm-up 0.1` makes the warm-up a tenth of the steps. An encoder with frames longer than 20 ms
gets no adapter, because frames of twice that length would be too few for the characters.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from pathlib import Path
from typing import Any

import jiwer
import numpy as np
import soundfile
import torch
from datasets import Dataset
from transformers import (
    SeamlessM4TFeatureExtractor,
    Trainer,
    TrainingArguments,
    Wav2Vec2BertConfig,
    Wav2Vec2BertForCTC,
    Wav2Vec2BertProcessor,
    Wav2Vec2CTCTokenizer,
    set_seed,
)

STEPS_TIMED = 4


class NotebookTrainer(Trainer):
    """The Trainer with the loss scaling of 2024."""

    loss_is_scaled_for_ga = (
        False  # Trainer does not divide the loss of models that take **kwargs, such as Wav2Vec2BertForCTC
    )


def main() -> None:
    options = parse()
    set_seed(options.seed)
    options.out.mkdir(parents=True, exist_ok=True)
    train, dev = read(options.train), read(options.dev)
    processor = make_processor(options, [*train["text"], *dev["text"]])
    mapping = time.perf_counter()
    train, dev = (rows.map(lambda row: prepare(row, processor), remove_columns=["audio"]) for rows in (train, dev))
    map_s = time.perf_counter() - mapping
    audio_s = sum(len(features) for features in train["input_features"]) * 0.02
    steps = steps_in(options, train, dev, processor) if options.minutes else -1
    trainer = make_trainer(options, train, dev, processor, steps)
    started = time.perf_counter()
    outcome = trainer.train()
    train_s = time.perf_counter() - started
    trainer.save_model(str(options.out))
    processor.save_pretrained(options.out)
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    result = {
        "audio_s": audio_s * outcome.metrics["epoch"],
        "train_s": train_s,
        "map_s": map_s,
        "loss": losses[-1] if losses else outcome.training_loss,
        "steps": outcome.global_step,
        "peak_learning_rate": max(entry.get("learning_rate", 0.0) for entry in trainer.state.log_history),
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "peak_gpu_mb": torch.cuda.max_memory_allocated() / 2**20 if torch.cuda.is_available() else None,
    }
    (options.out / "result.json").write_text(json.dumps(result))
    if options.test:
        test = read(options.test)
        test = test.map(lambda row: prepare(row, processor), remove_columns=["audio"])
        ids = best_ids(trainer.predict(test), processor)
        (options.out / "hypotheses.json").write_text(json.dumps(processor.batch_decode(ids)))


def make_trainer(
    options: argparse.Namespace, train: Dataset, dev: Dataset, processor: Wav2Vec2BertProcessor, steps: int
) -> NotebookTrainer:
    return NotebookTrainer(
        model=make_model(options, processor),
        data_collator=lambda rows: collate(rows, processor),
        args=arguments(options, steps),
        compute_metrics=lambda prediction: wer(prediction, processor),
        train_dataset=train,
        eval_dataset=dev,
        processing_class=processor.feature_extractor,
    )


def steps_in(options: argparse.Namespace, train: Dataset, dev: Dataset, processor: Wav2Vec2BertProcessor) -> int:
    """Number of steps that fit into the minutes, estimated with a few steps of a trainer that is not used again."""
    started = time.perf_counter()
    make_trainer(options, train, dev, processor, STEPS_TIMED).train()
    return max(1, round(60 * options.minutes * STEPS_TIMED / (time.perf_counter() - started)))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train", type=Path, required=True)
    parser.add_argument("--dev", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--model", help="encoder folder or Hub id; default: random weights with --config")
    parser.add_argument("--config", default="{}", help="JSON of Wav2Vec2BertConfig values")
    parser.add_argument("--epochs", type=float, default=10)
    parser.add_argument("--minutes", type=float, help="training time, instead of --epochs")
    parser.add_argument("--warm-up", type=float, default=500, help="steps; below 1, a share of all steps")
    parser.add_argument("--test", type=Path, help="manifest to transcribe after training")
    parser.add_argument("--seed", type=int, default=42)
    return parser.parse_args()


def read(path: Path) -> Dataset:
    return Dataset.from_list([json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()])


def make_processor(options: argparse.Namespace, texts: list[str]) -> Wav2Vec2BertProcessor:
    folder = options.out
    characters = sorted(set("".join(texts)))
    vocabulary = {character: number for number, character in enumerate(characters)}
    vocabulary["|"] = vocabulary.pop(" ")
    vocabulary["[UNK]"] = len(vocabulary)
    vocabulary["[PAD]"] = len(vocabulary)
    (folder / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False), encoding="utf-8")
    tokenizer = Wav2Vec2CTCTokenizer(
        str(folder / "vocab.json"), unk_token="[UNK]", pad_token="[PAD]", word_delimiter_token="|"
    )
    stride = SeamlessM4TFeatureExtractor.from_pretrained(options.model).stride if options.model else 2
    return Wav2Vec2BertProcessor(SeamlessM4TFeatureExtractor(padding_value=0.0, stride=stride), tokenizer)


def prepare(row: dict[str, Any], processor: Wav2Vec2BertProcessor) -> dict[str, Any]:
    samples, rate = soundfile.read(row["audio"], dtype="float32")
    features = processor(samples, sampling_rate=rate).input_features[0]
    return {
        "input_features": features,
        "input_length": len(features),
        "labels": processor(text=row["text"]).input_ids,
    }


def make_model(options: argparse.Namespace, processor: Wav2Vec2BertProcessor) -> Wav2Vec2BertForCTC:
    settings = {
        "attention_dropout": 0.0,
        "hidden_dropout": 0.0,
        "feat_proj_dropout": 0.0,
        "mask_time_prob": 0.0,
        "layerdrop": 0.0,
        "ctc_loss_reduction": "mean",
        "add_adapter": processor.feature_extractor.stride == 2,
        "pad_token_id": processor.tokenizer.pad_token_id,
        "vocab_size": len(processor.tokenizer),
    }
    if options.model:
        return Wav2Vec2BertForCTC.from_pretrained(options.model, ignore_mismatched_sizes=True, **settings)
    return Wav2Vec2BertForCTC(Wav2Vec2BertConfig(**{**json.loads(options.config), **settings}))


def collate(rows: list[dict[str, Any]], processor: Wav2Vec2BertProcessor) -> dict[str, torch.Tensor]:
    batch = processor.pad(
        [{"input_features": row["input_features"]} for row in rows], padding=True, return_tensors="pt"
    )
    labels = processor.pad(labels=[{"input_ids": row["labels"]} for row in rows], padding=True, return_tensors="pt")
    batch["labels"] = labels["input_ids"].masked_fill(labels.attention_mask.ne(1), -100)
    return batch


def wer(prediction: Any, processor: Wav2Vec2BertProcessor) -> dict[str, float]:
    labels = np.where(prediction.label_ids == -100, processor.tokenizer.pad_token_id, prediction.label_ids)
    hypotheses = processor.batch_decode(best_ids(prediction, processor))
    return {"wer": jiwer.wer(processor.batch_decode(labels, group_tokens=False), hypotheses)}


def best_ids(prediction: Any, processor: Wav2Vec2BertProcessor) -> np.ndarray:
    ids = np.argmax(prediction.predictions, axis=-1)
    ids[(prediction.predictions == -100).all(-1)] = processor.tokenizer.pad_token_id  # padding between batches
    return ids


def arguments(options: argparse.Namespace, steps: int) -> TrainingArguments:
    on_gpu = torch.cuda.is_available()
    return TrainingArguments(
        output_dir=str(options.out),
        train_sampling_strategy="group_by_length",
        per_device_train_batch_size=16,
        gradient_accumulation_steps=2,
        eval_strategy="steps",
        eval_steps=300,
        save_steps=600,
        num_train_epochs=options.epochs,
        max_steps=steps,
        gradient_checkpointing=True,
        fp16=on_gpu,
        use_cpu=not on_gpu,
        logging_steps=1,
        learning_rate=5e-5,
        warmup_steps=options.warm_up,
        save_total_limit=2,
        optim="adamw_torch",
        seed=options.seed,
        average_tokens_across_devices=False,
        dataloader_pin_memory=on_gpu,
        report_to="none",
        disable_tqdm=True,
    )


if __name__ == "__main__":
    main()
