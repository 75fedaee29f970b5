import pytest
from refusals import refused

from weakspot.data.formats.yolo_files import read_class_file
from weakspot.data.image_index import known_images
from weakspot.labels import FORMATS

NUMBERS = "1 0.5 0.5 0.4 0.6"
BOX = (30.0, 10.0, 70.0, 40.0)


def write(tmp_path, files):
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)


def read(tmp_path, *images):
    return FORMATS["yolo"].read(tmp_path, known_images(dict.fromkeys(images, (50, 100))))


LABELIMG = {"classes.txt": "cat\ndog\n", "a.txt": NUMBERS, "a.jpg": ""}
CVAT = {
    "obj.names": "cat\ndog\n",
    "obj.data": "classes = 2\nnames = data/obj.names\n",
    "train.txt": "data/obj_train_data/a.jpg\n",
    "obj_train_data/a.txt": NUMBERS,
}
DARKNET = {"train/_darknet.labels": "cat\ndog\n", "train/a.txt": NUMBERS, "train/a.jpg": "", "README.txt": "x"}


@pytest.mark.parametrize(
    ("files", "image", "split"),
    [
        pytest.param(LABELIMG, "a.jpg", "", id="LabelImg"),
        pytest.param(CVAT, "a.jpg", "", id="CVAT, its folder of images"),
        pytest.param(CVAT, "obj_train_data/a.jpg", "", id="CVAT, the whole folder"),
        pytest.param(DARKNET, "train/a.jpg", "train", id="Roboflow for darknet"),
        pytest.param({"my.yaml": "names: [cat, dog]", "labels/a.txt": NUMBERS}, "a.jpg", "", id="another YAML file"),
        pytest.param({"voc.names": "cat\ndog", "labels/a.txt": NUMBERS}, "a.jpg", "", id="darknet"),
        pytest.param({"classes.txt": "cat\ndog", "labels/0a1b2c3d-a.txt": NUMBERS}, "a.jpg", "", id="Label Studio"),
    ],
)
def test_text_files_and_names_are_found(tmp_path, files, image, split):
    write(tmp_path, files)
    found = read(tmp_path, image)
    assert found.problems == ()
    assert found.labels.class_names == ("cat", "dog")
    ((sample, item),) = ((sample, item) for sample in found.labels.samples for item in sample.objects)
    assert (sample.image_id, sample.split, item.label, item.box) == (image, split, "dog", BOX)


def test_several_subsets_of_cvat_are_splits(tmp_path):
    write(tmp_path, CVAT | {"obj_valid_data/b.txt": ""})
    found = read(tmp_path, "obj_train_data/a.jpg", "obj_valid_data/b.jpg")
    assert [(one.image_id, one.split) for one in found.labels.samples] == [
        ("obj_train_data/a.jpg", "train"),
        ("obj_valid_data/b.jpg", "valid"),
    ]


def test_labels_of_a_missing_image_are_not_those_of_another_split(tmp_path):
    write(tmp_path, {"classes.txt": "cat\ndog", "train/labels/a.txt": NUMBERS})
    found = read(tmp_path, "valid/images/a.jpg")
    assert found.labels.samples == ()
    assert found.problems == (("a.txt", "the image does not exist"),)


def test_text_files_without_images_are_no_labels(tmp_path):
    write(tmp_path, {"classes.txt": "cat", "notes.txt": "hello"})
    with refused("labels-not-found", tmp_path):
        read(tmp_path, "a.jpg")


@pytest.mark.parametrize("shape", ["3", "[3]", "[a, b]"])
def test_a_shape_of_keypoints_that_is_none_is_refused(tmp_path, shape):
    write(tmp_path, {"data.yaml": f"names: [cat]\nkpt_shape: {shape}"})
    with refused("class-names-invalid", "kpt_shape"):
        read_class_file(tmp_path)
