"""Options of ``weakspot serve``."""

from dataclasses import dataclass
from typing import Annotated

from cyclopts import Group, Parameter

from weakspot.config import Tiles
from weakspot.inference.command_options import METHOD, DeviceOptions, MethodOptions

SERVICE, LIMITS = (
    Parameter(group=Group(name, sort_key=number)) for number, name in enumerate(("Service", "Limits"), -1)
)


@dataclass(frozen=True)
class ServeOptions(DeviceOptions, MethodOptions):
    """Where to listen, and the limits of a request.

    Attributes:
        tiles: Localize larger images in overlapping tiles of this many pixels, so that small objects are found. auto:
            tiles of the model's input size. A large image takes seconds: see --timeout.
        host: Address to listen on. A token is required unless only this machine can reach it.
        port: Port to listen on; 0 for a free one.
        token: Required in "Authorization: Bearer TOKEN", or in a browser as the password. Safer in $WEAKSPOT_TOKEN,
            which other users of the machine cannot read.
        root_path: Path, or URL, at which a reverse proxy offers the service, such as /weakspot.
        max_upload_mb: Larger requests are rejected before they are read, in MiB.
        max_pixels: Images with more pixels are rejected without decoding. Default: 89 million.
        max_images: Maximum number of images per request.
        concurrency: Maximum number of images that wait; further requests are answered with 429.
        timeout: Seconds to receive and to answer a request, and to shut down after SIGTERM.
    """

    tiles: Annotated[Tiles | None, METHOD] = None
    host: Annotated[str, SERVICE] = "127.0.0.1"
    port: Annotated[int, SERVICE] = 8000
    token: Annotated[str | None, SERVICE] = None
    root_path: Annotated[str | None, SERVICE] = None
    max_upload_mb: Annotated[float, LIMITS] = 20
    max_pixels: Annotated[int | None, LIMITS] = None
    max_images: Annotated[int, LIMITS] = 32
    concurrency: Annotated[int, LIMITS] = 64
    timeout: Annotated[float, LIMITS] = 30
