from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from refusals import refused
from reviews import BOX, CAT_ROW

from weakspot.data import ObjectAnnotation
from weakspot.data.review_rows import read_review
from weakspot.errors import InputError
from weakspot.serving.review.source import open_source
from weakspot.serving.review.state import ReviewState

CAT, DOG = "cat/0000.png", "dog/0001.png"
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


@pytest.mark.parametrize("change", [moved_predictions, lambda state: [one.item for one in state.changed_since(-1)]])
@pytest.mark.parametrize("objects", [[ObjectAnnotation("dog", tuple(BOX))], []])
def test_a_decision_on_boxes_that_were_predicted_anew_meanwhile_is_what_the_person_saw(found, change, objects):
    state, ids = opened(found)
    state.replace_predictions(change(state))
    after = state.decide(ids[DOG], 0, objects)
    assert after.objects == tuple(objects)
    assert read_review(found / "review.jsonl")[DOG].objects == tuple(objects)
    predicted = state.get(ids[DOG]).item.objects[0].box
    assert after.status == ("empty" if not objects else "confirmed" if predicted == tuple(BOX) else "corrected")
    with refused("stale-revision", DOG):  # of another tab
        state.decide(ids[DOG], 0, [MOVED])


def test_a_decision_that_was_withdrawn_in_another_tab_before_new_predictions_is_not_overwritten(found):
    state, ids = opened(found)
    state.decide(ids[DOG], 0, [])
    state.decide(ids[DOG], 1, None)
    state.replace_predictions(moved_predictions(state))
    for revision in (0, 1, 3):
        with refused("stale-revision", DOG):
            state.decide(ids[DOG], revision, [ObjectAnnotation("dog", tuple(BOX))])
    assert state.decide(ids[DOG], 2, [MOVED]).revision == 3


def test_an_image_whose_file_has_changed_keeps_its_id(found):
    state, ids = opened(found)
    (found.parent / "images" / CAT).touch()
    state.replace_predictions(open_source(found).items)
    assert state.get(ids[CAT]).item.id == ids[CAT]


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


def names_offered(state, count=9):
    return [(state.get(image).item.name, is_random) for image, is_random in state.offers(count)]


def samplings(found):
    return {name: row.sampling for name, row in read_review(found / "review.jsonl").items()}


def test_rows_hold_how_a_person_came_to_an_image_and_whether_it_was_right(found):
    state, _ = opened(found)
    (first, _), _, (third, is_random), _, (fifth, _) = state.offers(5)
    assert is_random
    predicted = state.get(first).item.objects
    state.decide(first, 0, [ObjectAnnotation(one.label, one.box) for one in predicted])
    state.decide(fifth, 0, [])
    state.decide(third, 0, [MOVED])
    by_id = {image.item.id: image.sampling for image in state.changed_since(-1)}
    assert [(by_id[one].offer, by_id[one].number, by_id[one].right) for one in (first, fifth, third)] == [
        ("uncertain", 1, True),
        ("picked", 2, False),
        ("random", 3, False),
    ]
    assert {image.item.name: image.sampling for image in state.of_status(touched=True)} == samplings(found)


def test_a_decision_that_is_changed_keeps_how_the_image_was_offered(found):
    state, ids = opened(found)
    state.decide(ids[CAT], 0, [])
    after = state.decide(ids[CAT], 1, [ObjectAnnotation("cat", tuple(BOX))])
    assert (after.sampling.number, after.sampling.offer, after.sampling.right) == (1, "uncertain", True)
    assert state.decide(ids[CAT], 2, None).sampling is None
    assert samplings(found) == {CAT: None}


@pytest.mark.parametrize(("run", "expected"), [(Path("run"), "cat/0003.png"), (None, CAT)])
def test_typical_images_come_first_if_a_run_can_learn(found, run, expected):
    """CAT is the most uncertain image, but only the other cat has logits."""
    source = open_source(found)
    items = tuple(replace(item, logits=(1.0,) if item.name == "cat/0003.png" else ()) for item in source.items)
    state = ReviewState(replace(source, run=run, items=items))
    assert state.get(state.ranked(1)[0]).item.name == expected


def test_after_a_restart_offers_and_estimate_are_the_same(found):
    state, ids = opened(found)
    state.decide(ids[CAT], 0, [])
    state.decide(ids["owl/0002.png"], 0, [MOVED])
    again, _ = opened(found)
    assert names_offered(again) == names_offered(state)
    assert again.standing() == state.standing()
    numbers = [state.decide(image, 0, []).sampling.number for image, _ in state.offers(1)]
    assert numbers == [3]


def test_after_a_restart_no_image_is_decoded_again(found, monkeypatch):
    state, _ = opened(found)
    for _ in range(3):
        state.decide(state.offers(1)[0][0], 0, [])
    expected = names_offered(state), state.standing()
    read = []
    monkeypatch.setattr("weakspot.serving.review.colors.read_file", lambda path, **_: read.append(path))
    again, _ = opened(found)
    assert (names_offered(again), again.standing()) == expected
    assert read == []


def test_rows_of_older_versions_are_touched_but_not_drawn(found):
    (found / "review.jsonl").write_text(CAT_ROW)
    state, ids = opened(found)
    assert CAT not in dict(names_offered(state))
    assert state.standing().estimate.left == 4
    assert state.decide(ids[CAT], 4, []).sampling is None
    assert state.decide(ids[CAT], 5, None).sampling is None
    assert CAT in dict(names_offered(state))
    assert state.standing().estimate.left == 5


def test_new_predictions_begin_a_round_in_which_nothing_was_drawn(found):
    state, _ = opened(found)
    for _ in range(3):
        state.decide(state.offers(1)[0][0], 0, [])
    assert state.standing().estimate.drawn == 1
    state.replace_predictions([image.item for image in state.changed_since(-1)])
    assert state.standing().estimate.drawn == 1  # the boxes are the same
    state.replace_predictions(moved_predictions(state))
    assert (state.standing().estimate.drawn, state.standing().estimate.left) == (0, 2)
    image, is_random = state.offers(1)[0]
    sampling = state.decide(image, state.get(image).revision, []).sampling
    assert (sampling.number, is_random) == (4, False)


def test_the_goal_is_said_once(found):
    said = []
    state = ReviewState(open_source(found), 60, on_reached=said.append)
    for count in range(5):
        assert state.standing().is_reached == (count >= 3)
        assert len(said) == (count >= 3)
        state.decide(state.offers(1)[0][0], 0, [])


def test_rows_have_decisions_and_withdrawn_ones(found):
    source = open_source(found)
    state = ReviewState(source)
    first, second, *_ = source.items
    state.decide(first.id, 0, [ObjectAnnotation("cat", (0.0, 0.0, 20.0, 20.0))])
    state.decide(second.id, 0, [])
    state.decide(second.id, 1, None)
    assert {name: row.status for name, row in state.rows().items()} == {
        first.name: "corrected",
        second.name: "untouched",
    }
    assert ReviewState(open_source(found)).rows().keys() == state.rows().keys()
