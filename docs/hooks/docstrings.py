"""Convert docstrings for the reference: roles become code, and examples are shown as code."""

import re
from typing import Any

from griffe import Extension, Object

# :func:`~weakspot.cams.cam` and the like.
_ROLE = re.compile(r":(?:func|class|meth|attr|mod|data):`~?([^`]+)`")
_EXAMPLE = re.compile(r"^( *)Example:$", re.MULTILINE)


class Docstrings(Extension):
    """Convert docstrings before they are parsed."""

    def on_object(self, *, obj: Object, **_: Any) -> None:
        """Convert the docstring of one object."""
        if obj.docstring:
            obj.docstring.value = plain(obj.docstring.value)


def plain(text: str) -> str:
    """Convert the text of a docstring.

    Example:
        >>> plain("As :func:`cam`.")
        'As `cam`.'
    """
    return _EXAMPLE.sub(r"\1Examples:", _ROLE.sub(r"`\1`", text))
