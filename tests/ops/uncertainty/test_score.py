from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from refusals import refused

from weakspot.cams import METHODS
from weakspot.ops.uncertainty import (
    REFERENCE_CUES,
    Cues,
    TypicalArea,
    normalized_cues,
    reference_method,
    uncertainty_cues,
    uncertainty_score,
    unusual_area,
)

Y, X = np.mgrid[:32, :32]
DISC = ((Y - 15) ** 2 + (X - 12) ** 2 < 80).astype(np.float32)
NOISE = np.random.default_rng(0).random((32, 32)).astype(np.float32)
NUMBERS = st.floats(0, 1)
CUES = st.builds(Cues, NUMBERS, NUMBERS, NUMBERS, *[st.none() | NUMBERS] * 3)


def doubt(heatmap, reference_map=None, foreground=None):
    return uncertainty_score(uncertainty_cues(heatmap, 0.5, reference_map=reference_map, foreground=foreground))


def test_a_disc_with_agreeing_maps_is_certain_and_noise_is_not():
    assert doubt(DISC, DISC, DISC) < 0.01
    assert doubt(NOISE, NOISE.T, DISC) > 0.6


def test_each_disagreement_raises_the_uncertainty():
    agreed = doubt(DISC, DISC, DISC)
    assert doubt(DISC, DISC[::-1, ::-1], DISC) > agreed
    assert doubt(DISC, DISC, DISC[::-1, ::-1]) > agreed


def test_an_unusual_area_raises_the_uncertainty():
    """The disc's box is 17 x 17 of 32 x 32 pixels."""
    cues = [uncertainty_cues(DISC, 0.5, typical_area=TypicalArea(np.log(area), 0.5)) for area in (17 * 17 / 1024, 0.03)]
    assert cues[0].unusual_area == 0
    assert cues[1].unusual_area == unusual_area(17 * 17 / 1024, TypicalArea(np.log(0.03), 0.5)) > 0.5
    assert uncertainty_score(cues[1]) > uncertainty_score(cues[0])


def test_an_empty_heatmap_is_fully_uncertain():
    assert uncertainty_cues(np.zeros((4, 5), np.float32), 0.5) is None
    assert doubt(np.zeros((4, 5), np.float32), DISC, DISC) == 1


def test_reference_cues_are_one_half_and_unavailable_cues_do_not_count():
    assert uncertainty_score(REFERENCE_CUES) == pytest.approx(0.5)
    some = replace(REFERENCE_CUES, background=None, unusual_area=None)
    assert uncertainty_score(replace(some, disagreement=None)) == pytest.approx(0.5)
    assert list(normalized_cues(some)) == [
        "box_instability",
        "competing_area",
        "inseparability",
        "disagreement",
    ]


def test_a_mirrored_image_has_the_same_uncertainty():
    smooth = np.exp(-((Y - 13.0) ** 2 + (X - 9.0) ** 2) / 60).astype(np.float32)
    maps = [smooth, smooth**2 + 0.2 * DISC, DISC]
    mirrored = [np.ascontiguousarray(one[:, ::-1]) for one in maps]
    assert doubt(*mirrored) == pytest.approx(doubt(*maps), abs=0.01)


@given(CUES, st.sampled_from(["box_instability", "competing_area", "inseparability"]), NUMBERS)
def test_the_score_is_a_fraction_and_rises_with_each_cue(cues, name, more):
    other = replace(cues, **{name: max(more, getattr(cues, name))})
    assert 0 <= uncertainty_score(cues) <= uncertainty_score(other) <= 1


@pytest.mark.parametrize("method", METHODS)
def test_a_witness_is_another_method(method):
    assert reference_method(method) in set(METHODS) - {method}


def test_a_heatmap_with_nan_is_refused():
    with refused("not-finite"):
        uncertainty_cues(np.full((3, 3), np.nan), 0.5)
