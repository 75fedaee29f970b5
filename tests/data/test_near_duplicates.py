from importlib import import_module
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from refusals import refused
from trees import ORIENTATION

from weakspot.data.near_duplicates import gray_steps, near_duplicates

# The package may export the function under the module's name.
module = import_module("weakspot.data.near_duplicates")


def picture(seed, width=360, height=320):
    """Draw a picture of soft blotches, another for each seed."""
    blotches = np.random.default_rng(seed).integers(0, 256, (8, 9, 3), np.uint8)
    return Image.fromarray(blotches).resize((width, height), Image.Resampling.BICUBIC)


def of_grid(grid, scale=10):
    """Draw a picture of so many equal pixels for each cell of a grid of shape (8, 9)."""
    return Image.fromarray(np.kron(np.asarray(grid, np.uint8), np.ones((scale, scale), np.uint8)))


def of_bits(bits):
    """Draw a picture whose hash is these 64 bits."""
    steps = np.where(np.reshape(bits, (8, 8)), 10, -10)
    return of_grid(np.hstack([np.full((8, 1), 128), 128 + steps.cumsum(axis=1)]))


def dhash(image):
    """Compute the difference hash of an image, shape (64,)."""
    return (gray_steps(image) > 0).ravel()


def written(folder, images):
    """Write pictures, each by its name, and give their paths."""
    for name, image in images.items():
        image.save(folder / name)
    return [folder / name for name in images]


def test_bit_says_whether_the_right_neighbour_is_brighter():
    grid = np.full((8, 9), 100)
    grid[0] = [0, 1, 1, 0, 255, 0, 9, 8, 8]
    bits = dhash(of_grid(grid))
    assert (bits.dtype, bits.shape) == (bool, (64,))
    assert bits[:8].astype(int).tolist() == [1, 0, 0, 1, 0, 1, 0, 0]
    assert not bits[8:].any()


def test_cells_are_means_of_their_pixels():
    grid = np.arange(72).reshape(8, 9)
    checks = np.indices((80, 90)).sum(axis=0) % 2 * 2 - 1
    noisy = Image.fromarray((np.asarray(of_grid(grid + 100), np.int16) + 50 * checks).astype(np.uint8))
    assert dhash(noisy).all()


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "CMYK", "YCbCr", "LA"])
def test_image_may_have_any_mode(mode):
    assert dhash(Image.linear_gradient("L").rotate(90).convert(mode)).mean() > 0.9


@given(st.lists(st.booleans(), min_size=64, max_size=64))
def test_hash_is_the_drawn_one(bits):
    assert dhash(of_bits(bits)).tolist() == bits
    assert dhash(of_bits(bits).resize((50, 21), Image.Resampling.NEAREST).convert("RGB")).shape == (64,)


def test_copies_of_a_picture_are_one_group_and_other_pictures_are_not(tmp_path):
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    first = picture(0)
    images = {
        "a.png": first,
        "other.jpg": picture(1),
        "a.jpg": first,
        "small.webp": first.resize((120, 107)),
        "squeezed.bmp": first.resize((500, 300)),
        "brighter.png": first.point(lambda value: value * 0.6 + 60),
        "grey.tif": first.convert("L"),
        "other.png": picture(2),
    }
    paths = written(tmp_path, images)
    first.save(tmp_path / "poor.jpg", quality=10)
    first.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "turned.jpg", exif=exif)
    first.resize((3600, 3200)).save(tmp_path / "large.jpg", quality=60)
    paths += [tmp_path / name for name in ("poor.jpg", "turned.jpg", "large.jpg")]
    groups = near_duplicates(paths)
    assert groups.dtype == np.int64
    assert groups.tolist() == [0, 1, 0, 0, 0, 0, 0, 2, 0, 0, 0]
    assert near_duplicates([str(path) for path in paths], workers=1).tolist() == groups.tolist()


def bits_flipped(places):
    """64 bits, those at the places other than usual."""
    return [(place % 3 == 0) ^ (place in places) for place in range(64)]


@pytest.mark.parametrize(
    ("options", "groups"),
    [
        pytest.param({}, [0, 0, 0, 1], id="chain of links"),
        pytest.param({"distance": 4}, [0, 1, 2, 3], id="distance is inclusive"),
        pytest.param({"distance": 5, "max_images": 4}, [0, 0, 0, 1], id="most is inclusive"),
        pytest.param({"distance": 5, "max_images": 3}, [0, 1, 2, 3], id="above most only equal hashes"),
        pytest.param({"distance": 64}, [0, 0, 0, 0], id="any distance"),
    ],
)
def test_images_are_linked_up_to_the_distance(tmp_path, options, groups):
    places = {"a": (), "b": range(5), "c": range(10), "d": range(20, 31)}
    paths = written(tmp_path, {f"{name}.png": of_bits(bits_flipped(where)) for name, where in places.items()})
    assert near_duplicates(paths, **options).tolist() == groups


