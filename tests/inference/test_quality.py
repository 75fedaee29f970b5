from refusals import refused

from weakspot.inference.quality import QUALITIES, Quality, find_quality


def test_number_of_passes_of_each_quality():
    assert {name: quality.passes for name, quality in QUALITIES.items()} == {
        "plain": 1,
        "fast": 1,
        "balanced": 2,
        "best": 4,
    }


def test_plain_changes_nothing():
    plain = find_quality("plain")
    assert plain == Quality(propagate=False)
    assert (plain.resolution_scale, plain.output_stride, plain.crops) == (1.0, None, ())


def test_an_unknown_quality_is_refused_with_near_names():
    with refused("unknown-quality", "fats", "fast"):
        find_quality("fats")
