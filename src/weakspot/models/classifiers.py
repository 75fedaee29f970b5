"""Load classifiers by name from timm or torchvision, with weights from a hub, a package or a file."""

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
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
from weakspot.models.eager_mode import unwrap
from weakspot.models.foreground_head import ForegroundHead
from weakspot.models.model_info import ModelInfo
from weakspot.models.pretrained import imagenet_names, load_packaged, packaged_weights
from weakspot.models.state_dicts import match_names
from weakspot.models.weights import check_shapes, load_weights, read_weights
from weakspot.ops.preprocessing import Preprocessing


@dataclass(frozen=True)
class Classifier:
    """A classifier with its metadata.

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
        name: A timm name (``"resnet50"``, ``"tf_efficientnet_lite0"``), or a torchvision name, prefixed by
            ``torchvision/`` if timm has a model of the same name.
        weights: ``"pretrained"`` for the weights of a package if there is one, else of the model's hub, which needs
            network access once. A path for a state dict, which also determines the number of classes. None for random
            weights.
        output_stride: 16 or 8 for finer maps from the same weights, by dilation instead of striding.

    Raises:
        ModelError: ``unknown-model``, ``weights-not-available``, ``weights-mismatch`` or ``no-classes``; or as
            :func:`weakspot.models.weights.read_weights`.
        InputError: ``stride-not-supported``.
    """
    if output_stride not in (None, 8, 16, 32):
        raise _stride_error(name, output_stride)
    check_model_name(name)
    if _is_timm(name):
        return _load_timm(name, weights, output_stride)
    return _load_torchvision(name.removeprefix("torchvision/"), weights, output_stride)


def check_model_name(name: str) -> None:
    """Raise ModelError unless timm or torchvision has a model of that name.

    Args:
        name: As for :func:`load_classifier`.

    Example:
        >>> check_model_name("alexnat")
        Traceback (most recent call last):
        weakspot.errors.ModelError: Model 'alexnat' does not exist.
        Did you mean alexnet?
    """
    plain = name.removeprefix("torchvision/")
    if not _is_timm(name) and plain not in torchvision.models.list_models(module=torchvision.models):
        known = [*timm.list_models(), *torchvision.models.list_models(module=torchvision.models)]
        hint = suggest(plain, known, f"Use a timm or torchvision name, for example {DEFAULT_MODEL} or resnet50.")
        raise ModelError("unknown-model", f"Model {plain!r} does not exist.", hint)
    if "." in plain and _is_timm(name):
        _check_tag(plain)


def _check_tag(name: str) -> None:
    """Raise ModelError (``model-not-built``) unless timm knows the weights in a name such as ``model.weights``."""
    architecture, _, tag = name.partition(".")
    known = {full.partition(".")[2]: full for full in timm.models.get_arch_pretrained_cfgs(architecture)}
    if tag not in known:
        similar = [known[match] for match in get_close_matches(tag, known, n=1)] or [*known.values()][:1]
        problem = f"Model {name!r} does not exist: {architecture} has no weights {tag!r}."
        raise ModelError("model-not-built", problem, f"Did you mean {(similar or [architecture])[0]}?")


def resolve_classifier(
    model: str | nn.Module,
    *,
    device: str = "auto",
    weights: str | Path | None = PRETRAINED,
    output_stride: int | None = None,
) -> Classifier:
    """Load a classifier by name, or wrap a module, and move it to a device.

    Args:
        model: A name as in :func:`load_classifier`, or a module that returns logits.
        device: Name of a device; ``"auto"`` for a GPU if there is one; a module then stays where it is.
        weights: As in :func:`load_classifier`; not allowed for a module.
        output_stride: As in :func:`load_classifier`; not allowed for a module.
    """
    if isinstance(model, str):
        with torch.inference_mode(False):  # parameters created in inference mode can never have gradients
            loaded = load_classifier(model, weights=weights, output_stride=output_stride)
        module = loaded.module
        is_2d = all(parameter.dim() < 5 for parameter in module.parameters())  # others have no such memory format
        memory_format = torch.channels_last if is_2d else torch.preserve_format
        module.to(find_device(device), memory_format=memory_format)  # type: ignore[call-overload]
        return loaded
    if not isinstance(model, nn.Module):
        problem = f"model must be a name, a run folder or an nn.Module, got {type(model).__name__}."
        raise ModelError("not-a-model", problem)
    if output_stride is not None:
        problem = f"output_stride must not be passed with an nn.Module, got {output_stride}."
        raise InputError("options-conflict", problem, "Build the module with it (timm: output_stride=16).")
    if weights not in (None, PRETRAINED):
        problem = f"weights must not be passed with an nn.Module, got {weights}."
        raise InputError("options-conflict", problem, "Load them into the module first.")
    if isinstance(model, torch.jit.ScriptModule):
        problem = "model must be an nn.Module in Python, got a TorchScript module, whose layers cannot be read."
        raise ModelError("not-a-model", problem, "Pass the module that it was made from.")
    model = unwrap(model)
    preprocessing = _timm_preprocessing(model) if hasattr(model, "pretrained_cfg") else Preprocessing()
    module = model if device == "auto" else model.to(find_device(device))
    return Classifier(module, ModelInfo(preprocessing=preprocessing))


def find_device(device: str) -> torch.device:
    """Return a device by name; ``"auto"`` is a GPU if there is one."""
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        return torch.empty(0, device=device).device
    except (RuntimeError, AssertionError) as error:
        hint = "Use auto, cpu, or cuda if the machine has a GPU."
        raise InputError("device-not-available", f"Device {device!r} is not available.", hint) from error


