"""Praat's special symbols: a backslash and two characters stand for one (`\ng` for ŋ), as Praat shows them.

The table is that of Praat's manual ("Special symbols", "Phonetic symbols"), whole.
"""

from __future__ import annotations

import re
from collections import Counter

_LETTERS = """
a`à a'á a^â a~ã a"ä aoå a;ą c'ć c<č d<ď d-đ e`è e'é e^ê e"ë e<ě e;ę g<ǧ i`ì i'í i^î i"ï l/ł n'ń n~ñ n<ň o`ò o'ó o^ô o~õ
o"ö o:ő r<ř s'ś s<š t<ť u`ù u'ú u^û u"ü u:ű uoů y'ý y"ÿ z'ź z<ž z!ż
A`À A'Á A^Â A~Ã A"Ä AoÅ A;Ą C'Ć C<Č D<Ď D-Đ E`È E'É E^Ê E"Ë E<Ě E;Ę G<Ǧ I`Ì I'Í I^Î I"Ï L/Ł N'Ń N~Ñ N<Ň O`Ò O'Ó O^Ô O~Õ
O"Ö O:Ő R<Ř S'Ś S<Š T<Ť U`Ù U'Ú U^Û U"Ü U:Ű UoŮ Y'Ý Y"Ÿ Z'Ź Z<Ž Z!Ż
ssß aeæ c,ç o/ø thþ AeÆ C,Ç O/Ø ThÞ FIﬁ FLﬂ dhð h-ħ oeœ
"""
_PHONETIC = """
atɐ asɑ ayɒ abɒ b^ɓ bcʙ ctɔ ccɕ d.ɖ d^ɗ e-ɘ swə srɚ efɛ erɜ kbɞ j-ɟ g^ɠ gsɡ gcɢ gfɣ rhɤ G^ʛ htɥ h^ɦ hjɧ hcʜ i-ɨ icɪ jcʝ
l~ɫ l-ɬ l.ɭ lzɮ lcʟ mtɯ mlɰ mjɱ ngŋ njɲ n.ɳ ncɴ o-ɵ Oeɶ |1ǀ |2ǁ |-ǂ ffɸ rtɹ rlɺ r.ɻ f.ɽ fhɾ rcʀ riʁ s.ʂ shʃ j^ʄ t.ʈ u-ʉ
hsʊ vsʋ vtʌ wtʍ ytʎ ycʏ z.ʐ zcʑ zhʒ ?gʔ 9eʕ O.ʘ ?-ʡ 9-ʢ :fː .fˑ hr˞ bfβ tfθ cfχ '1ˈ '2ˌ idɿ irʅ tsʦ tSʧ apʼ _u‿
^hʰ ^Hʱ ^jʲ ^wʷ ^Yᶣ ^yʸ ^?ˀ ^9ˁ ^lˡ ^sˢ ^gˠ ^Mᵚ ^Gᶭ ^xˣ ^fᶠ ^nⁿ ^mᵐ ^Nᵑ
"""
_COMBINING = """
`^0300 '^0301 ^^0302 ~^0303 -^0304 :^0308 0^030A v^030C N^0306 cn031A cv031C T^031D Tv031E T(0318 T)0319 +v031F :v0324
0v0325 |v0329 Nv032A Uv033A Dv033B nv032F ~v0330 -v0320 ~<0334 3v0339 li0361
hI05B4 sE05B6 cE05B5 qA05B8 pA05B7 hO05B9 qU05BB dq05BC vOFB4B sUFB35
"""
_GREEK_AND_HEBREW = """
alα beβ gaγ deδ epε zeζ etη teθ t2ϑ ioι kaκ laλ muμ nuν xiξ onο piπ roρ siσ s2ς taτ upυ fiφ f2ϕ ciχ psψ omω o2ϖ
AlΑ BeΒ GaΓ DeΔ EpΕ ZeΖ EtΗ TeΘ IoΙ KaΚ LaΛ MuΜ NuΝ XiΞ OnΟ PiΠ RoΡ SiΣ TaΤ UpΥ FiΦ CiΧ PsΨ OmΩ
?+א B+ב G+ג D+ד H+ה V+ו Z+ז X+ח Y+ט J+י K%ך K+כ L+ל M%ם M+מ N%ן N+נ S+ס 9+ע P%ף P+פ C%ץ C+צ Q+ק R+ר W+ש T+ת
"""
_SIGNS = r"""
!d¡ ?d¿ --– +-± bs\ 'a' "l“ "r” <<« >>» .c· dg° c/¢ Lp£ cu¤ eu€ Y=¥ SS§ ||¶ co© re® a_ª o_º tm™ TM™ no¬ xx× :-÷ fdƒ bu•
'p′ "p″ At∀ dd∂ Er∃ O|∅ e=∈ su∑ -m− /d∕ Vr√ oc∝ oo∞ an∧ or∨ ni∩ uu∪ in∫ .3∴ =~≅ ~~≈ un_ =/≠ =3≡ <_≤ >_≥ c=⊂ o+⊕ ox⊗ Tt⊥
..⋯ cl♣ di♦ he♥ sp♠ <-← ^|↑ ->→ _|↓ <>↔ <=⇐ ^#⇑ =>⇒ _#⇓ eq⇔ [f[ ]f] |f| pf☞ f5❀
"""
_THEMSELVES = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.,:;!?0123456789()[]{}+-*/<=>#$%&@_^|~"'

SYMBOLS = {
    **{entry[:2]: entry[2:] for table in (_LETTERS, _PHONETIC, _GREEK_AND_HEBREW, _SIGNS) for entry in table.split()},
    **{entry[:2]: chr(int(entry[2:], 16)) for entry in _COMBINING.split()},
    **{f"{character} ": character for character in _THEMSELVES},
    "` ": "‘",
    "' ": "’",
    "-h": "\u00ad",
}
"""The two characters after the backslash -> what they stand for."""

_CODE = re.compile(r"\\([ -~]{2})")


def decoded(text: str, unknown: Counter[str]) -> tuple[str, int]:
    """The text with its codes as characters, and how many there were; codes that Praat does not know are counted."""
    known = 0

    def character(code: re.Match[str]) -> str:
        nonlocal known
        symbol = SYMBOLS.get(code[1])
        if symbol is None:
            unknown[code[0]] += 1
            return code[0]
        known += 1
        return symbol

    return (_CODE.sub(character, text), known) if "\\" in text else (text, 0)
