"""A classifier by name: timm, torchvision, or with weights from a package or a file."""

import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast
from urllib.error import URLError

import timm
import torch
import torchvision
from huggingface_hub import constants, try_to_load_from_cache
from timm.data.config import resolve_model_data_config
from torch import nn

from weakspot.data import Preprocessing
from weakspot.errors import InputError, ModelError, suggest
from weakspot.models.class_names import imagenet_names
from weakspot.models.devices import find_device
from weakspot.models.packaged import DEFAULT_MODEL, load_packaged, packaged_weights
from weakspot.models.weights import load_weights

PRETRAINED = "pretrained"


@dataclass(frozen=True)
class Classifier:
    """A classifier and what travels with its weights.

    Attributes:
        module: The model, in evaluation mode.
        class_names: One name for each logit; empty when nobody named them.
        preprocessing: What it wants of its input.
    """

    module: nn.Module
    class_names: tuple[str, ...]
    preprocessing: Preprocessing


def load_classifier(
    name: str, *, weights: str | Path | None = PRETRAINED, output_stride: int | None = None
) -> Classifier:
    """Build a classifier by name and load its weights.

    Args:
        name: A timm name (``"resnet50"``, ``"tf_efficientnet_lite0"``), or a torchvision name, with
            ``torchvision/`` before it where timm has the same.
        weights: ``"pretrained"``: those of a package where one carries them, else those of the model's hub,
            which needs a network once. A path: a state dict. None: random.
        output_stride: 16 or 8 for finer maps from the same weights, by dilation instead of striding.

    Raises:
        ModelError: If there is no such model, or its weights cannot be had or do not fit.
        InputError: If the model does not allow that output stride.
    """
    if name.startswith("torchvision/") or not timm.is_model(name):
        return _from_torchvision(name.removeprefix("torchvision/"), weights, output_stride)
    return _from_timm(name, weights, output_stride)


def take_classifier(
    model: str | nn.Module,
    *,
    device: str = "auto",
    weights: str | Path | None = PRETRAINED,
    output_stride: int | None = None,
) -> Classifier:
    """Build a classifier by name, or take the module that a user brings, on a device.

    Args:
        model: A name as in :func:`load_classifier`, or a module that returns logits.
        device: A device, or ``"auto"``: a GPU where there is one for a name, and where it is for a module.
        weights: For a name.
        output_stride: For a name.

    Raises:
        InputError: If the device is not there, or a module is given an output stride.
        ModelError: As :func:`load_classifier`, or if ``model`` is neither.
    """
    if isinstance(model, str):
        with torch.inference_mode(False):  # parameters that are made under it can never be differentiated through
            loaded = load_classifier(model, weights=weights, output_stride=output_stride)
        loaded.module.to(find_device(device), memory_format=torch.channels_last)  # type: ignore[call-overload]
        return loaded
    if not isinstance(model, nn.Module):
        raise ModelError(f"A {type(model).__name__} is not a model.", "Give a timm or torchvision name, or a module.")
    if output_stride is not None:
        raise InputError(
            "The output stride of an nn.Module is fixed when it is built.",
            "Build it with a finer one (timm: output_stride=16), or give its name here.",
        )
    return Classifier(model if device == "auto" else model.to(find_device(device)), (), Preprocessing())


def _from_timm(name: str, weights: str | Path | None, output_stride: int | None) -> Classifier:
    file = packaged_weights(name.split(".", maxsplit=1)[0]) if weights == PRETRAINED else None
    from_hub = weights == PRETRAINED and file is None
    if from_hub:
        _refuse_when_out_of_reach(name)
    stride: dict[str, Any] = {} if output_stride is None else {"output_stride": output_stride}
    try:
        model = timm.create_model(name, pretrained=from_hub, **stride)
    except OSError as error:
        raise _no_weights(name) from error
    except (TypeError, NotImplementedError, AssertionError) as error:
        if output_stride is None:
            raise
        raise _no_stride(name, output_stride) from error
    if file is not None:
        load_packaged(model, file)
    elif weights is not None and not from_hub:
        load_weights(model, Path(weights))
    config = resolve_model_data_config(model)
    _, height, width = config["input_size"]
    preprocessing = Preprocessing(height, width, tuple(config["mean"]), tuple(config["std"]))
    return Classifier(model.eval(), _names(int(cast("int", model.num_classes))), preprocessing)


def _from_torchvision(name: str, weights: str | Path | None, output_stride: int | None) -> Classifier:
    if name not in torchvision.models.list_models(module=torchvision.models):
        known = [*timm.list_models(), *torchvision.models.list_models(module=torchvision.models)]
        raise ModelError(
            f"There is no model {name!r}.",
            suggest(name, known, f"Take a timm or torchvision name, for example {DEFAULT_MODEL} or resnet50."),
        )
    published = torchvision.models.get_model_weights(name)["DEFAULT"]
    dilation = {} if output_stride is None else {"replace_stride_with_dilation": _dilation(name, output_stride)}
    try:
        model = torchvision.models.get_model(name, weights=published if weights == PRETRAINED else None, **dilation)
    except (URLError, OSError) as error:
        raise _no_weights(name) from error
    except TypeError as error:
        if output_stride is None:
            raise
        raise _no_stride(name, output_stride) from error
    if weights is not None and weights != PRETRAINED:
        load_weights(model, Path(weights))
    transforms = published.transforms()
    (size,) = transforms.crop_size
    preprocessing = Preprocessing(size, size, tuple(transforms.mean), tuple(transforms.std))
    return Classifier(model.eval(), _names(len(published.meta["categories"])), preprocessing)


def _dilation(name: str, output_stride: int) -> list[bool]:
    """Which of torchvision's last three stages to dilate."""
    if output_stride not in (8, 16, 32):
        raise _no_stride(name, output_stride)
    return [False, output_stride == 8, output_stride <= 16]


def _names(classes: int) -> tuple[str, ...]:
    return imagenet_names() if classes == 1000 else ()


def _refuse_when_out_of_reach(name: str) -> None:
    """Say at once when the hub cannot be looked up and the weights are not cached; its client retries for a minute."""
    repository = timm.get_pretrained_cfg_value(name, "hf_hub_id")
    if not repository or any(_is_cached(repository, file) for file in ("model.safetensors", "pytorch_model.bin")):
        return
    try:
        socket.getaddrinfo(constants.ENDPOINT.split("//")[-1].split("/")[0], 443)
    except OSError as error:
        raise _no_weights(name) from error


def _is_cached(repository: str, file: str) -> bool:
    return isinstance(try_to_load_from_cache(repository, file), str)


def _no_weights(name: str) -> ModelError:
    return ModelError(
        f"The weights of {name} are not packaged and could not be downloaded.",
        f"Give a weights file (--weights), or take {DEFAULT_MODEL}, whose weights are installed.",
    )


def _no_stride(name: str, output_stride: int) -> InputError:
    return InputError(
        f"{name} cannot be built with output stride {output_stride}.",
        "Leave it out, or take a model that allows 16 or 8, such as resnet50 or tf_efficientnet_lite0.",
    )
