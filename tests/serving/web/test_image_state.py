"""The state of an image has the boxes of the model at every threshold, and runs the model only once."""

from copy import copy
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from refusals import refused

from weakspot.data import read_image
from weakspot.inference.localization import BELOW_MIN_SCORE, NO_EVIDENCE, NO_OBJECT, OTHER_OBJECT, Localization
from weakspot.serving.web.drawing import COLORS, class_color, draw_classes, draw_masks
from weakspot.serving.web.image_state import (
    apply_threshold,
    at_threshold,
    by_method_and_class,
    predict_image,
    predict_missing,
    read_for_display,
)
from weakspot.serving.web.inputs import ALL, MAX_CLASSES, UserInput, parse_input
from weakspot.visualization import draw_localization


@pytest.fixture(scope="module")
def state(recorder, image_files):
    return predict_image(recorder, image_files[0], "image.png", ["cam", "gradcam++"])


def test_all_classes_of_all_methods_are_predicted_at_once(state, recorder):
    assert set(state.predictions) == {(method, index) for method in ("cam", "gradcam++") for index in range(4)}
    assert [one.score for one in state.top_classes] == sorted((one.score for one in state.top_classes), reverse=True)
    assert state.threshold == recorder.localizer.threshold == 0.35
    assert state.initial_classes[0] == state.top_classes[0].class_index


@given(st.integers(1, 100), st.booleans(), st.integers(0, 3), st.sampled_from(["cam", "gradcam++"]))
def test_another_threshold_equals_a_localizer_with_it(state, recorder, image_files, step, largest, index, method):
    localizer = recorder.localizer.with_options(method=method, threshold=step / 100, boxes="best" if largest else "all")
    expected = localizer(image_files[0], classes=[index])
    result = at_threshold(state.predictions[method, index], step / 100, best_only=largest)
    assert_array_equal(result.boxes, expected.boxes)
    assert_array_equal(result.mask, expected.mask)
    assert (result.threshold, result.notes) == (expected.threshold, expected.notes)


def two_objects(state, index, left, right, notes=()):
    """A class whose map lights both objects, with its evidence in each of them."""
    heatmap, evidence = np.zeros((8, 8), np.float32), np.zeros((8, 8))
    heatmap[1:3, 1:3] = heatmap[1:7, 4:8] = 1
    evidence[1:3, 1:3], evidence[1:7, 4:8] = left, right
    localization = replace(
        state.top_classes[0],
        width=8,
        height=8,
        class_index=index,
        heatmap=heatmap,
        evidence=evidence,
        uncontested=None,
        notes=notes,
    )
    return by_method_and_class([[localization]])["cam", index]


def test_classes_that_are_selected_together_share_the_image(state):
    classes = {("cam", 0): two_objects(state, 0, 90, 1), ("cam", 1): two_objects(state, 1, 80, 80)}
    crowded = replace(state, predictions=classes)
    shared = apply_threshold(crowded, ["cam"], [1, 0], 0.5, best_only=False)["cam"]
    assert [one.boxes.tolist() for one in shared] == [[[4, 1, 8, 7]], [[1, 1, 3, 3]]]
    (alone,) = apply_threshold(crowded, ["cam"], [1], 0.5, best_only=False)["cam"]
    assert alone.boxes.tolist() == [[4, 1, 8, 7], [1, 1, 3, 3]]


@pytest.mark.parametrize("note", [NO_OBJECT, OTHER_OBJECT])
def test_the_background_class_claims_nothing(state, note):
    classes = {
        ("cam", 0): two_objects(state, 0, 90, 1),
        ("cam", 3): two_objects(state, 3, 99, 99, notes=(note,)),
    }
    shared = apply_threshold(replace(state, predictions=classes), ["cam"], [0, 3], 0.5, best_only=False)["cam"]
    assert shared[0].boxes.tolist() == [[1, 1, 3, 3], [4, 1, 8, 7]]


def test_the_models_own_threshold_is_exact_and_others_are_rounded(recorder, image_files):
    original = recorder.localizer.with_options(method="cam", threshold=0.123456)(image_files[0], classes=[1])
    (prediction,) = by_method_and_class([[original]]).values()
    assert at_threshold(prediction, 0.123456).threshold == 0.123456
    assert_array_equal(at_threshold(prediction, 0.123456).boxes, original.boxes)
    assert at_threshold(prediction, 0.31415).threshold == 0.31
    assert (at_threshold(prediction, 0.0).threshold, at_threshold(prediction, 9.0).threshold) == (0.01, 1.0)


