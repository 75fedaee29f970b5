import pytest

from weakspot.data.image_index import known_images
from weakspot.labels import FORMATS

BOX = (30.0, 10.0, 70.0, 40.0)
NUMBERS = "0 0.5 0.5 0.4 0.6"


def read(tmp_path, line, more=""):
    (tmp_path / "data.yaml").write_text(f"names: [person]\n{more}")
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "a.txt").write_text(line)
    return FORMATS["yolo"].read(tmp_path, known_images({"a.jpg": (50, 100)}))


@pytest.mark.parametrize(
    ("shape", "keypoints"),
    [
        ("[2, 2]", "0.45 0.4 0.55 0.6"),
        ("[4, 3]", "0.45 0.4 2 0.55 0.4 2 0.45 0.6 1 0.55 0.6 0"),
        ("[17, 3]", "0.5 0.5 2 " * 17),
        ("[1, 2]", "0.5 0.5"),
    ],
)
@pytest.mark.parametrize("score", [None, 0.25])
def test_keypoints_after_a_box_are_not_read(tmp_path, shape, keypoints, score):
    found = read(tmp_path, f"{NUMBERS} {keypoints} {'' if score is None else score}", f"kpt_shape: {shape}")
    (item,) = found.labels.samples[0].objects
    assert (item.box, item.score, item.mask) == (BOX, score, None)
    assert found.problems == ()


def test_a_box_without_keypoints_is_read(tmp_path):
    assert read(tmp_path, NUMBERS, "kpt_shape: [17, 3]").labels.samples[0].objects[0].box == BOX


@pytest.mark.parametrize(
    ("line", "more", "why"),
    [
        (f"{NUMBERS} 0.5 0.5", "kpt_shape: [4, 3]", "it has 7 columns"),
        (f"{NUMBERS} 0.45 0.4 2 0.55 0.4 2", "", "kpt_shape"),
        (f"{NUMBERS} 0.45 0.4 2", "", "it has 8 columns"),
        (NUMBERS.replace("0", "5", 1), "", "class number 5"),
    ],
)
def test_invalid_lines_are_listed(tmp_path, line, more, why):
    found = read(tmp_path, line, more)
    assert found.labels.samples[0].objects == ()
    assert why in found.problems[0].problem


def test_a_box_that_was_drawn_in_the_other_direction_is_the_same(tmp_path):
    assert read(tmp_path, "0 0.5 0.5 -0.4 -0.6").labels.samples[0].objects[0].box == BOX


def test_a_class_number_may_have_a_decimal_point(tmp_path):
    assert read(tmp_path, NUMBERS.replace("0", "0.0", 1)).labels.samples[0].objects[0].label == "person"
