"""Options of ``weakspot review``."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Group, Parameter

from weakspot.inference.command_options import OUTPUT
from weakspot.serving.options import SERVICE

REVIEW = Parameter(group=Group("Review", sort_key=-2))


@dataclass(frozen=True)
class ReviewOptions:
    """Where to listen, and where to write.

    Attributes:
        host: Address to listen on. A token is required unless only this machine can reach it.
        port: Port to listen on; 0 for a free one.
        token: Required in a browser as the password. Safer in $WEAKSPOT_TOKEN, which other users of the machine
            cannot read.
        stop_at: Report when this percentage of all images is right, from 50 to 100: touched ones are, and the share of
            the others is estimated from random checks; the lower end of its 90 % interval counts.
        output: With a run: folder for its localizations and the review. Default: a new folder, review.
    """

    host: Annotated[str, SERVICE] = "127.0.0.1"
    port: Annotated[int, SERVICE] = 8001
    token: Annotated[str | None, SERVICE] = None
    stop_at: Annotated[float | None, REVIEW] = None
    output: Annotated[Path | None, OUTPUT] = None
