import pytest

from weakspot.errors import InputError
from weakspot.inference.quality import QUALITIES, find_quality


def test_the_qualities_are_these_and_each_has_its_price():
    assert {name: quality.passes for name, quality in QUALITIES.items()} == {
        "plain": 1,
        "fast": 1,
        "balanced": 4,
        "best": 9,
    }


def test_plain_changes_nothing():
    plain = find_quality("plain")
    assert (plain.spread, plain.enlarged, plain.output_stride, plain.adapts) == (False, 1.0, None, False)


def test_a_quality_of_another_name_is_refused_with_what_is_near():
    with pytest.raises(InputError, match="no quality 'fats'") as refused:
        find_quality("fats")
    assert "fast" in refused.value.hint
