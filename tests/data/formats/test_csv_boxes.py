from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from refusals import refused
from trees import plant, told

from weakspot.data import check_dataset, read_dataset

HEADER = "image_id,width,height,class,xmin,ymin,xmax,ymax,has_mask\n"
PETS = {
    "images/cat/a.jpg": (40, 30),
    "images/cat/b.png": (20, 20),
    "images/dog/c.JPEG": (50, 60),
    "masks/cat/a.png": (40, 30),
    "annotations.csv": HEADER
    + "cat/a,40,30,cat,1,2,30,20.5,1\ncat/a,40,30,cat,5,6,7,8,1\ncat/b,20,20,cat,0,0,20,20,0\n"
    + "dog/c,50,60,dog,3,4,50,60,0\n",
    "splits.csv": "image_id,split\ncat/a,train\ncat/b,val\ndog/c,Test\n",
}


def annotated(tmp_path, text, **more):
    return read_dataset(plant(tmp_path, {"images/cat/a.jpg": (40, 30), "annotations.csv": text} | more))


def test_boxes_labels_splits_sizes_and_masks_are_read(tmp_path):
    dataset = read_dataset(plant(tmp_path, PETS))
    assert told(dataset) == {
        "cat/a": ("train", {"cat": [[1, 2, 30, 20.5], [5, 6, 7, 8]]}),
        "cat/b": ("val", {"cat": [[0, 0, 20, 20]]}),
        "dog/c": ("test", {"dog": [[3, 4, 50, 60]]}),
    }
    assert (dataset.layout, dataset.class_names) == ("CSV of boxes", ("cat", "dog"))
    assert [example.path.relative_to(tmp_path).as_posix() for example in dataset.samples] == [
        "images/cat/a.jpg",
        "images/cat/b.png",
        "images/dog/c.JPEG",
    ]
    assert [example.size for example in dataset.samples] == [(30, 40), (20, 20), (60, 50)]
    assert [truth.masks for example in dataset.samples for truth in example.annotations] == [
        (tmp_path / "masks/cat/a.png",),
        (),
        (),
    ]
    assert check_dataset(dataset) == []


@pytest.mark.parametrize("column", ["image_id", "image", "path", "file", " Image "])
@pytest.mark.parametrize("name", ["cat/a", "cat/a.jpg", "./cat/a.jpg", "cat\\a"])
def test_image_is_named_with_or_without_suffix_in_any_of_four_columns(tmp_path, column, name):
    dataset = annotated(tmp_path, f"{column},xmin,ymin,xmax,ymax\n{name},1,2,3,4\n")
    assert told(dataset) == {"cat/a": ("", {"cat": [[1, 2, 3, 4]]})}
    assert dataset.samples[0].path == tmp_path / "images/cat/a.jpg"


def test_image_without_a_row_has_the_class_of_its_folder_and_no_box(tmp_path):
    dataset = annotated(tmp_path, HEADER, **{"images/dog/b.jpg": (9, 9)})
    assert told(dataset) == {"cat/a": ("", {"cat": []}), "dog/b": ("", {"dog": []})}


@pytest.mark.parametrize("column", ["class", "label"])
def test_class_in_the_file_wins_over_the_folder(tmp_path, column):
    dataset = annotated(tmp_path, f"image_id,{column},xmin,ymin,xmax,ymax\ncat/a,tabby,1,2,3,4\n")
    assert told(dataset)["cat/a"] == ("", {"tabby": [[1, 2, 3, 4]]})
    assert dataset.class_names == ("tabby",)


def test_row_with_empty_sides_is_a_label_without_a_box(tmp_path):
    assert told(annotated(tmp_path, "image_id,xmin,ymin,xmax,ymax\ncat/a,,,,\n")) == {"cat/a": ("", {"cat": []})}


def test_several_classes_in_an_image_are_one_example_with_a_truth_each(tmp_path):
    rows = "cat/a,40,30,cat,1,2,3,4,\ncat/a,40,30,dog,5,6,7,8,\ncat/a,40,30,cat,2,2,3,4,\n"
    dataset = annotated(tmp_path, HEADER + rows, **{"masks/cat/a.png": (40, 30)})
    assert told(dataset) == {"cat/a": ("", {"cat": [[1, 2, 3, 4], [2, 2, 3, 4]], "dog": [[5, 6, 7, 8]]})}
    assert {truth.masks for truth in dataset.samples[0].annotations} == {(tmp_path / "masks/cat/a.png",)}