def test_a_minimum_score_holds_at_every_threshold(recorder, image_files):
    localizer = recorder.localizer.with_options(method="cam")
    (prediction,) = by_method_and_class([[localizer(image_files[0], classes=[1])]]).values()
    strict = replace(prediction, min_score=0.99)
    assert at_threshold(strict, 0.5).notes == (BELOW_MIN_SCORE,)
    assert at_threshold(strict, 0.5).boxes.shape == (0, 4)


def test_a_flat_map_has_the_whole_image_as_box_at_every_threshold(state):
    flat = replace(state.top_classes[0], heatmap=np.zeros((8, 8), np.float32), notes=(NO_EVIDENCE,))
    (prediction,) = by_method_and_class([[flat]]).values()
    assert at_threshold(prediction, 0.7, best_only=False).boxes.tolist() == [[0, 0, 70, 50]]


def test_predictions_are_made_once(state, recorder):
    recorder.calls.clear()
    assert predict_missing(recorder, state, ["cam", "gradcam++"], [0, 3]) is state
    updated = predict_missing(recorder, state, ["cam", "gradcam"], [0, 3])
    assert recorder.calls == [("gradcam", (0,)), ("gradcam", (3,))]
    assert set(updated.predictions) - set(state.predictions) == {("gradcam", 0), ("gradcam", 3)}


@pytest.mark.parametrize(("name", "most"), [("MAX_HEATMAPS", 8), ("MAX_HEATMAP_PIXELS", 8 * 64 * 64)])
def test_the_number_and_the_size_of_heatmaps_are_limited(state, recorder, monkeypatch, name, most):
    monkeypatch.setattr(f"weakspot.serving.web.image_state.{name}", most)
    updated = predict_missing(recorder, state, ["gradcam", "cam"], [0, 3])
    assert set(updated.predictions) == {(method, index) for method in ("cam", "gradcam") for index in (0, 3)}


def test_classes_without_a_prediction_are_skipped(state):
    results = apply_threshold(state, ["cam", "gradcam"], [2, 1], 0.4)
    assert [one.class_index for one in results["cam"]] == [2, 1]
    assert results["gradcam"] == ()


def test_an_image_of_too_many_pixels_is_refused_before_it_is_decoded(recorder, image_files):
    small = replace(recorder, localizer=copy(recorder.localizer))
    small.localizer._pipeline = replace(recorder.localizer._pipeline, max_pixels=100)
    with refused("image-too-large", 100):
        read_for_display(image_files[0], small)


def test_one_class_is_drawn_with_the_color_map_and_several_in_their_colors(state):
    results = apply_threshold(state, ["cam"], [0, 1], 0.4)["cam"]
    image = read_image(state.content)
    one = draw_classes(image, results[:1])
    words = f"{results[0].label} {results[0].score:.2f}"
    assert_array_equal(one, draw_localization(image, results[0].heatmap, results[0].boxes, words))
    drawn = {tuple(pixel) for pixel in np.asarray(draw_classes(image, results)).reshape(-1, 3).tolist()}
    assert {tuple(bytes.fromhex(class_color(i)[1:])) for i in (0, 1)} <= drawn
    assert len(set(COLORS)) == MAX_CLASSES


def test_the_mask_is_binary_for_one_class_and_numbered_for_several(state):
    results = apply_threshold(state, ["cam"], [0, 1], 0.4)["cam"]
    assert_array_equal(np.asarray(draw_masks(results[:1])), results[0].mask * 255)
    numbers = np.asarray(draw_masks(results))
    assert_array_equal(numbers == 1, results[0].mask)
    assert_array_equal(numbers == 2, results[1].mask & ~results[0].mask)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["cam", "All", 0, 3]),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(anything, anything, anything, anything, anything)
def test_any_input_is_parsed(recorder, methods, classes, threshold, regions, opacity):
    selection = parse_input(recorder, methods, classes, threshold, regions, opacity)
    assert set(selection.methods) <= set(recorder.methods)
    assert set(selection.classes) <= set(range(4))
    assert 0 < selection.threshold <= 1
    assert 0 <= selection.opacity <= 1


def test_valid_input_is_unchanged(recorder):
    selection = parse_input(recorder, ["gradcam", "cam", "gradcam"], [3, 0], 0.5, ALL, 1)
    assert selection == UserInput(("gradcam", "cam"), (3, 0), 0.5, False, 1.0)


def test_an_image_without_an_object_has_no_box_at_any_threshold():
    heatmap = np.zeros((4, 4), np.float32)
    absent = Localization(None, 8, 8, 0, "cat", 0.1, "cam", 0.4, heatmap, np.zeros((0, 4)), notes=(NO_OBJECT,))
    (prediction,) = by_method_and_class([[absent]]).values()
    lower = at_threshold(prediction, 0.2, best_only=False)
    assert (len(lower.boxes), lower.notes, lower.threshold) == (0, (NO_OBJECT,), 0.2)
