"""Ask a service of ``weakspot serve``, in Python."""

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, Literal, Self

from weakspot.concurrency import ordered_map
from weakspot.data import ImageSource, read_image
from weakspot.errors import InputError, WeakspotError
from weakspot.serving.client.http import RemoteService, ServiceError
from weakspot.serving.client.results import RemoteLocalization, from_dict

# What is wrong with one image, or may be otherwise for the next one; the other refusals hold for all.
_OF_ONE_IMAGE = (408, 413, 422, 429, 500, 503)
# So many images are on their way at once: as many as the service runs through the model together.
_AT_ONCE = 16
Classes = Sequence[int | str] | int | str | None
Boxes = Literal["largest", "all", "instances"]


@dataclass(frozen=True)
class ServedModel:
    """The model of a service.

    Attributes:
        name: Of a file or a folder its last part.
        method: That which is taken where a request names none.
        quality: ``"plain"``, ``"fast"``, ``"balanced"`` or ``"best"``.
        threshold: Fraction of the heatmap's peak at which boxes are cut.
        backend: ``"torch"`` or ``"onnx"``.
        input_height: Rows that the model sees.
        input_width: Columns that the model sees.
        classes: Names of the classes, by index.
    """

    name: str
    method: str
    quality: str
    threshold: float
    backend: str
    input_height: int
    input_width: int
    classes: tuple[str, ...]


class Client:
    """A service of ``weakspot serve``; threads may share it.

    Args:
        url: Where it listens.
        token: What it was started with, if it was.
        timeout: So many seconds a call may wait for one image, for the service to have room among them.
        retries: So many times it is asked again if it has no room (429, 503) or the connection broke.

    Raises:
        InputError: If the address or the token cannot be one.
        ModelError: If httpx is not installed.

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
        """Let go of the connections."""
        self._service.close()

    def localize(
        self,
        image: ImageSource,
        *,
        method: str | None = None,
        classes: Classes = None,
        top_k: int = 1,
        threshold: float | None = None,
        boxes: Boxes = "largest",
        heatmap: bool = False,
    ) -> RemoteLocalization:
        """Localize in one image.

        Args:
            image: A path or the bytes of an image file, which are sent as they are; a PIL image or a uint8 array.
            method: One of :meth:`methods`; None for the service's own.
            classes: Names or indices of the classes to look for; None takes the ``top_k`` most probable.
            top_k: How many classes when ``classes`` is None.
            threshold: Fraction of the heatmap's peak at which to cut; None for the method's own.
            boxes: Of the largest region, of all regions, or of all and merged ones split.
            heatmap: Whether to send the heatmaps, too.

        Raises:
            InputError: If the image or an option cannot be used.
            ModelError: If nothing answers there, or not ``weakspot serve``.
            WeakspotError: If the service is overloaded or broken.
        """
        return self._localize(image, _form(method, classes, top_k, threshold, boxes, heatmap))

    def localize_many(
        self,
        images: Iterable[ImageSource],
        *,
        method: str | None = None,
        classes: Classes = None,
        top_k: int = 1,
        threshold: float | None = None,
        boxes: Boxes = "largest",
        heatmap: bool = False,
    ) -> list[RemoteLocalization | WeakspotError]:
        """Localize in many images, one a request and several requests at once.

        Args:
            images: As for one image; taken as they are needed.
            method: As for one image.
            classes: As for one image.
            top_k: As for one image.
            threshold: As for one image.
            boxes: As for one image.
            heatmap: As for one image.

        Returns:
            One localization an image, in their order; for an image that got none, the error.

        Raises:
            InputError: If the service refuses every request: for the token, for example.
            ModelError: If nothing answers there, or not ``weakspot serve``.
        """
        form = _form(method, classes, top_k, threshold, boxes, heatmap)
        with ThreadPoolExecutor(_AT_ONCE) as threads:
            return list(
                ordered_map(lambda image: self._localize_or_say(image, form), images, threads, max_pending=_AT_ONCE)
            )

    def models(self) -> list[ServedModel]:
        """What the service serves: one model."""
        return self._service.ask(lambda answer: [_model(**model) for model in answer["models"]], "GET", "/v1/models")

    def methods(self) -> dict[str, float]:
        """The methods that may be asked for and the threshold of each, the service's own first."""
        return self._service.ask(
            lambda answer: {str(one["name"]): float(one["threshold"]) for one in answer["methods"]},
            "GET",
            "/v1/methods",
        )

    def ready(self) -> bool:
        """Whether the service is there and takes images; it is asked once."""
        return self._service.is_ready()

    def _localize(self, image: ImageSource, form: Mapping[str, Any]) -> RemoteLocalization:
        return self._service.ask(from_dict, "POST", "/v1/localize", files={"image": _file(image)}, data=form)

    def _localize_or_say(self, image: ImageSource, form: Mapping[str, Any]) -> RemoteLocalization | WeakspotError:
        try:
            return self._localize(image, form)
        except ServiceError as error:
            if error.status not in _OF_ONE_IMAGE:
                raise
            return error.with_traceback(None)
        except InputError as error:  # it cannot be read here
            return error.with_traceback(None)


def _model(classes: Sequence[str], **said: Any) -> ServedModel:
    return ServedModel(classes=tuple(classes), **said)


def _form(
    method: str | None, classes: Classes, top_k: int, threshold: float | None, boxes: str, heatmap: bool
) -> dict[str, Any]:
    """The fields of a request; those of which nothing was said are left to the service."""
    wanted = [classes] if isinstance(classes, str | int) else classes
    if wanted is not None and not len(wanted):
        raise InputError("No class was asked for.", "Name one or more, or leave classes out for the most probable.")
    said = {"method": method, "threshold": threshold, "classes": None if wanted is None else [str(c) for c in wanted]}
    asked = {name: value for name, value in said.items() if value is not None}
    return asked | {"top_k": top_k, "boxes": boxes, "heatmap": heatmap}


def _file(image: ImageSource) -> tuple[str, bytes]:
    """The name of an image and the bytes to send."""
    if isinstance(image, bytes):
        return "image", image
    if isinstance(image, str | Path):
        path = Path(image)
        try:
            return path.name.encode(errors="replace").decode(), path.read_bytes()
        except (OSError, ValueError) as error:
            problem = f"{path} cannot be read: {getattr(error, 'strerror', None) or error}."
            raise InputError(problem, "Check the path.") from error
    file = BytesIO()
    read_image(image).save(file, "PNG", compress_level=1)
    return "image.png", file.getvalue()
