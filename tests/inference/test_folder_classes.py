"""The class that a folder is named after."""

from pathlib import Path

import pytest
from refusals import refused
from squares import NAMES, Scene, localizer, one_thread, picture, save, write  # noqa: F401

from weakspot.inference.folder_classes import (
    FolderClasses,
    FolderCounts,
    choose_classes,
    localize_choice,
)
from weakspot.inference.localization import Localization

# What is drawn, and the folder it is in.
DRAWN = (
    ("red", "red"),
    ("red", "blue"),
    ("blue", "blue"),
    ("green", "sundries"),
    ("cyan", "Red"),
    ("blue", "blue"),
    ("white", "blue"),
)


@pytest.fixture
def images(tmp_path):
    """Discs in folders, some of which are named after another class or none."""
    paths = []
    for number, (drawn, folder) in enumerate(DRAWN):
        path = tmp_path / folder / f"{number}.png"
        save(path, picture(Scene("", ((drawn, (20, 10, 80, 60)),))))
        paths.append(path)
    return paths


def localized(images, classes, counts, errors=(), **options):
    found = localizer(**options)
    choice = choose_classes(classes, found.class_names)
    how = {"batch_size": 2, "workers": 1, "on_error": lambda image, error: errors.append(image)}
    return list(localize_choice(found, images, choice, counts, **how))


def counts():
    return FolderCounts(FolderClasses(NAMES))


def test_the_class_of_the_folder_is_localized_and_the_predictions_that_differ_are_counted(images):
    counted = counts()
    found = localized(images, ["folder"], counted)
    assert [one.image for one in found] == images
    assert [one.label for one in found] == ["red", "blue", "blue", "green", "red", "blue", "blue"]
    assert (counted.same, counted.different, counted.other) == (3, 3, 1)
    (note,) = counted.notes(by_folder=True)
    assert note.startswith("3 of 6 ")
    assert "1 image is in a folder that is not a class" in note


def test_it_is_what_is_localized_when_the_class_is_named(images):
    found = localized(images, ["folder"], counts())
    assert found[1].to_dict() == localizer()(images[1], classes=["blue"]).to_dict()
    assert found[0].to_dict() == localizer()(images[0]).to_dict()


@pytest.mark.parametrize("classes", [None, ["predicted"]])
def test_predictions_are_compared_with_the_folder_and_not_changed(images, classes):
    counted = counts()
    found = localized(images, classes, counted)
    assert [one.label for one in found] == [drawn for drawn, _ in DRAWN]
    assert (counted.same, counted.different, counted.other) == (3, 3, 1)
    (note,) = counted.notes()
    assert note.startswith("3 of 6 ")


def test_nothing_is_said_of_named_classes_or_other_folders(images):
    counted = counts()
    localized(images, ["red"], counted)
    assert counted.notes() == ()
    localized(images[3:4], None, counted)
    assert counted.notes() == ()


def test_an_image_that_cannot_be_read_is_left_out_once(images):
    images[2].write_bytes(b"")
    errors = []
    found = localized(images, ["folder"], counts(), errors)
    assert [one.image for one in found] == [*images[:2], *images[3:]]
    assert errors == [images[2]]


def test_a_present_class_of_a_multi_label_model_is_that_of_the_folder():
    def localization(index, score, others=()):
        return Localization(Path("blue/1.png"), 8, 8, index, NAMES[index], score, "cam", 0.2, None, None, others=others)

    blue, red = NAMES.index("blue"), NAMES.index("red")
    for multi_label, score, same in ((True, 0.7, 1), (True, 0.4, 0), (False, 0.7, 0)):
        counted = FolderCounts(FolderClasses(NAMES), multi_label)
        counted.add(localization(red, 0.9, (localization(blue, score),)))
        assert (counted.same, counted.different) == (same, 1 - same)


def test_a_class_with_the_name_of_the_word_takes_precedence_and_that_is_said():
    choice = choose_classes(["folder"], ["file", "Folder"])
    assert (choice.classes, choice.by_folder) == (("folder",), False)
    assert "folder is a class" in choice.notes[0]
    assert choose_classes(["folder", "file"], ["file", "folder"]).classes == ("folder", "file")
    assert choose_classes(["predicted"], ["predicted"]).classes == ("predicted",)


def test_the_word_alone_is_understood():
    assert choose_classes(["folder"], ["file"]).by_folder
    assert choose_classes(["predicted"], ["file"]).classes is None
    for word in ("folder", "predicted"):
        with refused("options-conflict", word):
            choose_classes([word, "file"], ["file"])


def test_a_folder_is_a_class_by_its_name_in_any_case_unless_two_have_it(tmp_path, monkeypatch):
    classes = FolderClasses(["cardigan", "Cardigan", "Cat", "crane", "crane", "7"])
    names = {"cardigan": 0, "Cardigan": 1, "CARDIGAN": None, "cat": 2, "crane": None, "7": 5, "0": None}
    for name, index in names.items():
        assert classes.of(f"any/{name}/1.jpg") == index
    (tmp_path / "cat").mkdir()
    monkeypatch.chdir(tmp_path / "cat")
    assert classes.of("1.jpg") == 2
