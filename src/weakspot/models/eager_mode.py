"""Run compiled models as plain modules: hooks inside a compiled graph would not run."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

import torch
from torch import nn


def unwrap(model: nn.Module) -> nn.Module:
    """Return the module inside of ``torch.compile``, ``DataParallel`` and ``DistributedDataParallel``.

    Example:
        >>> unwrap(nn.DataParallel(nn.ReLU()))
        ReLU()
    """
    parallel = (nn.DataParallel, nn.parallel.DistributedDataParallel)
    while True:
        inner = model.module if isinstance(model, parallel) else getattr(model, "_orig_mod", None)
        if inner is None:
            return model
        model = inner


@dataclass
class _Shared:
    """The stance of torch.compile belongs to the process: the first thread sets it, and the last one restores it."""

    lock: Lock = field(default_factory=Lock)
    threads: int = 0
    stance: Any = None

    def enter(self) -> None:
        with self.lock:
            if not self.threads:
                self.stance = torch.compiler.set_stance("force_eager")
            self.threads += 1

    def leave(self) -> None:
        with self.lock:
            self.threads -= 1
            if not self.threads:
                self.stance.__exit__(None, None, None)


_shared = _Shared()


@contextmanager
def eager_mode() -> Iterator[None]:
    """Run what torch.compile has compiled, modules and functions alike, without its graphs."""
    if "torch._dynamo" not in sys.modules or not hasattr(torch.compiler, "set_stance"):  # nothing is compiled
        yield
        return
    _shared.enter()
    try:
        yield
    finally:
        _shared.leave()
