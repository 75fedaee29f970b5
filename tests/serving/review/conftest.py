import pytest
from reviews import reviewing, write_found


@pytest.fixture
def found(tmp_path):
    """Five images: cat/0000.png is the most uncertain one."""
    return write_found(tmp_path)


@pytest.fixture
def live(found):
    with reviewing(found) as live:
        yield live


@pytest.fixture(scope="package")
def shared(tmp_path_factory):
    """For tests that change nothing."""
    with reviewing(write_found(tmp_path_factory.mktemp("shared"))) as live:
        yield live