@pytest.mark.parametrize("options", [{"distance": 0}, {"max_images": 0}])
def test_equal_hashes_are_linked_whatever_the_options(tmp_path, options):
    paths = written(tmp_path, {"b.png": picture(1), "a.png": picture(0), "a.bmp": picture(0)})
    assert near_duplicates(paths, **options).tolist() == [0, 1, 1]


BANDS = np.repeat(np.arange(0, 240, 30)[:, None], 9, axis=1)
SPOT = np.where(np.indices((8, 9)).sum(axis=0) == 4, 255, 200) * (np.arange(9) < 4) + 200 * (np.arange(9) >= 4)
NOISE = np.random.default_rng(0).integers(127, 129, (8, 9))


@pytest.mark.parametrize(
    "grid",
    [
        pytest.param(np.zeros((8, 9)), id="black"),
        pytest.param(NOISE, id="noise on grey"),
        pytest.param(BANDS, id="bands across"),
        pytest.param(SPOT, id="a small object on an even ground"),
    ],
)
def test_image_with_nothing_to_compare_stays_alone_beside_its_copy(tmp_path, grid):
    paths = written(tmp_path, {"a.png": of_grid(grid), "b.png": of_grid(grid), "c.jpg": of_grid(grid)})
    assert near_duplicates(paths).tolist() == [0, 1, 2]


@pytest.mark.parametrize(("pairs", "groups"), [(15, [0, 1]), (16, [0, 0])])
def test_image_is_compared_from_a_quarter_of_its_pairs_on(tmp_path, pairs, groups):
    steps = (np.arange(64) < pairs).reshape(8, 8) * module.STEP
    grid = np.hstack([np.full((8, 1), 100), 100 + steps.cumsum(axis=1)])
    assert near_duplicates(written(tmp_path, {"a.png": of_grid(grid), "b.png": of_grid(grid)})).tolist() == groups


def test_files_that_cannot_be_read_are_alone(tmp_path):
    (whole,) = written(tmp_path, {"a.jpg": picture(0)})
    for name, content in {"empty.jpg": b"", "text.jpg": b"no image", "cut.jpg": whole.read_bytes()[:800]}.items():
        (tmp_path / name).write_bytes(content)
    names = ["gone.jpg", "a.jpg", "empty.jpg", "text.jpg", "cut.jpg", "", "a\0b.jpg"]
    assert near_duplicates([tmp_path / name for name in names]).tolist() == [0, 1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize(
    ("name", "groups"), [pytest.param("a.jpg", [0, 0], id="decoded at a fraction"), pytest.param("a.png", [0, 1])]
)
def test_image_over_the_limit_is_not_decoded_at_full_size(tmp_path, monkeypatch, name, groups):
    paths = written(tmp_path, {name: picture(0), f"copy.{name}": picture(0)})
    assert near_duplicates(paths).tolist() == [0, 0]
    monkeypatch.setattr(module, "MAX_PIXELS", 360 * 320 - 1)
    assert near_duplicates(paths).tolist() == groups


def test_the_same_path_twice_is_one_image(tmp_path):
    blank, full = written(tmp_path, {"blank.png": Image.new("L", (9, 9)), "full.png": picture(0)})
    assert near_duplicates([full, blank, str(blank), full]).tolist() == [0, 1, 1, 0]


def test_without_images_there_is_no_group():
    groups = near_duplicates([])
    assert (groups.dtype, groups.shape) == (np.int64, (0,))


@pytest.mark.parametrize("options", [{"distance": -1}, {"distance": 65}, {"max_images": -1}, {"workers": 0}])
def test_options_out_of_range_are_refused(options):
    with refused("out-of-range", *options, *options.values()):
        near_duplicates([], **options)


def grouped_one_by_one(hashes, distance):
    """Group hashes by carrying numbers along links until nothing changes, then number by appearance."""
    groups = list(range(len(hashes)))
    for _ in hashes:
        for i, j in combinations(range(len(hashes)), 2):
            if (hashes[i] != hashes[j]).sum() <= distance:
                groups[i] = groups[j] = min(groups[i], groups[j])
    seen = list(dict.fromkeys(groups))
    return [seen.index(group) for group in groups]


@given(
    st.lists(st.sets(st.integers(0, 63), max_size=6), min_size=1, max_size=12),
    st.integers(0, 8),
    st.sampled_from([1, 3, 256]),
)
def test_groups_are_those_of_a_plain_search_whatever_the_block(flipped, distance, block):
    hashes = [np.isin(np.arange(64), list(places)) for places in flipped]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "BLOCK", block)
        groups = module._by_appearance(module._linked(hashes, distance))
    assert groups.tolist() == grouped_one_by_one(hashes, distance)


def test_hashes_of_several_blocks_that_are_all_linked_are_one_group():
    hashes = [np.isin(np.arange(64), pair) for pair in combinations(range(64), 2)]
    assert len(hashes) > 4 * module.BLOCK
    assert len(set(module._linked(hashes, 4).tolist())) == 1
    assert len(set(module._linked(hashes, 1).tolist())) == len(hashes)
