import shutil

import pytest
from refusals import refused
from reviews import no_heatmaps, raise_threshold, write_localized_run

from weakspot.io.rows import read_rows, write_rows
from weakspot.io.settings import load_settings
from weakspot.models.run_files import hash_file
from weakspot.serving.review.adoption import WORK, adopt, finish, is_interrupted
from weakspot.serving.review.relocalize import localize_again
from weakspot.serving.review.source import open_source

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def source(tmp_path):
    return open_source(write_localized_run(tmp_path))


def rows_of(source):
    return {row["image"]: row for _, row in read_rows(source.folder / "boxes.jsonl")}


def files_of(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_images_are_localized_again_and_rows_of_others_stay(source):
    before, heatmaps = rows_of(source), source.folder / "heatmaps"
    again = source.items[2:]
    raise_threshold(source.run, source.images, {})
    localize_again(source, [item.path for item in again])
    assert rows_of(source) == before
    adopt(source)
    after = rows_of(source)
    assert list(after) == list(before)
    assert {row["threshold"] for row in after.values()} == {0.5, 0.95}
    assert [name for name in before if after[name] == before[name]] == [str(item.path) for item in source.items[:2]]
    assert {item.id for item in source.read_items()} == {item.id for item in source.items}
    assert all(one.heatmap.is_file() for item in source.read_items() for one in item.predictions)
    assert len(list(heatmaps.rglob("*.png"))) == len(before)
    assert load_settings(source.folder / "localize.toml")["model_hash"] == hash_file(source.run / "model.safetensors")
    assert not (source.folder / WORK).exists()


def test_without_an_untouched_image_nothing_is_localized(source):
    before = rows_of(source)
    localize_again(source, [])
    adopt(source)
    assert rows_of(source) == before


def test_nothing_changes_if_the_new_rows_cannot_be_written(source):
    localize_again(source, [item.path for item in source.items])
    (source.folder / WORK / "new").write_text("in the way")
    before = files_of(source.folder)
    with refused("not-writable"):
        adopt(source)
    assert not is_interrupted(source.folder)
    assert files_of(source.folder) == before


def test_an_interrupted_adoption_is_finished_later(source):
    raise_threshold(source.run, source.images, {})
    localize_again(source, [item.path for item in source.items])
    with no_heatmaps(source.folder), refused("not-writable"):
        adopt(source)
    assert {row["threshold"] for row in rows_of(source).values()} == {0.5}
    assert is_interrupted(source.folder)
    finish(source.folder)
    assert {row["threshold"] for row in rows_of(source).values()} == {0.95}
    assert all(one.heatmap.is_file() for item in source.read_items() for one in item.predictions)
    assert not (source.folder / WORK).exists()


def test_heatmaps_are_found_after_learning_in_another_working_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_localized_run(tmp_path.relative_to(tmp_path), 2)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    source = open_source(tmp_path / "found")
    localize_again(source, [item.path for item in source.items])
    adopt(source)
    assert len(list((source.folder / "heatmaps").rglob("*.png"))) == 2
    for folder in (tmp_path, elsewhere):
        monkeypatch.chdir(folder)
        assert all(one.heatmap.is_file() for item in source.read_items() for one in item.predictions)


def test_output_images_of_classes_that_are_gone_are_removed(source):
    [predicted] = source.items[0].predictions
    stale = predicted.heatmap.with_name(f"{predicted.heatmap.stem}.2.png")
    shutil.copy(predicted.heatmap, stale)
    row = rows_of(source)[str(source.items[0].path)]
    other = row | {"class_index": 2, "label": "owl"}
    rows = rows_of(source) | {row["image"]: row | {"others": [other]}}
    write_rows(source.folder / "boxes.jsonl", rows.values())
    assert stale in [one.heatmap for item in source.read_items() for one in item.predictions]
    localize_again(source, [item.path for item in source.items])
    adopt(source)
    assert not stale.exists()
    assert predicted.heatmap.is_file()
