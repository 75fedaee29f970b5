import shutil
from dataclasses import replace

import numpy as np
import pytest
from refusals import refused

from weakspot.data import ObjectAnnotation, read_dataset
from weakspot.inference.localizer import Localizer
from weakspot.metrics.best_iou import NATIVE_THRESHOLDS
from weakspot.models.checkpoint import read_metadata, rewrite_metadata
from weakspot.models.run_files import MODEL_FILE
from weakspot.training.box_areas import typical_areas
from weakspot.training.refit import _cross_validated, compare_thresholds, is_better, refit_thresholds, scores_at


@pytest.fixture
def misfit(discs_run, tmp_path):
    """A run whose threshold cuts off all but the peak of each object."""
    run = shutil.copytree(discs_run, tmp_path / "run")
    metadata = read_metadata(run)
    rewrite_metadata(run, replace(metadata, info=replace(metadata.info, threshold=0.99, class_thresholds=())))
    return run


def test_a_threshold_that_does_not_fit_is_replaced(misfit, boxed):
    result = refit_thresholds(misfit, boxed)
    assert (result.metric, result.images, result.comparison.improves) == ("GT-known Loc", 80, True)
    assert result.comparison.before < 50 < result.comparison.after
    info = read_metadata(misfit).info
    assert (info.threshold, info.class_thresholds) == (result.threshold, result.class_thresholds)
    assert info.typical_areas == typical_areas(boxed.samples, info.class_names) != ()
    assert Localizer(misfit, backend="torch").threshold == result.threshold < 0.99
    assert read_metadata(misfit).threshold_from.startswith("best GT-known Loc on 80 boxes")


def test_uncertain_images_of_a_review_choose_no_threshold_if_there_are_others(misfit, boxed):
    whole = ObjectAnnotation(boxed.samples[0].objects[0].label, (0.0, 0.0, 64.0, 64.0))
    odd = [replace(sample, objects=(whole,), by_uncertainty=True) for sample in boxed.samples[20:]]
    expected = refit_thresholds(shutil.copytree(misfit, misfit.parent / "alike"), with_samples(boxed, 20))
    result = refit_thresholds(misfit, replace(boxed, samples=(*boxed.samples[:20], *odd)))
    assert result == expected
    assert result.comparison.improves


def test_a_box_outside_its_image_is_refused(misfit, boxed):
    outside = replace(boxed.samples[3], objects=(ObjectAnnotation("red", (-50.0, -50.0, 5000.0, 5000.0)),))
    written = (misfit / MODEL_FILE).read_bytes()
    with refused("box-invalid", outside.image_id):
        refit_thresholds(misfit, replace(boxed, samples=(*boxed.samples[:3], outside)))
    assert (misfit / MODEL_FILE).read_bytes() == written


def with_samples(dataset, count):
    return replace(dataset, samples=dataset.samples[:count])


def test_thresholds_that_cannot_be_improved_are_kept(misfit, boxed):
    refit_thresholds(misfit, boxed)
    written = (misfit / MODEL_FILE).read_bytes()
    assert not refit_thresholds(misfit, boxed).comparison.improves
    assert (misfit / MODEL_FILE).read_bytes() == written


def test_rewriting_metadata_changes_no_weight(misfit, discs_run):
    found, expected = (Localizer(run, backend="torch").model.state_dict() for run in (misfit, discs_run))
    assert found.keys() == expected.keys()
    assert all((found[name] == expected[name]).all() for name in expected)


def test_images_without_boxes_are_refused(misfit, discs):
    with refused("missing-annotations", discs):
        refit_thresholds(misfit, read_dataset(discs))


def test_a_single_box_is_refused(misfit, boxed):
    with refused("missing-annotations", 1):
        refit_thresholds(misfit, replace(boxed, samples=boxed.samples[:1]))


def right_at(*thresholds):
    """Scores of images that are right near one threshold each."""
    return (np.abs(NATIVE_THRESHOLDS - np.array(thresholds)[:, None]) < 0.05).astype(float)


TWO = np.array([0, 0, 0, 1] * 10)


def test_classes_whose_objects_differ_in_size_get_thresholds_of_their_own():
    found = compare_thresholds(right_at(*[0.3, 0.3, 0.3, 0.7] * 10), TWO, (0.5, 0.5), per_class=True)
    assert (found.before, found.shifted, found.per_class, found.improves) == (0, 75, 100, True)
    assert found.class_thresholds == pytest.approx((0.3, 0.7), abs=0.01)
    assert found.after == 100


