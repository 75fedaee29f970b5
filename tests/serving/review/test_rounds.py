from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from weakspot.data import ObjectAnnotation
from weakspot.data.review_rows import Sampling
from weakspot.serving.review.items import ClassPrediction, ReviewItem
from weakspot.serving.review.rounds import (
    TYPICAL,
    begin_round,
    is_right,
    name_of_round,
    order_by_uncertainty,
    typical_of_classes,
)
from weakspot.serving.review.source import open_source

BOX = (0.0, 0.0, 100.0, 100.0)


def cat(*box):
    return ObjectAnnotation("cat", box or BOX)


@pytest.mark.parametrize(
    ("predicted", "kept", "expected"),
    [
        ([cat()], [cat()], True),
        ([cat()], [cat(0, 0, 100, 50)], True),
        ([cat()], [cat(0, 0, 100, 49)], False),
        ([cat()], [ObjectAnnotation("dog", BOX)], False),
        ([cat()], [], False),
        ([], [cat()], False),
        ([], [], True),
        ([cat(), cat(200, 0, 300, 90)], [cat(200, 0, 300, 100), cat()], True),
        ([cat(), cat(200, 0, 300, 90)], [cat()], False),
        ([cat(), cat(1, 0, 100, 100)], [cat(), cat(200, 0, 300, 90)], False),
    ],
)
def test_boxes_are_right_if_they_are_about_where_a_person_left_them(predicted, kept, expected):
    assert is_right(predicted, kept) == expected


def test_a_round_has_another_name_once_a_box_or_an_uncertainty_is_another(found):
    items = open_source(found).items
    assert name_of_round(open_source(found).items) == name_of_round(items)
    names = {name_of_round(items)}
    for change in ({"uncertainty": 0.5}, {"predictions": ()}, {"name": "other.png"}):
        names.add(name_of_round([replace(items[0], **change), *items[1:]]))
    assert len(names) == 4


def test_a_round_offers_what_nobody_had_decided_on_when_it_began(found):
    items = open_source(found).items
    name, _ = begin_round(items, {})
    known = {
        items[0].name: None,
        items[1].name: Sampling("before", 1, "random", True),
        items[2].name: Sampling(name, 2, "random", True),
    }
    again, offered = begin_round(items, known)
    assert again == name
    assert {offer.image for offer in offered.offers(9)} == {item.name for item in items[3:]}
    assert offered.estimate().left == 2
    assert offered.estimate().drawn == 1


def item(number, label, *logits, box=BOX):
    prediction = ClassPrediction(label, (ObjectAnnotation(label, box),) if box else ())
    name = f"{label}/{number:02}.png"
    return ReviewItem(f"{label}{number}", name, Path(name), (150, 200), (prediction,), number / 100, logits)


def test_typical_images_are_in_the_middle_of_their_class_and_the_classes_take_turns():
    """Cats are around 0 or 50, dogs around 9: three and two more of them are needed."""
    cats = [item(i, "cat", center + offset) for i, (center, offset) in enumerate(product((0, 50), (-1, 0, 1)))]
    dogs = [item(i, "dog", 9 + offset) for i, offset in enumerate((-2, -1, 0, 1, 2))]
    found = typical_of_classes([*cats, *dogs], {"cat": TYPICAL - 2, "dog": TYPICAL - 1})
    assert [name[:3] for name in found] == ["cat", "dog", "cat"]
    assert sorted(found) == ["cat/01.png", "cat/04.png", "dog/02.png"]
    assert typical_of_classes([*cats, *dogs], {"cat": TYPICAL, "dog": TYPICAL + 3}) == []


def test_images_without_an_object_or_without_logits_are_not_typical():
    assert typical_of_classes([item(1, "cat", 1.0, box=None), item(2, "cat")], {}) == []
    assert typical_of_classes([item(1, "cat", 1.0), item(2, "cat", 1.0, 2.0)], {}) == []  # of two models
    assert typical_of_classes([], {}) == []


def test_a_round_offers_typical_images_first_and_fewer_of_a_class_that_was_touched_before():
    items = [item(i, "cat", float(i)) for i in range(9)]
    name, first = begin_round(items, {})
    typical = typical_of_classes(items, {})
    assert len(typical) == TYPICAL
    assert first.ranked(TYPICAL) == typical
    assert first.ranked(9)[TYPICAL:] == [
        f"cat/{i:02}.png" for i in range(8, -1, -1) if f"cat/{i:02}.png" not in typical
    ]
    assert first.offer_of(typical[0]) == "typical"
    earlier = {items[i].name: Sampling("before", i + 1, "typical", True) for i in range(TYPICAL - 1)}
    assert begin_round(items, earlier)[1].offer_of(typical_of_classes(items[TYPICAL - 1 :], {"cat": 4})[0]) == "typical"
    known = {typical[0]: Sampling(name, 1, "typical", True)}
    assert begin_round(items, known)[1].ranked(4) == first.ranked(TYPICAL)[1:]  # after a restart
    assert begin_round(items, {}, teaches=False)[1].ranked(1) == ["cat/08.png"]


def test_images_that_look_alike_are_offered_apart(found):
    """All boxes are the same, and all images but one have about the same colors."""
    items = open_source(found).items
    for item in items:
        Image.fromarray(np.full((150, 200, 3), 40, np.uint8)).save(item.path)
    other = min(items, key=lambda item: item.uncertainty)
    before = list(order_by_uncertainty(replace(item, predictions=items[0].predictions) for item in items))
    Image.fromarray(np.full((150, 200, 3), 220, np.uint8)).save(other.path)
    after = list(order_by_uncertainty(replace(item, predictions=items[0].predictions) for item in items))
    assert (before.index(other.name), after.index(other.name)) == (4, 1)


def test_an_image_that_cannot_be_read_is_offered_like_the_others(found):
    items = open_source(found).items
    items[0].path.write_bytes(b"text")
    items[1].path.unlink()
    assert sorted(order_by_uncertainty(items)) == [item.name for item in items]
