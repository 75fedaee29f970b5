import warnings
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from weakspot.data import Preprocessing
from weakspot.errors import InputError
from weakspot.inference.backends import ClassSelection
from weakspot.inference.localization import (
    BELOW_MIN_SCORE,
    IN_DOUBT,
    NO_CLAIM,
    NO_EVIDENCE,
    NO_OBJECT,
    OTHER_OBJECT,
    SIGNED_ACTIVATIONS,
)
from weakspot.inference.postprocess import (
    DecodedImage,
    FailedImage,
    ImagePrediction,
    PostprocessConfig,
    postprocess,
    probabilities,
)
from weakspot.models import ModelInfo
from weakspot.ops.presence import Presence
from weakspot.ops.uncertainty import TypicalArea

NAMES = ("cat", "dog", "owl", "none")
INFO = ModelInfo(NAMES, Preprocessing(8, 8))
HOW = PostprocessConfig(INFO, "cam", 0.5)
SEVERAL = replace(HOW, info=replace(INFO, multi_label=True))
KNOWS_NOTHING = replace(HOW, info=replace(INFO, background_index=3))

# The left half speaks for the first class that is read, the right half for the second, ...
MAPS = np.zeros((4, 8, 8), np.float32)
for c in range(4):
    MAPS[c, 2:6, 2 * c : 2 * c + 2] = 3


def prediction(logits, classes, selection, *, signed=False, maps=MAPS, evidence=None, reference_maps=None, pixels=None):
    image = DecodedImage("photo.jpg", 80, 160, np.zeros((8, 8, 3), np.uint8) if pixels is None else pixels)
    logits, maps = np.array(logits, np.float32), maps[: len(classes)]
    evidence = maps if evidence is None else evidence
    return ImagePrediction(image, selection, logits, np.array(classes), maps, evidence, signed, reference_maps)


def found(logits, classes, *, top_k=None, requested=False, how=HOW, **options):
    selection = ClassSelection(None, top_k or len(classes), include_positive=how.info.multi_label)
    if requested:
        selection = ClassSelection(np.array(classes))
    return postprocess(prediction(logits, classes, selection, **options), how)


def boxes(one):
    return [one.boxes.tolist() for one in one]


def test_a_class_map_becomes_a_box_in_the_images_pixels():
    """A cell is 10 wide and 20 high."""
    one = found([0, 2, 1, 0], [1])
    assert (one.label, one.class_index, one.width, one.height) == ("dog", 1, 80, 160)
    assert one.boxes.tolist() == [[0, 40, 20, 120]]
    assert (one.threshold, one.method, one.image, one.notes) == (0.5, "cam", "photo.jpg", ())


def test_further_classes_are_others_in_order():
    one = found([0, 2, 1, 0], [2, 0, 1])
    assert [other.label for other in one] == ["owl", "cat", "dog"]
    assert boxes(one) == [[[0, 40, 20, 120]], [[20, 40, 40, 120]], [[40, 40, 60, 120]]]
    assert one.others[0].others == ()


def test_the_background_has_no_box_and_a_note():
    one = found([0, 0, 0, 5], [3, 0], how=KNOWS_NOTHING)
    assert one.label == "none"
    assert one.boxes.shape == (0, 4)
    assert not one.heatmap.any()
    assert not one.mask.any()
    assert one.notes == (NO_OBJECT,)
    assert one.others[0].boxes.tolist() == [[20, 40, 40, 120]]
    assert found([0, 0, 0, 5], [3], requested=True, how=KNOWS_NOTHING).notes == (NO_OBJECT,)


def test_the_background_of_an_image_with_an_object_does_not_say_that_there_is_none():
    one = found([0, 5, 0, 1], [1, 3], how=KNOWS_NOTHING)
    assert [each.notes for each in one] == [(), (OTHER_OBJECT,)]
    assert found([0, 5, 0, 1], [3], requested=True, how=KNOWS_NOTHING).notes == (OTHER_OBJECT,)
    certain = replace(KNOWS_NOTHING.info, presence=Presence(1.0, 0.0, 0.0, 0.9))
    unsure = found([0, 1, 0, 0], [3, 1], how=replace(KNOWS_NOTHING, info=certain))
    assert unsure.notes == (NO_OBJECT, IN_DOUBT)
    sure = found([0, -1, 0, 3], [3], how=replace(KNOWS_NOTHING, info=certain))
    assert sure.notes == (NO_OBJECT,)


