"""Decode image files in processes of their own while a command runs."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from weakspot.data.decoder_limits import DecodingLimits

if TYPE_CHECKING:  # it needs the functions that use this module
    from weakspot.data.decoder_pool import DecoderPool

_active: list["DecoderPool"] = []
if hasattr(os, "register_at_fork"):  # workers of a DataLoader decode themselves: their images were decoded before
    os.register_at_fork(after_in_child=_active.clear)


@contextmanager
def decoding_apart(limits: DecodingLimits = DecodingLimits()) -> Iterator[None]:
    """Let all functions that read image files do so in decoders, in all threads, until the context ends.

    The decoders start when they are needed. Within another such context, this one does nothing.
    """
    from weakspot.data.decoder_pool import DecoderPool

    if _active:
        yield
        return
    with DecoderPool(limits=limits) as decoders:
        _active.append(decoders)
        try:
            yield
        finally:
            _active.remove(decoders)


def active_decoders() -> "DecoderPool | None":
    """Return the decoders of the context, if there is one."""
    return next(iter(_active), None)