def test_class_names_follow_their_indices_and_two_classes_may_share_a_name(tmp_path):
    rows = "x/a,crane,517,1,2,3,4\nx/b,tench,0,1,2,3,4\nx/c,crane,134,1,2,3,4\nx/c,crane,517,1,1,3,4\n"
    dataset = annotated(tmp_path, f"image_id,class,class_index,xmin,ymin,xmax,ymax\n{rows}")
    assert dataset.class_names[:2] == ("tench", "crane")
    assert [[truth.class_index for truth in example.annotations] for example in dataset.samples[:3]] == [
        [517],
        [0],
        [134, 517],
    ]


def test_image_that_is_missing_keeps_a_path(tmp_path):
    dataset = annotated(tmp_path, "image_id,xmin,ymin,xmax,ymax\ncat/gone,1,2,3,4\ncat/lost.png,1,2,3,4\n")
    assert [example.path.name for example in dataset.samples] == ["gone.jpg", "lost.png", "a.jpg"]


def test_image_that_only_the_splits_name_is_missing_not_forgotten(tmp_path):
    dataset = annotated(tmp_path, HEADER, **{"splits.csv": "image_id,split\ncat/gone,test\n"})
    assert told(dataset) == {"cat/a": ("", {"cat": []}), "cat/gone": ("test", {"cat": []})}


def test_mask_that_should_be_there_keeps_a_path(tmp_path):
    dataset = annotated(tmp_path, f"{HEADER}cat/a,40,30,cat,1,2,3,4,1\n")
    assert dataset.samples[0].annotations[0].masks == (tmp_path / "masks/cat/a.png",)


def test_image_in_two_splits_is_two_examples(tmp_path):
    splits = "image_id,split\ncat/a,train\ncat/a,test\ncat/a.jpg,train\n"
    dataset = annotated(tmp_path, f"{HEADER}cat/a,40,30,cat,1,2,3,4,0\n", **{"splits.csv": splits})
    assert [(example.image_id, example.split) for example in dataset.samples] == [
        ("cat/a", "train"),
        ("cat/a", "test"),
    ]
    assert [(problem.kind, len(problem.where)) for problem in dataset.issues] == [("duplicate split", 1)]


def test_two_files_of_one_name_are_two_examples(tmp_path):
    dataset = annotated(tmp_path, f"{HEADER}cat/a,40,30,cat,1,2,3,4,0\n", **{"images/cat/a.png": (40, 30)})
    assert [example.path.suffix for example in dataset.samples] == [".jpg", ".png"]


def test_folders_of_splits_are_read_as_such(tmp_path):
    files = {"train/cat/a.jpg": (9, 9), "test/dog/b.jpg": (9, 9)}
    rows = "image_id,xmin,ymin,xmax,ymax\ntest/dog/b,1,2,3,4\n"
    dataset = read_dataset(plant(tmp_path, files | {"annotations.csv": rows}))
    assert told(dataset) == {"test/dog/b": ("test", {"dog": [[1, 2, 3, 4]]}), "train/cat/a": ("train", {"cat": []})}


def test_boxes_may_be_in_a_file_elsewhere(tmp_path):
    images = plant(tmp_path / "photos", {"cat/a.jpg": (40, 30), "b.jpg": (9, 9), "masks/cat/a.png": (40, 30)})
    plant(tmp_path, {"boxes.csv": "image_id,class,xmin,ymin,xmax,ymax\ncat/a,cat,1,2,3,4\nb,dog,5,6,7,8\n"})
    dataset = read_dataset(images, ground_truth=tmp_path / "boxes.csv")
    assert told(dataset) == {"cat/a": ("", {"cat": [[1, 2, 3, 4]]}), "b": ("", {"dog": [[5, 6, 7, 8]]})}
    assert dataset.samples[0].annotations[0].masks == (images / "masks/cat/a.png",)


def test_images_may_be_elsewhere(tmp_path):
    plant(tmp_path, {"photos/cat/a.jpg": (9, 9), "labels/annotations.csv": f"{HEADER}cat/a,9,9,cat,1,2,3,4,0\n"})
    dataset = read_dataset(tmp_path / "labels", images=tmp_path / "photos")
    assert dataset.samples[0].path == tmp_path / "photos/cat/a.jpg"


def test_boxes_are_kept_as_they_are_written(tmp_path):
    dataset = annotated(tmp_path, f"{HEADER}cat/a,40,30,cat,-5,nan,inf,1e3,0\n")
    np.testing.assert_array_equal(dataset.samples[0].annotations[0].boxes, [[-5, np.nan, np.inf, 1000]])


def test_file_may_have_a_byte_order_mark_and_windows_line_ends(tmp_path):
    dataset = annotated(tmp_path, "\ufeffimage_id,xmin,ymin,xmax,ymax\r\ncat/a,1,2,3,4\r\n\r\n")
    assert told(dataset) == {"cat/a": ("", {"cat": [[1, 2, 3, 4]]})}


