import numpy as np
import pytest

from weakspot.evaluation.image_scores import describe_image_score, image_scores, object_probability
from weakspot.models.model_info import ModelInfo

INFO = ModelInfo(("crack", "free", "hole"), background_index=1)


def test_probability_of_an_object_is_the_rest_of_the_background():
    logits = np.array([0.0, np.log(3), 0.0], np.float32)
    assert object_probability(logits, INFO) == pytest.approx(0.4)
    multi_label = ModelInfo(INFO.class_names, multi_label=True, background_index=1)
    assert object_probability(logits, multi_label) == pytest.approx(0.25)
    assert object_probability(logits, ModelInfo(INFO.class_names)) is None


def test_the_score_is_the_probability_and_without_one_the_peak_of_each_method():
    maps = [np.array([[-3.0, -1.0]]), np.array([[0.5, 7.0]])]
    assert image_scores(["cam", "gradcam"], 0.3, maps) == {"cam": 0.3, "gradcam": 0.3}
    assert image_scores(["cam", "gradcam"], None, maps) == {"cam": -1, "gradcam": 7}
    assert image_scores(["cam"], None, []) == {}


def test_the_score_is_described():
    assert "free" in describe_image_score(INFO)
    assert "peak" in describe_image_score(ModelInfo(INFO.class_names))
