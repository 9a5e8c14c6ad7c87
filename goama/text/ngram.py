"""n-gram language models: lines become an ARPA file of words or of characters, which a model folder carries along.

lmplz of KenLM estimates them where it is installed (modified Kneser-Ney, interpolated; Heafield et al. 2013), else
kaldingram does (Kneser-Ney with one discount an order, back-off).
"""

from __future__ import annotations

import gzip
import json
import shutil
import subprocess
import tempfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr
from dataclasses import asdict, dataclass
from io import StringIO
from pathlib import Path
from typing import Literal, get_args

from goama.errors import GoamaError, first_line
from goama.files import write_beside
from goama.text.vocabulary import Vocabulary

Units = Literal["words", "characters"]
UNITS: tuple[Units, ...] = get_args(Units)

NGRAM_FOLDER, ABOUT_FILE = "ngram", "ngram.json"
ORDERS: dict[Units, int] = {"words": 3, "characters": 6}
HIGHEST_ORDER = 6
"""KenLM, which reads the files, is compiled for no more."""

LARGE_TEXT = 500_000
"""Words or characters from which n-grams are dropped that matter little: most of those that occur once are chance."""

PRUNING = 1e-7
"""Relative change of the perplexity below which kaldingram drops an n-gram of a large text (Stolcke 1998)."""

MOST_DISCOUNT = 0.8
"""In kaldingram's estimates: nearly every n-gram of a few lines occurs once, and would be left no probability."""

UNKNOWN = "<unk>"
FORMAT_VERSION = 1
_MARKS = frozenset({"<s>", "</s>", UNKNOWN})


@dataclass(frozen=True)
class Ngram:
    """What one n-gram was made of, and how well it predicts dev.

    tokens:      words, or characters with the spaces between words, that it was estimated from
    counts:      n-grams of each order, unigrams first
    perplexity:  of dev, over known tokens and line ends; None without dev
    unknown:     share of dev's tokens that it does not know; None without dev
    """

    units: Units
    order: int
    lines: int
    tokens: int
    counts: tuple[int, ...]
    estimator: str
    perplexity: float | None = None
    unknown: float | None = None

    @property
    def sentence(self) -> str:
        """Its size and its figures on dev, for the screen and the model card."""
        said = f"{self.order}-gram of {self.units}: {self.lines} lines, {self.tokens} {self.units}, "
        said += f"{sum(self.counts)} n-grams ({self.estimator})"
        if self.perplexity is not None and self.unknown is not None:
            said += f"; dev: perplexity {self.perplexity:.1f}, {100 * self.unknown:.1f} % unknown {self.units}"
        return said


def ngram_file(folder: Path, units: Units) -> Path:
    """The ARPA file of a model folder's n-gram of these units."""
    return folder / NGRAM_FOLDER / f"{units}.arpa.gz"


def tokens_of(line: str, units: Units, vocabulary: Vocabulary) -> list[str]:
    """The tokens of a normalised line: its words, or the vocabulary's units with `|` for a space."""
    tokens = line.split() if units == "words" else vocabulary.segment(line)
    return [token for token in tokens if token not in _MARKS]


def estimate(sentences: Iterable[Sequence[str]], units: Units, order: int, file: Path) -> Ngram:
    """The n-gram of tokenised sentences, written as a gzipped ARPA file that knows `<unk>`.

    Raises `GoamaError` when the sentences hold no tokens, or neither lmplz nor kaldingram can be used.
    """
    if not 2 <= order <= HIGHEST_ORDER:
        raise GoamaError(f"an n-gram of order {order} cannot be used: possible are 2 to {HIGHEST_ORDER}")
    with tempfile.TemporaryDirectory() as folder:
        text, arpa = Path(folder, "text"), Path(folder, "arpa")
        lines, tokens = _write_sentences(sentences, text)
        if not tokens:
            raise GoamaError("the texts hold no words; an n-gram needs at least some lines of the language")
        drop_rare = tokens >= LARGE_TEXT
        lmplz = shutil.which("lmplz")
        if lmplz:
            _run_lmplz(lmplz, text, order, drop_rare, arpa)
        else:
            _run_kaldingram(text, order, drop_rare, arpa)
        counts = _with_unknown(arpa, file)
    return Ngram(units, order, lines, tokens, counts, "lmplz" if lmplz else "kaldingram")


def add_words(file: Path, words: Sequence[str], extended: Path) -> None:
    """Writes an ARPA file with further unigrams, each as likely as the rarest that the n-gram knows."""
    with _arpa_lines(file) as lines, extended.open("w", encoding="utf-8") as out:
        before = list(_until(lines, "\\1-grams:\n"))
        entries = [line for line in _until(lines, "\\2-grams:\n") if line.strip()]
        known = {line.split("\t")[1].rstrip("\n") for line in entries}
        new = [word for word in dict.fromkeys(words) if word not in known]
        rarest = _rarest(entries)
        for line in before:
            out.write(f"ngram 1={len(entries) + len(new)}\n" if line.startswith("ngram 1=") else line)
        out.write("\\1-grams:\n")
        out.writelines(entries)
        out.writelines(f"{rarest:.7f}\t{word}\t0\n" for word in new)
        out.write("\n\\2-grams:\n")
        out.writelines(lines)


def known_tokens(file: Path) -> list[str]:
    """The unigrams of an ARPA file, without `<s>`, `</s>` and `<unk>`.

    Raises `GoamaError` when it is damaged.
    """
    with _arpa_lines(file) as lines:
        for _ in _until(lines, "\\1-grams:\n"):
            pass
        tokens = [line.split("\t")[1].rstrip("\n") for line in _until(lines, "\\2-grams:\n") if "\t" in line]
    if not tokens:
        raise GoamaError(f"{file}: no n-gram in ARPA format; make it again with `goama ngram`")
    return [token for token in tokens if token not in _MARKS]


