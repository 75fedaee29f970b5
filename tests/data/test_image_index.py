import pytest

from weakspot.data.image_index import known_images

SIZE = (50, 100)


def match(name, *images):
    return known_images(dict.fromkeys(images, SIZE)).match(name)


@pytest.mark.parametrize(
    ("name", "image"),
    [
        pytest.param("cat/1.jpg", "cat/1.jpg", id="as it is"),
        pytest.param("cat/1", "cat/1.jpg", id="without suffix"),
        pytest.param("1.jpg", "cat/1.jpg", id="without its folder"),
        pytest.param("1", "cat/1.jpg", id="without both"),
        pytest.param("images/cat/1.jpg", "cat/1.jpg", id="with another folder"),
        pytest.param("/home/me/images/1.jpg", "1.jpg", id="absolute"),
        pytest.param("C:\\images\\1.jpg", "1.jpg", id="of Windows"),
        pytest.param("0a1b2c3d-1.jpg", "cat/1.jpg", id="uploaded"),
        pytest.param("images/0a1b2c3d-1", "1.jpg", id="uploaded, in a folder"),
        pytest.param("0a1b2c3d-1.jpg", "0a1b2c3d-1.jpg", id="whose image has the prefix, too"),
    ],
)
def test_an_image_is_found_by_names_of_other_tools(name, image):
    assert match(name, image, "other/2.jpg") == image


@pytest.mark.parametrize(
    ("name", "images"),
    [
        pytest.param("1.jpg", ["cat/1.jpg", "dog/1.jpg"], id="two of that name"),
        pytest.param("train/1.jpg", ["val/1.jpg"], id="in another folder"),
        pytest.param("1.png", ["cat/1.jpg"], id="of another type"),
        pytest.param("1", ["cat/1.jpg", "cat/1.png"], id="two types"),
        pytest.param("../1.jpg", ["1.jpg"], id="outside"),
        pytest.param("x/../1.jpg", ["1.jpg"], id="by a detour"),
        pytest.param("1.jpg", ["11.jpg"], id="a longer name"),
        pytest.param("ack-1.jpg", ["1.jpg"], id="a prefix of a person"),
    ],
)
def test_an_image_is_not_guessed(name, images):
    assert match(name, *images) is None


def test_the_size_is_that_of_the_match():
    assert known_images({"cat/1.jpg": SIZE}).size("1.jpg") == SIZE