def test_a_class_before_the_background_keeps_its_box():
    assert boxes(found([0, 5, 0, 1], [1], how=KNOWS_NOTHING)) == [[[0, 40, 20, 120]]]


def test_without_a_background_the_same_class_has_a_box():
    assert boxes(found([0, 0, 0, 5], [3])) == [[[0, 40, 20, 120]]]


@pytest.mark.parametrize(
    ("logits", "labels", "empty"),
    [
        pytest.param([3, 2, -1, -2], ["cat", "dog"], [False, False], id="two are there"),
        pytest.param([3, -2, -1, -2], ["cat"], [False], id="one is there"),
        pytest.param([3, 0, -1, -2], ["cat", "dog"], [False, False], id="the second is as probable as not"),
        pytest.param([-1, -2, -3, -4], ["cat"], [True], id="none is there"),
        pytest.param([0, -2, -3, -4], ["cat"], [False], id="as probable as not is there"),
        pytest.param([4, 3, 2, 1], ["cat", "dog", "owl", "none"], [False] * 4, id="all are there"),
    ],
)
def test_multi_label_returns_the_classes_that_are_present(logits, labels, empty):
    one = found(logits, [0, 1, 2, 3], top_k=1, how=SEVERAL)
    assert [each.label for each in one] == labels
    assert [len(each.boxes) == 0 for each in one] == empty
    assert [each.notes for each in one] == [(NO_OBJECT,) if none else () for none in empty]


def test_requested_classes_are_returned_even_if_absent():
    one = found([3, -1, -2, -3], [0, 1, 2], top_k=2, how=SEVERAL)
    assert [(each.label, len(each.boxes)) for each in one] == [("cat", 1), ("dog", 0)]
    assert [each.notes for each in one] == [(), (OTHER_OBJECT,)]


# Both maps light both objects: the small one at the left is the first class's, the large one the second's.
SHARED = np.zeros((4, 8, 8), np.float32)
SHARED[:, 1:3, 1:3], SHARED[:, 1:7, 4:8] = 4, 4
OWN = np.zeros((4, 8, 8), np.float32)
OWN[0, 1:3, 1:3], OWN[0, 1:7, 4:8] = 9, 1
OWN[1, 1:3, 1:3], OWN[1, 1:7, 4:8] = 8, 8
LEFT, RIGHT = [10.0, 20.0, 30.0, 60.0], [40.0, 20.0, 80.0, 140.0]


def test_the_box_is_that_of_the_region_of_most_evidence():
    assert found([3, 2, 0, 0], [0], maps=SHARED, evidence=OWN).boxes.tolist() == [LEFT]
    largest = replace(HOW, by_evidence=False)
    assert found([3, 2, 0, 0], [0], maps=SHARED, evidence=OWN, how=largest).boxes.tolist() == [RIGHT]


def test_all_regions_begin_with_that_of_most_evidence():
    one = found([3, 2, 0, 0], [0], maps=SHARED, evidence=OWN, how=replace(HOW, min_area=0.0))
    assert one.boxes.tolist() == [LEFT, RIGHT]
    assert one.mask[25:55, 15:25].all()
    assert one.mask[25:135, 45:75].all()


def test_the_mask_and_the_score_are_those_of_the_box():
    one = found([3, 2, 0, 0], [0], maps=SHARED, evidence=OWN)
    assert one.mask.nonzero()[1].max() < 40
    assert len(one.box_scores) == 1


def test_classes_that_are_asked_for_share_the_image():
    one = found([3, 2, 0, 0], [0, 1], requested=True, maps=SHARED, evidence=OWN, how=replace(HOW, min_area=0.0))
    assert boxes(one) == [[LEFT], [RIGHT]]
    assert [each.heatmap.max() for each in one] == [1, 1]
    assert [each.notes for each in one] == [(), ()]


