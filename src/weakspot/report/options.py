"""Options of ``weakspot report``."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from weakspot.inference.command_options import DATA, OUTPUT


@dataclass(frozen=True)
class ReportOptions:
    """What to show, and where to write it.

    Attributes:
        data: Data set with ground-truth boxes of the localized images, or the evaluated data set if it has moved.
        images: Folder of the images, if they have moved. For a training run: images to localize for the report.
            Default: its validation images.
        output: HTML file to write. Default: report.html in FOLDER.
        max_items: Maximum number of images to show, those with the worst results or the highest uncertainty first.
    """

    data: Annotated[Path | None, DATA] = None
    images: Annotated[Path | None, DATA] = None
    output: Annotated[Path | None, OUTPUT, Parameter(alias="-o")] = None
    max_items: Annotated[int, OUTPUT] = 5000
