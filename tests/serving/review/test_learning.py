import multiprocessing
import os
import resource
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from refusals import refused
from reviews import no_heatmaps, raise_threshold, write_localized_run
from services import wait_until

import weakspot as ws
from weakspot.data import ObjectAnnotation
from weakspot.data.decoding_apart import active_decoders
from weakspot.errors import InputError
from weakspot.io.rows import read_rows
from weakspot.models.checkpoint import read_metadata
from weakspot.serving.review.adoption import adopt
from weakspot.serving.review.learning import Learner
from weakspot.serving.review.relocalize import localize_again
from weakspot.serving.review.source import open_source
from weakspot.serving.review.state import ReviewState
from weakspot.training.review import learn_from_review

pytestmark = pytest.mark.usefixtures("one_thread")


def refuse(run, images, rows):
    raise InputError("too-few", "There are too few boxes.", "Draw more.")


def tell_how_images_are_read(run, images, rows):
    raise InputError("told", "in decoders" if active_decoders() else "in this process")


def fail(run, images, rows):
    os._exit(3)


def wait(run, images, rows):
    time.sleep(600)


@pytest.fixture
def source(tmp_path):
    return open_source(write_localized_run(tmp_path))


@contextmanager
def files_limited_to(count):
    """Let this process open no more files than these, so that no other process can be started."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def rows_of(source):
    return {row["image"]: row for _, row in read_rows(source.folder / "boxes.jsonl")}


def touch(source, state, count):
    """Decide on some images."""
    for item in source.items[:count]:
        state.decide(item.id, 0, [ObjectAnnotation("cat", (0.0, 0.0, 20.0, 20.0))])
    return [str(item.path) for item in source.items[:count]]


def test_thresholds_are_refitted_to_the_boxes_of_decisions(source):
    """They are the boxes at another threshold than the run has."""
    state, localizer = ReviewState(source), ws.Localizer(source.run, backend="torch", threshold=0.9)
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


def test_an_image_with_boxes_that_cannot_be_read_teaches_nothing_and_is_said(source):
    state = ReviewState(source)
    gone, damaged, *_ = touch(source, state, 4)
    Path(gone).unlink()
    Path(damaged).write_bytes(Path(damaged).read_bytes()[:-200])
    problems, _ = learn_from_review(source.run, source.images, state.rows())
    assert len(problems) == 2
    assert all(name in problem for name, problem in zip((gone, damaged), problems, strict=True))


def test_what_cannot_be_started_does_not_block_another_round(source):
    state = ReviewState(source)
    touch(source, state, 1)
    learner = Learner(source, state, refuse)
    with files_limited_to(3), refused("learning-not-started"):
        learner.start()
    assert learner.progress.phase == "idle"
    learner.start()
    learner.close()


def test_what_was_left_of_a_round_is_taken_over_by_the_next_one(source):
    state = ReviewState(source)
    touch(source, state, 1)
    raise_threshold(source.run, source.images, {})
    localize_again(source, [item.path for item in source.items[1:]])
    with no_heatmaps(source.folder), refused("not-writable"):
        adopt(source)
    learner = Learner(source, state, wait)
    learner.start()
    learner.close()
    assert sorted({row["threshold"] for row in rows_of(source).values()}) == [0.5, 0.95]
    assert state.get(source.items[1].id).item.predictions != source.items[1].predictions


@pytest.mark.exhaustive
def test_untouched_images_that_cannot_be_read_are_left_out_and_said(source):
    state = ReviewState(source)
    touch(source, state, 5)
    untouched = source.items[-1].path
    untouched.write_bytes(b"text")
    learner = Learner(source, state, raise_threshold)
    learner.start()
    wait_until(lambda: learner.progress.phase in ("idle", "failed"))
    learner.close()
    assert (learner.progress.problem, learner.progress.rounds) == ("", 1)
    assert str(untouched) in learner.progress.note


@pytest.mark.long
@pytest.mark.parametrize(
    ("learn", "problem"),
    [
        pytest.param(refuse, "There are too few boxes. Draw more.", marks=pytest.mark.exhaustive),
        pytest.param(fail, "terminal"),
        pytest.param(tell_how_images_are_read, "in decoders", marks=pytest.mark.exhaustive),
    ],
)
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
