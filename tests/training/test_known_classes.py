from pathlib import Path

import pytest
from refusals import refused
from small_graphs import NAMES, run_folder

from weakspot.data import Dataset, ObjectAnnotation, Sample
from weakspot.training.known_classes import check_classes

BOX = (1.0, 2.0, 3.0, 4.0)


def dataset(*objects, background=""):
    samples = tuple(Sample(item.label, Path("x.jpg"), objects=(item,)) for item in objects)
    return Dataset(Path("data"), "test", (), samples, background=background)


@pytest.mark.parametrize(
    "item",
    [
        ObjectAnnotation("zebu", BOX),
        ObjectAnnotation("zebu", point=(1, 2)),
        ObjectAnnotation("zebu", mask_files=("m.png",)),
    ],
)
def test_what_is_drawn_of_another_class_is_refused(tmp_path, item):
    with refused("unknown-class", "1 box, mask or point (zebu)", f"Its classes: {', '.join(NAMES)}."):
        check_classes(run_folder(tmp_path), dataset(item, ObjectAnnotation("cat", BOX)))


def test_a_class_that_was_meant_is_suggested(tmp_path):
    run = run_folder(tmp_path)
    with refused("unknown-class", "3 boxes, masks or points (yak, Cat)", "Did you mean cat?"):
        check_classes(run, dataset(*[ObjectAnnotation("yak", BOX)] * 2, ObjectAnnotation("Cat", BOX)))


def test_labels_alone_and_those_of_images_without_an_object_are_not_refused(tmp_path):
    objects = [ObjectAnnotation("cow"), ObjectAnnotation("None", BOX), ObjectAnnotation("good", BOX)]
    check_classes(run_folder(tmp_path, background_index=3), dataset(*objects, background="good"))


def test_a_run_that_cannot_be_read_is_told_when_it_is_loaded(tmp_path):
    check_classes(tmp_path, dataset(ObjectAnnotation("cow", BOX)))
