from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from weakspot.data import ObjectAnnotation
from weakspot.data.review_rows import Sampling
from weakspot.serving.review.rounds import begin_round, is_right, name_of_round, order_by_uncertainty
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
