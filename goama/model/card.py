"""The README.md of a model folder: a Hugging Face model card made of facts; a fact that is not known is left out."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from huggingface_hub import EvalResult, ModelCardData

from goama.model.card_facts import CardFacts, Evaluated
from goama.text.names import bcp47, language_name

CARD_FILE = "README.md"
_TASK = "automatic-speech-recognition"
_ARCHITECTURES = {
    "wav2vec2-bert": "Wav2Vec2-BERT encoder",
    "wav2vec2": "wav2vec 2.0 encoder",
    "hubert": "HuBERT encoder",
    "wavlm": "WavLM encoder",
    "whisper_ctc": "Whisper encoder under a CTC head",
}
_LICENCES = {  # of the names that the Hub knows, those that models and recordings usually have
    *("apache-2.0", "mit", "bsd-3-clause", "cc0-1.0", "gpl-2.0", "gpl-3.0", "lgpl-3.0", "agpl-3.0", "odbl", "openrail"),
    *(f"cc-by{kind}-{version}" for kind in ("", "-sa", "-nc", "-nc-sa", "-nc-nd") for version in ("3.0", "4.0")),
    *("cc-by-2.0", "cc-by-2.5", "cc-by-nd-4.0", "pddl", "unlicense"),
}
_NAMED = 20  # licences, sources, consents of a corpus that the card names


def made_by(card: str) -> str:
    """A line at the end of a card that says whether goama wrote it as it is: a checksum of the text before it."""
    return f"<!-- goama {hashlib.sha256(card.encode()).hexdigest()[:16]} -->\n"


def is_edited(card: str) -> bool:
    """Whether a person has changed a card since goama wrote it, or wrote it alone."""
    text, mark, _ = card.rpartition("<!-- goama ")
    return not mark or made_by(text) != card[len(text) :]


def model_card(facts: CardFacts, place: str = "THIS FOLDER") -> str:
    """The card as Markdown with the Hub's metadata in front; `place`: the folder or repository to load."""
    sections = [
        f"---\n{_metadata(facts).to_yaml()}\n---\n\n# {_title(facts)}\n",
        _origin(facts),
        _results(facts),
        _usage(facts, place),
        _data(facts),
        _text(facts),
        _limits(facts),
        _training(facts),
    ]
    text = "\n".join(section for section in sections if section)
    return text + "\n" + made_by(text + "\n")


# --- metadata


def _metadata(facts: CardFacts) -> ModelCardData:
    tags = [bcp47(language).partition("-")[0] for language in facts.languages]
    licence = (facts.answers.licence or "").strip()
    known = licence.lower() in _LICENCES
    encoder = facts.encoder or ""
    return ModelCardData(
        library_name="transformers",
        pipeline_tag=_TASK,
        tags=["goama", facts.architecture, "ctc"],
        language=(tags[0] if len(tags) == 1 else tags) if tags else None,
        license=(licence.lower() if known else "other") if licence else None,
        license_name=re.sub(r"[^a-z0-9.]+", "-", licence.lower()).strip("-") if licence and not known else None,
        datasets=[corpus.source for corpus in facts.corpora if _is_on_hub(corpus.source)] or None,
        base_model=encoder.partition("@")[0] if _is_on_hub(encoder) else None,
        model_name=_title(facts) if facts.scores else None,
        eval_results=[result for score in facts.scores for result in _for_index(score)] or None,
    )


def _for_index(score: Evaluated) -> Iterable[EvalResult]:
    rates = {"wer": score.wer, "cer": score.cer}
    for name, rate in rates.items():
        if rate is not None:
            yield EvalResult(
                task_type=_TASK,
                dataset_type=score.corpus if _is_on_hub(score.corpus) else "audiofolder",
                dataset_name=score.corpus,
                dataset_split=score.split,
                metric_type=name,
                metric_name=f"{name.upper()} (%)",
                metric_value=round(100 * rate, 1),
            )


def _is_on_hub(name: str) -> bool:
    return re.fullmatch(r"[\w.-]+/[\w.-]+(@[\w./-]+)?", name) is not None and not Path(name).exists()


# --- sections


def _title(facts: CardFacts) -> str:
    names = [_language(language) for language in facts.languages]
    return "Speech recogniser" + (f" for {', '.join(names)}" if names else "")


def _language(language: str) -> str:
    name = language_name(language)
    return bcp47(language) if name == language else f"{name} ({bcp47(language)})"


