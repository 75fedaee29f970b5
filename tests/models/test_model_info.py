import json
from dataclasses import asdict, replace

import pytest
from refusals import refused

from weakspot.errors import ModelError
from weakspot.models.model_info import ModelInfo
from weakspot.ops.preprocessing import Preprocessing
from weakspot.ops.presence import Presence
from weakspot.ops.uncertainty import TypicalArea

AREAS = (TypicalArea(-1.5, 0.5), TypicalArea(-4.0, 1.0))
FRAME = Preprocessing(96, 64, (0.5,), (0.25,))
INFO = ModelInfo(("a", "b"), FRAME, "cam", "fast", 0.4, (0.3, 0.6), True, 1, (5.0, -4.0), AREAS)
DECIDES = replace(INFO, multi_label=False, presence=Presence(0.5, 1.0, -3.0, 0.7))


def test_info_is_read_back_from_json():
    assert ModelInfo.from_dict(json.loads(json.dumps(INFO.to_dict()))) == INFO


def test_presence_is_read_back_from_json():
    assert ModelInfo.from_dict(json.loads(json.dumps(DECIDES.to_dict()))) == DECIDES


@pytest.mark.parametrize(
    ("changes", "value"),
    [
        ({"presence": [1, 1, 0]}, "threshold"),
        ({"presence": [-1, 1, 0, 0.5]}, -1.0),
        ({"presence": [1, 1, "nan", 0.5]}, "nan"),
        ({"presence": [1, 1, 0, 1.5]}, 1.5),
        ({"presence": 3}, "int"),
        ({"multi_label": True}, "one is right"),
        ({"background_index": None}, "background_index"),
    ],
)
def test_invalid_presence_is_refused(changes, value):
    with refused("metadata-invalid", value, kind=ModelError):
        ModelInfo.from_dict({**DECIDES.to_dict(), **changes})


def test_absent_fields_have_defaults():
    assert ModelInfo.from_dict({"class_names": ["a"], "preprocessing": {}}) == ModelInfo(("a",))


@pytest.mark.parametrize(
    ("changes", "value"),
    [
        ({"class_names": 4}, "int"),
        ({"preprocessing": {"height": "tall"}}, "tall"),
        ({"preprocessing": {"height": -1}}, -1),
        ({"preprocessing": {"std": [0, 0, 0]}}, 0),
        ({"preprocessing": {"mean": ["a", "b", "c"]}}, "a"),
        ({"preprocessing": None}, "None"),
        ({"threshold": 0}, 0),
        ({"threshold": 1.5}, 1.5),
        ({"threshold": "half"}, "str"),
        ({"class_thresholds": (0.5,)}, 0.5),
        ({"class_thresholds": (0.5, 1.0)}, 1.0),
        ({"class_thresholds": (0.5, 0.0)}, 0.0),
        ({"class_thresholds": ("half", "half")}, "half"),
        ({"threshold": 1}, 1),
        ({"threshold": None}, "None"),
        ({"background_index": 2}, 2),
        ({"background_index": -1}, -1),
        ({"quality": "sharp"}, "sharp"),
        ({"method": 3}, 3),
        ({"multi_label": "yes"}, "yes"),
        ({"calibration": (5.0,)}, 5.0),
        ({"calibration": (-1.0, 2.0)}, -1.0),
        ({"calibration": (float("nan"), 2.0)}, "nan"),
        ({"typical_areas": [(-1.5, 0.5)]}, -1.5),
        ({"typical_areas": [(-1.5, 0.5), (-4.0, 0)]}, -4.0),
        ({"typical_areas": [(-1.5, 0.5), ("nan", 1)]}, "nan"),
        ({"typical_areas": [(-1.5, 0.5), (-4.0,)]}, "log_spread"),
        ({"typical_areas": [(-1.5, 0.5), ("large", 1)]}, "large"),
        ({"typical_areas": [-1.5, -4.0]}, "float"),
        ({"epochs": 3}, "epochs"),
    ],
)
def test_invalid_fields_are_refused(changes, value):
    with refused("metadata-invalid", value, kind=ModelError):
        ModelInfo.from_dict({**asdict(INFO), **changes})


@pytest.mark.parametrize("missing", ["class_names", "preprocessing"])
def test_a_missing_field_is_refused(missing):
    with refused("metadata-invalid", missing, kind=ModelError):
        ModelInfo.from_dict({name: value for name, value in asdict(INFO).items() if name != missing})
