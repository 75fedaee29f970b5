import numpy as np
import pytest
from refusals import refused

from weakspot.ops import box_from_heatmap, heatmap_from_class_map, resize

USES = [
    pytest.param(lambda values: box_from_heatmap(values, 0.2), "heatmap", id="box"),
    pytest.param(lambda values: heatmap_from_class_map(values, height=4, width=4), "class_map", id="heatmap"),
    pytest.param(lambda values: resize(values, height=4, width=4), "maps", id="resize"),
]


@pytest.mark.parametrize(("use", "name"), USES)
def test_lists_and_complex_numbers_are_refused(use, name):
    with refused("array-invalid", name, "list"):
        use([[0.5, 1.0]])
    with refused("dtype-mismatch", name, "complex128"):
        use(np.array([[1j]]))


@pytest.mark.parametrize("size", [{"height": 0, "width": 4}, {"height": 4, "width": -1}])
def test_a_size_without_pixels_is_refused(size):
    with refused("out-of-range", min(size.values())):
        resize(np.ones((2, 2)), **size)
