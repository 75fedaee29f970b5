from pathlib import Path

import numpy as np

from weakspot.report import ReportItem
from weakspot.report.calibration import LEAST, with_error_probability


def item(doubt, overlap=None):
    return ReportItem("a", Path("a"), "cat", doubt=doubt, overlap=overlap)


def items(count, wrong):
    """Of rising doubt, of which the last ones are wrong."""
    doubts = np.linspace(0, 1, count)
    return [item(doubt, 0.2 if i >= count - wrong else 0.8) for i, doubt in enumerate(doubts)]


def chances(found):
    return [None if "likely wrong" not in one.facts else int(one.facts["likely wrong"].split()[0]) for one in found]


def test_chances_rise_with_doubt_and_come_to_the_share_that_is_wrong():
    found = chances(with_error_probability(items(200, 60)))
    assert found == sorted(found)
    assert found[0] < 15
    assert found[-1] > 70
    assert abs(np.mean(found) - 30) < 1


def test_items_without_truth_have_them_too_and_those_without_doubt_have_none():
    unknown, undoubted = with_error_probability([*items(200, 60), item(0.9), item(None, 0.1)])[-2:]
    assert chances([unknown, undoubted]) == [chances(with_error_probability([*items(200, 60), item(0.9)]))[-1], None]


def test_too_few_or_one_sided_items_teach_nothing():
    assert set(chances(with_error_probability(items(LEAST - 1, 9)))) == {None}
    assert set(chances(with_error_probability(items(LEAST, 0)))) == {None}
    assert None not in chances(with_error_probability(items(LEAST, 9)))
