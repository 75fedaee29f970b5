"""A service of ``weakspot serve``, as a program asks it: again while it has no room, and no longer than it may take."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any, TypeVar

from weakspot.errors import InputError, ModelError, WeakspotError

if TYPE_CHECKING:
    import httpx

Read = TypeVar("Read")
# The service has no room now, or is about to stop: it is asked again.
_LATER = (429, 503)
# These are no mistake of who asks.
_NO_MISTAKE = (408, 429)
_NOT_OURS = "Check the address, and that it is weakspot serve that answers there."


class ServiceError(WeakspotError):
    """The service has answered that it cannot.

    Args:
        problem: What is wrong, as it says.
        hint: What to do about it, as it says.
        status: Of its answer.
    """

    def __init__(self, problem: str, hint: str, status: int = 500) -> None:
        super().__init__(problem, hint)
        self.status = status


class RefusedInputError(ServiceError, InputError):
    """The service has answered that an image, an option or the request itself cannot be used."""


@dataclass(frozen=True)
class RetryLater:
    """Why there is no answer yet, and in how many seconds to ask again."""

    error: WeakspotError
    seconds: float


class RemoteService:
    """A service somewhere; threads may share it.

    Args:
        url: Where it listens.
        token: What it was started with, if it was.
        timeout: So many seconds a question may take, asking again among them.
        retries: So many times it is asked again.

    Raises:
        InputError: If the address, the token or a number cannot be one.
        ModelError: If httpx is not installed.
    """

    def __init__(self, url: str, token: str | None, timeout: float, retries: int) -> None:
        try:
            import httpx
        except ImportError as error:
            raise ModelError("httpx is not installed.", "Run: pip install 'weakspot[web]'") from error
        if not (timeout > 0 and retries >= 0):
            raise InputError(
                f"timeout={timeout}, retries={retries} leave nothing.", "Give seconds above 0 and 0 or more."
            )
        address, headers = _checked_url(url), _headers(token)
        self._timeout, self._retries = timeout, retries
        # Neither a redirection nor a proxy of the environment may lead images elsewhere.
        self._http = httpx.Client(base_url=address, headers=headers, follow_redirects=False, trust_env=False)

    def close(self) -> None:
        """Let go of the connections."""
        self._http.close()

    def is_ready(self) -> bool:
        """Whether the service is there and takes images; it is asked once."""
        import httpx

        try:
            return self._http.get("/readyz", timeout=self._timeout).status_code == 200
        except httpx.HTTPError:
            return False

    def ask(self, read: Callable[[Any], Read], verb: str, path: str, **content: Any) -> Read:
        """Ask, and again while there is hope and time.

        Args:
            read: Reads the answer's JSON.
            verb: ``"GET"`` or ``"POST"``.
            path: What is asked.
            content: As httpx takes it.

        Raises:
            RefusedInputError: If the service finds a mistake in what it is asked.
            ServiceError: If it cannot answer.
            ModelError: If nothing answers there, or not ``weakspot serve``.
        """
        until, left = time.monotonic() + self._timeout, self._timeout
        for again in count():
            answer = self._asked_once(verb, path, left, content)
            if not isinstance(answer, RetryLater):
                return _read(read, answer)
            left = until - time.monotonic() - answer.seconds
            if again >= self._retries or left <= 0:
                raise answer.error
            time.sleep(answer.seconds)
        raise AssertionError

    def _asked_once(
        self, verb: str, path: str, seconds: float, content: dict[str, Any]
    ) -> "httpx.Response | RetryLater":
        import httpx

        try:
            answer = self._http.request(verb, path, timeout=seconds, **content)
        except (httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError) as error:
            return RetryLater(
                self._unreachable(error), 0.2
            )  # the connection broke, as it does when a service is renewed
        except httpx.ReadTimeout:  # it is there, and does not get this one done
            problem = f"The service gave no answer in {self._timeout:g} seconds."
            raise ServiceError(problem, "Ask again later, or with a longer timeout.", 408) from None
        except httpx.HTTPError as error:
            raise self._unreachable(error) from None
        return RetryLater(_refusal(answer), _seconds(answer)) if answer.status_code in _LATER else answer

    def _unreachable(self, error: Exception) -> ModelError:
        url = self._http.base_url
        why = " ".join(str(error).split()) or type(error).__name__
        return ModelError(
            f"{url.scheme}://{url.netloc.decode()} does not answer: {why}.",
            "Check the address, and that weakspot serve runs there.",
        )


def _read(read: Callable[[Any], Read], answer: "httpx.Response") -> Read:
    if answer.status_code != 200:
        raise _refusal(answer)
    try:
        return read(answer.json())
    except Exception:  # whatever stands in it
        raise ModelError(f"{answer.url.host} answers what is no answer of weakspot serve.", _NOT_OURS) from None


def _refusal(answer: "httpx.Response") -> WeakspotError:
    status = answer.status_code
    try:
        said = answer.json()["error"]
        problem, hint = (" ".join(str(said[part]).split()) for part in ("problem", "hint"))
    except (KeyError, TypeError, ValueError, RecursionError):
        return ModelError(f"{answer.url.host} answers {status} {answer.reason_phrase}".rstrip() + ".", _NOT_OURS)
    mistake = 400 <= status < 500 and status not in _NO_MISTAKE
    return (RefusedInputError if mistake else ServiceError)(problem, hint, status)


def _seconds(answer: "httpx.Response") -> float:
    """What Retry-After says; a second where it names a date or nothing."""
    said = answer.headers.get("retry-after", "")
    return min(float(said), 3600.0) if said.isascii() and said.isdecimal() else 1.0


def _checked_url(url: str) -> "httpx.URL":
    import httpx

    try:
        found = httpx.URL(url)
    except (httpx.InvalidURL, TypeError):
        found = httpx.URL()
    if found.scheme not in ("http", "https") or not found.host:
        raise InputError(f"{url!r} is no address of a service.", "Give one such as http://127.0.0.1:8000")
    return found


def _headers(token: str | None) -> dict[str, str]:
    if token is None:
        return {}
    if not (token and token.isascii() and token.isprintable()):
        raise InputError("The token is empty, or has characters that no header holds.", "Give it in plain ASCII.")
    return {"Authorization": f"Bearer {token}"}