def _origin(facts: CardFacts) -> str:
    minutes = sum(corpus.seconds.get("train", 0.0) for corpus in facts.corpora) / 60
    what = f"A {_ARCHITECTURES.get(facts.architecture, facts.architecture)}"
    what += f" ({_plain(facts.encoder)})" if facts.encoder else ""
    data = f", fine-tuned with CTC on {_duration(minutes)} of transcribed speech" if minutes else ""
    sentences = [f"{what}{data}, made with goama {_plain(facts.goama)}."]
    if facts.teacher:
        sentences.append(f"It learnt from a larger model ({_plain(facts.teacher)}) by distillation.")
    size = f"It has {facts.parameters / 1e6:.1f} M parameters; its" if facts.parameters else "Its"
    sentences.append(f"{size} logits are {facts.frame_shift_ms:.0f} ms apart.")
    answers = facts.answers
    if answers.authors:
        sentences.append(f"It was made by {_plain(answers.authors)}.")
    if answers.contact:
        sentences.append(f"Contact: {_plain(answers.contact)}.")
    if answers.intended_use:
        sentences.append(f"It is meant for: {_plain(answers.intended_use)}.")
    return " ".join(sentences) + "\n"


def _results(facts: CardFacts) -> str:
    if not facts.scores:
        known = "" if facts.step is None else f" at this step ({facts.step}); the best model of the run is"
        return f"## Results\n\nNot evaluated{known}.\n"
    rows = [
        (_plain(s.corpus), s.split, _rate(s.cer, s.cer_interval), _rate(s.wer, s.wer_interval), s.clips or "")
        for s in facts.scores
    ]
    table = _table(("corpus", "split", "CER", "WER", "clips"), rows)
    step = f" (step {facts.step})" if facts.step is not None else ""
    chosen = (
        "Training chose this model by the dev split, which therefore flatters it.\n"
        if any(score.split == "dev" for score in facts.scores)
        else ""
    )
    return (
        f"## Results\n\nDecoded greedily{step}; in brackets the 95 % interval where it was measured. References were "
        f"normalised as below.\n{chosen}\n{table}"
    )


_USAGE = """```python
import soundfile, soxr
from transformers import pipeline

samples, rate = soundfile.read("clip.wav", dtype="float32", always_2d=True)
samples = soxr.resample(samples.mean(axis=1), rate, 16000)
recognise = pipeline("automatic-speech-recognition", model="PLACE", chunk_length_s=20)
print(recognise(samples)["text"])
```
"""

_WHISPER_USAGE = """```python
import soundfile
from transformers import pipeline

recognise = pipeline("automatic-speech-recognition", model="PLACE", trust_remote_code=True)
samples, rate = soundfile.read("clip.wav", dtype="float32")  # one channel, 16 kHz
print(recognise({"raw": samples, "sampling_rate": rate}, chunk_length_s=30)["text"])
```

transformers has no class for this network: `trust_remote_code=True` lets it run `whisper_ctc.py` from this folder. The
network has positions for 30 s, so longer recordings need `chunk_length_s`. goama opens the folder without running the
file, and cuts recordings by itself.
"""
"""Samples are passed, since `pipeline` reads files with ffmpeg only."""


def _usage(facts: CardFacts, place: str) -> str:
    code = (_WHISPER_USAGE if facts.architecture == "whisper_ctc" else _USAGE).replace("PLACE", place)
    command = f"goama transcribe {place} recording.mp3"
    return f"""## Use

With goama, for recordings of any length and format:

    {command if " " not in place else 'goama transcribe "' + place + '" recording.mp3'}

With transformers alone:

{code}
Give `pipeline` one recording at a time: with `batch_size` above 1 it also decodes the padding of the shorter ones.
"""


def _data(facts: CardFacts) -> str:
    if not facts.corpora:
        return ""
    rows = [
        (
            _plain(corpus.source),
            _language(corpus.language) if corpus.language else "",
            *(_duration(corpus.seconds.get(split, 0.0) / 60) for split in ("train", "dev", "test")),
            corpus.speakers.get("train") or "not named",
        )
        for corpus in facts.corpora
    ]
    parts = ["## Data\n", _table(("corpus", "language", "train", "dev", "test", "speakers in train"), rows)]
    for title, name in (("Licences", "licences"), ("Sources", "sources"), ("Consent of the speakers", "consents")):
        said = _said(getattr(corpus, name) for corpus in facts.corpora)
        if said:
            parts.append(f"{title} of the training speech: {said}.\n")
    if facts.answers.attribution:
        parts.append(f"Attribution: {_plain(facts.answers.attribution)}.\n")
    if facts.answers.consent:
        parts.append(f"Consent: {_plain(facts.answers.consent)}.\n")
    return "\n".join(parts)


