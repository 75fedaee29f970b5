"""Downloads contain what the page displays."""

import json
from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from PIL import Image
from refusals import refused

from weakspot.data import read_image
from weakspot.data.formats import coco
from weakspot.serving.web.callbacks import class_choices
from weakspot.serving.web.downloads import DOWNLOADS, Download
from weakspot.serving.web.drawing import draw_classes
from weakspot.serving.web.examples import ExampleImage, examples, thumbnail
from weakspot.serving.web.html import results_html
from weakspot.serving.web.image_state import apply_threshold, predict_image
from weakspot.serving.web.uploads import is_uploaded, private_folder, read_upload, write_download

ATTACK = "<img src=x onerror=alert(1)>${alert(2)}"


@pytest.fixture(scope="module")
def state(recorder, image_files):
    return predict_image(recorder, image_files[1], "some/image.png", ["cam"])


@pytest.fixture(scope="module")
def download(state, recorder):
    localizations = apply_threshold(state, ["cam"], [2, 0], 0.5, best_only=False)["cam"]
    return Download(state.name, state.content, localizations, recorder.class_names)


def content_of(kind, download):
    return DOWNLOADS[kind][1](download)


def test_json_equals_that_of_the_localizer(download, recorder, image_files):
    expected = recorder.localizer.with_options(threshold=0.5, boxes="all")(image_files[1], classes=[2, 0]).to_dict()
    row = json.loads(content_of("JSON", download))
    assert row.pop("image") == "image.png"
    expected.pop("image")
    assert [one.pop("image") for one in (row["others"][0], expected["others"][0])] == ["image.png", None]
    assert row == expected


def test_weakspot_reads_the_coco_file(download, tmp_path, recorder):
    file = tmp_path / "labels.json"
    file.write_bytes(content_of("COCO", download))
    read = coco.read(file, {})
    (image,) = read.labels.samples
    assert read.problems == ()
    assert read.labels.class_names == recorder.class_names
    assert (image.image_id, image.width, image.height) == ("image.png", 70, 50)
    expected = [(one.label, box) for one in download.localizations for box in one.boxes.round(2).tolist()]
    assert [(one.label, list(one.box)) for one in image.objects] == expected


def test_overlay_and_mask_have_the_size_of_the_image(download):
    overlay = Image.open(BytesIO(content_of("Image", download)))
    assert_array_equal(overlay, draw_classes(read_image(download.content), download.localizations))
    mask = np.asarray(Image.open(BytesIO(content_of("Mask", download))))
    assert_array_equal(mask == 1, download.localizations[0].mask)


def test_markup_in_names_is_escaped(download, state):
    named = [replace(one, label=ATTACK, notes=(ATTACK,)) for one in download.localizations]
    html = results_html(state.display_image, {ATTACK: named}, 0.6)
    assert "<img src=x" not in html
    assert "&lt;img src=x onerror=alert(1)&gt;" in html


def test_the_most_probable_classes_are_first_and_every_class_is_listed_once(state):
    names = [*"abcdefg", "cat", "cat"]
    choices = class_choices(state, names)
    assert [index for _, index in choices[:4]] == [one.class_index for one in state.top_classes]
    assert choices[0][0].endswith(" %")
    assert sorted(index for _, index in choices) == list(range(9))
    assert choices[-1] == ("cat (8)", 8)


def test_only_uploaded_files_are_read(tmp_path):
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
        with refused("upload-not-found"):
            read_upload({"path": path}, 10)
    with refused("file-too-large"):
        read_upload({"path": str(inside)}, 3)


def test_the_private_folder_is_readable_by_this_user_only():
    assert private_folder().stat().st_mode & 0o777 == 0o700


def test_examples_are_images_and_missing_ones_are_skipped(monkeypatch):
    assert [one.title for one in examples()] == ["Cat", "Coffee", "Rocket", "Motorcycle", "Astronaut"]
    assert all(
        isinstance(one, ExampleImage) and thumbnail(one.path).startswith("data:image/jpeg") for one in examples()[:2]
    )
    monkeypatch.setattr("weakspot.serving.web.examples.find_spec", lambda name: None)
    assert examples() == ()
