"""Label files for detectors and labeling tools: COCO, YOLO, VOC, Label Studio, CSV and masks."""

from typing import TYPE_CHECKING

import lazy_loader as lazy

if TYPE_CHECKING:
    from weakspot.data.formats.records import LabelProblem as LabelProblem
    from weakspot.data.formats.records import LoadedLabels as LoadedLabels
    from weakspot.data.formats.records import WriteOptions as WriteOptions
    from weakspot.labels.formats import FORMATS as FORMATS
    from weakspot.labels.formats import Format as Format

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submod_attrs={"formats": ["FORMATS", "Format", "LabelProblem", "LoadedLabels", "WriteOptions"]},
)
