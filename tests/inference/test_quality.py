from refusals import refused

from weakspot.inference.quality import QUALITIES, Quality, find_quality


def test_each_quality_adds_a_step_and_best_is_the_last():
    assert [(quality.propagate, quality.adapt_foreground) for quality in QUALITIES.values()] == [
        (False, False),
        (True, False),
        (True, True),
    ]
    assert find_quality("best") is QUALITIES["balanced"]


def test_plain_changes_nothing():
    plain = find_quality("plain")
    assert plain == Quality(propagate=False)
    assert (plain.resolution_scale, plain.output_stride) == (1.0, None)


def test_an_unknown_quality_is_refused_with_near_names():
    with refused("unknown-quality", "fats", "fast"):
        find_quality("fats")
