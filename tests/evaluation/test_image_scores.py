from dataclasses import replace

import numpy as np

from weakspot.evaluation.image_scores import describe_image_score, image_scores
from weakspot.models.model_info import ModelInfo
from weakspot.ops.presence import Presence

INFO = ModelInfo(("crack", "free", "hole"), background_index=1)


def test_the_score_is_the_probability_and_without_one_the_peak_of_each_method():
    maps = [np.array([[-3.0, -1.0]]), np.array([[0.5, 7.0]])]
    assert image_scores(["cam", "gradcam"], 0.3, maps) == {"cam": 0.3, "gradcam": 0.3}
    assert image_scores(["cam", "gradcam"], None, maps) == {"cam": -1, "gradcam": 7}
    assert image_scores(["cam"], None, []) == {}


def test_the_score_is_described():
    assert "free" in describe_image_score(INFO)
    assert "calibrated" in describe_image_score(replace(INFO, presence=Presence(1.0, 1.0, 0.0, 0.5)))
    assert "peak" in describe_image_score(ModelInfo(INFO.class_names))
