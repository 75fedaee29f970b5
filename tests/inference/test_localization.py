import json
import sys
from base64 import b64encode
from dataclasses import FrozenInstanceError, replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from refusals import refused

from weakspot.errors import InputError
from weakspot.inference.localization import BELOW_MIN_SCORE, NO_OBJECT, OTHER_OBJECT, Localization
from weakspot.ops import boxes_from_heatmap, scale_boxes

IMAGE = np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8)  # 80 wide, 60 high
HEATMAP = np.zeros((6, 8), np.float32)
HEATMAP[1:4, 2:7] = 1  # boxed in the image by x 20 to 70, y 10 to 40
HEATMAP[5, 0] = 0.5


def localized(threshold=0.2, min_area=1.0, **changes):
    boxes = boxes_from_heatmap(HEATMAP, threshold, min_area=min_area)
    found = Localization(
        image=IMAGE,
        width=80,
        height=60,
        class_index=285,
        label="Egyptian cat",
        score=0.77,
        method="cam",
        threshold=threshold,
        heatmap=HEATMAP,
        boxes=scale_boxes(boxes, from_size=(6, 8), to_size=(60, 80)),
        min_area=min_area,
    )
    return replace(found, **changes)


DOG = localized(label="собака", class_index=150, score=0.125, min_area=0.0)
BOTH = localized(others=(DOG,))


def test_box_is_the_first_box():
    assert localized(min_area=0.0).boxes.tolist() == [[20, 10, 70, 40], [0, 50, 10, 60]]
    assert localized(min_area=0.0).box.tolist() == [20, 10, 70, 40]


@pytest.mark.parametrize(("min_area", "inside"), [(1.0, [True, False]), (0.0, [True, True])])
def test_mask_contains_the_regions_of_the_boxes_in_image_pixels(min_area, inside):
    mask = localized(min_area=min_area).mask
    assert mask.shape == (60, 80)
    assert mask.dtype == np.bool_
    assert [mask[25, 45], mask[57, 2]] == inside


def test_mask_is_computed_once():
    found = localized()
    assert found.mask is found.mask


def test_iteration_covers_all_requested_classes():
    assert list(BOTH) == [BOTH, DOG]
    assert [one.label for one in localized()] == ["Egyptian cat"]


def test_localization_is_frozen_hashable_and_compared_by_identity():
    found = localized()
    with pytest.raises(FrozenInstanceError):
        found.score = 1.0
    assert len({found, found, localized()}) == 2


def test_repr_contains_no_pixels():
    assert "image=" not in repr(BOTH)
    assert "heatmap=" not in repr(BOTH)
    assert "Egyptian cat" in repr(BOTH)


def test_to_dict_returns_plain_values_without_pixels():
    boxes = np.array([[1 / 3, 0, 2 / 3, 1.006]])
    found = localized(image=Path("a/кот.jpg"), score=0.12345678, boxes=boxes, notes=("mind the gap",))
    assert found.to_dict() == {
        "image": "a/кот.jpg",
        "width": 80,
        "height": 60,
        "class_index": 285,
        "label": "Egyptian cat",
        "score": 0.123457,
        "method": "cam",
        "threshold": 0.2,
        "box": [0.33, 0.0, 0.67, 1.01],
        "boxes": [[0.33, 0.0, 0.67, 1.01]],
        "notes": ["mind the gap"],
    }


@pytest.mark.parametrize(
    ("image", "name"),
    [
        pytest.param("cat.jpg", "cat.jpg", id="text"),
        pytest.param(Path("cat.jpg"), "cat.jpg", id="path"),
        pytest.param(IMAGE, None, id="array"),
        pytest.param(Image.fromarray(IMAGE), None, id="PIL"),
    ],
)
def test_to_dict_contains_the_path_of_the_image(image, name):
    assert localized(image=image).to_dict()["image"] == name


def test_uncertainty_is_in_the_row_after_the_threshold():
    row = localized(uncertainty=0.123456).to_dict()
    assert row["uncertainty"] == 0.1235
    assert list(row)[list(row).index("threshold") + 1] == "uncertainty"
    assert localized(uncertainty=0.0).to_dict()["uncertainty"] == 0
    assert "uncertainty" not in localized().to_dict()


