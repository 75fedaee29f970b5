import json
import shutil

import pytest
from refusals import refused
from results_made import row, write_rows
from reviews import CAT_ROW, write_found, write_image, write_localized_run
from small_graphs import NAMES

from weakspot.serving.review.source import open_source
from weakspot.serving.review.state import ReviewState


def names(source):
    return [item.name for item in source.items]


def test_names_are_relative_to_the_folder_that_was_localized(found):
    source = open_source(found)
    assert source.images == found.parent / "images"
    assert names(source) == ["cat/0000.png", "cat/0003.png", "dog/0001.png", "dog/0004.png", "owl/0002.png"]
    assert (source.run, source.class_names) == (None, ("cat", "dog", "owl"))
    assert {item.size for item in source.items} == {(150, 200)}


def test_images_that_have_moved_keep_their_names(found, tmp_path):
    before = open_source(found)
    shutil.move(tmp_path / "images", tmp_path / "elsewhere")
    after = open_source(found, tmp_path / "elsewhere")
    assert names(after) == names(before)
    assert all(item.path.is_file() for item in after.items)


@pytest.mark.parametrize("output", ["found", "results/found"])
def test_names_do_not_depend_on_the_working_folder(tmp_path, monkeypatch, output):
    """One class only, so that the deepest common folder of the images is another one than that of the names."""
    found = write_found(tmp_path, 1, heatmaps=False)
    (found / "review.jsonl").write_text(CAT_ROW)
    for name in ("boxes.jsonl", "localize.toml"):
        (found / name).write_text((found / name).read_text().replace(f"{tmp_path}/", ""))
    (tmp_path / output).parent.mkdir(exist_ok=True)
    found = found.rename(tmp_path / output)
    (tmp_path / "elsewhere").mkdir()
    for folder in (tmp_path, tmp_path / "elsewhere"):
        monkeypatch.chdir(folder)
        source = open_source(found)
        assert (names(source), source.note) == (["cat/0000.png"], "")
        assert source.items[0].path == tmp_path / "images" / "cat" / "0000.png"


def test_decisions_on_images_that_are_not_there_are_said_and_kept(found):
    rows = CAT_ROW + CAT_ROW.replace("0000", "9999") + CAT_ROW.replace("0000", "8888").replace("corrected", "untouched")
    (found / "review.jsonl").write_text(rows)
    source = open_source(found)
    assert "cat/9999.png" in source.note
    assert "0000" not in source.note
    assert "8888" not in source.note
    assert (found / "review.jsonl").read_text() == rows


@pytest.mark.parametrize("name", [" sp .png", "a\\b.png", "\u2028c.png", "\u2028/d.png"])
def test_decisions_on_images_of_odd_names_are_there_when_the_review_is_opened_again(tmp_path, name):
    image = tmp_path / "images" / name
    image.parent.mkdir(parents=True, exist_ok=True)
    write_image(image, 0)
    (tmp_path / "found").mkdir()
    write_rows(tmp_path / "found" / "boxes.jsonl", [row(str(image), "cat", 0.6)])
    settings = {"sources": [str(tmp_path / "images")], "model": "missing"}
    (tmp_path / "found" / "localize.toml").write_text(
        "".join(f"{key} = {json.dumps(value)}\n" for key, value in settings.items())
    )
    source = open_source(tmp_path / "found")
    assert names(source) == [name]
    ReviewState(source).decide(source.items[0].id, 0, [])
    again = open_source(tmp_path / "found")
    assert (list(again.rows), again.note) == ([name], "")
    assert ReviewState(again).get(again.items[0].id).status == "empty"


def test_a_decision_that_another_system_has_written_is_that_of_its_image(found):
    (found / "review.jsonl").write_text(CAT_ROW.replace("cat/0000.png", "cat\\\\0000.png"))
    source = open_source(found)
    assert (list(source.rows), source.note) == (["cat/0000.png"], "")


def test_without_settings_names_are_relative_to_the_deepest_common_folder(found):
    (found / "localize.toml").unlink()
    assert open_source(found).images == found.parent / "images"


def test_the_run_and_its_classes_are_found(tmp_path, one_thread):
    source = open_source(write_localized_run(tmp_path, 2))
    assert source.run == tmp_path / "run"
    assert source.class_names == NAMES


def test_several_classes_of_an_image_are_one_item(tmp_path):
    found = write_found(tmp_path, 1)
    image = str(tmp_path / "images/cat/0000.png")
    other = row(image, "dog", 0.3, uncertainty=0.9)
    write_rows(found / "boxes.jsonl", [row(image, "cat", 0.6, uncertainty=0.2, others=[other])])
    [item] = open_source(found).items
    assert [one.label for one in item.predictions] == ["cat", "dog"]
    assert [one.label for one in item.objects] == ["cat", "dog"]
    assert item.uncertainty == 0.9


def test_classes_of_earlier_decisions_are_known(found):
    (found / "review.jsonl").write_text(CAT_ROW.replace('"label": "cat"', '"label": "lynx"'))
    assert open_source(found).class_names == ("cat", "dog", "lynx", "owl")


def test_a_folder_without_rows_and_damaged_decisions_are_refused(found, tmp_path):
    (found / "review.jsonl").write_text("text\n" + CAT_ROW)
    with refused("review-invalid"):
        open_source(found)
    (found / "boxes.jsonl").write_text("")
    with refused("missing-images"):
        open_source(found)
