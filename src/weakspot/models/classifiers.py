"""A classifier by name: timm, torchvision, or with weights from a package or a file."""

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit
from urllib.request import getproxies

import timm
import torch
import torchvision
from huggingface_hub import constants, try_to_load_from_cache
from timm.data.config import resolve_model_data_config
from torch import nn

from weakspot.config import DEFAULT_MODEL, PRETRAINED
from weakspot.errors import InputError, ModelError, suggest
from weakspot.models.devices import find_device
from weakspot.models.foreground_head import ForegroundHead
from weakspot.models.imagenet import imagenet_names
from weakspot.models.model_info import ModelInfo
from weakspot.models.pretrained import load_packaged, packaged_weights
from weakspot.models.weights import fit_weights, read_weights
from weakspot.ops.preprocessing import Preprocessing


@dataclass(frozen=True)
class Classifier:
    """A classifier and what travels with its weights.

    Attributes:
        module: The model, in evaluation mode.
        info: Class names, preprocessing and thresholds.
        foreground: The fitted foreground head, or None.
    """

    module: nn.Module
    info: ModelInfo
    foreground: ForegroundHead | None = None


def load_classifier(
    name: str, *, weights: str | Path | None = PRETRAINED, output_stride: int | None = None
) -> Classifier:
    """Build a classifier by name and load its weights.

    Args:
        name: A timm name (``"resnet50"``, ``"tf_efficientnet_lite0"``), or a torchvision name, with
            ``torchvision/`` before it where timm has the same.
        weights: ``"pretrained"``: those of a package where one carries them, else those of the model's hub,
            which needs a network once. A path: a state dict, whose number of classes the model takes. None: random.
        output_stride: 16 or 8 for finer maps from the same weights, by dilation instead of striding.

    Raises:
        ModelError: If there is no such model, or its weights cannot be had or do not fit.
        InputError: If the model does not allow that output stride.
    """
    if output_stride not in (None, 8, 16, 32):
        raise _no_stride(name, output_stride)
    check_model_name(name)
    if _is_of_timm(name):
        return _from_timm(name, weights, output_stride)
    return _from_torchvision(name.removeprefix("torchvision/"), weights, output_stride)


def check_model_name(name: str) -> None:
    """Refuse a name that no classifier has.

    Args:
        name: As for :func:`load_classifier`.

    Raises:
        ModelError: If neither timm nor torchvision has it.

    Example:
        >>> check_model_name("alexnat")
        Traceback (most recent call last):
        weakspot.errors.ModelError: There is no model 'alexnat'.
        Did you mean alexnet?
    """
    plain = name.removeprefix("torchvision/")
    if not _is_of_timm(name) and plain not in torchvision.models.list_models(module=torchvision.models):
        known = [*timm.list_models(), *torchvision.models.list_models(module=torchvision.models)]
        raise ModelError(
            "unknown-model",
            f"There is no model {plain!r}.",
            suggest(plain, known, f"Take a timm or torchvision name, for example {DEFAULT_MODEL} or resnet50."),
        )


