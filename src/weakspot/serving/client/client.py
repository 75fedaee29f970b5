"""Python client of ``weakspot serve``."""

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any, Self

from weakspot.concurrency import ordered_map
from weakspot.config import BoxesName
from weakspot.data import ImageSource, read_image
from weakspot.errors import InputError, WeakspotError
from weakspot.inference.localization import Localization
from weakspot.serving.client.http import RemoteService, ServiceError

# Statuses that concern one image, or may differ for the next one; other errors concern all requests.
_STATUSES_OF_ONE_IMAGE = (408, 413, 422, 429, 500, 503)
# Concurrent requests: the batch size of the service.
_MAX_CONCURRENT = 16
Classes = Sequence[int | str] | int | str | None


@dataclass(frozen=True)
class ServedModel:
    """The model of a service: default method and threshold of requests, input size in pixels, class names by index."""

    name: str
    method: str
    quality: str
    threshold: float
    backend: str
    input_height: int
    input_width: int
    classes: tuple[str, ...]


class Client:
    """Client of ``weakspot serve``; threads may share it.

    Args:
        url: URL of the service.
        token: Token of the service, if it has one.
        timeout: Seconds that a request may take, including retries.
        retries: Maximum number of retries if the queue is full (429, 503) or the connection breaks.

    Raises:
        InputError: ``url-invalid``, ``token-invalid`` or ``out-of-range``.
        ModelError: ``not-installed`` if httpx is missing.

    Example:
        >>> with Client("http://127.0.0.1:9", timeout=1) as client:
        ...     client.ready()
        False
    """

    def __init__(
        self, url: str = "http://127.0.0.1:8000", *, token: str | None = None, timeout: float = 60.0, retries: int = 5
    ) -> None:
        self._service = RemoteService(url, token, timeout, retries)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._service.close()

    def localize(
        self,
        image: ImageSource,
        *,
        method: str | None = None,
        classes: Classes = None,
        top_k: int = 1,
        threshold: float | None = None,
        boxes: BoxesName = "best",
        heatmap: bool = False,
    ) -> Localization:
        """Localize classes in one image.

        Args:
            image: Path or bytes of an image file, which are sent as they are; a PIL image or a uint8 array.
            method: One of :meth:`methods`; None for the service's default.
            classes: Names or indices of the classes; None for the ``top_k`` most probable ones.
            top_k: Number of classes if ``classes`` is None.
            threshold: Fraction of the heatmap's peak that bounds the regions; None for the method's default.
            boxes: Regions to return, see :class:`weakspot.Localizer`.
            heatmap: Whether to return the heatmaps, in steps of 1/255; a localization without one has no mask.

        Raises:
            InputError: If the image or an option cannot be used.
            ModelError: ``service-unreachable``, or ``response-invalid`` if it is not ``weakspot serve``.
            WeakspotError: If the service is overloaded or fails.
        """
        return self._localize(_form(method, classes, top_k, threshold, boxes, heatmap), image)

    def localize_many(
        self,
        images: Iterable[ImageSource],
        *,
        method: str | None = None,
        classes: Classes = None,
        top_k: int = 1,
        threshold: float | None = None,
        boxes: BoxesName = "best",
        heatmap: bool = False,
    ) -> list[Localization | WeakspotError]:
        """Localize classes in many images, with one image per request and concurrent requests.

        The arguments are those of :meth:`localize`; the images are consumed lazily.

        Returns:
            One localization or error for each image, in the order of the images.

        Raises:
            InputError: If the service rejects every request, e.g. ``token-invalid``.
            ModelError: ``service-unreachable``, or ``response-invalid`` if it is not ``weakspot serve``.
        """
        form = _form(method, classes, top_k, threshold, boxes, heatmap)
        with ThreadPoolExecutor(_MAX_CONCURRENT) as threads:
            return list(ordered_map(partial(self._try_localize, form), images, threads, max_pending=_MAX_CONCURRENT))

    def models(self) -> list[ServedModel]:
        """Return the served models (one)."""
        return self._service.request(
            lambda body: [ServedModel(**{**model, "classes": tuple(model["classes"])}) for model in body["models"]],
            "GET",
            "/v1/models",
        )

    def methods(self) -> dict[str, float]:
        """Return the threshold of each method that requests may use, the service's default method first."""
        return self._service.request(
            lambda body: {str(method["name"]): float(method["threshold"]) for method in body["methods"]},
            "GET",
            "/v1/methods",
        )

    def ready(self) -> bool:
        """Whether the service accepts images; one attempt, without retries."""
        return self._service.is_ready()

    def _localize(self, form: Mapping[str, Any], image: ImageSource) -> Localization:
        return self._service.request(
            Localization.from_dict, "POST", "/v1/localize", files={"image": _file(image)}, data=form
        )

    def _try_localize(self, form: Mapping[str, Any], image: ImageSource) -> Localization | WeakspotError:
        try:
            return self._localize(form, image)
        except ServiceError as error:
            if error.status not in _STATUSES_OF_ONE_IMAGE:
                raise
            return error.with_traceback(None)
        except InputError as error:  # this process cannot read the image
            return error.with_traceback(None)


def _form(
    method: str | None, classes: Classes, top_k: int, threshold: float | None, boxes: str, heatmap: bool
) -> dict[str, Any]:
    """Build the form fields of a request, without those that are None."""
    if isinstance(classes, str | int):
        classes = [classes]
    if classes is not None and len(classes) == 0:
        raise InputError("missing-class", "classes must name at least one class or be None, got [].")
    fields = {
        "method": method,
        "threshold": threshold,
        "classes": None if classes is None else [str(c) for c in classes],
        "top_k": top_k,
        "boxes": boxes,
        "heatmap": heatmap,
    }
    return {name: value for name, value in fields.items() if value is not None}


def _file(image: ImageSource) -> tuple[str, bytes]:
    """Return the name and the bytes of an image file."""
    if isinstance(image, bytes):
        return "image", image
    if isinstance(image, str | Path):
        path = Path(image)
        try:
            return path.name.encode(errors="replace").decode(), path.read_bytes()
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise InputError("image-unreadable", f"Cannot read {path}: {reason}.") from error
    file = BytesIO()
    read_image(image).save(file, "PNG", compress_level=1)
    return "image.png", file.getvalue()
