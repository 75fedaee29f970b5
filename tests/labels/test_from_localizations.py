"""Scores, masks and choices of what was found, from localizations and from their rows."""

import json

import numpy as np
import pytest

from weakspot.data.rle import decode_rle
from weakspot.inference.localization import Localization
from weakspot.labels.from_localizations import (
    from_localization,
    read_localized_images,
    select_boxes,
    suppress_overlaps,
)

TWO_PEAKS = np.array([[0, 8, 8, 4, 7, 0], [0, 8, 8, 4, 7, 0]], np.float32) / 8


def localization(*, split=False, min_area=0.0, boxes=((1, 0, 5, 2),)):
    return Localization(
        image="a.jpg",
        width=6,
        height=2,
        class_index=3,
        label="cat",
        score=0.8,
        method="cam",
        threshold=0.5,
        heatmap=TWO_PEAKS,
        boxes=np.array(boxes, float),
        min_area=min_area,
        split=split,
    )


def rows(tmp_path, **more):
    row = {"image": "a.jpg", "width": 6, "height": 2, "class_index": 3, "label": "cat", "score": 0.8}
    (tmp_path / "boxes.jsonl").write_text(json.dumps(row | {"boxes": [[1, 0, 3, 2], [3, 0, 5, 2]]} | more) + "\n")
    return tmp_path / "boxes.jsonl"


def test_a_box_has_its_own_score_where_several_were_looked_for():
    (one,) = from_localization(localization()).objects
    assert one.score == pytest.approx(0.8 * TWO_PEAKS[TWO_PEAKS > 0].mean(), abs=1e-6)
    assert from_localization(localization(), min_score=0.75).objects == ()


def test_the_default_region_alone_has_the_score_of_its_class():
    assert from_localization(localization(min_area=1.0), min_score=0.75).objects[0].score == 0.8


def test_pieces_of_a_region_have_masks_of_their_own():
    found = from_localization(localization(split=True, boxes=((1, 0, 4, 2), (4, 0, 5, 2))))
    assert [decode_rle(one.mask)[0].tolist() for one in found.objects] == [
        [False, True, True, True, False, False],
        [False, False, False, False, True, False],
    ]


def test_rows_give_boxes_their_own_scores(tmp_path):
    file = rows(tmp_path, box_scores=[0.7, 0.4])
    assert [one.score for one in next(read_localized_images(file)).objects] == [0.7, 0.4]
    assert [one.score for one in select_boxes(next(read_localized_images(file)), min_score=0.5).objects] == [0.7]
    assert [one.score for one in next(read_localized_images(rows(tmp_path))).objects] == [0.8, 0.8]


def test_the_mask_of_the_first_box_is_its_own_part(tmp_path):
    mask = np.array([[0, 1, 1, 0, 1, 0]] * 2, bool)
    (both,) = read_localized_images(rows(tmp_path), mask_of=lambda *_: mask)
    found = select_boxes(both, first_only=True)
    assert [decode_rle(one.mask).sum() for one in found.objects] == [4]


def test_a_score_that_is_no_number_is_kept_to_be_listed(tmp_path):
    (found,) = read_localized_images(rows(tmp_path, score=float("nan")))
    assert len(select_boxes(found, min_score=0.5).objects) == 2


def test_of_boxes_that_bound_the_same_one_is_kept_in_its_place(tmp_path):
    boxes = [[0, 0, 4, 2], [1, 0, 5, 2], [5, 0, 6, 2]]
    (found,) = read_localized_images(rows(tmp_path, boxes=boxes, box_scores=[0.5, 0.6, 0.9]))
    assert [one.score for one in suppress_overlaps(found, 0.5).objects] == [0.6, 0.9]
    assert suppress_overlaps(found, 0.5).class_indices == (3, 3)
    assert suppress_overlaps(found._replace(class_indices=(3, 4, 3)), 0.5).class_indices == (3, 4, 3)
    assert suppress_overlaps(found._replace(objects=(), class_indices=()), 0.5).objects == ()
