import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from refusals import refused
from sklearn.metrics import average_precision_score

from weakspot.metrics import ImagePixelAP, PxAP

MAPS = np.array([[[0.9, 0.4, 0.1]], [[0.2, 0.3, 0.1]], [[0.5, 0.5, 0.5]]])
MASKS = np.array([[[1, 0, 0]], [[1, 0, 0]], [[1, 0, 255]]], np.uint8)
PAIRS = st.integers(1, 4).flatmap(
    lambda images: st.tuples(
        arrays(np.float64, (images, 3, 4), elements=st.integers(0, 8).map(lambda n: n / 8)),
        arrays(np.uint8, (images, 3, 4), elements=st.sampled_from([0, 1, 255])),
    )
)


def filled(metric, maps=MAPS, masks=MASKS, **options):
    metric.update(maps, masks, **options)
    return metric


def test_it_is_the_mean_of_the_images_by_hand():
    """The best score of all; the second one; all scores equal, of which half are the object's."""
    assert float(filled(ImagePixelAP()).compute()) == pytest.approx((100 + 50 + 50) / 3)


def test_one_image_has_its_px_ap():
    one = filled(PxAP(), MAPS[1:2], MASKS[1:2])
    assert float(filled(ImagePixelAP(), MAPS[1:2], MASKS[1:2]).compute()) == pytest.approx(float(one.compute()))


def test_scores_within_a_bin_are_ties():
    maps, masks = np.array([[[0.51, 0.52]]]), np.array([[[0, 1]]], np.uint8)
    assert filled(ImagePixelAP(), maps, masks).compute() == 100
    assert filled(ImagePixelAP(0.1), maps, masks).compute() == 50


@given(PAIRS)
def test_it_equals_scikit_learn_where_no_bin_has_two_scores(pairs):
    maps, masks = pairs
    masks[:, 0, 0] = 1
    known = [(mask[mask != 255] == 1, map_[mask != 255]) for map_, mask in zip(maps, masks, strict=True)]
    expected = 100 * np.mean([average_precision_score(*pair) for pair in known])
    assert float(filled(ImagePixelAP(), maps, masks).compute()) == pytest.approx(expected, abs=1e-9)


@given(PAIRS, st.floats(0.1, 1))
def test_the_scale_of_an_image_does_not_matter(pairs, factor):
    maps, masks = pairs
    masks[:, 0, 0] = 1
    scaled = maps * np.linspace(factor, 1, len(maps))[:, None, None]
    expected = float(filled(ImagePixelAP(), maps, masks).compute())
    assert float(filled(ImagePixelAP(), scaled, masks).compute()) == pytest.approx(expected)


def test_groups_and_batches_give_the_same():
    metric = ImagePixelAP(groups=3, samples=50)
    for i in range(3):
        filled(metric, MAPS[i : i + 1], MASKS[i : i + 1], groups=np.array([min(i, 1)]))
    assert float(metric.compute()) == pytest.approx(200 / 3)
    np.testing.assert_allclose(metric.per_group(), [100, 50, np.nan])
    low, high = metric.interval()
    assert low <= 200 / 3 <= high


@pytest.mark.parametrize(
    ("maps", "masks", "code"),
    [
        pytest.param(MAPS, 0 * MASKS, "mask-empty", id="no foreground"),
        pytest.param(MAPS, MASKS[:1], "length-mismatch", id="number"),
        pytest.param(MAPS + 1, MASKS, "out-of-range", id="scores"),
    ],
)
def test_unusable_maps_and_masks_are_refused_and_not_counted(maps, masks, code):
    metric = ImagePixelAP()
    with refused(code):
        metric.update(maps, masks)
    assert metric.total == 0
