import pytest
from refusals import refused
from trees import plant, told, voc

from weakspot.data import check_dataset, read_dataset
from weakspot.data.dataset_checks import labels_without_box

DATA, NOTES, LISTS = (f"ILSVRC/{name}/CLS-LOC" for name in ("Data", "Annotations", "ImageSets"))
TENCH, SHARK = "n01440764", "n01484850"
SHIPPED = {
    f"{DATA}/train/{TENCH}/{TENCH}_1.JPEG": (40, 30),
    f"{DATA}/train/{SHARK}/{SHARK}_9.JPEG": (20, 20),
    f"{DATA}/val/V_1.JPEG": (50, 60),
    f"{DATA}/val/V_2.JPEG": (50, 61),
    f"{NOTES}/train/{TENCH}/{TENCH}_1.xml": voc((TENCH, 1, 2, 39, 29)),
    f"{NOTES}/val/V_1.xml": voc((SHARK, 0, 0, 49, 59), (SHARK, 5, 6, 7, 8), size=(50, 60)),
    f"{NOTES}/val/V_2.xml": voc((TENCH, 3, 4, 5, 6), size=(50, 61)),
}
LISTED = {
    f"{LISTS}/train_cls.txt": f"{SHARK}/{SHARK}_9 1\n{TENCH}/{TENCH}_1 2\n",
    f"{LISTS}/train_loc.txt": f"{TENCH}/{TENCH}_1 1\n",
    f"{LISTS}/val.txt": "V_2 1\nV_1 2\n",
}
READ = {
    f"train/{TENCH}/{TENCH}_1": ("train", {TENCH: [[1, 2, 39, 29]]}),
    f"train/{SHARK}/{SHARK}_9": ("train", {SHARK: []}),
    "val/V_1": ("val", {SHARK: [[0, 0, 49, 59], [5, 6, 7, 8]]}),
    "val/V_2": ("val", {TENCH: [[3, 4, 5, 6]]}),
}


@pytest.mark.parametrize("root", [".", "ILSVRC"])
def test_boxes_are_read_as_written_and_labels_from_folder_or_xml(tmp_path, root):
    dataset = read_dataset(plant(tmp_path, SHIPPED) / root)
    assert told(dataset) == READ
    assert (dataset.layout, dataset.class_names) == ("ILSVRC CLS-LOC", (TENCH, SHARK))
    assert {truth.class_index for example in dataset.samples for truth in example.annotations} == {None}
    assert dataset.samples[-1].path.resolve() == tmp_path / DATA / "val/V_2.JPEG"
    assert dataset.samples[-1].size == (61, 50)


def test_order_is_that_of_the_lists(tmp_path):
    dataset = read_dataset(plant(tmp_path, SHIPPED | LISTED))
    assert told(dataset) == READ
    assert [example.path.stem for example in dataset.samples] == [f"{SHARK}_9", f"{TENCH}_1", "V_2", "V_1"]
    assert check_dataset(dataset) == []
    assert labels_without_box(dataset) == (f"train/{SHARK}/{SHARK}_9: {SHARK} (train)",)


def test_boxed_images_alone_are_read_where_all_are_not_listed(tmp_path):
    lists = {f"{LISTS}/train_loc.txt": LISTED[f"{LISTS}/train_loc.txt"]}
    assert read_dataset(plant(tmp_path, SHIPPED | lists)).splits == {"train": 1, "val": 2}


def test_image_without_xml_has_no_label_and_a_missing_one_keeps_its_path(tmp_path):
    dataset = read_dataset(plant(tmp_path, {f"{DATA}/val/V_1.JPEG": (9, 9), f"{LISTS}/val.txt": "V_1 1\nV_3 2\n"}))
    assert told(dataset) == {"val/V_1": ("val", {}), "val/V_3": ("val", {})}
    assert dataset.samples[1].path == tmp_path / f"{DATA}/val/V_3.JPEG"


@pytest.mark.parametrize(("classes", "last"), [(999, None), (1000, 999), (1001, None)])
def test_classes_have_indices_if_they_are_a_thousand(tmp_path, classes, last):
    folders = {f"{DATA}/train/n{1000 + number}": None for number in range(classes)}
    image = {f"{DATA}/train/n{999 + classes}/a.JPEG": (9, 9)}
    dataset = read_dataset(plant(tmp_path, folders | image))
    assert [truth.class_index for truth in dataset.samples[0].annotations] == [last]
    assert len(dataset.class_names) == classes


def test_images_may_be_elsewhere(tmp_path):
    plant(tmp_path, SHIPPED | {"small/val/V_1.JPEG": (5, 6)})
    dataset = read_dataset(tmp_path, images=tmp_path / "small")
    assert [example.path for example in dataset.samples] == [tmp_path / "small/val/V_1.JPEG"]


def test_list_that_leaves_the_data_set_is_refused_with_its_line(tmp_path):
    with refused("path-outside", f"{LISTS}/val.txt, line 2", "../V_2"):
        read_dataset(plant(tmp_path, SHIPPED | {f"{LISTS}/val.txt": "V_1 1\n../V_2 2\n"}))


def test_damaged_xml_is_refused(tmp_path):
    with refused("xml-invalid", "V_1.xml, line 1"):
        read_dataset(plant(tmp_path, SHIPPED | {f"{NOTES}/val/V_1.xml": "<annotation"}))