def test_to_dict_nests_other_classes():
    assert BOTH.to_dict()["others"] == [DOG.to_dict()]
    assert "others" not in DOG.to_dict()


@given(st.text(), st.floats(0, 1))
def test_json_is_one_line(label, score):
    found = localized(label=label, score=score, others=(DOG,))
    assert json.loads(found.to_json()) == found.to_dict()
    assert "\n" not in found.to_json()


def test_json_keeps_letters_readable():
    assert '"label": "собака"' in DOG.to_json()


def test_detections_contain_the_boxes_of_all_classes():
    detections = BOTH.to_detections()
    assert detections.xyxy.tolist() == [[20, 10, 70, 40], [20, 10, 70, 40], [0, 50, 10, 60]]
    assert detections.class_id.tolist() == [285, 150, 150]
    assert detections.confidence.tolist() == [0.77, 0.125, 0.125]
    assert detections.data["class_name"].tolist() == ["Egyptian cat", "собака", "собака"]


NOWHERE = localized(heatmap=np.zeros_like(HEATMAP), boxes=np.zeros((0, 4)), notes=(NO_OBJECT,))


def test_without_an_object_the_mask_is_empty():
    assert NOWHERE.box.tolist() == [0, 0, 0, 0]
    assert NOWHERE.mask.shape == (60, 80)
    assert NOWHERE.mask.dtype == np.bool_
    assert not NOWHERE.mask.any()


def test_to_dict_without_an_object_has_no_box():
    told = json.loads(NOWHERE.to_json())
    assert (told["box"], told["boxes"], told["notes"]) == (None, [], [NO_OBJECT])
    assert told["label"] == "Egyptian cat"


def test_detections_without_boxes_are_empty():
    nothing = NOWHERE.to_detections()
    assert (len(nothing), nothing.xyxy.shape, nothing.class_id.tolist()) == (0, (0, 4), [])
    assert nothing.data["class_name"].tolist() == []
    other = replace(NOWHERE, others=(DOG,)).to_detections()
    assert other.xyxy.tolist() == [[20, 10, 70, 40], [0, 50, 10, 60]]
    assert other.class_id.tolist() == [150, 150]


def test_plot_without_boxes_has_a_caption_only():
    with_box = (np.asarray(localized(heatmap=NOWHERE.heatmap).plot()) != IMAGE).any(axis=-1)
    assert with_box[25:38, [20, 69]].all()
    drawn = (np.asarray(NOWHERE.plot()) != IMAGE).any(axis=-1)
    assert drawn[0, 0]
    assert not drawn[25:].any()


def saved(array):
    Image.fromarray(array).save("photo.png")
    return "photo.png"


