"""From normalised text to CTC labels and back: the characters a model can write.

Saved as a plain `Wav2Vec2CTCTokenizer`, so that `transformers` reads out the same text without goama.
"""

from __future__ import annotations

import json
import tempfile
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

from goama.errors import GoamaError

BLANK = "[PAD]"
DELIMITER = "|"
UNKNOWN = "[UNK]"

EXAMPLES_PER_RARE_UNIT = 3


@dataclass(frozen=True)
class RareUnit:
    """A unit that was seen too seldom to be learnt: its count, and up to three texts that have it."""

    unit: str
    count: int
    examples: tuple[str, ...]


@dataclass(frozen=True)
class CharacterReport:
    """What `Vocabulary.from_texts` counted.

    kept:       unit → count, the units of the vocabulary, most frequent first
    rare:       the units that become `[UNK]`, most frequent first
    min_count:  a unit needed this many occurrences to be kept
    """

    kept: dict[str, int]
    rare: tuple[RareUnit, ...]
    min_count: int

    @property
    def total(self) -> int:
        """Units counted; spaces are not among them."""
        return sum(self.kept.values()) + sum(rare.count for rare in self.rare)

    @property
    def unknown_share(self) -> float:
        """The share of all labels (spaces not counted) that will be `[UNK]`, 0 to 1."""
        return sum(rare.count for rare in self.rare) / self.total if self.total else 0.0