def perplexity(file: Path, sentences: Iterable[Sequence[str]]) -> tuple[float, float]:
    """Perplexity over known tokens and sentence ends, and the share of unknown tokens, of an ARPA file on sentences."""
    from kaldingram.prune import ArpaParser

    with redirect_stderr(StringIO()):
        model = ArpaParser().loadf(str(file), encoding="utf-8")[0]
    total, counted, unknown, tokens = 0.0, 0, 0, 0
    for sentence in sentences:
        marked = ("<s>", *(token if model.contains_word(token) else UNKNOWN for token in sentence), "</s>")
        tokens += len(sentence)
        for end in range(2, len(marked) + 1):
            if marked[end - 1] == UNKNOWN:
                unknown += 1
            else:
                total += model.log_p_raw(marked[max(0, end - model.order()) : end])
                counted += 1
    return 10 ** (-total / max(1, counted)), unknown / max(1, tokens)


def save_about(folder: Path, ngrams: Sequence[Ngram], texts: Sequence[str]) -> None:
    """Writes `ngram.json` into the folder of the n-grams: what they were made of."""
    content = {
        "format": "goama-ngram",
        "version": FORMAT_VERSION,
        "texts": list(texts),
        "ngrams": [asdict(ngram) for ngram in ngrams],
    }
    write_beside(folder / ABOUT_FILE, json.dumps(content, ensure_ascii=False, indent=2) + "\n")


def _write_sentences(sentences: Iterable[Sequence[str]], text: Path) -> tuple[int, int]:
    """Writes a sentence a line; the number of sentences with tokens, and of tokens."""
    lines = tokens = 0
    with text.open("w", encoding="utf-8") as out:
        for sentence in sentences:
            if sentence:
                out.write(" ".join(sentence) + "\n")
                lines, tokens = lines + 1, tokens + len(sentence)
    return lines, tokens


def _run_lmplz(lmplz: str, text: Path, order: int, drop_rare: bool, arpa: Path) -> None:
    pruning = ["--prune", *["0"] * min(2, order - 1), "1"] if drop_rare and order > 2 else []
    command = [lmplz, "-o", str(order), "--discount_fallback", "-S", "20%", "-T", str(arpa.parent), *pruning]
    done = subprocess.run([*command, "--text", str(text), "--arpa", str(arpa)], capture_output=True, text=True)
    if done.returncode:
        raise GoamaError(f"lmplz failed: {(done.stderr.strip().splitlines() or ['no message'])[-1]}")


def _run_kaldingram(text: Path, order: int, drop_rare: bool, arpa: Path) -> None:
    try:
        from kaldingram.prune import ArpaParser, prune
        from kaldingram.train import NgramCounts
    except ImportError as error:
        raise GoamaError(
            f"an n-gram needs kaldingram, which cannot be imported ({first_line(error)}); pip install 'goama[lm]'"
        ) from error
    counts = NgramCounts(order)
    with redirect_stderr(StringIO()):  # its progress bars
        with text.open(encoding="utf-8", newline="\n") as lines:
            for line in lines:
                counts.add_raw_counts_from_line(line.rstrip("\n"))
        counts.cal_discounting_constants()
        counts.d = [min(discount, MOST_DISCOUNT) for discount in counts.d]
        counts.cal_f()
        counts.cal_bow()
        with arpa.open("w", encoding="utf-8") as out:
            counts.print_as_arpa(fout=out)
        if drop_rare:  # kaldingram's own cut-offs by count leave words without probability
            model = ArpaParser().loadf(str(arpa), encoding="utf-8")[0]
            prune(model, PRUNING, minorder=2)
            ArpaParser().dumpf(model, str(arpa), encoding="utf-8")


def _with_unknown(arpa: Path, file: Path) -> tuple[int, ...]:
    """Writes the ARPA file gzipped, with `<unk>` where it has none; the number of n-grams of each order.

    kaldingram leaves no probability for unknown words; here one is as likely as the rarest known word.
    """
    extended = arpa.with_suffix(".unknown")
    add_words(arpa, [UNKNOWN], extended)
    with extended.open("rb") as plain, file.open("wb") as raw, gzip.GzipFile("", "wb", 6, raw, mtime=0) as packed:
        shutil.copyfileobj(plain, packed)
    with extended.open(encoding="utf-8") as lines:
        return tuple(int(line.split("=")[1]) for line in _until(iter(lines), "\\1-grams:\n") if line[:6] == "ngram ")


def _rarest(entries: Sequence[str]) -> float:
    """The lowest log10 probability among unigrams; that of `<s>` (−99) and of `<unk>` do not count."""
    return min(float(line.split("\t")[0]) for line in entries if line.split("\t")[1].rstrip("\n") not in _MARKS)


@contextmanager
def _arpa_lines(file: Path) -> Iterator[Iterator[str]]:
    """The lines of an ARPA file, gzipped or not."""
    try:
        with gzip.open(file, "rt", encoding="utf-8") if file.suffix == ".gz" else file.open(encoding="utf-8") as lines:
            yield iter(lines)
    except (OSError, EOFError, zlib.error, ValueError, IndexError) as error:
        raise GoamaError(f"{file}: damaged ({first_line(error)}); make it again with `goama ngram`") from error


def _until(lines: Iterator[str], heading: str) -> Iterator[str]:
    """The lines up to a heading, without it."""
    for line in lines:
        if line == heading:
            return
        yield line
