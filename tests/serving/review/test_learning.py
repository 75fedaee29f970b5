import multiprocessing
import os
import time

import pytest
from refusals import refused
from reviews import raise_threshold, write_localized_run
from services import wait_until

import weakspot as ws
from weakspot.data import ObjectAnnotation
from weakspot.errors import InputError
from weakspot.io.rows import read_rows
from weakspot.io.settings import load_settings
from weakspot.models.checkpoint import read_metadata
from weakspot.models.run_files import hash_file
from weakspot.serving.review.learning import Learner
from weakspot.serving.review.relocalize import WORK, adopt, localize_again
from weakspot.serving.review.source import open_source
from weakspot.serving.review.state import ReviewState
from weakspot.training.review import learn_from_review

pytestmark = pytest.mark.usefixtures("one_thread")


def refuse(run, images, rows):
    raise InputError("too-few", "There are too few boxes.", "Draw more.")


def fail(run, images, rows):
    os._exit(3)


def wait(run, images, rows):
    time.sleep(600)


@pytest.fixture
def source(tmp_path):
    return open_source(write_localized_run(tmp_path))


def rows_of(source):
    return {row["image"]: row for _, row in read_rows(source.folder / "boxes.jsonl")}


def touch(source, state, count):
    """Decide on some images."""
    for item in source.items[:count]:
        state.decide(item.id, 0, [ObjectAnnotation("cat", (0.0, 0.0, 20.0, 20.0))])
    return [str(item.path) for item in source.items[:count]]


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


def test_thresholds_are_refitted_to_the_boxes_of_decisions(source):
    """They are the boxes at another threshold than the run has."""
    state, localizer = ReviewState(source), ws.Localizer(source.run, backend="torch", threshold=0.85)
    for item in source.items:
        [predicted] = item.objects
        box = tuple(localizer(item.path, classes=[predicted.label]).box.tolist())
        state.decide(item.id, 0, [ObjectAnnotation(predicted.label, box)])
    learn_from_review(source.run, source.images, state.rows())
    assert "6 boxes" in read_metadata(source.run).threshold_from
    assert read_metadata(source.run).info.threshold > 0.6


def test_fewer_than_two_boxes_teach_nothing(source):
    state = ReviewState(source)
    touch(source, state, 1)
    with refused("missing-annotations"):
        learn_from_review(source.run, source.images, state.rows())


@pytest.mark.long
@pytest.mark.parametrize(("learn", "problem"), [(refuse, "There are too few boxes. Draw more."), (fail, "terminal")])
def test_a_failure_loses_nothing_and_another_round_can_begin(source, learn, problem):
    state = ReviewState(source)
    touch(source, state, 1)
    before = rows_of(source)
    learner = Learner(source, state, learn)
    learner.start()
    with refused("learning-in-progress"):
        learner.start()
    wait_until(lambda: learner.progress.phase == "failed")
    assert problem in learner.progress.problem
    assert rows_of(source) == before
    assert len(state.rows()) == 1
    learner.start()
    learner.close()


def test_a_page_that_is_closed_ends_its_process(source):
    learner = Learner(source, ReviewState(source), wait)
    learner.start()
    assert multiprocessing.active_children()
    learner.close()
    assert multiprocessing.active_children() == []
