"""A report: one HTML file of what a folder of results holds, that opens offline and asks nothing of the network."""

from weakspot.reporting.content import Chart, Content, Item, Skipped
from weakspot.reporting.folders import read_content
from weakspot.reporting.page import write_page

__all__ = ["Chart", "Content", "Item", "Skipped", "read_content", "write_page"]
