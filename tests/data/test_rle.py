import numpy as np
import pytest
from refusals import refused

from weakspot.data.rle import Rle, decode_rle, encode_rle, mask_area, parse_rle


@pytest.mark.parametrize("seed", range(5))
def test_round_trip(seed):
    random = np.random.default_rng(seed)
    mask = random.random(random.integers(1, 80, 2)) < random.random()
    rle = encode_rle(mask)
    assert (decode_rle(rle) == mask).all()
    assert mask_area(rle) == mask.sum()
    assert parse_rle(rle.counts, height=rle.height, width=rle.width) == rle


def test_long_runs_are_parsed():
    mask = np.zeros((500, 400), bool)
    mask[:, 7:390] = True
    rle = encode_rle(mask)
    assert parse_rle([3500, 191500, 5000], height=500, width=400) == rle
    assert parse_rle(rle.counts, height=500, width=400) == rle


@pytest.mark.parametrize(
    "counts",
    [
        *("o" * 100_000, "021", "02", "", "03N", "0\0", "021O1", "é", None, 7),
        *([0, 2, 1], [], [0, 2, 1, 5], [0, 2, -1, 3], [2**40], ["a"]),
    ],
)
def test_incomplete_or_malformed_counts_are_refused(counts):
    with refused("mask-invalid"):
        parse_rle(counts, height=2, width=2)


def test_counts_of_one_pixel():
    assert parse_rle([0, 1], height=1, width=1) == Rle(1, 1, "01")
