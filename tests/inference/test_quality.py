from refusals import refused

from weakspot.inference.quality import QUALITIES, Quality, find_quality


def test_the_qualities_are_these_and_each_has_its_price():
    assert {name: quality.passes for name, quality in QUALITIES.items()} == {
        "plain": 1,
        "fast": 1,
        "balanced": 4,
        "best": 9,
    }


def test_plain_changes_nothing():
    plain = find_quality("plain")
    assert plain == Quality(propagate=False)
    assert (plain.resolution_scale, plain.output_stride, plain.crops) == (1.0, None, ())


def test_a_quality_of_another_name_is_refused_with_what_is_near():
    with refused("unknown-quality", "fats", "fast"):
        find_quality("fats")
