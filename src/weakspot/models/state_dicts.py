"""Find a classifier's state dict in what people save: inside a checkpoint, with prefixes of wrappers in the names."""

import hashlib
from collections.abc import Collection, Mapping
from typing import Any, TypeGuard

import torch
from torch import Tensor

from weakspot.errors import ModelError

StateDict = dict[str, Tensor]

# Entries of checkpoints with the state dict, the first that there is; averaged weights only if there are no others.
_ENTRIES = (
    "state_dict",
    "model_state_dict",
    "model_state",
    "model",
    "net",
    "network",
    "module",
    "weights",
    "params",
    "state_dict_ema",
    "model_ema",
    "ema_state_dict",
    "ema",
)
# Attributes in which wrappers keep the classifier; preferred if a file has several copies of it.
_ATTRIBUTES = ("", "module.", "model.", "net.", "network.", "backbone.")
_MAX_DEPTH = 4
_COMPILED = "_orig_mod."  # torch.compile adds it anywhere in a name
_COUNTER = "num_batches_tracked"  # of batch normalization; absent from files of PyTorch 0.4, and not used in evaluation


def find_state_dict(content: object, *, depth: int = _MAX_DEPTH) -> StateDict | None:
    """Return the state dict in a checkpoint: the content itself, a usual entry, or the only one; None without any.

    Entries of entries are searched down to ``depth``.

    Example:
        >>> import torch
        >>> find_state_dict({"epoch": 3, "net": {"weight": torch.ones(1)}, "optimizer": {"state": {}}})
        {'weight': tensor([1.])}
    """
    if _is_state_dict(content):
        return content
    if not isinstance(content, dict) or not depth:
        return None
    for entry in _ENTRIES:
        found = find_state_dict(content[entry], depth=depth - 1) if isinstance(content.get(entry), dict) else None
        if found:
            return found
    others = [value for value in content.values() if _is_state_dict(value) and value]
    return others[0] if len(others) == 1 else None


def match_names(weights: Mapping[str, Tensor], expected: Collection[str]) -> StateDict:
    """Return the weights under the names that a model expects, without the prefixes of wrappers.

    ModelError ``weights-mismatch`` if the weights contain several such models.

    Example:
        >>> list(match_names({"model.fc.weight": 0, "loss.weight": 1}, ["fc.weight"]))
        ['fc.weight']
    """
    plain = {name.replace(_COMPILED, ""): value for name, value in weights.items()}
    required = [name for name in expected if not is_counter(name)]
    matches = {prefix: sum(prefix + name in plain for name in required) for prefix in _prefixes(plain, required)}
    most = max(matches.values(), default=0)
    best = [prefix for prefix, count in matches.items() if count == most]
    usual = [prefix for prefix in _ATTRIBUTES if prefix in best] or best
    if not most or usual[0] == "":
        return plain
    if len(usual) > 1 and usual[0] not in _ATTRIBUTES:
        problem = f"The weights are of several models: {', '.join(usual)}."
        raise ModelError("weights-mismatch", problem, "Save the state dict of one of them.")
    prefix = usual[0]
    return {name.removeprefix(prefix): value for name, value in plain.items() if name.startswith(prefix)}


def is_counter(name: str) -> bool:
    """Return whether a weight is the counter of a batch normalization, which a file may lack."""
    return name.rpartition(".")[2] == _COUNTER


def hash_state_dict(weights: Mapping[str, Tensor]) -> str:
    """Hash the names and values of weights: BLAKE2b, 16 bytes in hexadecimal, wherever they are.

    Example:
        >>> import torch
        >>> hash_state_dict({"weight": torch.ones(1)})
        '1eedfc6b322b275633b536c1e4e257bd'
    """
    digest = hashlib.blake2b(digest_size=16)
    for name, tensor in weights.items():
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _prefixes(names: Collection[str], required: Collection[str]) -> list[str]:
    """List the prefixes with which the first or the last required name occurs."""
    ends = [*required][:1] + [*required][-1:]
    found = (name.removesuffix(end) for name in names for end in ends if name == end or name.endswith("." + end))
    return list(dict.fromkeys(found))


def _is_state_dict(value: Any) -> TypeGuard[StateDict]:
    return isinstance(value, dict) and all(
        isinstance(name, str) and isinstance(entry, Tensor) for name, entry in value.items()
    )
