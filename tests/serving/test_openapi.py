"""The API conforms to its OpenAPI document: schemathesis generates requests and checks the responses."""

import pytest
import schemathesis
from hostile import real_files
from hypothesis import HealthCheck, assume, given, settings
from schemathesis import GenerationMode
from services import TIMEOUT, small_service
from small_graphs import NAMES

from weakspot.serving.batching import BatchingLocalizer
from weakspot.serving.middleware import Limits

IMAGE = real_files()["plain.jpg"]
PATHS_WITHOUT_INPUT = ("/healthz", "/metrics", "/readyz", "/v1/methods", "/v1/models")
OPTIONS = {"method", "classes", "top_k", "threshold", "boxes", "heatmap"}
EXAMPLES = settings(
    max_examples=60, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)


@pytest.fixture(scope="module")
def document(localizer):
    batching = BatchingLocalizer(localizer, timeout=TIMEOUT)
    service = small_service(batching, limits=Limits(2**20, TIMEOUT, hosts=None))
    yield schemathesis.openapi.from_asgi("/openapi.json", service)
    batching.close(timeout=TIMEOUT)


def check(operation, mode, change=lambda case: None):
    @EXAMPLES
    @given(operation.as_strategy(generation_mode=mode))
    def call(case):
        change(case)
        case.call_and_validate()

    call()


def use_valid_values(case):
    """Insert what a schema cannot require: bytes of an image, and names of classes."""
    case.body["image"] = [IMAGE]
    if case.body.get("classes"):
        case.body["classes"] = [NAMES[len(name) % len(NAMES)] for name in case.body["classes"]]


def keep_one_error(case):
    """Skip cases that are invalid by the document only.

    An empty field of a form is an omitted one, any value is bytes in a form, and several images have one result each.
    """
    if isinstance(case.body, dict):
        if isinstance(case.body.get("image"), list):
            case.body["image"] = case.body["image"][:1]
        assume(not any(case.body.get(name) in ("", [], None) for name in case.body.keys() & OPTIONS))


def test_the_document_lists_all_operations(document):
    assert {operation.ok().path for operation in document.get_all_operations()} == {
        *PATHS_WITHOUT_INPUT,
        "/v1/localize",
    }


@pytest.mark.parametrize("path", PATHS_WITHOUT_INPUT)
def test_routes_without_input_conform(document, path):
    check(document[path]["GET"], GenerationMode.POSITIVE)


def test_valid_requests_succeed(document):
    check(document["/v1/localize"]["POST"], GenerationMode.POSITIVE, use_valid_values)


def test_invalid_requests_are_rejected(document):
    check(document["/v1/localize"]["POST"], GenerationMode.NEGATIVE, keep_one_error)
