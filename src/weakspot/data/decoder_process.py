"""A process that decodes one image after another for its parent, within limits on time and memory.

Requests come on stdin and answers go to stdout, see :mod:`weakspot.data.decoder_messages`. The process ends with its
stdin.
"""

import os
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from weakspot.data.decoder_limits import DecodingLimits, end_at_limits, limit_cpu_time, limit_memory
from weakspot.data.decoder_messages import encode_header, read_message, write_message
from weakspot.data.decoding import OnHeader, read_downscaled, read_file, read_orientation
from weakspot.data.image_files import error_of_image
from weakspot.errors import InputError
from weakspot.ops.preprocessing import resize_by_pillow, to_array

_Result = tuple[NDArray[Any], tuple[int, ...]]  # pixels, and numbers about the image


def main() -> None:
    """Answer requests until stdin ends."""
    warnings.simplefilter("ignore")
    end_at_limits()
    Image.init()  # the time for it is not that of an image
    with _private_stdout() as answers, open(0, "rb", buffering=0) as requests:
        write_message(answers, encode_header({"ready": True}))
        while (request := read_message(requests)) is not None:
            _answer(answers, *request)


def _private_stdout() -> BinaryIO:
    """Return a file of stdout that only this module knows: what a library prints would break the messages."""
    private = os.dup(1)
    with open(os.devnull, "wb") as nothing:  # noqa: PTH123
        os.dup2(nothing.fileno(), 1)
    return open(private, "wb", buffering=0)  # noqa: PTH123


def _answer(answers: BinaryIO, request: dict[str, Any], content: bytearray) -> None:
    try:
        pixels, numbers = _decode(request, content)
    except InputError as error:
        write_message(answers, encode_header({"code": error.code, "problem": error.problem, "hint": error.hint}))
    else:
        header = encode_header({"shape": pixels.shape, "numbers": numbers})
        write_message(answers, header, pixels.data if pixels.size else b"")


def _decode(request: dict[str, Any], content: bytearray) -> _Result:
    """Decode an image within the limits; an error has no traceback, which would keep the image alive."""
    limits = DecodingLimits(**request["limits"])
    source, name = (Path(os.fsdecode(bytes(content))), "") if request["is_path"] else (bytes(content), "The image")

    def limit(format_: str, pixels: int) -> None:
        limit_cpu_time(limits.cpu_seconds_of(format_, pixels))
        limit_memory(limits.memory_of(pixels))

    limit("", 0)
    try:
        if request["folder"]:  # relative paths start from the parent's folder, which may have changed
            os.chdir(request["folder"])
        return _FUNCTIONS[request["function"]](source, request, limit)
    except InputError as error:
        raise error.with_traceback(None) from None
    except Exception as error:
        raise error_of_image(name or str(source), error) from None
    finally:
        limit_cpu_time(0)
        limit_memory(0)


def _file(source: Path | bytes, request: dict[str, Any], limit: OnHeader) -> _Result:
    image = read_file(source, **request["options"], on_header=limit)
    return np.asarray(image), ()


def _downscaled(source: Path | bytes, request: dict[str, Any], limit: OnHeader) -> _Result:
    options = request["options"]
    image, original = read_downscaled(source, **options, on_header=limit)
    pixels = to_array(image, channels=request["channels"])
    if request["resize"]:
        pixels = resize_by_pillow(pixels, height=options["height"], width=options["width"])
    return pixels, original


def _orientation(source: Path, _request: dict[str, Any], _limit: OnHeader) -> _Result:
    (height, width), orientation = read_orientation(source)
    return np.empty((0, 0, 0), np.uint8), (height, width, orientation)


_FUNCTIONS: Mapping[str, Callable[[Any, dict[str, Any], OnHeader], _Result]] = {
    "read_file": _file,
    "read_downscaled": _downscaled,
    "read_orientation": _orientation,
}


if __name__ == "__main__":
    main()
