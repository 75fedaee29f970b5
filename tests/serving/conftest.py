import pytest
from services import TIMEOUT, serving, small_localizer

from weakspot.serving.batching import BatchingLocalizer


@pytest.fixture(scope="session")
def localizer(tmp_path_factory):
    return small_localizer(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="session")
def live(localizer):
    """A service on a port of this machine, for all tests that leave it as it is."""
    with serving(localizer) as live:
        yield live


@pytest.fixture
def batching(localizer):
    batching = BatchingLocalizer(localizer, max_queue=8, timeout=TIMEOUT)
    yield batching
    batching.close(timeout=TIMEOUT)
