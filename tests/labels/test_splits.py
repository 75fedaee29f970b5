from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from label_sets import labeled
from PIL import Image
from refusals import refused

from weakspot.data import ObjectAnnotation
from weakspot.labels.splits import split_samples

SCENES, COPIES = 12, 3


@pytest.fixture(scope="module")
def labelled(tmp_path_factory):
    """Twelve scenes of two classes, each three times: as it is, smaller, and as a JPEG of low quality."""
    folder = tmp_path_factory.mktemp("scenes")
    images, paths = [], []
    for scene in range(SCENES):
        pixels = np.random.default_rng(scene).integers(0, 256, (9, 12, 3), dtype=np.uint8)
        picture = Image.fromarray(pixels).resize((240, 180), Image.Resampling.BICUBIC)
        for name, copy in (("a.png", picture), ("b.png", picture.resize((80, 60))), ("c.jpg", picture)):
            paths.append(folder / f"{scene}{name}")
            copy.save(paths[-1], **({"quality": 30} if name == "c.jpg" else {}))
            one = ObjectAnnotation(("cat", "dog")[scene % 2], (0, 0, 5, 5))
            images.append(labeled(paths[-1].name, *copy.size, [one]))
    return images, paths


def sides(images):
    """The sides on which the copies of each scene lie."""
    return [{one.split for one in images[i : i + COPIES]} for i in range(0, len(images), COPIES)]


@pytest.mark.parametrize("seed", range(5))
def test_near_duplicates_stay_on_one_side(labelled, seed):
    split = split_samples(*labelled, val_fraction=0.34, seed=seed)
    assert all(len(sides_) == 1 for sides_ in sides(split))
    validating = Counter(one.objects[0].label for one in split if one.split == "val")
    assert validating == {"cat": 6, "dog": 6}, "a third of the scenes of each class"


def test_without_their_files_copies_are_parted(labelled):
    """So it is the comparing that keeps them together."""
    images, paths = labelled
    split = split_samples(images, [path.with_name("gone" + path.name) for path in paths], val_fraction=0.34)
    assert any(len(sides_) == 2 for sides_ in sides(split))


def test_the_same_seed_gives_the_same_split_and_all_else_stays(labelled):
    first, second = (split_samples(*labelled, val_fraction=0.3, seed=7) for _ in range(2))
    assert first == second
    assert [replace(one, split="") for one in first] == list(labelled[0])
    assert any(split_samples(*labelled, val_fraction=0.3, seed=seed) != first for seed in range(3))


def test_an_image_counts_for_its_rarest_class(labelled):
    """A class that is in six images beside a common one has images on either side."""
    images, paths = labelled
    rare = ObjectAnnotation("bird", (1, 1, 2, 2))
    both = [replace(one, objects=(*one.objects, rare)) if i < 2 * COPIES else one for i, one in enumerate(images)]
    split = split_samples(both, paths, val_fraction=0.3)
    assert {one.split for one in split if rare in one.objects} == {"train", "val"}


def test_images_without_objects_are_split_as_well(labelled):
    images, paths = labelled
    split = split_samples([replace(one, objects=()) for one in images], paths, val_fraction=0.5)
    assert Counter(one.split for one in split) == {"train": 18, "val": 18}


def test_a_split_that_is_there_is_kept(labelled):
    images, paths = labelled
    given = [replace(images[0], split="test"), *images[1:]]
    assert split_samples(given, paths, val_fraction=0.5) == tuple(given)


@pytest.mark.parametrize(("share", "seed"), [(0, 0), (1, 0), (0.5, -1)])
def test_a_share_or_seed_that_is_none_is_refused(labelled, share, seed):
    with refused("out-of-range"):
        split_samples(*labelled, val_fraction=share, seed=seed)
