"""Processes train together only if they train alike."""

from dataclasses import replace

import pytest
from small_runs import SMALL

from weakspot.errors import InputError
from weakspot.training.agreeing import check_same_config
from weakspot.training.options import TrainOptions
from weakspot.training.setup import set_up

OPTIONS = TrainOptions(**SMALL)


@pytest.fixture(scope="module")
def prepared(scenes):
    return set_up(scenes, OPTIONS, lambda _: None)


def told(prepared, options):
    """What a process tells the others."""
    texts = []
    check_same_config(prepared, options, lambda text: texts.append(text) or [text])
    return texts[0]


def test_whoever_trains_otherwise_is_refused(prepared):
    with pytest.raises(InputError, match="do not train alike") as refused:
        check_same_config(prepared, OPTIONS, lambda text: [text, "another"])
    assert len(str(refused.value).splitlines()) == 2


def test_places_may_differ(prepared, tmp_path):
    assert told(prepared, replace(OPTIONS, output=tmp_path, workers=7)) == told(prepared, OPTIONS)


def test_options_and_images_may_not(prepared):
    training = replace(prepared.grounds.training, readable=prepared.grounds.training.readable[1:])
    fewer = replace(prepared, grounds=replace(prepared.grounds, training=training))
    three = told(prepared, OPTIONS), told(prepared, replace(OPTIONS, seed=1)), told(fewer, OPTIONS)
    assert len(set(three)) == 3
