"""From a language code to its spelling: which apostrophes are letters, which hyphens belong to words.

A language that is not in these tables gets the defaults of `Orthography`.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from functools import cache, cached_property

from goama.text.code_points import CHEROKEE_SMALL, variants_of
from goama.text.codes import split_tag
from goama.text.replacements import Replacement, Replacer

APOSTROPHES = "’‘‛‚`´′＇｀՚"
MODIFIER_APOSTROPHES = "ʼʻ"
"""Unicode category Lm: letters of the alphabet in some languages, typed instead of ’ in others."""

DOUBLE_QUOTES = "“”„‟″＂"
QUOTES = DOUBLE_QUOTES + "«»‹›〝〞〟"
HYPHENS = "‐‑﹣－"
SILENT_INSIDE_WORDS = "ـߺ՛՜՞\ufe0e\ufe0f"
"""Arabic and N'Ko stretching, Armenian intonation signs (written on a vowel), variation selectors."""

SOUNDING_PUNCTUATION = "%‰‱٪؉؊﹪％&＆﹠@＠﹫#＃﹟§⁊၌၍၎၏៘"
"""Unicode punctuation that is read out as words; the last six are whole words of Irish, Burmese and Khmer."""

SILENT_SYMBOLS = "|¦^`´~¨¯¸©®™℠"
SILENT_SYMBOL_BLOCKS = (  # arrows, technical signs, boxes, shapes, dingbats, emoji
    (0x02C2, 0x02FF),
    (0x2190, 0x21FF),
    (0x2300, 0x243F),
    (0x2500, 0x27BF),
    (0x2900, 0x297F),
    (0x2B00, 0x2BFF),
    (0x1F000, 0x1FAFF),
)
TONE_LETTERS = "".join(map(chr, [*range(0x02E5, 0x02EC), *range(0xA700, 0xA722), 0xA789, 0xA78A]))


@dataclass(frozen=True)
class LetterRule:
    """Each character of `typed_as` becomes `letter` between the given neighbours.

    `after` and `before` limit the neighbours: "" any, "*" a letter, else one of these characters.
    """

    letter: str
    typed_as: str
    after: str = ""
    before: str = ""


@dataclass(frozen=True)
class Orthography:
    """The character tables of one language; saved with the model, so that an old model keeps its spelling.

    letter_rules:         characters typed instead of a letter that looks alike
    apostrophes, quotes, hyphens:  characters unified to ' " and -
    silent_inside_words:  removed without leaving a space
    punctuation:          characters without a sound; they become a space
    kept_inside_words:    punctuation that stays between two letters
    initial_apostrophe:   words that keep an apostrophe in front ('t), "*" for every word
    final_apostrophe:     words that keep an apostrophe at their end (po'), "*" for every word
    dotless_i:            True if I is the capital of ı, and İ of i
    replacements:         the user's own table
    further_replacements: more tables of the user, applied after it in this order
    letter_signs:         signs that are letters in the given places (the comma of SENĆOŦEN); they stay
    variants:             "typed written": code points that the language's letters are often typed with
    without_lower_case:   capitals that are not written in lower case
    lone_marks:           signs that are marks of a transcriber where they stand alone; they become a space
    """

    letter_rules: tuple[LetterRule, ...] = ()
    apostrophes: str = APOSTROPHES
    quotes: str = QUOTES
    hyphens: str = HYPHENS
    silent_inside_words: str = SILENT_INSIDE_WORDS
    punctuation: str = ""
    kept_inside_words: str = "'"
    initial_apostrophe: tuple[str, ...] = ()
    final_apostrophe: tuple[str, ...] = ()
    dotless_i: bool = False
    replacements: tuple[Replacement, ...] = ()
    further_replacements: tuple[tuple[Replacement, ...], ...] = ()
    letter_signs: tuple[LetterRule, ...] = ()
    variants: tuple[str, ...] = ()
    without_lower_case: str = ""
    lone_marks: str = ""

    @property
    def replacement_tables(self) -> tuple[tuple[Replacement, ...], ...]:
        """The user's tables in the order in which they apply."""
        return tuple(table for table in (self.replacements, *self.further_replacements) if table)

    @cached_property
    def replacers(self) -> tuple[Replacer, ...]:
        """Each applies one of the user's tables."""
        return tuple(Replacer(table, self.punctuation) for table in self.replacement_tables)

    @property
    def letter_digits(self) -> str:
        """Digits that are letters of the language when they touch one, such as the 7 of Squamish."""
        return "".join(dict.fromkeys(rule.letter for rule in self.letter_signs if rule.letter.isdigit()))


