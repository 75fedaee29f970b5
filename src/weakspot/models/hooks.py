"""Attach hooks to a model for one forward pass, and remove them afterwards."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any
from weakref import WeakKeyDictionary

from torch import Tensor, nn

from weakspot.models.eager_mode import eager_mode

Hook = Callable[[str, nn.Module, Any], Tensor | None]

_locks: WeakKeyDictionary[nn.Module, AbstractContextManager[Any]] = WeakKeyDictionary()
_locks_guard = threading.Lock()


@contextmanager
def forward_hooks(model: nn.Module, hooks: Mapping[str, Hook]) -> Iterator[None]:
    """Lock a model, put it into evaluation and eager mode, and attach forward hooks that run in this thread only.

    Args:
        model: The model. At the end its hooks are removed and the mode of each module is restored.
        hooks: Hook for each module name, called with the name, the module and its output; a returned tensor replaces
            the output.

    Example:
        >>> import torch
        >>> model = nn.Sequential(nn.Dropout(), nn.Flatten())
        >>> with forward_hooks(model, {"0": lambda name, module, output: print(name, module.training)}):
        ...     _ = model(torch.ones(1, 2))
        0 False
        >>> model.training, len(model[0]._forward_hooks)
        (True, 0)
    """
    thread = threading.get_ident()

    def in_this_thread(name: str, hook: Hook) -> Callable[[nn.Module, Any, Any], Tensor | None]:
        return lambda module, _, output: hook(name, module, output) if threading.get_ident() == thread else None

    handles = []
    with _lock_of(model), eval_mode(model), eager_mode():
        try:
            for name, hook in hooks.items():
                handles.append(model.get_submodule(name).register_forward_hook(in_this_thread(name, hook)))
            yield
        finally:
            for handle in handles:
                handle.remove()


@contextmanager
def eval_mode(model: nn.Module) -> Iterator[None]:
    """Put every module of a model into evaluation mode, and restore the mode of each at the end."""
    training = [module for module in model.modules() if module.training]
    for module in training:
        module.training = False
    try:
        yield
    finally:
        for module in training:
            module.training = True


def _lock_of(model: nn.Module) -> AbstractContextManager[Any]:
    """Return the lock of a model: hooks and modes belong to the model, so one thread at a time may set them."""
    with _locks_guard:
        return _locks.setdefault(model, threading.RLock())
