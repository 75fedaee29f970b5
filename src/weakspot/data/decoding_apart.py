"""Decode image files in processes of their own while a command runs."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

from weakspot.data.decoder_limits import DecodingLimits

if TYPE_CHECKING:  # it needs the functions that use this module
    from weakspot.data.decoder_pool import DecoderPool

_active: list["DecoderPool"] = []
if hasattr(os, "register_at_fork"):  # workers of a DataLoader decode themselves: their images were decoded before
    os.register_at_fork(after_in_child=_active.clear)


@contextmanager
def decoding_apart(
    limits: DecodingLimits = DecodingLimits(), *, decoders: "DecoderPool | None" = None
) -> Iterator["DecoderPool"]:
    """Let all functions that read image files do so in decoders, in all threads, until the context ends.

    Args:
        limits: Limits of each image.
        decoders: An open pool to use; by default one is made, whose decoders start when they are needed.

    Yields:
        The decoders: within another such context, those of that one.
    """
    from weakspot.data.decoder_pool import DecoderPool

    if _active:
        yield _active[0]
        return
    with nullcontext(decoders) if decoders is not None else DecoderPool(limits=limits) as pool:
        _active.append(pool)
        try:
            yield pool
        finally:
            _active.remove(pool)


def active_decoders() -> "DecoderPool | None":
    """Return the decoders of the context, if there is one."""
    return next(iter(_active), None)
