"""Requests that wish the service no good: each is refused, none is a fault of the service, all others are answered."""

import gc
import json

import pytest
from hostile import answered, corpus, real_files, status_of, tells_too_much, upload
from live_service import serving, small_localizer

ALL = corpus(60)


@pytest.fixture(scope="module")
def live(tmp_path_factory):
    with serving(small_localizer(tmp_path_factory.mktemp("run")), seconds=1) as live:
        yield live


@pytest.fixture(scope="module")
def at_rest(live):
    return localized(live)


def localized(live):
    answer = answered(live.port, upload(real_files()["plain.jpg"]))
    assert status_of(answer) == 200, answer
    return json.loads(answer.partition(b"\r\n\r\n")[2])


@pytest.mark.parametrize("family", sorted({one.family for one in ALL}))
# Starlette leaves the temporary file of a form that breaks off to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_hostile_requests_are_refused_and_good_ones_are_answered(live, at_rest, family):
    for one in (one for one in ALL if one.family == family):
        answer = answered(live.port, one.request)
        fine = range(200, 500) if one.may_pass else range(400, 500)
        assert status_of(answer) in fine, (one, answer)
        assert not tells_too_much(answer), (one, answer)
    gc.collect()
    assert localized(live) == at_rest
    assert live.served.shared.works
