import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import betabinom

from weakspot.data.review_rows import Sampling
from weakspot.labels.review_estimate import LEAST_DRAWN, estimate_right, posterior


def samplings(offers, rights):
    return [Sampling("", i, offer, bool(right)) for i, (offer, right) in enumerate(zip(offers, rights, strict=True), 1)]


def drawn(right, wrong):
    return samplings(["random"] * (right + wrong), [True] * right + [False] * wrong)


@given(st.integers(1, 300), st.integers(0, 60), st.integers(0, 60))
def test_without_picks_the_posterior_is_beta_binomial_with_jeffreys_prior(left, right, wrong):
    expected = betabinom(left, right + 0.5, wrong + 0.5).pmf(np.arange(left + 1))
    np.testing.assert_allclose(posterior(left, drawn(right, wrong)), expected, atol=1e-9)


def test_what_was_picked_since_a_draw_is_taken_off_what_the_draw_tells():
    """By hand: each draw is right with the share of right ones among those that were left at the time."""
    found = samplings(["random", "picked", "random", "picked"], [1, 0, 1, 1])
    prior = betabinom(9, 0.5, 0.5).pmf  # of the right ones among all nine
    chances = [prior(left + 3) * (left + 3) / 9 * (left + 2) / 7 for left in range(6)]
    np.testing.assert_allclose(posterior(5, found), np.array(chances) / sum(chances), rtol=1e-9)


@pytest.mark.parametrize(("left", "drawn_"), [(0, 40), (100, 0), (100, LEAST_DRAWN - 1)])
def test_without_enough_draws_or_without_images_nothing_is_claimed(left, drawn_):
    found = estimate_right(left, drawn(drawn_, 0))
    assert (found.low, found.high) == (0, left)
    assert found.missing == (0 if left == 0 else LEAST_DRAWN - drawn_)


def test_no_more_draws_are_asked_for_than_images_are_left():
    assert estimate_right(3, []).missing == 3


def test_the_interval_reaches_all_or_none_if_all_draws_agree():
    assert estimate_right(500, drawn(20, 0)).high == 500
    assert estimate_right(500, drawn(0, 20)).low == 0
    assert estimate_right(500, drawn(20, 0)).low > 400


@given(st.integers(1, 2000), st.integers(0, 100), st.integers(0, 100))
def test_the_expected_number_is_in_the_interval(left, right, wrong):
    found = estimate_right(left, drawn(right, wrong))
    assert 0 <= found.low <= found.high <= left
    assert found.low - 1 < found.right < found.high + 1


def test_many_images_take_no_time():
    assert estimate_right(200_000, drawn(300, 20)).low > 180_000


@pytest.mark.parametrize("prefers", ["nothing", "wrong", "right"])
def test_coverage_also_if_a_person_picks_images(prefers):
    """A population, draws, and picks among what is left that prefer right or wrong ones."""
    random, hits = np.random.default_rng(5), []
    for _ in range(200):
        is_right = random.random(200) < random.choice([0.6, 0.85, 0.95])
        is_left, offers, rights = np.ones(200, bool), [], []
        for _ in range(60):
            image, offer = np.argmax(is_left), "random"  # the images are in random order: the first one is drawn
            if prefers != "nothing" and random.random() < 0.5:
                liked = np.flatnonzero(is_left & (is_right == (prefers == "right")))
                image, offer = random.choice(liked if len(liked) else np.flatnonzero(is_left)), "picked"
            is_left[image] = False
            offers.append(offer)
            rights.append(is_right[image])
        found = estimate_right(int(is_left.sum()), samplings(offers, rights))
        hits.append(found.low <= is_right[is_left].sum() <= found.high)
    assert np.mean(hits) >= 0.88
