import numpy as np
import pytest

from weakspot.inference.probabilities import object_probability
from weakspot.models.model_info import ModelInfo

INFO = ModelInfo(("crack", "free", "hole"), background_index=1)


def test_probability_of_an_object_is_the_rest_of_the_background():
    logits = np.array([0.0, np.log(3), 0.0], np.float32)
    assert object_probability(logits, INFO) == pytest.approx(0.4)
    multi_label = ModelInfo(INFO.class_names, multi_label=True, background_index=1)
    assert object_probability(logits, multi_label) == pytest.approx(0.25)
    assert object_probability(logits, ModelInfo(INFO.class_names)) is None
