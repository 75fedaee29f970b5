from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from weakspot.report import ReportItem
from weakspot.report.summaries import (
    MIN_CALIBRATION_ITEMS,
    class_rows,
    histogram,
    leading_measure,
    with_error_probability,
    worst_first,
)


def item(label="cat", **measures):
    return ReportItem(name=label, image=Path(label), label=label, **measures)


@pytest.mark.parametrize(
    ("items", "order"),
    [
        pytest.param([item(score=0.9), item(score=0.1)], [1, 0], id="lowest score"),
        pytest.param([item(score=0.1, uncertainty=0.2), item(score=0.9, uncertainty=0.7)], [1, 0], id="most uncertain"),
        pytest.param([item(uncertainty=1.0, iou=0.9), item(uncertainty=0.0, iou=0.1)], [1, 0], id="lowest IoU"),
        pytest.param([item(), item(iou=0.9), item(iou=0.0)], [2, 1, 0], id="unknown last"),
        pytest.param([item(score=0.5), item(score=0.5)], [0, 1], id="ties keep their order"),
    ],
)
def test_the_worst_come_first(items, order):
    assert worst_first(items) == [items[i] for i in order]


def test_iou_precedes_uncertainty_and_uncertainty_precedes_score():
    assert leading_measure([item(score=1.0, uncertainty=1.0), item(iou=1.0)]) == "iou"
    assert leading_measure([item(score=1.0, uncertainty=1.0)]) == "uncertainty"
    assert leading_measure([]) == "score"


def test_classes_are_summarized():
    dog, cat = class_rows([item("dog", score=0.5, iou=0.5), item("cat"), item("dog", score=1.0, iou=0.4)])[::-1]
    assert dog == ("dog", 2, 0.75, 50.0, pytest.approx(0.45), None)
    assert cat == ("cat", 1, None, None, None, None)


@given(st.lists(st.floats(0, 1), min_size=1))
def test_a_histogram_counts_every_value_once(scores):
    counts = histogram([item(score=score) for score in scores], "score")
    assert sum(counts) == len(scores)
    assert counts[-1] == sum(score >= 0.95 for score in scores)


def test_a_histogram_of_nothing_is_empty():
    assert histogram([item()], "score") == []


def uncertain_items(count, wrong):
    """Items of increasing uncertainty, of which the last ones are wrong."""
    uncertainties = np.linspace(0, 1, count)
    return [item(uncertainty=value, iou=0.2 if i >= count - wrong else 0.8) for i, value in enumerate(uncertainties)]


def error_percent(items):
    facts = [one.facts.get("error probability") for one in with_error_probability(items)]
    return [None if fact is None else int(fact.split()[0]) for fact in facts]


def test_error_probabilities_rise_with_uncertainty_and_average_to_the_error_rate():
    percent = error_percent(uncertain_items(200, 60))
    assert percent == sorted(percent)
    assert percent[0] < 15
    assert percent[-1] > 70
    assert abs(np.mean(percent) - 30) < 1


def test_items_without_ground_truth_have_error_probabilities_but_not_those_without_uncertainty():
    items = [*uncertain_items(200, 60), item(uncertainty=0.9)]
    assert error_percent([*items, item(iou=0.1)])[-2:] == [error_percent(items)[-1], None]


def test_too_few_or_one_sided_items_are_not_calibrated():
    count = MIN_CALIBRATION_ITEMS
    assert set(error_percent(uncertain_items(count - 1, 9))) == {None}
    assert set(error_percent(uncertain_items(count, 0))) == {None}
    assert None not in error_percent(uncertain_items(count, 9))
