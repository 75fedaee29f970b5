import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from skimage.filters import threshold_otsu
from small_runs import small

from weakspot import Localizer, evaluation
from weakspot.data import read_dataset
from weakspot.runs import read_trained
from weakspot.training.thresholds import choose_threshold, otsu


@settings(max_examples=30)
@example(seed=364, share=0.1015625, gap=0.5)  # no pixel at the highest levels
@given(st.integers(0, 999), st.floats(0.1, 0.9), st.floats(0.05, 0.9))
def test_pixels_fall_into_the_classes_of_skimage(seed, share, gap):
    random = np.random.default_rng(seed)
    low, high = random.normal(0.2, 0.06, 1000), random.normal(min(0.2 + gap, 0.95), 0.06, 1000)
    levels = (100 * np.where(random.random(1000) < share, low, high).clip(0, 1)).round().astype(int)
    found = otsu([levels[:300] / 100, levels[300:] / 100])
    assert ((levels > threshold_otsu(levels)) == (levels >= round(100 * found))).all()


@given(st.lists(arrays(np.float32, (3, 4), elements=st.floats(0, 1, width=32)), max_size=4))
def test_the_threshold_lies_within_0_and_1(heatmaps):
    assert 0 < otsu(heatmaps) <= 1


def test_two_levels_are_cut_in_the_middle():
    assert otsu([np.array([[0.2, 0.2, 0.8]])]) == 0.5


@pytest.mark.parametrize("heatmaps", [[], [np.zeros((2, 2))]])
def test_without_a_value_there_is_the_threshold_of_cam(heatmaps):
    assert otsu(heatmaps) == 0.2


def test_heatmaps_without_a_value_are_passed_over():
    some = np.array([[0.1, 0.3, 0.9, 1.0]])
    assert otsu([some, np.zeros((9, 9))]) == otsu([some])


def test_no_order_matters():
    random = np.random.default_rng(0)
    heatmaps = [random.random((4, 4)) for _ in range(5)]
    assert otsu(heatmaps) == otsu(reversed(heatmaps))


@pytest.fixture(scope="module")
def run(scenes, tmp_path_factory):
    return small(scenes, tmp_path_factory.mktemp("run") / "run", lr=1e-2, epochs=3, backbone="test_resnet")


def held(data):
    dataset = read_dataset(data)
    return dataset, [example for example in dataset.examples if example.split in ("val", "")]


def test_the_best_threshold_on_validation_boxes_is_taken(run, scenes):
    localizer, (dataset, validation) = Localizer(run), held(scenes)
    threshold, found_by = choose_threshold(localizer, dataset, validation)
    figures = evaluation.evaluate(localizer, dataset, split="val", validation="", samples=0).first.figures
    assert threshold == max(0.01, figures["GT-known Loc"].oracle_thresholds[0])
    assert found_by.startswith("best GT-known Loc on the validation split (")
    assert read_trained(run).threshold == threshold
    assert read_trained(run).threshold_from == found_by
    assert localizer.threshold == threshold


@pytest.mark.parametrize(
    ("accuracy", "chosen"),
    [
        pytest.param(40.0, "best GT-known Loc", id="one that finds something is taken, above 0"),
        pytest.param(0.0, "Otsu's rule", id="one that finds nothing is not taken"),
    ],
)
def test_a_threshold_of_0_cuts_nothing_and_is_not_taken(accuracy, chosen, run, scenes, monkeypatch):
    class Figure:
        oracle, oracle_thresholds = accuracy, (0.0,)

    class Found:
        class first:  # noqa: N801
            figures = {"GT-known Loc": Figure}  # noqa: RUF012

    monkeypatch.setattr("weakspot.training.thresholds.evaluate", lambda *_, **__: Found)
    threshold, found_by = choose_threshold(Localizer(run), *held(scenes))
    assert found_by.startswith(chosen)
    assert threshold == 0.01 or (accuracy == 0 and 0.01 < threshold < 1)


def test_a_run_whose_boxes_are_never_found_localizes(scenes, tmp_path):
    run = small(scenes, tmp_path / "run", lr=1e-6, epochs=1, backbone="test_resnet")
    assert 0 < Localizer(run).threshold <= 1


def test_without_boxes_there_is_otsu_over_the_heatmaps_of_the_own_classes(run, discs):
    from dataclasses import replace

    localizer = Localizer(run)
    dataset, validation = held(discs)
    names = localizer.class_names
    renamed = [
        replace(one, truths=(replace(one.truths[0], label=names[number % 2]),)) for number, one in enumerate(validation)
    ]
    threshold, found_by = choose_threshold(localizer, dataset, renamed)
    maps = [localizer(one.path, classes=[one.truths[0].label]).heatmap for one in renamed]
    assert found_by == "Otsu's rule on 16 heatmaps"
    assert threshold == otsu(maps)
