import numpy as np
import pytest
from PIL import Image, ImageOps

from weakspot.data.orientation import (
    TRANSPOSITIONS,
    box_to_stored,
    box_to_upright,
    mask_to_upright,
    orientation_of,
    upright_size,
)
from weakspot.data.polygons import mask_box

HEIGHT, WIDTH = 10, 20
BOX = (2.0, 3.0, 9.0, 5.0)


def marked():
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[3:5, 2:9] = True
    return mask


def turned(orientation):
    """The mark as Pillow makes it upright."""
    image = Image.fromarray(marked().astype(np.uint8))
    exif = Image.Exif()
    exif[0x0112] = orientation
    image.info["exif"] = exif.tobytes()
    return np.asarray(ImageOps.exif_transpose(image)) > 0


@pytest.mark.parametrize("orientation", range(1, 9))
def test_masks_boxes_and_sizes_turn_as_pillow_turns_pixels(orientation):
    upright = turned(orientation)
    assert (mask_to_upright(marked(), orientation) == upright).all()
    assert upright.shape == upright_size((HEIGHT, WIDTH), orientation)
    box = box_to_upright(BOX, orientation, height=HEIGHT, width=WIDTH)
    assert box == mask_box(upright)
    assert box_to_stored(box, orientation, height=upright.shape[0], width=upright.shape[1]) == BOX


@pytest.mark.parametrize("orientation", TRANSPOSITIONS)
def test_transpositions_are_those_of_pillow(orientation):
    image = Image.fromarray(marked())
    assert (np.asarray(image.transpose(TRANSPOSITIONS[orientation])) == turned(orientation)).all()


@pytest.mark.parametrize("value", [0, 9, "6", 6.0, (6, 6)])
def test_an_orientation_that_is_none_is_upright(value):
    image = Image.new("L", (2, 2))
    image.getexif()[0x0112] = value
    assert orientation_of(image) == 1


def test_damaged_exif_data_are_none():
    image = Image.new("L", (2, 2))
    image.info["exif"] = b"garbage"
    assert orientation_of(image) == 1
