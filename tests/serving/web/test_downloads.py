"""What a visitor takes home reads back as what is shown."""

import json
from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from PIL import Image

from weakspot.data import read_image
from weakspot.errors import InputError
from weakspot.labels import coco
from weakspot.serving.web.callbacks import class_choices
from weakspot.serving.web.downloads import DOWNLOADS, Download
from weakspot.serving.web.drawing import draw_classes
from weakspot.serving.web.examples import Example, examples, thumbnail
from weakspot.serving.web.html import results
from weakspot.serving.web.photo_state import apply_threshold, predict_image
from weakspot.serving.web.uploads import is_uploaded, private_folder, read_upload, write_download

ATTACK = "<img src=x onerror=alert(1)>${alert(2)}"


@pytest.fixture(scope="module")
def photo(finder, photo_files):
    return predict_image(finder, photo_files[1], "some/photo.png", ["cam"])


@pytest.fixture(scope="module")
def taken(photo, finder):
    found = apply_threshold(photo, ["cam"], [2, 0], 0.5, largest=False)["cam"]
    return Download(photo.name, photo.content, found, finder.class_names)


def file_of(kind, taken):
    return DOWNLOADS[kind][1](taken)


def test_json_is_that_of_the_localizer(taken, finder, photo_files):
    expected = finder.localizer.with_options(threshold=0.5, boxes="all")(photo_files[1], classes=[2, 0]).to_dict()
    found = json.loads(file_of("JSON", taken))
    assert found.pop("image") == "photo.png"
    expected.pop("image")
    assert [one.pop("image") for one in (found["others"][0], expected["others"][0])] == ["photo.png", None]
    assert found == expected


def test_coco_is_read_back_by_weakspot(taken, tmp_path, finder):
    file = tmp_path / "labels.json"
    file.write_bytes(file_of("COCO", taken))
    read = coco.read(file, {})
    (image,) = read.labels.images
    assert read.problems == ()
    assert read.labels.classes == finder.class_names
    assert (image.path, image.width, image.height) == ("photo.png", 70, 50)
    expected = [(one.label, box) for one in taken.found for box in one.boxes.round(2).tolist()]
    assert [(one.label, list(one.box)) for one in image.objects] == expected


def test_pictures_have_the_photos_own_size(taken):
    overlay = Image.open(BytesIO(file_of("Picture", taken)))
    assert_array_equal(overlay, draw_classes(read_image(taken.content), taken.found))
    mask = np.asarray(Image.open(BytesIO(file_of("Mask", taken))))
    assert_array_equal(mask == 1, taken.found[0].mask)


def test_a_name_that_is_markup_is_shown_and_not_run(taken, photo):
    named = [replace(one, label=ATTACK, notes=(ATTACK,)) for one in taken.found]
    shown = results(photo.shown, {ATTACK: named}, 0.6)
    assert "<img src=x" not in shown
    assert "&lt;img src=x onerror=alert(1)&gt;" in shown


def test_the_most_probable_classes_come_first_and_every_class_once(photo):
    names = [*"abcdefg", "cat", "cat"]
    choices = class_choices(photo, names)
    assert [index for _, index in choices[:4]] == [one.class_index for one in photo.likely]
    assert choices[0][0].endswith(" %")
    assert sorted(index for _, index in choices) == list(range(9))
    assert choices[-1] == ("cat (8)", 8)


def test_only_what_was_uploaded_is_read(tmp_path):
    (tmp_path / "secret.txt").write_text("secret")
    inside = write_download(b"mine", "mine.txt")
    assert read_upload({"path": str(inside), "orig_name": "a.txt"}, 10) == (b"mine", "a.txt")
    (private_folder() / "link").symlink_to(tmp_path / "secret.txt")
    for path in (
        str(tmp_path / "secret.txt"),
        str(private_folder() / "link"),
        f"{private_folder()}/../../etc/passwd",
        str(private_folder()),
        f"{private_folder()}x/a",
        "file:///etc/passwd",
        "http://127.0.0.1:9/",
        "mine.txt",
        f"{inside}\0",
        "/" + "a" * 9000,
        None,
        {},
    ):
        assert not is_uploaded(path)
        with pytest.raises(InputError, match="not a photo that was uploaded"):
            read_upload({"path": path}, 10)
    with pytest.raises(InputError, match="larger than"):
        read_upload({"path": str(inside)}, 3)


def test_only_this_user_can_look_into_the_private_folder():
    assert private_folder().stat().st_mode & 0o777 == 0o700


def test_examples_are_photos_and_those_missing_are_left_out(monkeypatch):
    assert [one.title for one in examples()] == ["Cat", "Coffee", "Rocket", "Motorcycle", "Astronaut"]
    assert all(isinstance(one, Example) and thumbnail(one.path).startswith("data:image/jpeg") for one in examples()[:2])
    monkeypatch.setattr("weakspot.serving.web.examples.find_spec", lambda name: None)
    assert examples() == ()