def test_present_classes_of_a_multi_label_model_share_the_image():
    one = found([3, 2, -1, -2], [0, 1, 2, 3], top_k=1, how=replace(SEVERAL, min_area=0.0), maps=SHARED, evidence=OWN)
    assert [(each.label, each.boxes.tolist()) for each in one] == [("cat", [LEFT]), ("dog", [RIGHT])]


def test_the_most_probable_classes_are_alternatives_and_share_nothing():
    one = found([3, 2, 0, 0], [0, 1], maps=SHARED, evidence=OWN, how=replace(HOW, min_area=0.0))
    assert boxes(one) == [[LEFT, RIGHT], [RIGHT, LEFT]]


def test_the_background_class_claims_nothing():
    evidence = OWN.copy()
    evidence[3] = 99
    one = found([3, 0, 0, 2], [0, 3], requested=True, maps=SHARED, evidence=evidence, how=KNOWS_NOTHING)
    assert boxes(one) == [[LEFT], []]


def test_a_class_that_claims_nothing_keeps_its_map_and_has_a_note():
    one = found(
        [3, 2, 0, 0], [0, 1], requested=True, maps=SHARED, evidence=OWN[[0, 0, 0, 0]] - [[[1]], [[0]], [[0]], [[0]]]
    )
    first, second = one
    assert first.notes == (NO_CLAIM,)
    assert first.boxes.tolist() == [LEFT]
    assert second.notes == ()


def test_a_requested_class_has_its_map_however_improbable():
    one = found([3, -9, -2, -3], [1], requested=True, how=SEVERAL)
    assert (one.label, one.boxes.tolist(), one.notes) == ("dog", [[0, 40, 20, 120]], ())
    assert one.heatmap.max() == 1
    assert one.score == pytest.approx(1 / (1 + np.exp(9)), rel=1e-5)


def test_a_map_without_evidence_bounds_the_whole_image():
    one = found([3, 0, 0, 0], [0], maps=np.zeros_like(MAPS))
    assert (one.boxes.tolist(), one.notes) == ([[0, 0, 80, 160]], (NO_EVIDENCE,))


def test_only_grad_cam_plus_plus_has_a_note_on_signed_activations():
    assert found([1, 0, 0, 0], [0], signed=True).notes == ()
    plus = replace(HOW, method="gradcam++")
    assert found([1, 0, 0, 0], [0], signed=True, how=plus).notes == (SIGNED_ACTIVATIONS,)
    assert found([1, 0, 0, 0], [0], signed=False, how=plus).notes == ()
    assert found([0, 0, 0, 1], [3], signed=True, how=replace(KNOWS_NOTHING, method="gradcam++")).notes == (NO_OBJECT,)


def scores(logits, how):
    with warnings.catch_warnings(), np.errstate(over="raise", invalid="raise", divide="raise"):
        warnings.simplefilter("error")
        one = found(logits, list(range(4)), requested=True, how=how)
    return [each.score for each in one]


LOGITS = arrays(np.float32, 4, elements=st.floats(-1e4, 1e4, width=32) | st.floats(-20, 20, width=32))


@given(LOGITS)
def test_scores_are_a_softmax_in_float64(logits):
    exponentials = np.exp(logits.astype(float) - logits.max())
    assert scores(logits, HOW) == pytest.approx(exponentials / exponentials.sum(), rel=1e-4, abs=1e-12)


@given(LOGITS)
def test_scores_of_several_labels_are_sigmoids_in_float64(logits):
    wide = logits.astype(float)
    small = np.exp(-np.abs(wide))
    expected = np.where(wide >= 0, 1 / (1 + small), small / (1 + small))
    assert scores(logits, SEVERAL) == pytest.approx(expected, rel=1e-4, abs=1e-12)


