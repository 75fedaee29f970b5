"""HTTP requests to ``weakspot serve``, with retries until a deadline."""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any, TypeVar

from weakspot.errors import InputError, ModelError, WeakspotError

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")
# The queue is full, or the service is stopping: the request is sent again.
_RETRY_STATUSES = (429, 503)
# Client errors by their number that are not the caller's fault.
_NOT_CALLER_FAULT = (408, 429)
_RECONNECT_DELAY = 0.2
_CHECK_URL = "Check the URL, and that weakspot serve runs there."


class ServiceError(WeakspotError):
    """The service responded with an error, whose code, problem and hint are as the service sent them."""

    def __init__(self, code: str, problem: str, hint: str = "", status: int = 500) -> None:
        super().__init__(code, problem, hint)
        self.status = status


class RejectedInputError(ServiceError, InputError):
    """The service rejected an image, an option or the request itself."""


@dataclass(frozen=True)
class RetryLater:
    """A failed attempt, and the seconds to wait before the next one."""

    error: WeakspotError
    seconds: float


class RemoteService:
    """Connection to a service, with the arguments of the client; threads may share it.

    Retries are written here, as httpx-retries (0.6) cannot keep a deadline (its ``total_timeout`` bounds the sleeps
    only, and cuts a Retry-After short), and does not retry if the connection breaks within the response body.
    """

    def __init__(self, url: str, token: str | None, timeout: float, retries: int) -> None:
        try:
            import httpx
        except ImportError as error:
            raise ModelError("not-installed", "The client needs httpx.", "Run: pip install 'weakspot[web]'") from error
        if not timeout > 0:
            raise InputError("out-of-range", f"timeout must be positive, got {timeout}.")
        if not retries >= 0:
            raise InputError("out-of-range", f"retries must be at least 0, got {retries}.")
        base_url, headers = _parse_url(url), _headers(token)
        self._timeout, self._retries = timeout, retries
        # Neither a redirect nor a proxy of the environment may send images elsewhere.
        self._http = httpx.Client(base_url=base_url, headers=headers, follow_redirects=False, trust_env=False)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def is_ready(self) -> bool:
        """Whether the service accepts images; one attempt, without retries."""
        import httpx

        try:
            return self._http.get("/readyz", timeout=self._timeout).status_code == 200
        except httpx.HTTPError:
            return False

    def request(self, parse: Callable[[Any], T], verb: str, path: str, **content: Any) -> T:
        """Send a request, retry it until the timeout, and parse the JSON of the response.

        Raises:
            RejectedInputError: If the service rejects the request; the code is the service's.
            ServiceError: If the service fails; the code is the service's, or ``service-timeout``.
            ModelError: ``service-unreachable``, or ``response-invalid`` if it is not ``weakspot serve``.
        """
        deadline, remaining = time.monotonic() + self._timeout, self._timeout
        for attempt in count():
            response = self._send(verb, path, remaining, content)
            if not isinstance(response, RetryLater):
                return _parse(parse, response)
            remaining = deadline - time.monotonic() - response.seconds
            if attempt >= self._retries or remaining <= 0:
                raise response.error
            time.sleep(response.seconds)
        raise AssertionError

    def _send(self, verb: str, path: str, timeout: float, content: dict[str, Any]) -> "httpx.Response | RetryLater":
        import httpx

        try:
            response = self._http.request(verb, path, timeout=timeout, **content)
        except (httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError) as error:  # e.g. the service restarts
            return RetryLater(self._unreachable(error), _RECONNECT_DELAY)
        except httpx.ReadTimeout:  # the service runs, but does not finish this request
            problem = f"The service did not respond in {self._timeout:g} seconds."
            raise ServiceError("service-timeout", problem, "Use a longer timeout.", 408) from None
        except httpx.HTTPError as error:
            raise self._unreachable(error) from None
        if response.status_code in _RETRY_STATUSES:
            return RetryLater(_error_of(response), _retry_after(response))
        return response

    def _unreachable(self, error: Exception) -> ModelError:
        url = self._http.base_url
        reason = " ".join(str(error).split()) or type(error).__name__
        problem = f"Cannot reach {url.scheme}://{url.netloc.decode()}: {reason}."
        return ModelError("service-unreachable", problem, _CHECK_URL)


def _parse(parse: Callable[[Any], T], response: "httpx.Response") -> T:
    if response.status_code != 200:
        raise _error_of(response)
    try:
        return parse(response.json())
    except Exception:  # any JSON can arrive
        raise _invalid_response(response) from None


def _error_of(response: "httpx.Response") -> WeakspotError:
    status = response.status_code
    try:
        body = response.json()["error"]
        problem, hint = (" ".join(str(body[key]).split()) for key in ("problem", "hint"))
        code = str(body.get("code"))
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError):
        return _invalid_response(response)
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)+", code):  # weakspot 0.1.0 sends no code
        code = "service-error"
    is_caller_fault = 400 <= status < 500 and status not in _NOT_CALLER_FAULT
    return (RejectedInputError if is_caller_fault else ServiceError)(code, problem, hint, status)


def _invalid_response(response: "httpx.Response") -> ModelError:
    problem = f"Unexpected response from {response.url.host} (status {response.status_code})."
    return ModelError("response-invalid", problem, _CHECK_URL)


def _retry_after(response: "httpx.Response") -> float:
    """Return the seconds of the Retry-After header; one second if it is a date or missing."""
    value = response.headers.get("retry-after", "")
    return min(float(value), 3600.0) if value.isascii() and value.isdecimal() else 1.0


def _parse_url(url: str) -> "httpx.URL":
    import httpx

    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, TypeError):
        parsed = httpx.URL()
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise InputError("url-invalid", f"url must be like http://127.0.0.1:8000, got {url!r}.")
    return parsed


def _headers(token: str | None) -> dict[str, str]:
    if token is None:
        return {}
    if not (token and token.isascii() and token.isprintable()):
        raise InputError("token-invalid", "token must be non-empty printable ASCII.")
    return {"Authorization": f"Bearer {token}"}