@pytest.mark.parametrize(
    ("text", "code", "value"),
    [
        ("", "missing-column", "line 1"),
        ("image_id,xmin,ymin,xmax\n", "missing-column", "line 1"),
        ("name,xmin,ymin,xmax,ymax\na,1,2,3,4\n", "missing-column", "line 1"),
        (f"{HEADER}cat/a,40,30,cat,1,2,3,4,0\ncat/a,40,30,cat,1,two,3,4,0\n", "number-invalid", "line 3"),
        (f"{HEADER}cat/a,40,30,cat,1,,3,4,0\n", "number-invalid", "line 2"),
        (f"{HEADER}cat/a,wide,30,cat,1,2,3,4,0\n", "number-invalid", "line 2"),
        (f"{HEADER}cat/a,40,30,cat,1,2,3,4,0.5\n", "number-invalid", "line 2"),
        (f"{HEADER}cat/a,40,30,cat,1,2,3\n", "csv-invalid", "line 2"),
        (f'{HEADER}"cat/a,40,30\n', "csv-invalid", "line 2"),
        (f"{HEADER}../a,40,30,cat,1,2,3,4,0\n", "path-outside", "line 2"),
        (f"{HEADER}cat/../../a,40,30,cat,1,2,3,4,0\n", "path-outside", "'cat/../../a'"),
        (f"{HEADER}/etc/a.jpg,40,30,cat,1,2,3,4,0\n", "path-outside", "'/etc/a.jpg'"),
        (f"{HEADER},40,30,cat,1,2,3,4,0\n", "path-outside", "line 2"),
        (f"{HEADER}z,40,30,,1,2,3,4,0\n", "missing-class", "line 2"),
        (b"image_id,xmin,ymin,xmax,ymax\n\xe9/a,1,2,3,4\n", "encoding-invalid", "line 2"),
    ],
)
def test_invalid_file_is_refused(tmp_path, text, code, value):
    with refused(code, "annotations.csv", value):
        annotated(tmp_path, text)


def test_splits_that_leave_the_data_set_are_refused(tmp_path):
    splits = {"splits.csv": "image_id,split\ncat/a,train\n..\\a,test\n"}
    with refused("path-outside", "splits.csv, line 3"):
        annotated(tmp_path, HEADER, **splits)


WORDS = st.text("abcé ü-_.,\"'0", min_size=1, max_size=6).map(str.strip).filter(lambda word: word.strip("."))
SIDES = st.floats(width=64)
OBJECTS = st.lists(st.tuples(WORDS, st.tuples(SIDES, SIDES, SIDES, SIDES)), min_size=1, max_size=4)


@given(st.dictionaries(WORDS, OBJECTS, min_size=1, max_size=4))
@settings(max_examples=60)
def test_what_is_written_is_read(images):
    rows = [(f"x/{name}.jpg", label, *box) for name, objects in images.items() for label, box in objects]
    quoted = [",".join('"{}"'.format(str(cell).replace('"', '""')) for cell in row) for row in rows]
    with TemporaryDirectory() as root:
        plant(root, {"annotations.csv": "\n".join(["image_id,class,xmin,ymin,xmax,ymax", *quoted])})
        dataset = read_dataset(root)
    assert [example.image_id for example in dataset.samples] == [f"x/{name}" for name in images]
    for example, objects in zip(dataset.samples, images.values(), strict=True):
        labels = dict.fromkeys(label for label, _ in objects)
        assert [truth.label for truth in example.annotations] == list(labels)
        for truth in example.annotations:
            written = [box for label, box in objects if label == truth.label]
            np.testing.assert_array_equal(truth.boxes, written)


def test_a_file_of_labels_says_what_is_in_images_without_a_box(tmp_path):
    """A person has taken the only box away, so the folder's name says nothing; another image is as before."""
    rows = ["image_id,label", "cat/boxed.png,dog", "cat/emptied.png,", "cat/named.png,bird;dog"]
    files = {f"images/cat/{name}.png": (9, 9) for name in ("boxed", "emptied", "named", "new")}
    boxes = "image_id,class,xmin,ymin,xmax,ymax\ncat/boxed.png,dog,1,1,3,3\n"
    dataset = read_dataset(plant(tmp_path, files | {"annotations.csv": boxes, "labels.csv": "\n".join(rows) + "\n"}))
    labels = {one.image_id: [truth.label for truth in one.annotations] for one in dataset.samples}
    assert labels == {"cat/boxed": ["dog"], "cat/emptied": [], "cat/named": ["bird", "dog"], "cat/new": ["cat"]}
