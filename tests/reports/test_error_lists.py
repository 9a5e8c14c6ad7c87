"""The matrix of confused characters and the lists of errors add up."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from goama.evaluation.confusions import confusions
from goama.evaluation.scores import score_clip
from goama.reports.error_lists import confusion_matrix, tallies, token

texts = st.lists(st.text(alphabet="abcdefghijklmnopqrstuvw\u0303", min_size=1, max_size=4), min_size=1, max_size=6)


@given(st.lists(st.tuples(texts.map(" ".join), texts.map(" ".join)), min_size=1, max_size=5))
def test_each_row_of_the_matrix_adds_up_to_how_often_its_character_was_said(pairs: list[tuple[str, str]]) -> None:
    clips = [score_clip(str(number), *pair) for number, pair in enumerate(pairs)]
    found = confusions(clips)
    matrix = confusion_matrix(found)
    if matrix is None:
        assert not found.characters
        return
    for row in matrix.rows:
        assert sum(cell.count for cell in row.cells) == row.total
        assert sum(cell.right for cell in row.cells) == row.is_letter
    assert matrix.rows[-1].total == sum(count for (said, _), count in found.characters.items() if said is None)


def test_lists_count_all_and_show_the_most_frequent() -> None:
    clips = [score_clip(str(number), "de vis zwemt", "te vis") for number in range(3)]
    confused, missing, added, *_ = tallies(confusions([*clips, score_clip("x", "de", "ze")]))
    assert confused.total == 4
    assert [(shown, count) for shown, _, count, _ in confused.rows] == [(("de", "te"), 3), (("de", "ze"), 1)]
    assert (missing.total, added.total) == (3, 0)
    assert token("e", None) == "e→∅" and token(None, "e") == "∅→e"
