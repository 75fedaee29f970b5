import pytest
from hypothesis import given
from hypothesis import strategies as st
from refusals import refused
from trees import plant, told, voc

from weakspot.data import check_dataset, read_dataset

CAT = voc(("cat", 1, 2, 30, 20))
DOG = voc(("dog", 5, 6, 20, 20), ("cat", 1, 1, 2, 2), ("dog", 3, 3, 4.5, 4), size=(20, 20))
DEVKIT = {
    "Annotations/a.xml": CAT,
    "Annotations/b.xml": DOG,
    "Annotations/c.xml": voc(),
    "JPEGImages/a.jpg": (40, 30),
    "JPEGImages/b.jpg": (20, 20),
    "JPEGImages/c.jpg": (40, 30),
    "ImageSets/Main/train.txt": "a\n",
    "ImageSets/Main/val.txt": "b\n",
    "ImageSets/Main/test.txt": "c\n",
    "ImageSets/Main/cat_train.txt": "a  1\nb -1\n",
}


def within(folder, files):
    return {f"{folder}/{name}": content for name, content in files.items()}


def test_convention_sides_count_from_1_and_belong_to_the_box(tmp_path):
    dataset = read_dataset(plant(tmp_path, {"a.xml": voc(("cat", 1, 1, 40, 30)), "a.jpg": (40, 30)}))
    assert told(dataset) == {"a": ("", {"cat": [[0, 0, 40, 30]]})}
    assert check_dataset(dataset) == []


@pytest.mark.parametrize("folder", ["", "VOC2007", "VOCdevkit/VOC2012"])
def test_devkit_is_read_from_itself_or_the_folder_above(tmp_path, folder):
    dataset = read_dataset(plant(tmp_path, within(folder, DEVKIT) if folder else DEVKIT))
    assert told(dataset) == {
        "a": ("train", {"cat": [[0, 1, 30, 20]]}),
        "b": ("val", {"dog": [[4, 5, 20, 20], [2, 2, 4.5, 4]], "cat": [[0, 0, 2, 2]]}),
        "c": ("test", {}),
    }
    assert (dataset.layout, dataset.class_names) == ("Pascal VOC", ("cat", "dog"))
    assert [example.size for example in dataset.samples] == [(30, 40), (20, 20), (30, 40)]
    assert [example.path for example in dataset.samples] == [
        tmp_path / folder / f"JPEGImages/{name}.jpg" for name in "abc"
    ]


def test_several_devkits_are_not_mixed(tmp_path):
    plant(tmp_path, within("VOC2007", DEVKIT) | within("VOC2012", DEVKIT))
    with refused("several-datasets", "VOC2007, VOC2012"):
        read_dataset(tmp_path)


@pytest.mark.parametrize(
    ("xml", "image"),
    [
        ("annotations/a.xml", "images/a.png"),
        ("annotations/a.xml", "a.png"),
        ("annots/cat/a.xml", "images/cat/a.png"),
        ("Annotation/cat/a.xml", "cat/a.png"),
        ("annotations/a.xml", "images/cat/a.png"),
        ("a.xml", "a.png"),
        ("cat/a.xml", "cat/a.png"),
        ("train/a.xml", "train/a.png"),
    ],
)
def test_xml_may_be_beside_the_images_or_in_a_folder(tmp_path, xml, image):
    dataset = read_dataset(plant(tmp_path, {xml: CAT, image: (40, 30)}))
    split = "train" if "train" in xml else ""
    name = image.removeprefix("images/").removesuffix(".png")
    assert told(dataset) == {name: (split, {"cat": [[0, 1, 30, 20]]})}
    assert dataset.samples[0].path == tmp_path / image


def test_image_may_be_named_in_the_xml_only(tmp_path):
    files = {"annotations/1.xml": voc(("cat", 1, 2, 30, 20), filename="a.jpg"), "images/a.jpg": (40, 30)}
    assert told(read_dataset(plant(tmp_path, files))) == {"a": ("", {"cat": [[0, 1, 30, 20]]})}