def _said(corpora: Iterable[dict[str, float]]) -> str:
    """What clips say in a column, with the length of those that say it; empty where none says anything."""
    total: dict[str, float] = {}
    for seconds in corpora:
        for value, s in seconds.items():
            total[value] = total.get(value, 0.0) + s
    unsaid = total.pop("", 0.0)
    if not total:
        return ""
    most = sorted(total.items(), key=lambda item: -item[1])
    shown = [f"{_plain(value)} ({_duration(s / 60)})" for value, s in most[:_NAMED]]
    if len(most) > _NAMED:
        shown.append(f"{len(most) - _NAMED} others ({_duration(sum(s for _, s in most[_NAMED:]) / 60)})")
    if unsaid:
        shown.append(f"not said ({_duration(unsaid / 60)})")
    return "; ".join(shown)


def _text(facts: CardFacts) -> str:
    if not facts.alphabet:
        return ""
    letters = " ".join(_code(unit) for unit in facts.alphabet if unit != "|")
    rules = ", ".join(facts.rules)
    normalised = f"Texts were normalised by these rules, in `normaliser.json`: {rules}.\n" if rules else ""
    return (
        f"## Text\n\nIt writes spaces and these {sum(unit != '|' for unit in facts.alphabet)} signs: {letters}\n\n"
        f"{normalised}Clean references with the same rules before you score.\n"
    )


def _limits(facts: CardFacts) -> str:
    lines = []
    if facts.answers.limits:
        lines.append(f"- {_plain(facts.answers.limits)}")
    speakers = sum(corpus.speakers.get("train", 0) for corpus in facts.corpora)
    minutes = sum(corpus.seconds.get("train", 0.0) for corpus in facts.corpora) / 60
    if speakers and not any(corpus.unnamed_s for corpus in facts.corpora):
        heard = "one speaker" if speakers == 1 else f"{speakers} speakers"
        lines.append(
            f"- It was fine-tuned on {_duration(minutes)} by {heard}: expect more errors for other voices and rooms."
        )
    if any(corpus.shared_speakers for corpus in facts.corpora):
        lines.append("- Speakers of dev or test are in train too: for new speakers expect more errors than above.")
    if facts.alphabet and not any(unit != unit.lower() for unit in facts.alphabet):
        lines.append("- It writes no capitals" + ("" if _has_marks(facts.alphabet) else " and no punctuation") + ".")
    return "## Limits\n\n" + "\n".join(lines) + "\n" if lines else ""


def _training(facts: CardFacts) -> str:
    parts = []
    if facts.trained_s:
        where = f" on {_plain(facts.device)}" if facts.device else ""
        parts.append(f"Training took {_duration(facts.trained_s / 60)}{where}.\n")
    if facts.curve:
        rows = [(step, f"{100 * cer:.1f} %", f"{100 * wer:.1f} %") for step, cer, wer in facts.curve]
        parts.append(_table(("step", "dev CER", "dev WER"), rows))
    if facts.recipe_toml:
        parts.append(f"```toml\n{facts.recipe_toml.strip()}\n```\n")
    return "## Training\n\n" + "\n".join(parts) if parts else ""


# --- words


def _rate(rate: float | None, interval: tuple[float, float] | None) -> str:
    if rate is None:
        return ""
    return f"{100 * rate:.1f} %" + (f" ({100 * interval[0]:.1f} to {100 * interval[1]:.1f})" if interval else "")


def _duration(minutes: float) -> str:
    if minutes >= 120:
        return f"{minutes / 60:.1f} h"
    return f"{minutes:.0f} min" if minutes >= 1 else f"{60 * minutes:.0f} s"


def _table(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    lines = ["| " + " | ".join(map(str, row)) + " |" for row in (header, *rows)]
    return "\n".join([lines[0], "|" + "---|" * len(header), *lines[1:]]) + "\n"


def _plain(text: str) -> str:
    """The text on one line, so that Markdown and HTML see no signs of theirs in it; one full stop at its end goes."""
    line = " ".join(text.split()).removesuffix(".")
    return re.sub(r"([\\`*_|<>\[\]#])", lambda sign: f"&#{ord(sign[0])};", line)


def _code(unit: str) -> str:
    return f"`` {unit} ``" if "`" in unit else f"`{unit}`"


def _has_marks(alphabet: Sequence[str]) -> bool:
    return any(unit in ".,?!;:" for unit in alphabet)
