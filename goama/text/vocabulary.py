"""From normalised text to CTC labels and back: the characters that a model can write.

Saved as a plain `Wav2Vec2CTCTokenizer`, so that transformers decodes to the same text without goama.
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
    """A unit that is too rare to learn, with its count and up to three texts that contain it."""

    unit: str
    count: int
    examples: tuple[str, ...]


@dataclass(frozen=True)
class CharacterReport:
    """What `Vocabulary.from_texts` counted.

    kept:       {unit: count} of the units in the vocabulary, most frequent first
    rare:       the units that become `[UNK]`, most frequent first
    min_count:  number of occurrences that a unit needs to be kept
    """

    kept: dict[str, int]
    rare: tuple[RareUnit, ...]
    min_count: int

    @property
    def total(self) -> int:
        """The number of all units, without spaces."""
        return sum(self.kept.values()) + sum(rare.count for rare in self.rare)

    @property
    def unknown_share(self) -> float:
        """The share of labels, without spaces, that become `[UNK]`, 0 to 1."""
        return sum(rare.count for rare in self.rare) / self.total if self.total else 0.0


@dataclass(frozen=True)
class Vocabulary:
    """The units that a model knows; the index of a unit in `tokens` is its id, the class of the CTC head.

    In a vocabulary made by goama, `[PAD]` (the CTC blank) is 0, the word delimiter `|` is 1, `[UNK]` is 2, and the
    units follow by code point. The vocabulary of another model keeps the ids that the model was trained with.

    A unit is one code point, or a letter with the diacritics that Unicode cannot compose with it (Mooré ɛ̃,
    Yoruba ọ́), because such a mark changes the vowel and is no sound after it. Vowel signs that belong to one script
    (Devanagari, Burmese, …) are separate units; otherwise the vocabulary would hold every syllable.

    Use `encode` for labels. The saved tokenizer encodes differently where a unit has several code points (it drops
    the spaces around it) or where spaces are doubled; it decodes alike.
    """

    tokens: tuple[str, ...]
    blank_id: int = 0
    delimiter_id: int = 1
    unk_id: int = 2
    silent_ids: frozenset[int] = field(default=frozenset())
    """Further classes without text: `<s>` and `</s>` of other models."""

    def __post_init__(self) -> None:
        twice = [token for token, count in Counter(self.tokens).items() if count > 1]
        if twice:
            raise GoamaError(f"The vocabulary has {twice[0]!r} twice; each token needs one id of its own.")

    @classmethod
    def from_texts(cls, texts: Iterable[str], *, min_count: int | None = None) -> tuple[Vocabulary, CharacterReport]:
        """The vocabulary of the training split's normalised texts, and a report on all their units.

        min_count:  occurrences that a unit needs to be kept. None: 1 up to 10 000 units (about ten minutes of
                    speech, where a letter seen once may belong to the alphabet); then 2, because a unit seen once
                    cannot be learnt and is usually a typing error; from 300 000 units on 1 in 100 000, because
                    errors and foreign names repeat in a large corpus; at most 20, enough to learn a letter.
        Raises `GoamaError` when the texts have no characters.
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
        """The number of classes of the CTC head."""
        return len(self.tokens)

    @property
    def units(self) -> tuple[str, ...]:
        """The tokens with text: without blank, delimiter, unknown and silent tokens."""
        return tuple(token for id, token in enumerate(self.tokens) if id not in self._mute | {self.delimiter_id})

    def segment(self, text: str) -> list[str]:
        """The units of a text, known to the vocabulary or not; spaces are `|`."""
        units: list[str] = []
        for word in _words(text):
            if units:
                units.append(DELIMITER)
            units.extend(segment(word))
        return units

    def encode(self, text: str) -> list[int]:
        """The label ids of a normalised text: one delimiter for each run of spaces, `[UNK]` for unknown units."""
        ids: list[int] = []
        for word in _words(text):
            if ids:
                ids.append(self.delimiter_id)
            for unit in segment(word):
                ids.extend(self._ids_of_unit(unit))
        return ids

    def decode(self, ids: Iterable[int], *, collapse: bool = True) -> str:
        """The text of a sequence of ids: repeats collapsed, blanks removed, `|` as a space, spaces collapsed.

        Use `collapse=False` for labels, where two equal ids are two letters. Blank, `[UNK]` and ids outside the
        vocabulary, such as the −100 of padded labels, give no text.
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
        """The minimum number of frames for a CTC alignment of these labels (a text or its ids).

        One for each label, and one for the blank between two equal labels (Graves et al. 2006). A clip with fewer
        frames has an infinite loss.
        """
        ids = self.encode(labels) if isinstance(labels, str) else list(labels)
        return len(ids) + sum(left == right for left, right in pairwise(ids))

    def save(self, folder: str | Path) -> None:
        """Write `vocab.json` and `tokenizer_config.json`, as `Wav2Vec2CTCTokenizer.save_pretrained` does."""
        from transformers import Wav2Vec2CTCTokenizer  # takes seconds to import

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
                bos_token=None,  # <s> and </s> would be classes that are never trained
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
        """The vocabulary of a model folder, of goama or any other with a `Wav2Vec2CTCTokenizer`, with its ids.

        language:  one of the languages of an MMS folder; None: the folder's `target_lang`
        Raises `GoamaError` when the folder has no vocabulary, or a damaged one, or lacks the language or a special
        token.
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
        if config.get("do_lower_case"):  # such a tokenizer stores capitals and decodes to lower case
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
        # Other vocabularies may have the parts of ɛ̃ or é, a letter and a mark; ours has the whole unit.
        for spelling in ([unit], list(unit), list(unicodedata.normalize("NFD", unit))):
            ids = [self._id_of[part] for part in spelling if part in self._id_of]
            if len(ids) == len(spelling):
                return ids
        return [self.unk_id]


def segment(word: str) -> list[str]:
    """The units of one word: each code point with the combining diacritics that follow it."""
    units: list[str] = []
    for character in unicodedata.normalize("NFC", word):
        if units and _is_inherited_diacritic(character):
            units[-1] += character
        else:
            units.append(character)
    return units


def _is_inherited_diacritic(character: str) -> bool:
    """Whether it is in one of the four Unicode blocks of diacritics that combine with letters of any script."""
    return (
        "\u0300" <= character <= "\u036f"
        or "\u1ab0" <= character <= "\u1aff"
        or "\u1dc0" <= character <= "\u1dff"
        or "\u20d0" <= character <= "\u20ff"
    )


def _words(text: str) -> list[str]:
    # In the labels, a `|` is the same as a space.
    return text.replace(DELIMITER, " ").split()


def _default_min_count(total: int) -> int:
    if total <= 10_000:
        return 1
    return max(2, min(20, total // 100_000))


def _content(token: Any) -> str:
    """The text of a special token, which older folders store in a dictionary."""
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