@pytest.mark.parametrize("given_as", [np.asarray, Image.fromarray, saved], ids=["array", "PIL", "path"])
def test_plot_draws_over_any_type_of_image(given_as, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    plot = localized(image=given_as(IMAGE)).plot()
    assert plot.size == (80, 60)
    assert plot.mode == "RGB"
    changed = (np.asarray(plot) != IMAGE).any(axis=-1)
    assert changed[10, 20:70].all()  # the box
    assert changed[55, 5]  # the heatmap
    assert not changed[45:, 40:].any()


def test_plot_of_a_deleted_image_is_refused(tmp_path):
    with pytest.raises(InputError) as refusal:
        localized(image=tmp_path / "gone.jpg").plot()
    assert str(refusal.value).splitlines() == [f"{tmp_path / 'gone.jpg'} does not exist."]


@pytest.mark.parametrize("as_given", [str, Path])
def test_save_writes_only_the_plot(as_given, tmp_path):
    path = tmp_path / "plots" / "cat.png"
    localized().save(as_given(path))
    with Image.open(path) as written:
        assert np.array_equal(np.asarray(written), np.asarray(localized().plot()))
    assert list(path.parent.iterdir()) == [path]


def test_save_refuses_an_unknown_suffix(tmp_path):
    path = tmp_path / "cat.docx"
    with refused("unknown-format", path):
        localized().save(path)
    assert not path.exists()


def test_a_row_becomes_a_localization_again():
    whole = localized(min_area=0.01, uncertainty=0.25)
    row = whole.to_dict()
    read = Localization.from_dict(row)
    assert read.to_dict() == row
    assert read.heatmap is None
    assert read.box_scores.tolist() == row["box_scores"]
    with refused("missing-heatmap", read.label):
        read.plot()


def test_a_row_without_box_scores_has_none_and_a_row_of_version_0_1_calls_uncertainty_doubt():
    row = localized().to_dict() | {"doubt": 0.5}
    read = Localization.from_dict(row)
    assert (read.box_scores, read.uncertainty) == (None, 0.5)


def test_detections_need_supervision(monkeypatch):
    monkeypatch.setitem(sys.modules, "supervision", None)
    with refused("not-installed", "weakspot[supervision]"):
        localized().to_detections()


# The small region has most of the evidence.
EVIDENCE = np.zeros((6, 8))
EVIDENCE[5, 0], EVIDENCE[1:4, 2:7] = 30, 0.5


def test_another_threshold_cuts_the_heatmap_again():
    found = localized(evidence=EVIDENCE)
    lower = found.with_threshold(0.4)
    assert lower.boxes.tolist() == [[0, 50, 10, 60]]
    assert lower.box_evidence.tolist() == [pytest.approx(0.8)]
    assert lower.box_confidences.tolist() == [pytest.approx(0.77 * 0.8)]
    assert found.with_threshold(0.6).boxes.tolist() == [[20, 10, 70, 40]]
    both = found.with_threshold(0.4, min_area=0.0)
    assert both.boxes.tolist() == [[0, 50, 10, 60], [20, 10, 70, 40]]
    assert both.box_evidence.sum() == pytest.approx(1)
    assert replace(found, by_evidence=False).with_threshold(0.4).boxes.tolist() == [[20, 10, 70, 40]]


def test_uncertainty_and_evidence_are_kept_only_if_they_are_known():
    found = localized(uncertainty=0.25)
    assert found.with_threshold(0.2).uncertainty == 0.25
    assert found.with_threshold(0.4).uncertainty is None
    assert found.with_threshold(0.4).box_evidence is found.with_threshold(0.4).box_confidences is None


def test_another_threshold_keeps_the_minimum_score_and_has_no_box_without_an_object():
    assert localized(min_score=0.78).with_threshold(0.4).notes == (BELOW_MIN_SCORE,)
    for note in (NO_OBJECT, OTHER_OBJECT):
        absent = localized(boxes=np.zeros((0, 4)), notes=(note,))
        assert absent.with_threshold(0.4).boxes.shape == (0, 4)


def test_another_threshold_needs_a_heatmap_and_a_fraction():
    with refused("missing-heatmap"):
        localized(heatmap=None).with_threshold(0.5)
    with refused("out-of-range", 1.5):
        localized().with_threshold(1.5)


def test_evidence_and_confidence_are_part_of_a_row_and_of_detections():
    found = localized(box_evidence=np.array([0.5]), box_confidences=np.array([0.25]))
    row = found.to_dict()
    assert (row["box_evidence"], row["box_confidences"]) == ([0.5], [0.25])
    again = Localization.from_dict({**row, "image": "cat.jpg"})
    assert (again.box_evidence.tolist(), again.box_confidences.tolist()) == ([0.5], [0.25])
    assert found.to_detections().confidence.tolist() == [0.25]
    assert localized().to_detections().confidence.tolist() == [0.77]


def test_logits_are_part_of_a_row():
    row = localized(logits=np.array([1.23456, -2], np.float32)).to_dict()
    assert row["logits"] == [1.2346, -2]
    assert Localization.from_dict({**row, "image": "cat.jpg"}).logits.tolist() == [1.2346, -2]
    assert "logits" not in localized().to_dict()


def test_the_mask_of_a_row_with_a_heatmap_is_that_of_its_box():
    gray = BytesIO()
    Image.fromarray((HEATMAP * 255).astype(np.uint8)).save(gray, "PNG")
    row = localized(evidence=EVIDENCE).with_threshold(0.4).to_dict()
    again = Localization.from_dict({**row, "image": "cat.jpg", "heatmap_png": b64encode(gray.getvalue()).decode()})
    assert again.box.tolist() == [0, 50, 10, 60]
    assert again.mask[57, 2]
    assert not again.mask[25, 45]