def test_image_that_is_missing_keeps_the_path_which_the_xml_names(tmp_path):
    files = {"annotations/x/1.xml": voc(filename="gone.png"), "annotations/x/2.xml": voc(filename="?"), "images": None}
    dataset = read_dataset(plant(tmp_path, files))
    assert [example.path for example in dataset.samples] == [
        tmp_path / "images/x/gone.png",
        tmp_path / "images/x/2.jpg",
    ]


def test_image_without_xml_has_the_class_of_its_folder_if_folders_are_classes(tmp_path):
    files = {"cat/a.xml": CAT, "cat/a.jpg": (40, 30), "cat/b.jpg": (9, 9), "dog/c.jpg": (9, 9), "cat/d.xml": voc()}
    dataset = read_dataset(plant(tmp_path, files | {"cat/d.jpg": (40, 30)}))
    assert told(dataset) == {
        "cat/a": ("", {"cat": [[0, 1, 30, 20]]}),
        "cat/d": ("", {}),
        "cat/b": ("", {"cat": []}),
        "dog/c": ("", {"dog": []}),
    }


def test_xml_may_be_elsewhere(tmp_path):
    plant(tmp_path, {"photos/cat/a.jpg": (40, 30), "labels/cat/a.xml": CAT})
    dataset = read_dataset(tmp_path / "photos", ground_truth=tmp_path / "labels")
    assert told(dataset) == {"cat/a": ("", {"cat": [[0, 1, 30, 20]]})}


def test_image_in_two_lists_leaks(tmp_path):
    dataset = read_dataset(plant(tmp_path, DEVKIT | {"ImageSets/Main/test.txt": "a\nc\n"}))
    assert [example.split for example in dataset.samples if example.image_id == "a"] == ["train", "test"]


def test_size_of_0_is_none(tmp_path):
    dataset = read_dataset(plant(tmp_path, {"a.xml": voc(size=(0, 0)), "a.jpg": (40, 30)}))
    assert dataset.samples[0].size is None


def test_object_without_a_box_is_a_label(tmp_path):
    xml = "<annotation><object><name>cat</name></object></annotation>"
    assert told(read_dataset(plant(tmp_path, {"a.xml": xml, "a.jpg": (40, 30)}))) == {"a": ("", {"cat": []})}


@given(st.tuples(*[st.integers(-9, 99)] * 4))
def test_boxes_are_kept_as_they_are_written(tmp_path_factory, sides):
    root = plant(tmp_path_factory.getbasetemp() / "voc", {"a.xml": voc(("cat", *sides)), "a.jpg": b""})
    left, top, right, bottom = sides
    assert told(read_dataset(root)) == {"a": ("", {"cat": [[left - 1, top - 1, right, bottom]]})}


ENTITIES = '<!DOCTYPE a [<!ENTITY x "boom">]>\n<annotation><object><name>&x;</name></object></annotation>'


@pytest.mark.parametrize(
    ("xml", "code", "value"),
    [
        ("<annotation>\n<object>\n</annotation>", "xml-invalid", "line 3"),
        ("", "xml-invalid", "line 1"),
        (ENTITIES, "xml-invalid", ""),
        (voc(("cat", 1, 2, "wide", 4)), "number-invalid", "object 1"),
        (voc(("cat", 1, 2, 3, 4), ("dog", 1, 2, 3, "")), "number-invalid", "object 2"),
        (voc(("", 1, 2, 3, 4)), "xml-invalid", "object 1"),
        (voc(size=("a", 3)), "number-invalid", "'a'"),
    ],
)
def test_invalid_file_is_refused(tmp_path, xml, code, value):
    with refused(code, "a.xml", value):
        read_dataset(plant(tmp_path, {"a.xml": xml, "a.jpg": (40, 30)}))


@pytest.mark.parametrize(
    "files",
    [
        DEVKIT | {"ImageSets/Main/train.txt": "a\n../../b\n"},
        {"annotations/a.xml": voc(filename="../b.jpg"), "images": None},
        {"annotations/a.xml": voc(filename="/etc/b.jpg"), "images": None},
    ],
)
def test_path_that_leaves_the_data_set_is_refused(tmp_path, files):
    with refused("path-outside"):
        read_dataset(plant(tmp_path, files))
