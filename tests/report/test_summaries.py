from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weakspot.report import ReportItem
from weakspot.report.summaries import class_rows, histogram, leading_measure, worst_first


def item(label="cat", **known):
    return ReportItem(name=label, photo=Path(label), label=label, **known)


@pytest.mark.parametrize(
    ("items", "order"),
    [
        pytest.param([item(score=0.9), item(score=0.1)], [1, 0], id="lowest score"),
        pytest.param([item(score=0.1, doubt=0.2), item(score=0.9, doubt=0.7)], [1, 0], id="most doubtful"),
        pytest.param([item(doubt=1.0, overlap=0.9), item(doubt=0.0, overlap=0.1)], [1, 0], id="lowest overlap"),
        pytest.param([item(), item(overlap=0.9), item(overlap=0.0)], [2, 1, 0], id="unknown last"),
        pytest.param([item(score=0.5), item(score=0.5)], [0, 1], id="ties keep their order"),
    ],
)
def test_the_worst_come_first(items, order):
    assert worst_first(items) == [items[place] for place in order]


def test_overlap_tells_before_doubt_and_doubt_before_score():
    assert leading_measure([item(score=1.0, doubt=1.0), item(overlap=1.0)]) == "overlap"
    assert leading_measure([item(score=1.0, doubt=1.0)]) == "doubt"
    assert leading_measure([]) == "score"


def test_classes_are_summed_up():
    dog, cat = class_rows([item("dog", score=0.5, overlap=0.5), item("cat"), item("dog", score=1.0, overlap=0.4)])[::-1]
    assert dog == ("dog", 2, 0.75, 50.0, pytest.approx(0.45), None)
    assert cat == ("cat", 1, None, None, None, None)


@given(st.lists(st.floats(0, 1), min_size=1))
def test_a_histogram_counts_every_value_once(scores):
    counts = histogram([item(score=score) for score in scores], "score")
    assert sum(counts) == len(scores)
    assert counts[-1] == sum(score >= 0.95 for score in scores)


def test_a_histogram_of_nothing_is_empty():
    assert histogram([item()], "score") == []
