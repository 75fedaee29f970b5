import numpy as np
import pytest

from weakspot.errors import InputError
from weakspot.ops import box_from_heatmap, heatmap_from_class_map, resize

USES = [
    pytest.param(lambda values: box_from_heatmap(values, 0.2), "A heatmap", id="box"),
    pytest.param(lambda values: heatmap_from_class_map(values, height=4, width=4), "A class map", id="heatmap"),
    pytest.param(lambda values: resize(values, height=4, width=4), "Maps", id="resize"),
]


@pytest.mark.parametrize(("use", "name"), USES)
def test_what_is_no_array_of_numbers_is_refused_in_two_lines(use, name):
    with pytest.raises(InputError) as refusal:
        use([[0.5, 1.0]])
    problem, hint = str(refusal.value).splitlines()
    assert problem == f"{name} must be an array; this is of type list."
    assert hint.startswith("Give a numpy array")
    with pytest.raises(InputError, match=f"{name} must hold real numbers; these are complex128"):
        use(np.array([[1j]]))


@pytest.mark.parametrize("size", [{"height": 0, "width": 4}, {"height": 4, "width": -1}])
def test_a_size_without_pixels_is_refused(size):
    with pytest.raises(InputError, match="is no size to resize to"):
        resize(np.ones((2, 2)), **size)
