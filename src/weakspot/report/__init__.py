"""Write results as one HTML file that opens offline."""

from typing import TYPE_CHECKING

import lazy_loader as lazy

if TYPE_CHECKING:
    from weakspot.report.content import Chart as Chart
    from weakspot.report.content import ReportData as ReportData
    from weakspot.report.content import ReportItem as ReportItem
    from weakspot.report.content import Skipped as Skipped
    from weakspot.report.load import read_report_data as read_report_data
    from weakspot.report.page import write_page as write_page

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submod_attrs={
        "content": ["Chart", "ReportData", "ReportItem", "Skipped"],
        "load": ["read_report_data"],
        "page": ["write_page"],
    },
)
