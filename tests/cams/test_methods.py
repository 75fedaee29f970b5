from refusals import refused

from weakspot.cams import METHODS, find_method
from weakspot.config import MAP_METHODS
from weakspot.inference.quality import FOREGROUND_THRESHOLD, PROPAGATED_THRESHOLD


def test_their_names_are_known_without_importing_them():
    assert tuple(METHODS) == MAP_METHODS


def test_the_four_of_the_lecture_that_read_a_trained_classifier_are_there():
    assert {"cam", "gradcam", "gradcam++"} <= METHODS.keys()


def test_convention_thresholds_are_those_of_the_papers():
    assert find_method("cam").threshold == 0.2
    assert find_method("gradcam").threshold == 0.15


def test_thresholds_are_those_of_the_protocol_page():
    at_a_fifth = {name for name, method in METHODS.items() if method.threshold == 0.2}
    assert at_a_fifth == {"cam", "hirescam", "acol", "acol_a", "acol_b", "ts_cam"}
    assert {method.threshold for name, method in METHODS.items() if name not in {*at_a_fifth, "psol"}} == {0.15}
    assert (find_method("psol").threshold, PROPAGATED_THRESHOLD, FOREGROUND_THRESHOLD) == (0.5, 0.4, 0.55)


def test_an_unknown_method_is_refused_with_near_ones():
    with refused("unknown-method", "gradcm", "gradcam"):
        find_method("gradcm")
    with refused("unknown-method", "zzz", "cam, gradcam,"):
        find_method("zzz")
