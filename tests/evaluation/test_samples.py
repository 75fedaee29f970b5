from pathlib import Path

import pytest
from refusals import refused

from weakspot.data import Dataset, ObjectAnnotation, Sample
from weakspot.errors import InputError
from weakspot.evaluation.samples import check_samples, find_normals, find_samples, raise_if_any

BOX = (1.0, 2.0, 30.0, 40.0)
MASK = (Path("masks/a.png"),)


def example(name, *objects, split="test", path=None):
    return Sample(name, path or Path(f"{name}.jpg"), split, objects)


def dataset(*examples):
    return Dataset(Path("photos"), "made up", ("cat", "dog", "owl"), examples)


def test_what_has_a_box_or_a_mask_is_a_case_in_the_order_of_the_data_set():
    samples = find_samples(
        dataset(
            example("boxed", ObjectAnnotation("dog", BOX)),
            example("label only", ObjectAnnotation("cat")),
            example("elsewhere", ObjectAnnotation("cat", BOX), split="val"),
            example("masked", ObjectAnnotation("owl", mask_files=MASK)),
            example("no label"),
        ),
        "test",
    )
    assert [sample.image.image_id for sample in samples] == ["boxed", "masked"]
    assert [sample.group_indices for sample in samples] == [(1,), (2,)]
    assert [sample.class_indices for sample in samples] == [(), ()]


def test_of_several_classes_those_with_a_place_are_kept_with_their_indices():
    both = example(
        "both", ObjectAnnotation("owl", BOX), ObjectAnnotation("cat"), ObjectAnnotation("dog", mask_files=MASK)
    )
    (sample,) = find_samples(dataset(both), "all", lambda truth: {"owl": 7, "dog": 3}[truth.label])
    assert [truth.label for truth in sample.annotations] == ["owl", "dog"]
    assert sample.group_indices == (2, 1)
    assert sample.class_indices == (7, 3)


def test_all_takes_every_split():
    samples = find_samples(
        dataset(*(example(name, ObjectAnnotation("cat", BOX), split=name) for name in ("train", "test", ""))), "all"
    )
    assert [sample.image.split for sample in samples] == ["train", "test", ""]


def test_a_split_that_is_not_there_is_refused_with_a_near_one():
    with pytest.raises(InputError, match="tset") as caught:
        find_samples(dataset(example("a", ObjectAnnotation("cat", BOX))), "tset")
    assert "test" in caught.value.hint


def test_a_split_without_any_place_is_refused():
    with refused("missing-annotations", "test", "photos"):
        find_samples(dataset(example("a", ObjectAnnotation("cat")), example("b")), "test")


def samples_of(*examples):
    return find_samples(dataset(*examples), "all")


def test_sound_cases_are_let_through(tmp_path):
    file = tmp_path / "a.jpg"
    file.touch()
    check_samples(samples_of(example("a", ObjectAnnotation("cat", BOX), path=file)))


def test_missing_image_files_are_counted_and_the_first_three_named():
    missing = samples_of(*(example(f"{i}", ObjectAnnotation("cat", BOX)) for i in range(5)))
    with refused("image-not-found", "5 image files", "0.jpg, 1.jpg, 2.jpg, ..."):
        check_samples(missing)


@pytest.mark.parametrize(
    "box",
    [
        pytest.param([5, 5, 5, 9], id="no width"),
        pytest.param([5, 9, 8, 9], id="no height"),
        pytest.param([8, 5, 5, 9], id="swapped"),
        pytest.param([float("nan"), 5, 8, 9], id="nan"),
    ],
)
def test_a_box_that_bounds_nothing_is_refused_and_named(box, tmp_path):
    file = tmp_path / "a.jpg"
    file.touch()
    boxes = [BOX, tuple(map(float, box))]
    with refused("box-invalid", f"image a {list(boxes[1])}"):
        check_samples(samples_of(example("image a", *(ObjectAnnotation("cat", box) for box in boxes), path=file)))


def test_an_image_id_that_stands_there_twice_is_refused(tmp_path):
    file = tmp_path / "a.jpg"
    file.touch()
    with refused("duplicate-image-id", "1 image ids", ": a."):
        check_samples(samples_of(*(example(name, ObjectAnnotation("cat", BOX), path=file) for name in ("a", "b", "a"))))


def test_a_file_name_that_is_too_long_is_missing_and_no_traceback():
    with refused("image-not-found", "1 image files"):
        check_samples(samples_of(example("x" * 300, ObjectAnnotation("cat", BOX))))


@pytest.mark.parametrize(
    ("offenders", "named"),
    [(["a"], "1 things are wrong: a."), (["a", "b", "c"], "3 things are wrong: a, b, c.")],
)
def test_offenders_are_counted_and_named(offenders, named):
    with refused("thing-invalid", named):
        raise_if_any(offenders, "thing-invalid", "things are wrong", "Repair them.")
    raise_if_any([], "thing-invalid", "things are wrong", "Repair them.")


def test_normal_images_have_no_label_or_that_of_the_background_alone():
    given = (
        example("unlabelled"),
        example("labelled", ObjectAnnotation("Background")),
        example("elsewhere", split="val"),
        example("cat", ObjectAnnotation("cat")),
        example("both", ObjectAnnotation("background"), ObjectAnnotation("cat")),
        example("boxed", ObjectAnnotation("background", BOX)),
        Sample("predicted", Path("predicted.jpg"), "test", (), predicted=True),
    )
    assert [sample.image_id for sample in find_normals(dataset(*given), "test")] == ["unlabelled", "labelled"]
    assert [sample.image_id for sample in find_normals(dataset(*given), "test", "CAT")][2:] == ["cat", "both"]


def test_convention_the_layout_names_the_background_before_the_default():
    given = example("a", ObjectAnnotation("good")), example("b", ObjectAnnotation("background"))
    mvtec = Dataset(Path("photos"), "MVTec", ("background", "good"), given, background="good")
    assert [sample.image_id for sample in find_normals(mvtec, "all")] == ["a"]
