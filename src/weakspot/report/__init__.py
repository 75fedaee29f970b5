"""Write results as one HTML file that opens offline."""

from typing import TYPE_CHECKING

import lazy_loader as lazy

if TYPE_CHECKING:
    from weakspot.report.content import Chart as Chart
    from weakspot.report.content import Content as Content
    from weakspot.report.content import Item as Item
    from weakspot.report.content import Skipped as Skipped
    from weakspot.report.load import read_content as read_content
    from weakspot.report.page import write_page as write_page

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submod_attrs={
        "content": ["Chart", "Content", "Item", "Skipped"],
        "load": ["read_content"],
        "page": ["write_page"],
    },
)
