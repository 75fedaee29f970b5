from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from weakspot.data import ObjectAnnotation, Sample
from weakspot.labels.review_offers import descriptor, is_alike, offer_order, random_order

BOX = (10.0, 10.0, 50.0, 60.0)


def sample(name, label="cat", uncertainty=None, score=None):
    return Sample(name, Path(name), objects=(ObjectAnnotation(label, BOX, score=score),), uncertainty=uncertainty)


def unlike(sample):
    """Each image has colors of its own."""
    seed = np.frombuffer(sample.image_id.encode(), np.uint8)
    return descriptor(np.random.default_rng(seed).random((4, 4, 3)), [BOX], (100, 100))


def order(samples, describe=unlike):
    return [sample.image_id for sample in offer_order(samples, describe)]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from([None, 0.1, 0.5, 0.9])), max_size=60))
def test_each_image_is_offered_once_and_always_in_the_same_order(images):
    samples = [sample(str(i), label, uncertainty) for i, (label, uncertainty) in enumerate(images)]
    found = order(samples)
    assert sorted(found) == sorted(each.image_id for each in samples)
    assert order(samples) == found


def test_within_a_class_the_most_uncertain_comes_first():
    samples = [sample(str(i), "cat", uncertainty=i / 40) for i in range(40)]
    assert order(samples) == [str(i) for i in reversed(range(40))]


def test_an_image_without_uncertainty_comes_last_and_then_the_lower_score_first():
    samples = [sample("a", score=0.9), sample("b", score=0.2), sample("c", uncertainty=0.0, score=0.9)]
    assert order(samples) == ["c", "b", "a"]


def test_classes_take_turns_as_often_as_they_have_uncertain_images():
    many = [sample(f"a{i}", "a", uncertainty=0.9 - i / 1000) for i in range(40)]
    few = [sample(f"b{i}", "b", uncertainty=0.9 - i / 250) for i in range(10)]
    found = order([*many, *few])
    for start in range(0, 40, 10):
        assert 1 <= sum(name.startswith("b") for name in found[start : start + 10]) <= 4


def test_a_class_of_certain_images_does_not_get_a_turn_before_uncertain_ones():
    samples = [sample(f"a{i}", "a", uncertainty=0.9) for i in range(50)]
    found = order([*samples, *(sample(f"b{i}", "b", uncertainty=0.1) for i in range(50))])
    assert all(name.startswith("a") for name in found[:30])


def test_images_that_are_much_alike_wait_for_others():
    """Two scenes, of which there are five images each: they take turns."""

    def describe(each):
        value = 0.2 if each.image_id.startswith("s") else 0.8
        return descriptor(np.full((4, 4, 3), value), [BOX], (100, 100))

    samples = [
        sample(f"{name}{i}", uncertainty=0.9 - i / 1000 - (name == "t") / 100) for name in "st" for i in range(5)
    ]
    assert order(samples, describe)[:2] == ["s0", "t0"]
    assert sorted(order(samples, describe)) == sorted(each.image_id for each in samples)


def test_images_are_described_only_as_their_turns_come():
    described = []

    def describe(each):
        described.append(each.image_id)
        return unlike(each)

    offers = offer_order([sample(str(i), uncertainty=0.5) for i in range(1000)], describe)
    assert [next(offers).image_id for _ in range(5)]
    assert len(described) < 40


def test_images_differ_by_their_boxes_or_by_their_colors():
    gray, white = np.full((4, 4, 3), 0.5), np.ones((4, 4, 3))
    one = descriptor(gray, [BOX], (100, 100))
    assert is_alike(one, descriptor(gray + 0.01, [(11, 10, 52, 60)], (100, 100)))
    assert not is_alike(one, descriptor(white, [BOX], (100, 100)))
    assert not is_alike(one, descriptor(gray, [(60, 10, 95, 60)], (100, 100)))
    assert not is_alike(one, descriptor(gray, [], (100, 100)))


def test_a_random_order_is_uniform_and_another_one_for_another_seed():
    names = [f"{i}.jpg" for i in range(8)]
    firsts = [random_order(names, str(seed)).index("0.jpg") for seed in range(4000)]
    counts = np.bincount(firsts, minlength=8)
    assert ((counts - 500) ** 2 / 500).sum() < 26  # chi-squared with 7 degrees of freedom, 0.05 %
