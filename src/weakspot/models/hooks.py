"""Hook a model for the length of one forward pass and leave no trace of it."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any
from weakref import WeakKeyDictionary

from torch import Tensor, nn

Hook = Callable[[str, nn.Module, Any], Tensor | None]

_locks: WeakKeyDictionary[nn.Module, AbstractContextManager[Any]] = WeakKeyDictionary()
_locks_guard = threading.Lock()


@contextmanager
def hooked(model: nn.Module, hooks: Mapping[str, Hook]) -> Iterator[None]:
    """Have the model to oneself, in evaluation mode, with forward hooks that fire in this thread only.

    Args:
        model: The model, given back without hooks and with every module in the mode that it was in.
        hooks: By module name: called with the name, the module and its output; a tensor that it returns takes
            the output's place.

    Example:
        >>> import torch
        >>> model = nn.Sequential(nn.Dropout(), nn.Flatten())
        >>> with hooked(model, {"0": lambda name, module, output: print(name, module.training)}):
        ...     _ = model(torch.ones(1, 2))
        0 False
        >>> model.training, len(model[0]._forward_hooks)
        (True, 0)
    """
    thread = threading.get_ident()

    def in_this_thread(name: str, hook: Hook) -> Callable[[nn.Module, Any, Any], Tensor | None]:
        return lambda module, _, output: hook(name, module, output) if threading.get_ident() == thread else None

    handles = []
    with _alone_with(model), evaluating(model):
        try:
            for name, hook in hooks.items():
                handles.append(model.get_submodule(name).register_forward_hook(in_this_thread(name, hook)))
            yield
        finally:
            for handle in handles:
                handle.remove()


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Put every module of a model into evaluation mode, and back into the mode that each was in."""
    training = [module for module in model.modules() if module.training]
    for module in training:
        module.training = False
    try:
        yield
    finally:
        for module in training:
            module.training = True


def _alone_with(model: nn.Module) -> AbstractContextManager[Any]:
    """The lock of a model: hooks and modes belong to the model, so one thread at a time sets them."""
    with _locks_guard:
        return _locks.setdefault(model, threading.RLock())
