"""A browser for all tests of a report's page."""

import pytest


@pytest.fixture(scope="package")
def browser(tmp_path_factory):
    from chromium import start_chromium

    started = start_chromium(tmp_path_factory.mktemp("profile"))
    yield started
    started.quit()
