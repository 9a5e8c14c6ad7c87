"""Transcripts that the tests of all formats share."""

from hypothesis import strategies as st

from goama.transcript import Character, Segment, Transcript, Word

TRANSCRIPT = Transcript(
    "tapes/a b.wav",
    3.0,
    (
        Segment(
            (
                Word("yaa", 0.1, 0.4, 0.95, (Character("y", 0.1, 0.14, 0.9), Character("aa", 0.2, 0.4, 0.99))),
                Word("sõma", 0.5, 0.9, 0.8),
            )
        ),
        Segment((Word('ba"r<ka&', 2.0, 2.6, 0.4321),)),
    ),
    calibrated=True,
)
EMPTY = Transcript("a.wav", 1.0, ())


@st.composite
def transcripts(draw):
    """Transcripts with words of any letters, of any length down to none, with any pauses."""
    text = st.text(st.characters(categories=["L", "M", "N", "P"]), min_size=1, max_size=12)
    words, time = [], 0.0
    for _ in range(draw(st.integers(0, 30))):
        start = round(time + draw(st.sampled_from([0.0, 0.04, 0.3, 3.0])), 3)
        time = round(start + draw(st.sampled_from([0.0, 0.02, 0.2, 0.5])), 3)
        words.append(Word(draw(text), start, time, draw(st.sampled_from([0.0, 0.5, 1.0]))))
    segments: list[list[Word]] = []
    for word in words:
        if segments and word.start - segments[-1][-1].end < 0.8:
            segments[-1].append(word)
        else:
            segments.append([word])
    return Transcript("a.wav", time, tuple(Segment(tuple(members)) for members in segments))
