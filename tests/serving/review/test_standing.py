import re

import pytest
from refusals import refused

from weakspot.labels.review_estimate import Estimate
from weakspot.serving.review.standing import Standing, check_stop_at


@pytest.mark.parametrize(
    ("left", "low", "reached"), [(100, 50, True), (100, 49, False), (0, 0, True), (1000, 949, False), (1000, 950, True)]
)
def test_the_goal_is_reached_by_the_lower_end_of_the_interval(left, low, reached):
    found = Estimate(left, 40, right=left, low=low, high=left)
    assert Standing(1000, found, 95).is_reached == reached
    assert not Standing(1000, found).is_reached
    assert Standing(1000, found, 95).text != Standing(1000, found).text


def test_percentages_of_the_interval_are_rounded_outwards():
    text = Standing(1000, Estimate(333, 40, right=320.4, low=310, high=331)).text
    assert re.findall(r"\d+", text) == ["96", "90", "93", "100"]


def test_what_is_not_known_is_not_given_as_a_number():
    text = Standing(1000, Estimate(900, 3, right=450.0, low=0, high=900)).text
    assert "%" not in text
    assert "7" in text


@pytest.mark.parametrize("value", [49.9, 100.1, -1, float("nan")])
def test_a_goal_out_of_range_is_refused(value):
    with refused("out-of-range", f"{value:g}"):
        check_stop_at(value)


@pytest.mark.parametrize("value", [None, 50, 95.5, 100])
def test_other_goals_are_not(value):
    check_stop_at(value)
