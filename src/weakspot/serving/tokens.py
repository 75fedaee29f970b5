"""The token that a service requires if other machines can reach it."""

import os

from weakspot.errors import InputError

TOKEN = "WEAKSPOT_TOKEN"
LOCAL_HOSTS = ("127.0.0.1", "localhost", "::1")


def allowed_hosts(address: str) -> tuple[str, ...] | None:
    """Return the Host names that a service at an address accepts; None (any) unless it is this machine's own."""
    return LOCAL_HOSTS if address in LOCAL_HOSTS else None


def checked_token(token: str | None, host: str) -> str | None:
    """Return the token of an option, else that of the environment; it is required if other machines can connect.

    Raises:
        InputError: ``missing-token``, or ``token-invalid`` for one that no header can contain.
    """
    token = token or os.environ.get(TOKEN) or None
    if token is None and allowed_hosts(host) is None:
        problem = f"A token is required to listen on {host}."
        raise InputError("missing-token", problem, f"Set {TOKEN} (or --token) to a long random string.")
    if token is not None and not (token.isascii() and token.isprintable() and token == token.strip()):
        raise InputError("token-invalid", "The token must consist of printable ASCII characters without outer spaces.")
    return token