def orthography(language: str | None) -> Orthography:
    """The tables for a language tag such as "nl", "nl-NL", "mos" or "mos_Latn"; None if the language is unknown.

    Raises `GoamaError` when it is not a language tag.
    """
    code, script = split_tag(language)
    letter_rules = next((rules for codes, rules in LETTER_RULES if code in codes.split()), ())
    kept = "'" + KEPT_BY_SCRIPT + "".join(signs for codes, signs in KEPT_INSIDE_WORDS if code in codes.split())
    tone_signs = code in TONE_SIGNS.split()
    return Orthography(
        letter_rules=letter_rules,
        apostrophes=APOSTROPHES + (MODIFIER_APOSTROPHES if code in PLAIN_APOSTROPHE.split() else ""),
        quotes=DOUBLE_QUOTES if tone_signs else QUOTES,  # their “ ” are tones, and their « » are quotes
        punctuation=_punctuation(),
        kept_inside_words=kept,
        initial_apostrophe=_words_for(code, INITIAL_APOSTROPHE),
        final_apostrophe=_words_for(code, FINAL_APOSTROPHE),
        letter_signs=tuple(rule for codes, rules in LETTER_SIGNS if code in codes.split() for rule in rules),
        variants=variants_of(code),
        without_lower_case=WITHOUT_LOWER_CASE,
        dotless_i=code in DOTLESS_I or (code in DOTLESS_I_IN_LATIN and script == "latn"),
    )


# The tables below use two-letter codes where they exist; `shortest_code` maps all other codes of ISO 639 to them.

# Languages in which ʼ and ʻ are apostrophes, not letters. In any other language they are not changed.
PLAIN_APOSTROPHE = (
    "nl en de fr it es pt ca oc br af fy li nds lb ga gd cy uk be tr az crh tt kk gag he yi id ms tl ro sw yo "
    "vi hi my sv da nb nn no fi et el ru pl cs sk sl hr sr bs bg mk hu lt lv gl eu sq eo mos lg rw is vls "
    "scn nap vec lmo pms sc fur lij co wa pcd hy"
)

_TYPED = APOSTROPHES + MODIFIER_APOSTROPHES + "'"
_OKINA = (LetterRule("ʻ", _TYPED, before="*"),)  # it opens a syllable, so a vowel follows it
_GLOTTAL_AFTER = (LetterRule("ʼ", _TYPED, after="*"),)
_GLOTTAL_BETWEEN = (LetterRule("ʼ", _TYPED, after="*", before="*"),)
_GERESH = (
    LetterRule("׳", _TYPED, after="*", before="*"),
    LetterRule("״", QUOTES + '"', after="*", before="*"),
)
_CLICKS = (
    LetterRule("ǃ", "!", before="*"),
    LetterRule("ǂ", "≠"),
    LetterRule("ǁ", "‖"),
    LetterRule("ǁ", "|", before="|"),  # || is one letter: its first stroke becomes ǁ,
    LetterRule("", "|", after="ǁ"),  # its second goes
    LetterRule("ǀ", "|", before="*"),
    LetterRule("ǀ", "|", before=_TYPED),
)

