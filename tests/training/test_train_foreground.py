import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from small_runs import disc, small, weights, write_discs

import weakspot as ws
from weakspot.errors import ModelError
from weakspot.models.checkpoint import read_metadata
from weakspot.models.networks.cam import CamHead


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    return write_discs(tmp_path_factory.mktemp("photos"), {"train": 12, "val": 4})


@pytest.fixture(scope="module")
def run(photos, tmp_path_factory):
    return small(photos, tmp_path_factory.mktemp("runs") / "fast")


def test_a_run_learns_what_foreground_looks_like_and_its_localizer_has_it(run, photos):
    assert any(name.startswith("foreground.") for name in weights(run))
    localizer = ws.Localizer(run, device="cpu")
    assert localizer.is_adapted
    assert (localizer.quality, localizer.threshold) == ("fast", read_metadata(run).info.threshold)
    assert localizer.preprocessing == read_metadata(run).info.preprocessing


def test_in_quality_plain_a_run_has_the_threshold_of_its_method(run):
    plain = ws.Localizer(run, quality="plain", device="cpu")
    assert plain.threshold == ws.cams.find_method(plain.method).threshold


def test_a_plain_run_learns_none(photos, tmp_path):
    run = small(photos, tmp_path / "plain", quality="plain")
    assert not any(name.startswith("foreground.") for name in weights(run))
    localizer = ws.Localizer(run, device="cpu")
    assert (localizer.quality, localizer.is_adapted) == ("plain", False)


def test_the_same_seed_gives_the_same_head(run, photos, tmp_path):
    again = weights(small(photos, tmp_path / "again"))
    assert all(np.array_equal(value, again[name]) for name, value in weights(run).items())


def test_a_head_that_does_not_fit_is_refused(run, tmp_path):
    from safetensors import safe_open

    file = run / "model.safetensors"
    with safe_open(file, framework="pt") as opened:
        told = opened.metadata()
    tensors = load_file(file)
    tensors["foreground.layers.5.bias"] = torch.zeros(7)
    save_file(tensors, tmp_path / "model.safetensors", told)
    with pytest.raises(ModelError, match="no foreground head that fits"):
        ws.Localizer(tmp_path, device="cpu")


def test_a_heatmap_has_the_size_that_the_run_was_trained_with(run, photos):
    from weakspot.data import read_dataset

    dataset = read_dataset(photos)
    assert ws.Localizer(run, device="cpu")(dataset.of_split("val")[0].path).heatmap.shape == (64, 64)


@pytest.mark.parametrize(("multi_label", "times"), [(False, 1), (True, 0)])
def test_what_all_classes_have_in_common_is_taken_away_where_they_share_a_softmax(
    multi_label, times, photos, tmp_path, monkeypatch
):
    centred, centre = [], CamHead.center
    monkeypatch.setattr(CamHead, "center", lambda head: (centred.append(head), centre(head)))
    run = small(photos, tmp_path / "run", multi_label=multi_label, epochs=1)
    assert len(centred) == times
    for head in centred:
        assert np.array_equal(weights(run)["head.classifier.weight"], head.classifier.weight.detach().numpy())


def test_an_image_without_an_object_teaches_that_all_of_it_is_background(tmp_path, monkeypatch):
    root = write_discs(tmp_path / "photos", {"train": 6, "val": 2})
    for number in range(6):
        path = root / "train" / "background" / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        disc("red", 100 + number)[0].save(path)  # whatever is on it
    lessons = []

    def watched(found, *, seed):
        lessons.extend(found)

    monkeypatch.setattr("weakspot.training.foreground.fit_to_batches", watched)
    run = small(root, tmp_path / "run")
    features, maps = (torch.cat(parts) for parts in zip(*lessons, strict=True))
    assert len(features) == len(maps) == 12
    assert sum(bool(one.any()) for one in maps) == 6
    assert not ws.Localizer(run, device="cpu").is_adapted
