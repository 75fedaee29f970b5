"""What is known of a photo gives the boxes that the model would give at every threshold, and asks it but once."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from weakspot.data import read_image
from weakspot.errors import InputError
from weakspot.inference.localization import NO_EVIDENCE, NO_OBJECT, TOO_FAINT, Localization
from weakspot.serving.web.drawing import COLOURS, colour_of, draw_classes, mask_picture
from weakspot.serving.web.inputs import ALL, MAX_CLASSES, UserInput, read_choice
from weakspot.serving.web.photo_state import apply_threshold, cut, predict_image, predict_missing, seen_of, shown_photo
from weakspot.visualization import draw_localization


@pytest.fixture(scope="module")
def photo(finder, photo_files):
    return predict_image(finder, photo_files[0], "photo.png", ["cam", "gradcam++"])


def test_all_classes_of_all_methods_are_known_at_once(photo, finder):
    assert set(photo.seen) == {(method, index) for method in ("cam", "gradcam++") for index in range(4)}
    assert [one.score for one in photo.likely] == sorted((one.score for one in photo.likely), reverse=True)
    assert photo.threshold == finder.localizer.threshold == 0.35
    assert photo.first_classes[0] == photo.likely[0].class_index


@given(st.integers(1, 100), st.booleans(), st.integers(0, 3), st.sampled_from(["cam", "gradcam++"]))
def test_a_cut_is_what_the_model_gives_at_that_threshold(photo, finder, photo_files, step, largest, index, method):
    reading = finder.localizer.with_options(method=method, threshold=step / 100, boxes="largest" if largest else "all")
    expected = reading(photo_files[0], classes=[index])
    found = cut(photo.seen[method, index], step / 100, largest=largest)
    assert_array_equal(found.boxes, expected.boxes)
    assert_array_equal(found.mask, expected.mask)
    assert (found.threshold, found.notes) == (expected.threshold, expected.notes)


def test_the_models_own_threshold_is_kept_and_others_are_hundredths(finder, photo_files):
    found = finder.localizer.with_options(method="cam", threshold=0.123456)(photo_files[0], classes=[1])
    (seen,) = seen_of([[found]]).values()
    assert cut(seen, 0.123456).threshold == 0.123456
    assert_array_equal(cut(seen, 0.123456).boxes, found.boxes)
    assert cut(seen, 0.31415).threshold == 0.31
    assert (cut(seen, 0.0).threshold, cut(seen, 9.0).threshold) == (0.01, 1.0)


def test_a_least_score_holds_at_every_threshold(finder, photo_files):
    reading = finder.localizer.with_options(method="cam")
    (seen,) = seen_of([[reading(photo_files[0], classes=[1])]]).values()
    hot = replace(seen, localization=replace(seen.localization, min_score=0.99))
    assert cut(hot, 0.5).notes == (TOO_FAINT,)
    assert cut(hot, 0.5).boxes.shape == (0, 4)


def test_a_map_without_evidence_is_the_whole_image_at_every_threshold(photo):
    flat = replace(photo.likely[0], heatmap=np.zeros((8, 8), np.float32), notes=(NO_EVIDENCE,))
    (seen,) = seen_of([[flat]]).values()
    assert cut(seen, 0.7, largest=False).boxes.tolist() == [[0, 0, 70, 50]]


def test_what_is_known_is_not_asked_again(photo, finder):
    finder.asked.clear()
    assert predict_missing(finder, photo, ["cam", "gradcam++"], [0, 3]) is photo
    more = predict_missing(finder, photo, ["cam", "gradcam"], [0, 3])
    assert finder.asked == [("gradcam", (0, 3))]
    assert set(more.seen) - set(photo.seen) == {("gradcam", 0), ("gradcam", 3)}


def test_no_visitor_fills_the_memory(photo, finder, monkeypatch):
    monkeypatch.setattr("weakspot.serving.web.photo_state.MOST_SEEN", 8)
    more = predict_missing(finder, photo, ["gradcam", "cam"], [0, 3])
    assert set(more.seen) == {(method, index) for method in ("cam", "gradcam") for index in (0, 3)}


def test_classes_that_are_not_known_are_left_out(photo):
    found = apply_threshold(photo, ["cam", "gradcam"], [2, 1], 0.4)
    assert [one.class_index for one in found["cam"]] == [2, 1]
    assert found["gradcam"] == ()


def test_a_photo_of_too_many_pixels_is_refused_before_it_is_decoded(photo_files):
    with pytest.raises(InputError, match="pixels"):
        shown_photo(photo_files[0], 100)


def test_one_class_is_drawn_as_everywhere_and_several_in_their_colours(photo):
    found = apply_threshold(photo, ["cam"], [0, 1], 0.4)["cam"]
    image = read_image(photo.content)
    one = draw_classes(image, found[:1])
    words = f"{found[0].label} {found[0].score:.2f}"
    assert_array_equal(one, draw_localization(image, found[0].heatmap, found[0].boxes, words))
    drawn = {tuple(pixel) for pixel in np.asarray(draw_classes(image, found)).reshape(-1, 3).tolist()}
    assert {tuple(bytes.fromhex(colour_of(place)[1:])) for place in (0, 1)} <= drawn
    assert len(set(COLOURS)) == MAX_CLASSES


def test_the_mask_is_that_of_the_localization_or_numbers_of_classes(photo):
    found = apply_threshold(photo, ["cam"], [0, 1], 0.4)["cam"]
    assert_array_equal(np.asarray(mask_picture(found[:1])), found[0].mask * 255)
    numbers = np.asarray(mask_picture(found))
    assert_array_equal(numbers == 1, found[0].mask)
    assert_array_equal(numbers == 2, found[1].mask & ~found[0].mask)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["cam", "All", 0, 3]),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(anything, anything, anything, anything, anything)
def test_whatever_a_browser_sends_is_a_choice(finder, methods, classes, threshold, which, opacity):
    choice = read_choice(finder, methods, classes, threshold, which, opacity)
    assert set(choice.methods) <= set(finder.methods)
    assert set(choice.classes) <= set(range(4))
    assert 0 < choice.threshold <= 1
    assert 0 <= choice.opacity <= 1


def test_a_choice_is_taken_as_it_is(finder):
    taken = read_choice(finder, ["gradcam", "cam", "gradcam"], [3, 0], 0.5, ALL, 1)
    assert taken == UserInput(("gradcam", "cam"), (3, 0), 0.5, False, 1.0)


def test_where_the_model_sees_no_object_no_slider_makes_a_box():
    heatmap = np.zeros((4, 4), np.float32)
    absent = Localization(None, 8, 8, 0, "cat", 0.1, "cam", 0.4, heatmap, np.zeros((0, 4)), notes=(NO_OBJECT,))
    (seen,) = seen_of([[absent]]).values()
    moved = cut(seen, 0.2, largest=False)
    assert (len(moved.boxes), moved.notes, moved.threshold) == (0, (NO_OBJECT,), 0.2)
