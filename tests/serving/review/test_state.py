from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from refusals import refused
from reviews import BOX, CAT_ROW

from weakspot.data import ObjectAnnotation
from weakspot.data.review_rows import read_review
from weakspot.errors import InputError
from weakspot.serving.review.source import open_source
from weakspot.serving.review.state import ReviewState

CAT = "cat/0000.png"
MOVED = ObjectAnnotation("cat", (1.0, 2.0, 30.0, 40.0))


def opened(folder):
    """The state of a folder, and the ids of its images."""
    source = open_source(folder)
    return ReviewState(source), {item.name: item.id for item in source.items}


def moved_predictions(state):
    """Predictions as of another model: all boxes are elsewhere."""
    items = [image.item for image in state.changed_since(-1)]
    return [
        replace(item, predictions=tuple(replace(one, objects=(MOVED,)) for one in item.predictions)) for item in items
    ]


def test_the_revision_goes_on_from_the_last_row(found):
    (found / "review.jsonl").write_text(CAT_ROW)
    state, ids = opened(found)
    image = state.get(ids[CAT])
    assert (image.status, image.revision) == ("corrected", 4)
    assert image.objects == (ObjectAnnotation("cat", (5, 5, 50, 60)),)
    after = state.decide(ids[CAT], 4, None)
    assert (after.status, after.objects) == ("untouched", image.item.objects)
    again, _ = opened(found)
    assert (again.get(ids[CAT]).status, again.get(ids[CAT]).revision) == ("untouched", 5)


def test_a_box_that_was_only_rounded_is_confirmed_and_lies_within_the_image(found):
    state, ids = opened(found)
    rounded = ObjectAnnotation("cat", (BOX[0] + 0.5, *BOX[1:]))
    assert state.decide(ids[CAT], 0, [rounded]).status == "confirmed"
    over = ObjectAnnotation("cat", (-0.5, 0, 200.5, 150.5))
    assert state.decide(ids[CAT], 1, [over]).objects == (ObjectAnnotation("cat", (0, 0, 200, 150)),)


def test_new_predictions_change_what_nobody_decided_on(found):
    state, ids = opened(found)
    touched = state.decide(ids[CAT], 0, [ObjectAnnotation("cat", tuple(BOX))])
    version = state.version
    state.replace_predictions(moved_predictions(state))
    assert state.get(ids[CAT]) == touched
    changed = state.changed_since(version)
    assert len(changed) == len(ids) - 1
    assert {image.objects for image in changed} == {(MOVED,)}
    with refused("stale-revision", "dog/0001.png"):  # of boxes that are not there any more
        state.decide(ids["dog/0001.png"], 0, [ObjectAnnotation("dog", tuple(BOX))])


def test_an_image_whose_file_has_changed_keeps_its_id(found):
    state, ids = opened(found)
    (found.parent / "images" / CAT).touch()
    state.replace_predictions(open_source(found).items)
    assert state.get(ids[CAT]).item.id == ids[CAT]
    assert state.get(ids[CAT]).revision == 1


def test_of_many_decisions_at_once_on_a_revision_one_is_accepted(found):
    state, ids = opened(found)

    def decide(number):
        try:
            return state.decide(ids[CAT], 0, [ObjectAnnotation("cat", (0, 0, 10 + number, 10))])
        except InputError as error:
            return error.code

    with ThreadPoolExecutor(8) as threads:
        results = list(threads.map(decide, range(32)))
    assert results.count("stale-revision") == 31
    [accepted] = [one for one in results if one != "stale-revision"]
    assert read_review(found / "review.jsonl")[CAT].objects == accepted.objects
