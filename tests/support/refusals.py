"""Assert that a call is refused: the error's code, and the offending values that its text names."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from weakspot.errors import InputError, WeakspotError


@contextmanager
def refused(
    code: str, *values: object, kind: type[WeakspotError] = InputError
) -> Iterator[pytest.ExceptionInfo[WeakspotError]]:
    """Expect an error of this code whose message contains each of the values."""
    with pytest.raises(kind) as caught:
        yield caught
    assert caught.value.code == code
    assert [value for value in values if str(value) not in str(caught.value)] == []
