"""What ``weakspot report`` can be told."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter


@dataclass(frozen=True)
class ReportOptions:
    """What to show, and where to write it.

    Attributes:
        output: HTML file to write. Default: report.html in FOLDER.
        data: Data set with the true boxes of what was localized, or that of an evaluation if it has moved.
        images: Of a training run: photos to localize a sample of. Default: those that validated it. Else: folder of the
            photos, if they have moved.
        max_items: Show that many, the worst or most doubtful of them.
        thumbnail_size: Longer side of thumbnails in pixels.
    """

    output: Annotated[Path | None, Parameter(alias="-o")] = None
    data: Path | None = None
    images: Path | None = None
    max_items: int = 5000
    thumbnail_size: int = 192
