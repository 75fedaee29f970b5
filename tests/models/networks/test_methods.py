from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from refusals import refused

from weakspot.cams import METHODS
from weakspot.errors import InputError
from weakspot.models.networks import AUGMENTATIONS, HEADS, TrainingMethod, parse_method


@pytest.mark.parametrize(
    ("text", "method", "class_map_method"),
    [
        pytest.param("cam", TrainingMethod("cam"), "cam", id="CAM"),
        pytest.param("acol", TrainingMethod("acol"), "acol", id="ACoL"),
        pytest.param("spg", TrainingMethod("spg"), "cam", id="SPG uses CAM"),
        pytest.param("ts_cam", TrainingMethod("ts_cam"), "ts_cam", id="TS-CAM"),
        pytest.param("has", TrainingMethod("cam", "has"), "cam", id="HaS trains the head of CAM"),
        pytest.param("cutmix", TrainingMethod("cam", "cutmix"), "cam", id="CutMix likewise"),
        pytest.param("adl", TrainingMethod("cam", "", adl=True), "cam", id="ADL likewise"),
        pytest.param("acol+adl+has", TrainingMethod("acol", "has", adl=True), "acol", id="three together"),
        pytest.param("ts_cam+cutmix", TrainingMethod("ts_cam", "cutmix"), "ts_cam", id="TS-CAM with CutMix"),
        pytest.param("mil", TrainingMethod("mil"), "cam", id="MIL trains the network of CAM"),
        pytest.param("spg+adl+has", TrainingMethod("spg", "has", adl=True), "cam", id="SPG with ADL and HaS"),
        pytest.param(" ACoL + CutMix ", TrainingMethod("acol", "cutmix"), "acol", id="case and spaces do not matter"),
        pytest.param("cam+cam+has+has", TrainingMethod("cam", "has"), "cam", id="twice is once"),
    ],
)
def test_a_method_is_parsed_from_its_name(text, method, class_map_method):
    assert parse_method(text) == method
    assert parse_method(text).class_map_method == class_map_method


@pytest.mark.parametrize(
    ("text", "frozen", "code", "value"),
    [
        pytest.param("cam+acol", False, "options-conflict", "cam and acol", id="heads"),
        pytest.param("cutmix+has", False, "options-conflict", "cutmix and has", id="augmentations"),
        pytest.param("adl+ts_cam", False, "options-conflict", "ts_cam", id="ADL in a transformer"),
        pytest.param("spg+cutmix", True, "options-conflict", "cutmix", id="SPG with CutMix, frozen or not"),
        pytest.param("spg", True, "options-conflict", "--freeze none", id="SPG on a frozen backbone"),
        pytest.param("psol+has", False, "options-conflict", "psol", id="PSOL with an augmentation"),
        pytest.param("acoll", False, "unknown-method", "acol?", id="similar name"),
        pytest.param("zzz", False, "unknown-method", "cutmix", id="no similar name"),
        pytest.param("has+", False, "unknown-method", "''", id="nothing after a plus"),
    ],
)
def test_invalid_combinations_are_refused(text, frozen, code, value):
    with refused(code, value):
        parse_method(text, frozen=frozen)


@pytest.mark.parametrize("text", ["cam", "acol", "ts_cam", "has", "cutmix", "acol+adl+has"])
def test_other_methods_allow_a_frozen_backbone(text):
    assert parse_method(text, frozen=True) == parse_method(text)


@given(st.sampled_from(HEADS), st.sampled_from(("", *AUGMENTATIONS)), st.booleans())
def test_order_does_not_matter_and_the_class_map_method_exists(head, augmentation, adl):
    words = [word for word in (head, augmentation, "adl" if adl else "") if word]
    results = set()
    for order in permutations(words):
        try:
            results.add(parse_method("+".join(order)))
        except InputError as error:
            results.add(str(error))
    (result,) = results
    invalid = (head == "ts_cam" and adl) or (head == "spg" and augmentation == "cutmix")
    invalid |= head == "psol" and len(words) > 1
    assert isinstance(result, str) is invalid
    if not invalid:
        assert result == TrainingMethod(head, augmentation, adl)
        assert result.class_map_method in METHODS