def _is_timm(name: str) -> bool:
    return not name.startswith("torchvision/") and bool(timm.is_model(name))


def _load_timm(name: str, weights: str | Path | None, output_stride: int | None) -> Classifier:
    packaged = packaged_weights(name.split(".", maxsplit=1)[0]) if weights == PRETRAINED else None
    from_hub = weights == PRETRAINED and packaged is None
    if from_hub:
        _check_hub_access(name)

    def build(**options: Any) -> nn.Module:
        stride: dict[str, Any] = {} if output_stride is None else {"output_stride": output_stride}
        with _translate_errors(name, output_stride):
            return timm.create_model(name, pretrained=from_hub, **stride, **options)

    model = build() if weights is None or weights == PRETRAINED else _build_from_weights(Path(weights), build)
    if packaged is not None:
        load_packaged(model, packaged)
    classes = int(cast("int", model.num_classes))
    if classes == 0:
        raise ModelError("no-classes", f"{name} is a backbone without a classification head.")
    return Classifier(model.eval(), ModelInfo(_class_names(classes), _timm_preprocessing(model)))


def _timm_preprocessing(model: nn.Module) -> Preprocessing:
    config = resolve_model_data_config(model)
    _, height, width = config["input_size"]
    return Preprocessing(height, width, tuple(config["mean"]), tuple(config["std"]))


def _load_torchvision(name: str, weights: str | Path | None, output_stride: int | None) -> Classifier:
    published = torchvision.models.get_model_weights(name)["DEFAULT"]

    def build(**options: Any) -> nn.Module:
        dilation = {} if output_stride is None else {"replace_stride_with_dilation": _dilation(output_stride)}
        with _translate_errors(name, output_stride):
            loaded = published if weights == PRETRAINED else None
            # These two warn unless init_weights, a slow initialization, is set explicitly.
            slow = {"init_weights": True} if name in ("googlenet", "inception_v3") and loaded is None else {}
            model: nn.Module = torchvision.models.get_model(name, weights=loaded, **dilation, **slow, **options)
            return model

    model = build() if weights is None or weights == PRETRAINED else _build_from_weights(Path(weights), build)
    transforms = published.transforms()
    (size,) = transforms.crop_size
    preprocessing = Preprocessing(size, size, tuple(transforms.mean), tuple(transforms.std))
    classes = len(list(model.state_dict().values())[-1])
    return Classifier(model.eval(), ModelInfo(_class_names(classes), preprocessing))


def _build_from_weights(file: Path, build: Callable[..., nn.Module]) -> nn.Module:
    """Build a model with the number of classes of a weights file, the length of its last tensor, and load it."""
    model = build()
    expected = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    weights = match_names(read_weights(file), expected)
    last, shape = [*expected.items()][-1]
    if last in weights and weights[last].dim() == len(shape) and len(weights[last]) != shape[0]:
        classes, number = shape[0], len(weights[last])
        for name in weights.keys() & expected.keys():
            resized = tuple(number if length == classes else length for length in expected[name])
            expected[name] = resized if tuple(weights[name].shape) == resized else expected[name]
        # Before the model is built: it is as large as the number of classes tells.
        check_shapes(weights, expected, file)
        model = build(num_classes=number)
    load_weights(model, weights, file)
    return model


@contextmanager
def _translate_errors(name: str, output_stride: int | None) -> Iterator[None]:
    """Translate exceptions of timm and torchvision to weakspot's errors."""
    try:
        yield
    except OSError as error:
        raise _weights_error(name) from error
    except (TypeError, NotImplementedError, AssertionError) as error:
        if output_stride is None:
            raise
        raise _stride_error(name, output_stride) from error
    except RuntimeError as error:
        reason = " ".join(str(error).split())
        raise ModelError("model-not-built", f"Cannot build {name}: {reason}") from error


def _dilation(output_stride: int) -> list[bool]:
    """Return which of torchvision's last three stages to dilate."""
    return [False, output_stride == 8, output_stride <= 16]


def _class_names(classes: int) -> tuple[str, ...]:
    return imagenet_names() if classes == 1000 else ()


def _check_hub_access(name: str) -> None:
    """Fail at once if the weights are not cached and the hub's host cannot be resolved; its client retries a minute."""
    repository = timm.get_pretrained_cfg_value(name, "hf_hub_id")
    if not repository or any(_is_cached(repository, file) for file in ("model.safetensors", "pytorch_model.bin")):
        return
    if getproxies():  # a proxy resolves names itself
        return
    try:
        socket.getaddrinfo(urlsplit(constants.ENDPOINT).hostname, None)
    except OSError as error:
        raise _weights_error(name) from error


def _is_cached(repository: str, file: str) -> bool:
    return isinstance(try_to_load_from_cache(repository, file), str)


def _weights_error(name: str) -> ModelError:
    return ModelError(
        "weights-not-available",
        f"The weights of {name} are not packaged and could not be downloaded.",
        f"Pass a weights file (--weights), or use {DEFAULT_MODEL}, whose weights are installed.",
    )


def _stride_error(name: str, output_stride: int) -> InputError:
    return InputError(
        "stride-not-supported",
        f"{name} does not support output stride {output_stride}.",
        "Use 32, 16 or 8 with resnet50 or tf_efficientnet_lite0; other models may support fewer.",
    )