PALOCHKA = "ce av lez kbd ady inh dar lbe tab agx rut tkr abq akv ddo cji gin huz xdq kap tin bph ani kva gdo khv"
"""Languages of the Caucasus whose Cyrillic alphabet has the letter Ӏ, which no keyboard has."""
_TYPED_PALOCHKA = "|¦│∣׀ǀ1lIіІӏ"
_KATAKANA = "".join(map(chr, range(0x30A1, 0x30FB)))
_CYRILLIC = "".join(map(chr, [*range(0x0410, 0x0450), 0x0401, 0x0451]))

LOOK_ALIKES = (
    "aаαɑ", "cсϲ", "dԁ", "eе", "ɛεє", "əǝә", "gɡ", "hһ", "iіιı", "ɩι", "jјϳ", "kкκ", "lӀ", "nո", "oоο", "pрρ", "qԛ",
    "sѕ", "uսυ", "ʋυ", "vνѵ", "wԝ", "xхχ", "yуγ", "ɣγ", "ŋη", "ɔͻ", "ßβ", "ɖđð", "þϸ", "șş", "țţ", "ɗď", "ƴý", "äӓ",
    "ëё", "ïї", "öӧ", "يی", "كک", "هہە", "ʼˀ", "ʻʿ",
)  # fmt: skip
"""Letters that look alike and come from different alphabets or Unicode blocks."""

# Letters that look like apostrophes, dots or exclamation marks, and the characters typed instead of them.
LETTER_RULES: tuple[tuple[str, tuple[LetterRule, ...]], ...] = (
    ("haw to sm ty rar rap rtm wls mrq mqm pmt", _OKINA),
    ("uz", (*_GLOTTAL_BETWEEN, LetterRule("ʻ", _TYPED, after="oOgG"))),  # oʻ and gʻ are letters, ʼ is another
    ("nv apw apm gwi dgr chp scs tli lkt dak", _GLOTTAL_AFTER),
    ("quc yua kek cak mam tzo tzh tzj itz kjb", _GLOTTAL_AFTER),
    ("gn", _GLOTTAL_BETWEEN),
    ("ha", (*_GLOTTAL_BETWEEN, LetterRule("ʼ", _TYPED, before="yY"))),
    ("he yi", _GERESH),
    ("ca", (
        LetterRule("l·", "ŀ"),
        LetterRule("L·", "Ŀ"),
        LetterRule("·", "•‧∙⋅・.", after="lL", before="lL"),
    )),
    ("af", (LetterRule("'n", "ŉ"),)),
    ("naq ngh nmn ktz knw vaj gwj gnk huc hnh xuu shg sad hts", _CLICKS),
    ("ja ain ryu", (LetterRule("ー", "-‐‑–—―−", after=_KATAKANA),)),
    (PALOCHKA, (
        LetterRule("Ӏ", _TYPED_PALOCHKA, after=_CYRILLIC),
        LetterRule("Ӏ", _TYPED_PALOCHKA + "!", before=_CYRILLIC),
    )),
)  # fmt: skip

KEPT_BY_SCRIPT = "་༌׳״"
"""Between two letters they belong to the word in every language of their script. The tsheg parts the syllables of
Tibetan, whose words are not parted at all; geresh and gershayim are Hebrew."""

# Unicode punctuation that belongs to the word when it is between two letters.
KEPT_INSIDE_WORDS: tuple[tuple[str, str], ...] = (
    ("ca oc", "·"),
    ("moh one ono see cay tus hup kju was ood kyh", ":"),  # vowel length
    ("sac mez kut was", "·"),  # vowel length
    ("tl ceb ilo hil war bik pam pag", "-"),  # a glottal stop: mag-aral
    ("nan hak cdo", "-"),  # joins the syllables of a word
    ("id ms jv su", "-"),  # doubled words: anak-anak
    ("ro pt", "-"),  # clitics: s-a, fazê-lo
    ("oj ciw cr crk", "-"),  # preverbs
)