def resolve_classifier(
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
        weights: For a name; a module has its own.
        output_stride: For a name.

    Raises:
        InputError: If the device is not there, or a module is given weights or an output stride.
        ModelError: As :func:`load_classifier`, or if ``model`` is neither.
    """
    if isinstance(model, str):
        with torch.inference_mode(False):  # parameters that are made under it can never be differentiated through
            loaded = load_classifier(model, weights=weights, output_stride=output_stride)
        loaded.module.to(find_device(device), memory_format=torch.channels_last)  # type: ignore[call-overload]
        return loaded
    if not isinstance(model, nn.Module):
        problem = f"What is given as the model is of type {type(model).__name__}."
        raise ModelError(problem, "Give a timm or torchvision name, the folder of a run, or a module with its weights.")
    if output_stride is not None:
        raise InputError(
            "The output stride of an nn.Module is fixed when it is built.",
            "Build it with a finer one (timm: output_stride=16), or give its name here.",
        )
    if weights not in (None, PRETRAINED):
        raise InputError("Weights were given for an nn.Module, which has its own.", "Load them into it first.")
    preprocessing = _timm_preprocessing(model) if hasattr(model, "pretrained_cfg") else Preprocessing()
    return Classifier(
        model if device == "auto" else model.to(find_device(device)), ModelInfo(preprocessing=preprocessing)
    )


def _is_of_timm(name: str) -> bool:
    return not name.startswith("torchvision/") and bool(timm.is_model(name))


def _from_timm(name: str, weights: str | Path | None, output_stride: int | None) -> Classifier:
    packaged = packaged_weights(name.split(".", maxsplit=1)[0]) if weights == PRETRAINED else None
    from_hub = weights == PRETRAINED and packaged is None
    if from_hub:
        _refuse_when_out_of_reach(name)

    def build(**options: Any) -> nn.Module:
        stride: dict[str, Any] = {} if output_stride is None else {"output_stride": output_stride}
        with _explained(name, output_stride):
            return timm.create_model(name, pretrained=from_hub, **stride, **options)

    model = build() if weights is None or weights == PRETRAINED else _build_for(Path(weights), build)
    if packaged is not None:
        load_packaged(model, packaged)
    classes = int(cast("int", model.num_classes))
    if classes == 0:
        raise ModelError(f"{name} is a backbone without a classifier.", "Take a model that was trained on classes.")
    return Classifier(model.eval(), ModelInfo(_names(classes), _timm_preprocessing(model)))


def _timm_preprocessing(model: nn.Module) -> Preprocessing:
    config = resolve_model_data_config(model)
    _, height, width = config["input_size"]
    return Preprocessing(height, width, tuple(config["mean"]), tuple(config["std"]))


def _from_torchvision(name: str, weights: str | Path | None, output_stride: int | None) -> Classifier:
    published = torchvision.models.get_model_weights(name)["DEFAULT"]

    def build(**options: Any) -> nn.Module:
        dilation = {} if output_stride is None else {"replace_stride_with_dilation": _dilation(output_stride)}
        with _explained(name, output_stride):
            chosen = published if weights == PRETRAINED else None
            # These two ask whether they shall go on to fill themselves with numbers as slowly as they always did.
            slow = {"init_weights": True} if name in ("googlenet", "inception_v3") and chosen is None else {}
            built: nn.Module = torchvision.models.get_model(name, weights=chosen, **dilation, **slow, **options)
            return built

    model = build() if weights is None or weights == PRETRAINED else _build_for(Path(weights), build)
    transforms = published.transforms()
    (size,) = transforms.crop_size
    preprocessing = Preprocessing(size, size, tuple(transforms.mean), tuple(transforms.std))
    classes = len(list(model.state_dict().values())[-1])
    return Classifier(model.eval(), ModelInfo(_names(classes), preprocessing))


def _build_for(file: Path, build: Callable[..., nn.Module]) -> nn.Module:
    """Build a model with as many classes as a weights file has, and load it: its last tensor has one entry each."""
    tensors, model = read_weights(file), build()
    last, ours = list(model.state_dict().items())[-1]
    if last in tensors and len(tensors[last]) != len(ours):
        model = build(num_classes=len(tensors[last]))
    fit_weights(model, tensors, file)
    return model


@contextmanager
def _explained(name: str, output_stride: int | None) -> Iterator[None]:
    """Turn what timm and torchvision raise into our own errors."""
    try:
        yield
    except OSError as error:
        raise _no_weights(name) from error
    except (TypeError, NotImplementedError, AssertionError) as error:
        if output_stride is None:
            raise
        raise _no_stride(name, output_stride) from error
    except RuntimeError as error:
        reason = " ".join(str(error).split())
        raise ModelError(f"{name} cannot be built: {reason}", "Take another model, or give a weights file.") from error


def _dilation(output_stride: int) -> list[bool]:
    """Which of torchvision's last three stages to dilate."""
    return [False, output_stride == 8, output_stride <= 16]


def _names(classes: int) -> tuple[str, ...]:
    return imagenet_names() if classes == 1000 else ()


def _refuse_when_out_of_reach(name: str) -> None:
    """Say at once when the hub cannot be looked up and the weights are not cached; its client retries for a minute."""
    repository = timm.get_pretrained_cfg_value(name, "hf_hub_id")
    if not repository or any(_is_cached(repository, file) for file in ("model.safetensors", "pytorch_model.bin")):
        return
    if getproxies():  # then the proxy looks names up
        return
    try:
        socket.getaddrinfo(urlsplit(constants.ENDPOINT).hostname, None)
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
        "stride-not-supported",
        f"{name} cannot be built with output stride {output_stride}.",
        "Leave it out, or take a model that allows 16 or 8, such as resnet50 or tf_efficientnet_lite0.",
    )
