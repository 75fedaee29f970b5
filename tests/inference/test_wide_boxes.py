from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from weakspot.inference.wide_boxes import WideBoxes, is_wide


def localized(label, *boxes):
    """One class in an image of 100 x 50 pixels."""
    return [SimpleNamespace(label=label, boxes=np.array(boxes, float).reshape(-1, 4), width=100, height=50)]


@pytest.mark.parametrize(
    ("box", "wide"),
    [
        pytest.param((0, 0, 100, 50), True, id="the whole image"),
        pytest.param((2, 1, 98, 49), True, id="nine tenths"),
        pytest.param((0, 0, 100, 10), True, id="three sides"),
        pytest.param((0.5, 0.5, 50, 49.5), True, id="three sides to a pixel"),
        pytest.param((0, 0, 60, 40), False, id="two sides"),
        pytest.param((5, 5, 90, 45), False, id="no side"),
    ],
)
def test_drawn_boxes(box, wide):
    assert is_wide(box, 100, 50) is wide


def test_a_class_is_reported_if_more_than_a_fifth_of_its_boxes_is_wide():
    wide = WideBoxes()
    for number in range(10):
        wide.add(localized("cat", (0, 0, 100, 50) if number < 3 else (10, 10, 20, 20)))
        wide.add(localized("dog", (0, 0, 100, 50) if number < 2 else (10, 10, 20, 20)))
    sentence, advice = wide.notes()
    assert sentence.startswith("3 of 10 boxes of cat ")
    assert "weakspot threshold" in advice


def test_a_few_boxes_say_nothing():
    wide = WideBoxes()
    for _ in range(4):
        wide.add(localized("cat", (0, 0, 100, 50)))
    wide.add(localized("cat"))  # an image without a box
    assert wide.notes() == ()


@given(st.tuples(*[st.integers(0, 100)] * 2), st.tuples(*[st.integers(0, 50)] * 2))
def test_a_mirrored_box_is_as_wide(columns, rows):
    (x1, x2), (y1, y2) = sorted(columns), sorted(rows)
    assert is_wide((x1, y1, x2, y2), 100, 50) == is_wide((100 - x2, y1, 100 - x1, y2), 100, 50)
    assert is_wide((x1, y1, x2, y2), 100, 50) == is_wide((x1, 50 - y2, x2, 50 - y1), 100, 50)
