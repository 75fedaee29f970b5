from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weakspot.cams import METHODS
from weakspot.errors import InputError
from weakspot.models.networks import AUGMENTATIONS, HEADS, TrainingMethod, parse_method


@pytest.mark.parametrize(
    ("text", "recipe", "reads"),
    [
        pytest.param("cam", TrainingMethod("cam"), "cam", id="CAM"),
        pytest.param("acol", TrainingMethod("acol"), "acol", id="ACoL"),
        pytest.param("spg", TrainingMethod("spg"), "cam", id="SPG is read by CAM"),
        pytest.param("ts_cam", TrainingMethod("ts_cam"), "ts_cam", id="TS-CAM"),
        pytest.param("has", TrainingMethod("cam", "has"), "cam", id="HaS trains the head of CAM"),
        pytest.param("cutmix", TrainingMethod("cam", "cutmix"), "cam", id="CutMix likewise"),
        pytest.param("adl", TrainingMethod("cam", "", adl=True), "cam", id="ADL likewise"),
        pytest.param("acol+adl+has", TrainingMethod("acol", "has", adl=True), "acol", id="three together"),
        pytest.param("ts_cam+cutmix", TrainingMethod("ts_cam", "cutmix"), "ts_cam", id="TS-CAM with CutMix"),
        pytest.param("spg+adl+has", TrainingMethod("spg", "has", adl=True), "cam", id="SPG with ADL and HaS"),
        pytest.param(" ACoL + CutMix ", TrainingMethod("acol", "cutmix"), "acol", id="case and spaces do not matter"),
        pytest.param("cam+cam+has+has", TrainingMethod("cam", "has"), "cam", id="twice is once"),
    ],
)
def test_a_recipe_is_read_from_its_name(text, recipe, reads):
    assert parse_method(text) == recipe
    assert parse_method(text).class_map_method == reads


@pytest.mark.parametrize(
    ("text", "frozen", "lines"),
    [
        pytest.param(
            "cam+acol",
            False,
            ["cam and acol do not go together: each is another head.", "Take one of them."],
            id="heads",
        ),
        pytest.param(
            "cutmix+has",
            False,
            [
                "cutmix and has do not go together: "
                "CutMix mixes labels by the area that is seen, and HaS hides some of it.",
                "Take one of them.",
            ],
            id="augmentations",
        ),
        pytest.param(
            "adl+ts_cam",
            False,
            [
                "ADL drops channel means of a convolutional network, and TS-CAM's backbone is a transformer.",
                "Leave one of them out.",
            ],
            id="ADL in a transformer",
        ),
        pytest.param(
            "spg+cutmix",
            True,
            ["SPG's branches would learn the masks that CutMix cuts out.", "Leave one of them out."],
            id="SPG with CutMix, which no --freeze mends",
        ),
        pytest.param(
            "spg",
            True,
            ["SPG teaches the backbone, which is frozen: its class maps would be those of CAM.", "Add --freeze none."],
            id="SPG on a frozen backbone",
        ),
        pytest.param("acoll", False, ["There is no training method 'acoll'.", "Did you mean acol?"], id="near one"),
        pytest.param(
            "zzz",
            False,
            [
                "There is no training method 'zzz'.",
                "Take some of: cam, acol, spg, ts_cam, psol, adl, has, cutmix.",
            ],
            id="near none",
        ),
        pytest.param(
            "has+",
            False,
            ["There is no training method ''.", "Take some of: cam, acol, spg, ts_cam, psol, adl, has, cutmix."],
            id="nothing behind a plus",
        ),
    ],
)
def test_what_does_not_go_together_is_refused_with_the_reason(text, frozen, lines):
    with pytest.raises(InputError) as refusal:
        parse_method(text, frozen=frozen)
    assert str(refusal.value).splitlines() == lines


@pytest.mark.parametrize("text", ["cam", "acol", "ts_cam", "has", "cutmix", "acol+adl+has"])
def test_a_frozen_backbone_is_no_hindrance_to_others(text):
    assert parse_method(text, frozen=True) == parse_method(text)


@given(st.sampled_from(HEADS), st.sampled_from(("", *AUGMENTATIONS)), st.booleans())
def test_order_never_matters_and_the_method_that_reads_exists(head, augmentation, adl):
    words = [word for word in (head, augmentation, "adl" if adl else "") if word]
    found = set()
    for order in permutations(words):
        try:
            found.add(parse_method("+".join(order)))
        except InputError as error:
            found.add(str(error))
    (one,) = found
    refused = (head == "ts_cam" and adl) or (head == "spg" and augmentation == "cutmix")
    refused |= head == "psol" and len(words) > 1
    assert isinstance(one, str) is refused
    if not refused:
        assert one == TrainingMethod(head, augmentation, adl)
        assert one.class_map_method in METHODS
