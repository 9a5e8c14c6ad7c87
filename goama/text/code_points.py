"""One spelling for what looks the same: presentation forms, and words typed with other code points.

Presentation forms are shapes of letters that old fonts and PDF files store as characters: ligatures (ﬁ), positional
forms of Arabic letters, full-width and mathematical letters. Other compatibility characters (ʰ, ², ª) carry meaning
and are never changed.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache

_SHAPES = ("<initial>", "<medial>", "<final>", "<isolated>", "<wide>", "<narrow>", "<vertical>", "<small>", "<font>")
_LIGATURE_BLOCKS = ((0x2E80, 0x2FDF), (0xF900, 0xFFEF))
"""Here <compat> characters are shapes too: radicals of Chinese characters, Latin, Armenian and Hebrew ligatures."""

_LAST_CODE = 0x1FAFF

# Digraphs that Unicode also has as one character, and letters typed with a combining stroke.
_DIGRAPHS = (
    "ĳ ij|Ĳ IJ|ǆ dž|ǅ Dž|Ǆ DŽ|ǉ lj|ǈ Lj|Ǉ LJ|ǌ nj|ǋ Nj|Ǌ NJ|ǳ dz|ǲ Dz|Ǳ DZ|ӏ Ӏ|"
    "µ μ|ϐ β|ϑ θ|ϕ φ|ϖ π|ϰ κ|ϱ ρ|ϵ ε"  # the micro sign, and Greek letters in the form of mathematics
)
_STROKES = {
    "\u0335": "bƀ dđ gǥ hħ iɨ lł oɵ pᵽ rɍ tŧ uʉ zƶ BɃ DĐ GǤ HĦ IƗ LŁ OƟ PⱣ RɌ TŦ UɄ ZƵ",
    "\u0336": "bƀ dđ hħ iɨ tŧ uʉ DĐ HĦ IƗ TŦ UɄ K₭",
    "\u0337": "cȼ eɇ lł oø CȻ EɆ LŁ OØ",
    "\u0338": "aⱥ cȼ eɇ lł oø tⱦ AȺ CȻ EɆ LŁ OØ TȾ",
}

# Vowels that look the same when they are typed as two characters: "Do not use" of the Unicode standard (chapter 12),
# and the chillu letters of Malayalam (section 12.9), which older text writes with a joiner.
_PAIRS = (
    "अॆ ऄ|अा आ|ऎॆ ऎ|एॅ ऍ|एॆ ऎ|एे ऐ|अॉ ऑ|अॊ ऒ|अो ओ|अौ औ|आॅ ऑ|आॆ ऒ|आे ओ|आै औ|उु ऊ|"
    "অা আ|ঋৃ ৠ|ঌৢ ৡ|ত্\u200d ৎ|"
    "ਅਾ ਆ|ੲਿ ਇ|ੲੀ ਈ|ੳੁ ਉ|ੳੂ ਊ|ੲੇ ਏ|ਅੈ ਐ|ੳੋ ਓ|ਅੌ ਔ|"
    "અા આ|અૅ ઍ|અે એ|અૈ ઐ|અૉ ઑ|અો ઓ|અૌ ઔ|આૅ ઑ|આે ઓ|આૈ ઔ|ଅା ଆ|"
    "ఒౌ ఔ|ఒా ఓ|ఎౕ ఏ|ఒౕ ఓ|ಉಾ ಊ|ಒೌ ಔ|ಋಾ ೠ|"
    "ഇൗ ഈ|ഉൗ ഊ|എെ ഐ|ഒാ ഓ|ഒൗ ഔ|ണ്\u200d ൺ|ന്\u200d ൻ|ര്\u200d ർ|ല്\u200d ൽ|ള്\u200d ൾ|ക്\u200d ൿ|"
    "අා ආ|අැ ඇ|අෑ ඈ|උෟ ඌ|ඍෘ ඎ|එ් ඒ|එෙ ඓ|ඔෟ ඖ|"
    "เเ แ|ເເ ແ|ຫນ ໜ|ຫມ ໝ|"
    "ឣ អ|ឤ អា|េី ើ|ីេ ើ|េា ោ|ាេ ោ|ំុ ុំ|ំា ាំ|ះុ ុះ"
)

# Marks whose order cannot be seen: the second form is the one of the standard.
_REORDERED = (
    (r"([\u0e48-\u0e4b]?)\u0e4d([\u0e48-\u0e4b]?)\u0e32", r"\1\2\u0e33"),  # Thai: nikhahit, tone, sara aa
    (r"([\u0e48-\u0e4c])([\u0e31\u0e34-\u0e37\u0e47])", r"\2\1"),  # tone before vowel
    (r"\u0e33([\u0e48-\u0e4b])", r"\1\u0e33"),
    (r"([\u0e31\u0e34-\u0e3a\u0e47-\u0e4e])\1+", r"\1"),  # a mark typed twice is drawn over itself
    (r"(?<![\u0e24\u0e26])\u0e45", r"\u0e32"),
    (r"([\u0ec8-\u0ecb]?)\u0ecd([\u0ec8-\u0ecb]?)\u0eb2", r"\1\2\u0eb3"),  # Lao, as Thai
    (r"\u0eb3([\u0ec8-\u0ecb])", r"\1\u0eb3"),
    (r"([\u0ec8-\u0ecc])([\u0eb1\u0eb4-\u0eb7\u0ebb])", r"\2\1"),
    (r"([\u0eb1\u0eb4-\u0ebc\u0ec8-\u0ecd])\1+", r"\1"),
    (r"(\u17d2\u179a)((?:\u17d2[\u1780-\u17a2])+)", r"\2\1"),  # Khmer: subscript ro comes last
    (r"\u1040(?=[\u102b-\u1032\u1036-\u103e])", r"\u101d"),  # Burmese: digit zero for wa,
    (r"(?<=[\u1031])\u1040", r"\u101d"),
    (r"\u1047(?=[\u102b-\u1032\u1036-\u103e])", r"\u101b"),  # digit seven for ra
    (r"([\u102f\u1030])([\u102d\u102e\u1032])", r"\2\1"),  # vowel below before vowel above
    (r"\u1036([\u102d-\u1030])", r"\1\u1036"),
    (r"(?<=[\u3041-\u3096\u30a1-\u30fa])\u309b", "\u3099"),  # kana with a voicing mark of its own width
    (r"(?<=[\u3041-\u3096\u30a1-\u30fa])\u309c", "\u309a"),
)
_BURMESE_MEDIALS = re.compile("[\u103b-\u103e]{2,}")

CHEROKEE_SMALL = {
    **{chr(code): chr(code - 0xAB70 + 0x13A0) for code in range(0xAB70, 0xABC0)},
    **{chr(code): chr(code - 8) for code in range(0x13F8, 0x13FE)},
}
"""Small letters of Cherokee, which have no place in its spelling and are in few fonts, and the usual ones."""

# Letters that are typed as those of a related alphabet, or with a mark that looks the same.
_VARIANTS = (
    ("fa pnb lrc glk mzn bqi haz", "ي ی|ى ی|ك ک"),
    ("ur", "ي ی|ى ی|ك ک|ه ہ|ة ۃ"),
    ("ckb sdh ku", "ي ی|ى ی|ك ک|ه\u200c ە"),
    ("yo", "\u0329 \u0323"),
    ("az", "ǝ ə|Ǝ Ə"),
    ("ee fon gej", "đ ɖ|Đ Ɖ"),
    ("ro", "ş ș|Ş Ș|ţ ț|Ţ Ț"),
)


def fold_presentation_forms(text: str) -> str:
    """The text with ordinary letters in place of presentation forms; one pass, nothing else changes."""
    return text if text.isascii() else text.translate(_folded())


def presentation_forms_in(text: str) -> str:
    """The presentation forms of letters in the text, in order; signs (！) are not among them."""
    return "" if text.isascii() else "".join(c for c in text if ord(c) in _folded() and c.isalpha())


def unify_code_points(text: str, variants: tuple[str, ...] = ()) -> str:
    """The text with one code point sequence for each written form of the scripts that have several.

    variants: further "typed written" pairs of the language.
    """
    pattern, written, concerned = _pairs(variants)
    if text.isascii() or not concerned.search(text):
        return text
    for _ in range(_MOST_PASSES):
        before = text
        text = pattern.sub(lambda match: written[match[0]], text)
        for reordered, standard in _reordered():
            text = reordered.sub(standard, text)
        text = _BURMESE_MEDIALS.sub(lambda match: "".join(sorted(match[0])), text)
        text = unicodedata.normalize("NFC", text)
        if text == before:
            break
    return text


def variants_of(code: str) -> tuple[str, ...]:
    """Pairs "typed written" for a language whose letters are often typed as those of a related one."""
    return tuple(pair for codes, pairs in _VARIANTS if code in codes.split() for pair in pairs.split("|"))


_MOST_PASSES = 10  # because a result may form a pair with its neighbour


@cache
def _folded() -> dict[int, str]:
    """Code point -> the letters that the presentation form stands for."""

    def letters(character: str) -> str:
        kind, *codes = unicodedata.decomposition(character).split()
        in_blocks = any(first <= ord(character) <= last for first, last in _LIGATURE_BLOCKS)
        assert kind in _SHAPES or in_blocks
        parts = "".join(chr(int(code, 16)) for code in codes)
        if len(parts) > 1 and parts[0] == " ":
            parts = parts[1:]  # a mark that is shown by itself: it belongs to the letter before
        return "".join(letters(part) if is_shape(part) else part for part in parts)

    def is_shape(character: str) -> bool:
        kind = unicodedata.decomposition(character).split(" ")[0]
        in_blocks = any(first <= ord(character) <= last for first, last in _LIGATURE_BLOCKS)
        return kind in _SHAPES or (kind == "<compat>" and in_blocks)

    shapes = (chr(code) for code in range(0x2000, _LAST_CODE) if is_shape(chr(code)))
    folded = {ord(shape): unicodedata.normalize("NFC", letters(shape)) for shape in shapes}
    return folded | {0xFB05: "st"}  # its long s is another shape of s


@cache
def _pairs(variants: tuple[str, ...]) -> tuple[re.Pattern[str], dict[str, str], re.Pattern[str]]:
    """(what is typed, typed -> written, the characters without which a text needs no look)."""
    pairs = [(pair.split(" ")[0], pair.split(" ")[1]) for pair in (*f"{_DIGRAPHS}|{_PAIRS}".split("|"), *variants)]
    written = dict(pairs) | CHEROKEE_SMALL
    for stroke, letters in _STROKES.items():
        written |= {pair[0] + stroke: pair[1] for pair in letters.split()}
    longest_first = "|".join(map(re.escape, sorted(written, key=len, reverse=True)))
    # The class of first characters spares most of the text some two hundred comparisons.
    first = "".join({re.escape(typed[0]) for typed in written})
    concerned = "".join(re.escape(typed[-1]) for typed in written)
    return (
        re.compile(f"(?=[{first}])(?:{longest_first})"),
        written,
        re.compile(f"[{concerned}\u0e30-\u0e4e\u0eb0-\u0ece\u102b-\u103e\u17d2\u309b\u309c]"),
    )


@cache
def _reordered() -> tuple[tuple[re.Pattern[str], str], ...]:
    return tuple(
        (re.compile(typed), re.sub(r"\\u([0-9a-f]{4})", lambda m: chr(int(m[1], 16)), standard))
        for typed, standard in _REORDERED
    )
