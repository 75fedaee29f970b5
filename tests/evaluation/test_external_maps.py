import gc
import warnings
from pathlib import Path

import numpy as np
import pytest
from refusals import refused

from weakspot.data import Sample
from weakspot.evaluation.external_maps import check_maps, find_map, map_problem, read_map
from weakspot.evaluation.samples import EvaluationSample

RAMP = np.linspace(0, 1, 224 * 224).reshape(224, 224)


def kept(folder, name, values=RAMP, **options):
    path = Path(folder, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        np.save(file, values, **options)
    return path


def samples(*names):
    return [EvaluationSample(Sample(name, Path(f"{name}.jpg")), (), (), ()) for name in names]


@pytest.mark.parametrize(
    ("image_id", "file"),
    [
        pytest.param("n01/a.JPEG", "n01/a.JPEG.npy", id="as the reference writes it"),
        pytest.param("n01/a.JPEG", "n01/a.npy", id="without the image's suffix"),
        pytest.param("n01/a", "n01/a.npy", id="an id without suffix"),
        pytest.param("n01/a.v2", "n01/a.v2.npy", id="an id with a dot"),
        pytest.param("Größe/ein Bild", "Größe/ein Bild.npy", id="letters and blanks"),
    ],
)
def test_a_map_is_found_by_the_id_of_its_image(image_id, file, tmp_path):
    kept(tmp_path, file)
    assert find_map(tmp_path, image_id) == tmp_path / file
    assert np.array_equal(read_map(tmp_path, image_id), RAMP)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, ">f4"])
def test_maps_are_read_in_double_precision(dtype, tmp_path):
    kept(tmp_path, "a.npy", RAMP.astype(dtype))
    found = read_map(tmp_path, "a")
    assert found.dtype == np.float64
    assert np.array_equal(found, RAMP.astype(dtype).astype(np.float64))


def test_columns_first_in_memory_is_no_matter(tmp_path):
    kept(tmp_path, "a.npy", np.asfortranarray(RAMP))
    assert np.array_equal(read_map(tmp_path, "a"), RAMP)


def test_a_map_of_another_image_is_not_taken_for_one_with_a_dot_in_its_id(tmp_path):
    """``a.v2`` is an id of its own, no ``a`` with a suffix."""
    kept(tmp_path, "red/a.npy")
    assert find_map(tmp_path, "red/a.v2") is None


@pytest.mark.parametrize("image_id", ["../a", "/etc/a", "sub/../../a"])
def test_no_map_outside_the_folder_is_looked_at(image_id, tmp_path):
    kept(tmp_path, "a.npy")
    (tmp_path / "maps/sub").mkdir(parents=True)
    assert find_map(tmp_path / "maps", image_id) is None


def test_a_missing_map_is_refused(tmp_path):
    with refused("map-not-found", "n01/a"):
        read_map(tmp_path, "n01/a")


def test_an_id_that_is_too_long_for_a_file_has_no_map(tmp_path):
    assert find_map(tmp_path, "x" * 255) is None


def header(text):
    return b"\x93NUMPY\x01\x00" + (len(text) + 1).to_bytes(2, "little") + text.encode() + b"\n"


WHOLE = "{'descr': '<f8', 'fortran_order': False, 'shape': (224, 224), }"
BAD = {
    "too small": (RAMP[:100], "contains float64 of shape (100, 224)"),
    "three dimensions": (RAMP[None], "contains float64 of shape (1, 224, 224)"),
    "whole numbers": ((RAMP * 255).astype(np.uint8), "contains uint8 of shape (224, 224)"),
    "complex": (RAMP.astype(complex), "contains complex128 of shape (224, 224)"),
    "nan": (np.where(RAMP > 0.5, np.nan, RAMP), "contains NaN"),
    "one nan": (np.where(RAMP == 1, np.nan, RAMP), "contains NaN"),
    "above 1": (RAMP * 2, "has values from 0 to 2"),
    "below 0": (RAMP - 0.5, "has values from -0.5 to 0.5"),
    "infinity": (np.where(RAMP == 1, np.inf, RAMP), "has values from 0 to inf"),
    "nothing": (b"", "is not a .npy file of numbers"),
    "text": (b"hello", "is not a .npy file of numbers"),
    "cut off": (header(WHOLE) + bytes(999), "is not a .npy file of numbers"),
    "header of a size without end": (
        header(WHOLE.replace("224, 224", "9" * 30 + ",")),
        f"contains float64 of shape ({'9' * 30},)",
    ),
    "broken header": (header("{{{{"), "is not a .npy file of numbers"),
    "broken archive": (b"PK\x03\x04 and no more", "is not a .npy file of numbers"),
}


@pytest.mark.parametrize("kind", BAD)
def test_what_is_no_score_map_is_told_and_refused(kind, tmp_path):
    content, problem = BAD[kind]
    path = tmp_path / "n01" / "a.npy"
    if isinstance(content, bytes):
        path.parent.mkdir()
        path.write_bytes(content)
    else:
        kept(tmp_path, "n01/a.npy", content)
    assert map_problem(path) == problem
    with refused("map-invalid", "a.npy"):
        read_map(tmp_path, "n01/a")
    with refused("map-invalid", tmp_path, f"n01/a.npy {problem}"):
        check_maps(tmp_path, samples("n01/a"))


def test_pickled_objects_are_never_loaded(tmp_path):
    kept(tmp_path, "a.npy", np.array([Trap()], dtype=object), allow_pickle=True)
    assert map_problem(tmp_path / "a.npy") == "contains object of shape (1,)"
    with refused("map-invalid"):
        read_map(tmp_path, "a")


class Trap:
    def __reduce__(self):
        return pytest.fail, ("The map was unpickled.",)


def test_an_archive_is_told_and_closed_again(tmp_path):
    with (tmp_path / "a.npy").open("wb") as file:
        np.savez(file, maps=RAMP)
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        assert map_problem(tmp_path / "a.npy") == "is not a .npy file of numbers"
        gc.collect()
    assert [str(one.message) for one in warned] == []


def test_sound_maps_have_no_problem_and_are_not_refused(tmp_path):
    for name in ("a", "b"):
        kept(tmp_path, f"{name}.npy")
    assert map_problem(tmp_path / "a.npy") == ""
    check_maps(tmp_path, samples("a", "b"))


def test_missing_maps_are_counted_and_the_first_ones_named(tmp_path):
    kept(tmp_path, "b.npy")
    with refused("map-not-found", "4 images of 5", tmp_path, "a, c, d, ..."):
        check_maps(tmp_path, samples("a", "b", "c", "d", "e"))


@pytest.mark.parametrize("name", ["gone", "file", "x" * 300])
def test_a_folder_that_is_none_is_refused(name, tmp_path):
    (tmp_path / "file").touch()
    with refused("maps-not-found", name):
        check_maps(tmp_path / name, samples("a"))