@dataclass(frozen=True)
class Vocabulary:
    """The units a model knows; a unit's place in `tokens` is its id, the class number of the CTC head.

    In a vocabulary made by goama `[PAD]`, the CTC blank, is 0, the word delimiter `|` is 1, `[UNK]` is 2
    and the units follow by code point. A foreign model's vocabulary keeps the ids it was trained with.

    A unit is one code point, or a letter with the diacritics that Unicode cannot compose with it (Mooré
    ɛ̃, Yoruba ọ́): such a mark is a feature of the vowel, not a sound after it. Vowel signs of one script
    (Devanagari, Burmese, …) are units of their own, or the vocabulary would hold every syllable.

    `encode` is the encoding that counts. The saved tokenizer's own differs where a unit has several code
    points (it swallows the spaces around one) and where spaces are doubled; its decoding does not.
    """

    tokens: tuple[str, ...]
    blank_id: int = 0
    delimiter_id: int = 1
    unk_id: int = 2
    silent_ids: frozenset[int] = field(default=frozenset())
    """Further classes that write nothing: `<s>` and `</s>` of foreign models."""

    def __post_init__(self) -> None:
        twice = [token for token, count in Counter(self.tokens).items() if count > 1]
        if twice:
            raise GoamaError(f"The vocabulary has {twice[0]!r} twice; each token needs one id of its own.")

    @classmethod
    def from_texts(cls, texts: Iterable[str], *, min_count: int | None = None) -> tuple[Vocabulary, CharacterReport]:
        """Count the units of normalised texts, of the training split only, and keep those that can be learnt.

        `min_count` None means: 1 up to 10 000 units (about ten minutes of speech, where a letter seen once
        may well belong to the alphabet); then 2, because a unit seen once cannot be learnt and is most
        often a slip of the pen; from 300 000 units on, 1 in 100 000, because slips and foreign names repeat
        themselves in a large corpus; never more than 20, which is enough examples to learn a letter from.
        """
        counts: Counter[str] = Counter()
        examples: dict[str, list[str]] = {}
        for text in texts:
            here = Counter(unit for word in _words(text) for unit in segment(word))
            counts.update(here)
            for unit in here:
                seen = examples.setdefault(unit, [])
                if len(seen) < EXAMPLES_PER_RARE_UNIT:
                    seen.append(text)
        if not counts:
            raise GoamaError("The training texts hold no characters to learn; check the transcripts.")
        needed = _default_min_count(counts.total()) if min_count is None else min_count
        kept = {unit: count for unit, count in counts.most_common() if count >= needed}
        rare = tuple(
            RareUnit(unit, count, tuple(examples[unit])) for unit, count in counts.most_common() if count < needed
        )
        return cls((BLANK, DELIMITER, UNKNOWN, *sorted(kept))), CharacterReport(kept, rare, needed)

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def units(self) -> tuple[str, ...]:
        """The tokens that write something: neither blank, delimiter, unknown nor silent."""
        return tuple(token for id, token in enumerate(self.tokens) if id not in self._mute | {self.delimiter_id})

    def segment(self, text: str) -> list[str]:
        """The units of a text, spaces as `|`, whether the vocabulary knows them or not."""
        units: list[str] = []
        for word in _words(text):
            if units:
                units.append(DELIMITER)
            units.extend(segment(word))
        return units

    def encode(self, text: str) -> list[int]:
        """Label ids of a normalised text. Runs of spaces become one delimiter; unknown units become `[UNK]`."""
        ids: list[int] = []
        for word in _words(text):
            if ids:
                ids.append(self.delimiter_id)
            for unit in segment(word):
                ids.extend(self._ids_of_unit(unit))
        return ids

    def decode(self, ids: Iterable[int], *, collapse: bool = True) -> str:
        """Text of a sequence of ids: repeats collapsed, blanks dropped, `|` as a space, spaces collapsed.

        `collapse=False` is for labels, where two equal ids in a row are two letters. Blank, `[UNK]` and ids
        outside the vocabulary, such as the −100 of padded labels, write nothing.
        """
        pieces: list[str] = []
        previous: int | None = None
        for id in map(int, ids):
            if not (collapse and id == previous):
                if id == self.delimiter_id:
                    pieces.append(" ")
                elif 0 <= id < len(self.tokens) and id not in self._mute:
                    pieces.append(self.tokens[id])
            previous = id
        return " ".join(_words("".join(pieces)))

    def required_frames(self, labels: str | Sequence[int]) -> int:
        """The fewest frames CTC can align these labels (a text or its ids) with.

        One a label, and one more for the blank that must part two equal neighbours (Graves et al. 2006).
        A clip with fewer frames has an infinite loss.
        """
        ids = self.encode(labels) if isinstance(labels, str) else list(labels)
        return len(ids) + sum(left == right for left, right in pairwise(ids))

    def save(self, folder: str | Path) -> None:
        """Write `vocab.json` and `tokenizer_config.json`, as `Wav2Vec2CTCTokenizer.save_pretrained` does."""
        from transformers import Wav2Vec2CTCTokenizer  # seconds to import: only where it is needed

        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".vocabulary-") as beside:
            source = Path(beside, "source.json")
            source.write_text(
                json.dumps({token: id for id, token in enumerate(self.tokens)}, ensure_ascii=False), "utf-8"
            )
            written = Path(beside, "written")
            Wav2Vec2CTCTokenizer(
                str(source),
                bos_token=None,  # <s> and </s> would be two classes that no clip ever trains
                eos_token=None,
                pad_token=self.tokens[self.blank_id],
                unk_token=self.tokens[self.unk_id],
                word_delimiter_token=self.tokens[self.delimiter_id],
                replace_word_delimiter_char=" ",
                do_lower_case=False,
                clean_up_tokenization_spaces=False,
            ).save_pretrained(written)
            for file in sorted(written.iterdir()):
                file.replace(folder / file.name)

    @classmethod
    def load(cls, folder: str | Path, language: str | None = None) -> Vocabulary:
        """Read the vocabulary of a model folder, made by goama or any other `Wav2Vec2CTCTokenizer` folder.

        Ids are kept as they are: they are the classes of the model's head. `language` chooses among those of an
        MMS folder; without it, the folder's own choice stands.
        """
        folder = Path(folder)
        if not (folder / "vocab.json").is_file():
            raise GoamaError(f"{folder} has no vocab.json; give the folder of a CTC model with its tokenizer.")
        vocab = _read_json(folder / "vocab.json")
        config = _read_json(folder / "special_tokens_map.json") | _read_json(folder / "tokenizer_config.json")

        language = language or config.get("target_lang")
        if language is not None:  # MMS: one file, a vocabulary for each language
            if not isinstance(vocab.get(language), dict):
                raise GoamaError(f"{folder / 'vocab.json'} has no vocabulary for the language {language!r}.")
            vocab = vocab[language]

        added = _read_json(folder / "added_tokens.json") | {
            _content(token): int(id) for id, token in config.get("added_tokens_decoder", {}).items()
        }
        ids: dict[str, Any] = added | vocab
        by_id = {id: token for token, id in ids.items() if isinstance(id, int)}
        if len(by_id) != len(ids) or sorted(by_id) != list(range(len(ids))):
            raise GoamaError(
                f"{folder / 'vocab.json'} does not number its {len(ids)} tokens 0 to {len(ids) - 1}; "
                "it is not the vocabulary of a CTC model, or the file is damaged."
            )

        def special(role: str, default: str) -> str | None:
            """The token of a role, by configuration or by the default of `Wav2Vec2CTCTokenizer`."""
            token = config.get(role, default if default in ids else None)
            return None if token is None else _content(token)

        def special_id(role: str, ours: str, default: str) -> int:
            token = special(role, ours if ours in ids else default)
            if token not in ids:
                raise GoamaError(
                    f"{folder / 'vocab.json'} has no token for {role}; goama needs a character CTC tokenizer "
                    "with a padding token (the blank), an unknown token and a word delimiter."
                )
            return int(ids[token])

        blank_id = special_id("pad_token", BLANK, "<pad>")
        delimiter_id = special_id("word_delimiter_token", DELIMITER, DELIMITER)
        unk_id = special_id("unk_token", UNKNOWN, "<unk>")
        ends = {special("bos_token", "<s>"), special("eos_token", "</s>")}
        silent_ids = frozenset(ids[token] for token in ends if token in ids) - {
            blank_id,
            delimiter_id,
            unk_id,
        }

        tokens = [by_id[id] for id in range(len(by_id))]
        if config.get("do_lower_case"):  # such a tokenizer keeps capitals and writes small letters
            mute = {blank_id, delimiter_id, unk_id} | silent_ids
            tokens = [token if id in mute else token.lower() for id, token in enumerate(tokens)]
        return cls(tuple(tokens), blank_id, delimiter_id, unk_id, silent_ids)

    @cached_property
    def _id_of(self) -> dict[str, int]:
        return {token: id for id, token in enumerate(self.tokens) if id not in self._mute | {self.delimiter_id}}

    @cached_property
    def _mute(self) -> frozenset[int]:
        return self.silent_ids | {self.blank_id, self.unk_id}

    def _ids_of_unit(self, unit: str) -> list[int]:
        # Foreign vocabularies may spell ɛ̃ or é as a letter and a mark; ours never holds only the parts.
        for spelling in ([unit], list(unit), list(unicodedata.normalize("NFD", unit))):
            ids = [self._id_of[part] for part in spelling if part in self._id_of]
            if len(ids) == len(spelling):
                return ids
        return [self.unk_id]


