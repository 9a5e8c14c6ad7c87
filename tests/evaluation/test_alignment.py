"""Words stand in pairs: as many differ as WER counts, and those that look alike stand together."""

from hypothesis import given
from hypothesis import strategies as st
from rapidfuzz.distance import Levenshtein

from goama.evaluation.alignment import WordPair, align_words, marked

texts = st.lists(st.text(alphabet="abé̃", min_size=1, max_size=3), max_size=6).map(" ".join)


@given(texts, texts)
def test_as_many_pairs_differ_as_there_are_word_errors(reference, hypothesis):
    pairs = align_words(reference, hypothesis)
    errors = sum(not pair.is_right for pair in pairs)
    assert errors == Levenshtein.distance(reference.split(), hypothesis.split())


@given(texts, texts)
def test_the_pairs_hold_both_texts(reference, hypothesis):
    pairs = align_words(reference, hypothesis)
    assert [pair.reference for pair in pairs if pair.reference is not None] == reference.split()
    assert [pair.hypothesis for pair in pairs if pair.hypothesis is not None] == hypothesis.split()


def test_of_equally_good_alignments_words_that_look_alike_are_paired():
    assert align_words("de lamp", "lampe") == (WordPair("de", None), WordPair("lamp", "lampe"))
    assert align_words("lampe", "de lamp") == (WordPair(None, "de"), WordPair("lampe", "lamp"))


@given(texts, texts)
def test_marked_pieces_join_to_the_texts(reference, hypothesis):
    missed, wrong = marked(reference, hypothesis)
    again = "".join(piece for piece, _ in missed), "".join(piece for piece, _ in wrong)
    assert marked(*again) == (missed, wrong)
    assert (missed == wrong) == (all(not differs for _, differs in (*missed, *wrong)))
