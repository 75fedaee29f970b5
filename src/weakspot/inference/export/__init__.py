"""Export a classifier and its class maps as one ONNX file, checked against PyTorch."""

from typing import TYPE_CHECKING

import lazy_loader as lazy

if TYPE_CHECKING:
    from weakspot.inference.export.exporter import ExportResult as ExportResult
    from weakspot.inference.export.exporter import export as export

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submod_attrs={
        "exporter": ["ExportResult", "export"],
    },
)
