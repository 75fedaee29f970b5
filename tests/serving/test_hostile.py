"""Hostile requests are rejected without a server error, and good requests still succeed."""

import gc
import json

import pytest
from hostile import corpus, leaks_internals, real_files, send, status_of, upload
from services import serving

ALL = corpus(60)


@pytest.fixture(scope="module")
def impatient(localizer):
    """A service for the requests that never end, each of which costs its timeout."""
    with serving(localizer, body_timeout=0.3) as service:
        yield service


@pytest.fixture(scope="module")
def reference_row(live):
    return localize(live)


def localize(live):
    answer = send(live.port, upload(real_files()["plain.jpg"]))
    assert status_of(answer) == 200, answer
    return json.loads(answer.partition(b"\r\n\r\n")[2])


@pytest.mark.parametrize("family", sorted({one.family for one in ALL}))
# Starlette leaves the temporary file of an incomplete form to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_hostile_requests_are_rejected_and_good_ones_succeed(live, impatient, reference_row, family):
    for one in (one for one in ALL if one.family == family):
        answer = send((impatient if one.is_endless else live).port, one.request)
        fine = range(200, 500) if one.may_pass else range(400, 500)
        assert status_of(answer) in fine, (one, answer)
        assert not leaks_internals(answer), (one, answer)
    gc.collect()
    assert localize(live) == reference_row
    assert live.batching.ready