def test_maps_as_published_have_one_threshold():
    found = compare_thresholds(right_at(*[0.3, 0.3, 0.3, 0.7] * 10), TWO, (0.5, 0.5), per_class=False)
    assert (found.class_thresholds, found.after, found.improves) == ((), 75, True)


def test_of_equally_good_thresholds_the_simpler_are_chosen_and_those_of_the_run_are_kept():
    found = compare_thresholds(right_at(*[0.3] * 40), TWO, (0.32, 0.28), per_class=True)
    assert (found.before, found.shifted, found.per_class) == (100, 100, 100)
    assert (found.is_per_class, found.improves) == (False, False)


def test_a_shift_keeps_what_tells_classes_apart():
    """A single threshold is right for three of four images."""
    found = compare_thresholds(right_at(*[0.4, 0.4, 0.4, 0.6] * 10), TWO, (0.2, 0.4), per_class=True)
    assert (found.before, found.shifted, found.is_per_class, found.improves) == (0, 100, False, True)
    assert found.class_thresholds == pytest.approx((0.4, 0.6), abs=0.01)
    assert found.threshold == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("seed", range(20))
def test_equal_scores_are_not_better_because_sums_are_rounded(seed):
    """Whether a box is right does not depend on the threshold."""
    random = np.random.default_rng(seed)
    scores = np.repeat(random.integers(0, 2, (random.integers(6, 40), 1)), len(NATIVE_THRESHOLDS), axis=1)
    classes = random.integers(0, 2, len(scores))
    found = compare_thresholds(scores.astype(float), classes, (0.5, 0.5), per_class=True)
    assert not found.improves
    assert found.class_thresholds == ()


def test_scores_are_those_at_the_threshold_of_the_class():
    scores = np.zeros((2, len(NATIVE_THRESHOLDS)))
    scores[0, 299] = scores[1, 699] = 1  # right at 0.3, and at 0.7
    assert scores_at(scores, np.array([0, 1]), (0.3, 0.7)).tolist() == [1, 1]
    assert scores_at(scores, np.array([0, 1]), (0.3, 0.3)).tolist() == [1, 0]
    assert scores_at(scores, np.array([1, 0]), (0.3, 0.7)).tolist() == [0, 0]


def test_an_image_is_scored_at_what_the_others_chose():
    """Each of three images is right at a threshold of its own: what the others choose is wrong for it."""
    scores = np.zeros((3, len(NATIVE_THRESHOLDS)))
    scores[[0, 1, 2], [99, 499, 899]] = 1

    def rule(chosen_on, _):
        return (float(NATIVE_THRESHOLDS[chosen_on.sum(axis=0).argmax()]),)

    assert _cross_validated(scores, np.zeros(3, int), rule).tolist() == [0, 0, 0]
    assert scores_at(scores, np.zeros(3, int), rule(scores, None)).mean() == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    ("gained", "lost", "better"),
    [(3, 0, True), (2, 0, False), (8, 3, False), (9, 3, True), (0, 0, False), (0, 5, False)],
)
def test_a_gain_that_may_be_an_accident_is_not_better(gained, lost, better):
    before = np.array([0.0] * gained + [1.0] * lost + [1.0, 0.0] * 20)
    after = np.array([1.0] * gained + [0.0] * lost + [1.0, 0.0] * 20)
    assert is_better(after, before) == better


def test_thresholds_that_may_be_better_by_accident_are_not_used():
    """Of forty images, all are right at 0.3, and 38 at the current threshold of 0.5."""
    scores = right_at(*[0.3] * 40)
    scores[:38] = np.maximum(scores[:38], right_at(*[0.5] * 38))
    found = compare_thresholds(scores, np.zeros(40, int), (0.5,), per_class=True)
    assert (found.before, found.shifted, found.improves, found.threshold, found.after) == (95, 100, False, 0.5, 95)


def test_a_few_boxes_keep_a_calibration_on_many(misfit, boxed):
    assert refit_thresholds(misfit, wrong_sometimes(boxed)).calibrated
    calibration = read_metadata(misfit).info.calibration
    few = replace(boxed, samples=boxed.samples[:3])
    result = refit_thresholds(misfit, few)
    assert not result.comparison.improves
    assert not result.calibrated
    assert read_metadata(misfit).info.calibration == calibration != ()


def wrong_sometimes(dataset):
    """Move every fifth box, so that some predictions are wrong."""
    samples = [
        replace(s, objects=(replace(s.objects[0], box=(0.0, 0.0, 4.0, 4.0)),)) if i % 5 == 0 else s
        for i, s in enumerate(dataset.samples)
    ]
    return replace(dataset, samples=tuple(samples))