# Signs that are letters, and where: "*" stands for a letter before (`after`) or behind (`before`) the sign.
TONE_SIGNS = "dnj daf goa neb yre moa god bev wob gxx"
"""Languages of Ivory Coast that write tones as \" - = ' before the syllable."""

LETTER_SIGNS: tuple[tuple[str, tuple[LetterRule, ...]], ...] = (
    ("str", (LetterRule(",", ",‚", after="*", before="*"), LetterRule("¸", "¸", after="*"))),  # SENĆOŦEN
    ("tli tsi ncg git hai hax hdn shs lil thp", (LetterRule(".", ".․‧∙⋅", after="*", before="*"),)),
    ("squ shs lil thp", (LetterRule("7", "7", after="*"), LetterRule("7", "7", before="*"))),  # a glottal stop
    (TONE_SIGNS, tuple(LetterRule(sign, sign, before="*") for sign in '"-=')),
)

WITHOUT_LOWER_CASE = "".join(CHEROKEE_SMALL.values()) + "Ӏ"
"""Cherokee, and the palochka of the Caucasus: their small letters are in few fonts and not in use."""

INITIAL_APOSTROPHE: tuple[tuple[str, str], ...] = (
    ("nl vls li", "t s n k m r em ie er d"),
    ("af", "n t s k"),
    ("fy", "t s k e m r n"),
    ("nds", "n t s k m r em en ne"),
    ("lb", "t s n en em er"),
    ("de", "s n ne nen nem ner"),
    ("en", "tis twas em cause til bout n"),
    ("it", "na sta sto sti ste no nu o a e ndrangheta ndrina"),
    ("nap scn", "o a e i na nu sta sto n"),
    ("ca", "l m n s t ls ns"),
    ("cy", "r n i u m w th ch na"),
    ("gd", "s n m na nan nam nuair g ga gam gad"),
    ("mt", "l"),
    (TONE_SIGNS, "*"),
)

FINAL_APOSTROPHE: tuple[tuple[str, str], ...] = (
    ("mt so om ch qu quz ay", "*"),  # a sound of its own, with which many words end
    (
        "it",
        "po mo di fa va sta da be to ca l d un all dell nell sull dall coll c n s m t v gl quest quell bell",
    ),
    ("fr wa pcd", "l d j m t s n c ç qu jusqu lorsqu puisqu quoiqu quelqu presqu"),
    ("ca", "l d m t s n"),
    ("oc", "l d m t s n qu"),
    ("pt gl", "d"),
    ("lb", "d"),
    ("en", "o ol"),
    ("ga", "b d m"),
    ("gd", "a bh dh th b d m t"),
    ("nap scn", "l d n nn st cu"),
)

DOTLESS_I = ("tr", "az", "crh", "gag", "tly")
DOTLESS_I_IN_LATIN = ("tt", "kk", "ky", "ba")


def _words_for(code: str, table: tuple[tuple[str, str], ...]) -> tuple[str, ...]:
    words = (word for codes, words in table if code in codes.split() for word in words.split())
    return tuple(dict.fromkeys(words))


@cache
def _punctuation() -> str:
    """All characters without a sound in the Unicode categories of punctuation, and some symbols."""
    sounding = set(SOUNDING_PUNCTUATION + TONE_LETTERS)
    blocks = (code for first, last in SILENT_SYMBOL_BLOCKS for code in range(first, last + 1))
    symbols = (chr(code) for code in blocks if unicodedata.category(chr(code)).startswith("S"))
    signs = (chr(code) for code in range(0x1FB00) if unicodedata.category(chr(code)).startswith("P"))
    # Signs that decompose, such as ΅, contain an accent, and no accent may be lost.
    whole = (sign for sign in (*SILENT_SYMBOLS, *symbols, *signs) if unicodedata.normalize("NFD", sign) == sign)
    return "".join(sorted(set(whole) - sounding))