def segment(word: str) -> list[str]:
    """The units of one word: code points, each with the inherited diacritics that follow it."""
    units: list[str] = []
    for character in unicodedata.normalize("NFC", word):
        if units and _is_inherited_diacritic(character):
            units[-1] += character
        else:
            units.append(character)
    return units


def _is_inherited_diacritic(character: str) -> bool:
    """The four blocks of diacritics that any script may put on any letter."""
    return (
        "\u0300" <= character <= "\u036f"
        or "\u1ab0" <= character <= "\u1aff"
        or "\u1dc0" <= character <= "\u1dff"
        or "\u20d0" <= character <= "\u20ff"
    )


def _words(text: str) -> list[str]:
    # A `|` in a text cannot be told from a space in the labels.
    return text.replace(DELIMITER, " ").split()


def _default_min_count(total: int) -> int:
    if total <= 10_000:
        return 1
    return max(2, min(20, total // 100_000))


def _content(token: Any) -> str:
    """A special token's text: a string, or in older folders a dictionary."""
    return str(token["content"]) if isinstance(token, dict) else str(token)


def _read_json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        data = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise GoamaError(f"{path} is not valid JSON ({error}); copy it again from the model's source.") from error
    if not isinstance(data, dict):
        raise GoamaError(f"{path} should hold a JSON object; copy it again from the model's source.")
    return data