@pytest.mark.parametrize("extreme", [3e38, -3e38, 1e4, -1e4, 88.8, -104.0])
@pytest.mark.parametrize("how", [HOW, SEVERAL])
def test_extreme_logits_neither_overflow_nor_leave_the_range(extreme, how):
    given_scores = scores([extreme, 0, 1, -1], how)
    assert all(0 <= score <= 1 for score in given_scores)
    assert given_scores[0] == pytest.approx(float(extreme > 0), abs=1e-6)


def test_uncertainty_needs_a_request_and_a_box():
    asking = replace(KNOWS_NOTHING, uncertainty=True)
    assert found([0, 5, 0, 1], [1], how=KNOWS_NOTHING).uncertainty is None
    assert 0 <= found([0, 5, 0, 1], [1], how=asking).uncertainty < 0.1
    assert found([0, 0, 0, 5], [3], how=asking).uncertainty is None


def test_a_map_without_evidence_has_uncertainty_1():
    assert found([0, 5, 0, 1], [1], how=replace(HOW, uncertainty=True), maps=np.zeros_like(MAPS)).uncertainty == 1


def test_each_class_has_its_own_reference_map():
    reference_maps = MAPS[[0, 0]]  # they agree on the first class, and the second class is elsewhere
    first = found([0, 2, 1, 0], [1, 2], how=replace(HOW, uncertainty=True), reference_maps=reference_maps)
    assert first.uncertainty < 0.1 < first.others[0].uncertainty


def test_a_box_of_unusual_area_is_less_certain():
    """All regions cover an eighth of the image, which is usual for a dog, but not for an owl."""
    areas = (TypicalArea(np.log(1 / 8), 0.3),) * 2 + (TypicalArea(np.log(1 / 2), 0.3),) * 2
    how = replace(HOW, info=replace(INFO, typical_areas=areas), uncertainty=True)
    dog, owl = found([0, 2, 1, 0], [1, 2], how=how)
    assert dog.uncertainty < 0.1 < owl.uncertainty


# A strong peak, a pass, a peak half as strong, and beside them a faint region of its own.
RIDGE = np.zeros((1, 8, 8), np.float32)
RIDGE[0, 1:4, :5] = [8, 8, 2, 5, 5]
RIDGE[0, 6:, 6:] = 2
ALL = replace(HOW, threshold=0.2, min_area=0.0)


def test_box_score_is_class_score_times_mean_activation():
    one = found([3, 0, 0, 0], [0], maps=RIDGE, how=ALL)
    assert one.boxes.tolist() == [[0, 20, 50, 80], [60, 120, 80, 160]]
    assert one.box_scores == pytest.approx(one.score * np.array([28 / 40, 2 / 8]))
    assert one.to_dict()["box_scores"] == pytest.approx(one.box_scores, abs=1e-6)
    assert "box_scores" not in found([3, 0, 0, 0], [0], maps=RIDGE).to_dict()


def test_merged_objects_are_split_and_the_mask_stays():
    together, apart = (found([3, 0, 0, 0], [0], maps=RIDGE, how=replace(ALL, split=split)) for split in (False, True))
    assert len(together.boxes) == 2
    assert len(apart.boxes) == 3
    assert np.array_equal(together.mask, apart.mask)
    assert apart.box_scores.max() > together.box_scores.max()


def test_regions_below_the_minimum_score_have_neither_box_nor_mask():
    score = probabilities(np.array([3.0, 0, 0, 0]), multi_label=False)[0]
    one = found([3, 0, 0, 0], [0], maps=RIDGE, how=replace(ALL, min_score=0.5 * score))
    assert one.boxes.tolist() == [[0, 20, 50, 80]]
    assert not one.mask[120:, 60:].any()
    assert one.mask[20:80, :50].any()
    none = found([3, 0, 0, 0], [0], maps=RIDGE, how=replace(ALL, min_score=0.9))
    assert none.boxes.shape == (0, 4)
    assert none.box_scores.shape == (0,)
    assert not none.mask.any()
    assert none.notes == (BELOW_MIN_SCORE,)
    assert none.to_dict()["box"] is None


