"""The foreground head that a run fits to its training images."""

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from small_runs import disc, small, weights, write_discs

import weakspot as ws
from weakspot.data import read_dataset
from weakspot.errors import ModelError
from weakspot.models.checkpoint import read_metadata
from weakspot.models.networks.cam import CamHead


def test_a_run_contains_a_foreground_head_that_its_localizer_uses(scenes_run, scenes):
    assert any(name.startswith("foreground.") for name in weights(scenes_run))
    localizer = ws.Localizer(scenes_run, device="cpu")
    info = read_metadata(scenes_run).info
    assert localizer.is_adapted
    assert (localizer.quality, localizer.threshold) == ("fast", info.threshold)
    assert localizer.preprocessing == info.preprocessing
    assert localizer(read_dataset(scenes).of_split("val")[0].path).heatmap.shape == (64, 64)


def test_quality_plain_uses_the_threshold_of_the_method(scenes_run):
    plain = ws.Localizer(scenes_run, quality="plain", device="cpu")
    assert plain.threshold == ws.cams.find_method(plain.method).threshold


def test_a_head_that_does_not_fit_is_refused(scenes_run, tmp_path):
    file = scenes_run / "model.safetensors"
    with safe_open(file, framework="pt") as opened:
        metadata = opened.metadata()
    tensors = load_file(file)
    tensors["foreground.layers.5.bias"] = torch.zeros(7)
    save_file(tensors, tmp_path / "model.safetensors", metadata)
    with pytest.raises(ModelError, match="foreground"):
        ws.Localizer(tmp_path, device="cpu")


@pytest.mark.parametrize(("multi_label", "times"), [(False, 1), (True, 0)])
def test_weights_are_centered_if_the_classes_share_a_softmax(multi_label, times, tmp_path, monkeypatch):
    """In quality plain, in which a run has no foreground head."""
    data = write_discs(tmp_path / "data", {"train": 12, "val": 4})
    centered, center = [], CamHead.center
    monkeypatch.setattr(CamHead, "center", lambda head: (centered.append(head), center(head)))
    run = small(data, tmp_path / "run", multi_label=multi_label, epochs=1, quality="plain")
    assert len(centered) == times
    for head in centered:
        assert np.array_equal(weights(run)["head.classifier.weight"], head.classifier.weight.detach().numpy())
    assert not any(name.startswith("foreground.") for name in weights(run))
    localizer = ws.Localizer(run, device="cpu")
    assert (localizer.quality, localizer.is_adapted) == ("plain", False)


def test_an_image_without_an_object_is_background_everywhere(tmp_path, monkeypatch):
    root = write_discs(tmp_path / "images", {"train": 6, "val": 2})
    for number in range(6):
        path = root / "train" / "background" / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        disc("red", 100 + number)[0].save(path)  # the label counts, not the content
    batches = []

    def fit_to_batches(features_and_maps, *, seed):
        batches.extend(features_and_maps)

    monkeypatch.setattr("weakspot.training.foreground.fit_to_batches", fit_to_batches)
    run = small(root, tmp_path / "run")
    features, maps = (torch.cat(parts) for parts in zip(*batches, strict=True))
    assert len(features) == len(maps) == 12
    assert sum(bool(image_map.any()) for image_map in maps) == 6
    assert not ws.Localizer(run, device="cpu").is_adapted
