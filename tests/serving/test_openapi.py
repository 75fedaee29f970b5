"""The API does what its OpenAPI document says: schemathesis asks, and judges the answers by all its checks."""

import pytest
import schemathesis
from hostile import real_files
from hypothesis import HealthCheck, assume, given, settings
from live_service import gated, small_localizer
from schemathesis import GenerationMode
from small_graphs import NAMES

PHOTO = real_files()["plain.jpg"]
WITHOUT_INPUT = ("/healthz", "/metrics", "/readyz", "/v1/methods", "/v1/models")
OPTIONS = {"method", "classes", "top_k", "threshold", "boxes", "heatmap"}
EXAMPLES = settings(
    max_examples=60, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)


@pytest.fixture(scope="module")
def document(tmp_path_factory):
    with gated(small_localizer(tmp_path_factory.mktemp("run"))) as (gate, _):
        yield schemathesis.openapi.from_asgi("/openapi.json", gate)


def asked(operation, mode, change=lambda case: None):
    @EXAMPLES
    @given(operation.as_strategy(generation_mode=mode))
    def ask(case):
        change(case)
        case.call_and_validate()

    ask()


def made_sense_of(case):
    """Put in what no schema can demand: bytes that are an image, and words that are classes; not too many maps."""
    case.body["image"] = [PHOTO]
    if case.body.get("classes"):
        case.body["classes"] = [NAMES[len(name) % len(NAMES)] for name in case.body["classes"]]


def something_wrong(case):
    """Leave out what is only wrong by the letter.

    A field that is left empty in a form is one that is left out. What is no bytes by the document is some in a form,
    and of several images each is answered for itself.
    """
    if isinstance(case.body, dict):
        if isinstance(case.body.get("image"), list):
            case.body["image"] = case.body["image"][:1]
        assume(not any(case.body.get(name) in ("", [], None) for name in case.body.keys() & OPTIONS))


def test_no_other_operations_are_described(document):
    found = [one.ok() for one in document.get_all_operations()]
    assert {one.path for one in found} == {*WITHOUT_INPUT, "/v1/localize"}


@pytest.mark.parametrize("path", WITHOUT_INPUT)
def test_what_there_is_and_how_it_is_are_told_as_described(document, path):
    asked(document[path]["GET"], GenerationMode.POSITIVE)


def test_what_the_document_allows_is_answered_as_it_says(document):
    asked(document["/v1/localize"]["POST"], GenerationMode.POSITIVE, made_sense_of)


def test_what_the_document_forbids_is_refused_as_it_says(document):
    asked(document["/v1/localize"]["POST"], GenerationMode.NEGATIVE, something_wrong)