def test_a_map_without_evidence_has_no_score():
    nothing = np.zeros((1, 8, 8), np.float32)
    assert found([3, 0, 0, 0], [0], maps=nothing).box_scores.tolist() == [0]
    assert found([3, 0, 0, 0], [0], maps=nothing, how=replace(HOW, min_score=0.1)).notes == (BELOW_MIN_SCORE,)


def test_heatmap_is_refined_by_the_pixels_before_boxes_are_cut():
    """The image changes between columns 3 and 4, the map falls from column 2 on."""
    pixels = np.zeros((16, 16, 1), np.uint8)
    pixels[:, 8:] = 255
    ramp = np.tile(np.array([5, 5, 4, 2, 1, 0, 0, 0], np.float32), (1, 8, 1))
    options = {"requested": True, "maps": ramp, "pixels": pixels}
    refined = found([2, 0, 0, 0], [0], how=replace(HOW, refine="grabcut"), **options)
    assert refined.boxes.tolist() == [[0, 0, 40, 160]]
    assert found([2, 0, 0, 0], [0], **options).boxes.tolist() == [[0, 0, 30, 160]]


def test_a_failed_image_and_logits_that_are_not_finite_fail():
    failed = FailedImage("photo.jpg", InputError("image-not-found", "photo.jpg does not exist."))
    assert postprocess(failed, HOW) is failed
    result = found([np.nan, 0, 0, 0], [0])
    assert (result.source, result.error.code) == ("photo.jpg", "output-not-finite")


def test_each_box_has_its_share_of_the_evidence_and_a_confidence():
    one = found([3, 2, 0, 0], [0], maps=SHARED, evidence=OWN, how=replace(HOW, min_area=0.0))
    left, right = 9 * 4, 1 * 24  # evidence in 2 x 2 and in 6 x 4 positions
    assert one.box_evidence.tolist() == pytest.approx([left / (left + right), right / (left + right)])
    assert one.box_confidences.tolist() == pytest.approx((one.score * one.box_evidence).tolist())


def test_a_calibration_gives_the_probability_that_the_first_box_is_right():
    how = replace(HOW, min_area=0.0, uncertainty=True, calibration=(2.0, -1.0))
    one = found([3, 2, 0, 0], [0], maps=SHARED, evidence=OWN, how=how)
    right = 1 - 1 / (1 + np.exp(1 - 2 * one.uncertainty))
    assert one.box_confidences[0] == pytest.approx(one.score * right)
    assert one.box_confidences[1] == pytest.approx(one.box_confidences[0] * one.box_evidence[1] / one.box_evidence[0])


def test_without_an_object_or_evidence_there_is_no_confidence():
    absent = found([0, 0, 0, 5], [3], how=KNOWS_NOTHING)
    assert absent.box_evidence.tolist() == absent.box_confidences.tolist() == []
    nothing = found([3, 0, 0, 0], [0], maps=np.zeros_like(MAPS))
    assert nothing.box_evidence.tolist() == nothing.box_confidences.tolist() == [0]


@given(arrays(np.float32, (1, 4, 4), elements=st.floats(-3, 3, width=32)), st.sampled_from([0.2, 0.5, 0.9]))
def test_shares_are_fractions_of_one(maps, threshold):
    one = found([1, 0, 0, 0], [0], maps=maps, how=replace(HOW, threshold=threshold, min_area=0.0))
    assert len(one.box_evidence) == len(one.boxes)
    assert (one.box_evidence >= 0).all()
    assert one.box_evidence.sum() <= 1 + 1e-9


def test_logits_are_kept_with_the_uncertainty_if_the_classes_are_few():
    how = replace(HOW, uncertainty=True)
    one = found([3, 2, 0, 0], [0, 1], top_k=2, how=how)
    assert one.logits.tolist() == [3, 2, 0, 0]
    assert one.others[0].logits is None
    assert found([3, 2, 0, 0], [0]).logits is None
    names = tuple(map(str, range(101)))
    many = replace(how, info=replace(how.info, class_names=names))
    assert found([3, *[0] * 100], [0], how=many).logits is None
    hundred = replace(how, info=replace(how.info, class_names=names[:100]))
    assert len(found([3, *[0] * 99], [0], how=hundred).logits) == 100
