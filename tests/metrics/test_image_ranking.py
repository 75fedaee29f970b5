import pickle
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from refusals import refused
from sklearn.metrics import average_precision_score, roc_auc_score

from weakspot.metrics import ImageAP, ImageAUROC, image_auroc, image_average_precision

SCORES = np.array([0.9, 0.7, 0.7, 0.3, 0.2])
HAS = np.array([True, False, True, False, True])
RANKINGS = [(image_auroc, roc_auc_score), (image_average_precision, average_precision_score)]
METRICS = [(ImageAUROC, image_auroc), (ImageAP, image_average_precision)]
IMAGES = st.lists(st.tuples(st.integers(0, 4).map(float), st.booleans(), st.integers(0, 3)), min_size=2, max_size=12)


def filled(metric, scores=SCORES, has=HAS, **options):
    metric.update(scores, has, **options)
    return metric


def test_auroc_by_hand():
    """Of 6 pairs, 3 are right, one is a tie, and two are wrong."""
    assert image_auroc(SCORES, HAS) == pytest.approx(100 * 3.5 / 6)


def test_average_precision_by_hand():
    """The first of one; two of three, with a tie; three of five."""
    assert image_average_precision(SCORES, HAS) == pytest.approx(100 * (1 + 2 / 3 + 3 / 5) / 3)


def test_equal_scores_say_nothing():
    assert image_auroc(np.ones(5), HAS) == 50
    assert image_average_precision(np.ones(5), HAS) == pytest.approx(60)


def test_scores_may_be_infinite():
    assert image_auroc(np.array([-np.inf, 0.0, np.inf]), np.array([False, True, True])) == 100


@pytest.mark.parametrize(("ranking", "reference"), RANKINGS)
@given(images=IMAGES)
def test_they_equal_scikit_learn_with_and_without_weights(ranking, reference, images):
    scores, has, weights = (np.array(column) for column in zip(*images, strict=True))
    has[:2], weights[:2] = (True, False), 1
    assert ranking(scores, has) == pytest.approx(100 * reference(has, scores), abs=1e-9)
    expected = 100 * reference(has, scores, sample_weight=weights)
    assert ranking(scores, has, weights) == pytest.approx(expected, abs=1e-9)
    assert ranking(scores, has, np.stack([weights, weights])) == pytest.approx([expected] * 2, abs=1e-9)


@pytest.mark.parametrize(("ranking", "_reference"), RANKINGS)
@given(images=IMAGES)
def test_only_the_order_of_the_scores_matters(ranking, _reference, images):
    scores, has, _ = (np.array(column) for column in zip(*images, strict=True))
    np.testing.assert_array_equal(ranking(scores, has), ranking(np.exp(scores) - 7, has))


@given(images=IMAGES)
def test_auroc_of_the_opposite_is_the_rest(images):
    scores, has, _ = (np.array(column) for column in zip(*images, strict=True))
    has[:2] = True, False
    assert image_auroc(scores, has) + image_auroc(-scores, has) == pytest.approx(100)


@pytest.mark.parametrize(("metric", "ranking"), METRICS)
def test_batches_merging_and_reset_give_the_whole(metric, ranking):
    parts = [filled(metric(), SCORES[some], HAS[some]) for some in (slice(2), slice(2, 5))]
    parts[0].merge_state(pickle.loads(pickle.dumps(parts[1])))
    assert float(parts[0].compute()) == pytest.approx(float(ranking(SCORES, HAS)))
    parts[0].reset()
    assert float(filled(parts[0]).compute()) == pytest.approx(float(ranking(SCORES, HAS)))


@pytest.mark.parametrize(("metric", "ranking"), METRICS)
def test_a_group_has_its_objects_and_all_images_without_one(metric, ranking):
    made = filled(metric(groups=3), groups=np.array([0, 0, 1, 1, 1]))
    first, second = np.array([0, 1, 3]), np.array([1, 2, 3, 4])
    expected = [ranking(SCORES[some], HAS[some]) for some in (first, second)]
    np.testing.assert_allclose(made.per_group()[:2], expected)
    assert np.isnan(made.per_group()[2])


@pytest.mark.parametrize(("metric", "ranking"), METRICS)
def test_interval_is_that_of_a_plain_bootstrap_and_comes_again_with_the_seed(metric, ranking):
    random = np.random.default_rng(0)
    has = random.random(80) < 0.4
    scores = has + random.normal(size=80)
    low, high = filled(metric(samples=1000), scores, has).interval()
    drawn = [ranking(scores[some], has[some]) for some in random.integers(0, 80, (1000, 80))]
    np.testing.assert_allclose([low, high], np.percentile(drawn, [2.5, 97.5]), atol=0.15 * (high - low))
    assert filled(metric(samples=1000), scores, has).interval() == (low, high)
    assert filled(metric(samples=1000, seed=1), scores, has).interval() != (low, high)


@pytest.mark.parametrize(("metric", "_ranking"), METRICS)
def test_without_both_kinds_of_images_there_is_nothing(metric, _ranking):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of torchmetrics, before an update
        assert metric().compute().isnan()
    assert filled(metric(samples=10), SCORES, ~HAS & False).compute().isnan()
    assert np.isnan(filled(metric(samples=10), SCORES, ~HAS & False).interval()).all()


@pytest.mark.parametrize(("metric", "_ranking"), METRICS)
@pytest.mark.parametrize(
    ("scores", "has", "code"),
    [
        pytest.param([0.5, np.nan], [True, False], "not-finite", id="NaN"),
        pytest.param([0.5], [True, False], "length-mismatch", id="number"),
        pytest.param([[0.5]], [[True]], "length-mismatch", id="two axes"),
    ],
)
def test_unusable_scores_are_refused_and_not_counted(metric, _ranking, scores, has, code):
    made = metric()
    with refused(code):
        made.update(scores, has)
    assert not made.scores


def test_an_interval_without_samples_is_refused():
    with refused("missing-samples"):
        filled(ImageAUROC()).interval()
