import pytest
from services import shared_of, small_localizer


@pytest.fixture(scope="package")
def localizer(tmp_path_factory):
    return small_localizer(tmp_path_factory.mktemp("run"))


@pytest.fixture
def shared(localizer):
    found = shared_of(localizer, waiting=8, timeout=20)
    yield found
    found.close(timeout=10)
