"""What a user can choose, a record a command: the fields' descriptions are the command line's help.

Nothing heavy is imported here, so that help answers at once.
"""

from weakspot.commands.options.export import ExportOptions
from weakspot.commands.options.label import LabelOptions
from weakspot.commands.options.localize import LocalizeOptions
from weakspot.commands.options.measure import CompareOptions, EvaluateOptions, MeasureOptions
from weakspot.commands.options.report import ReportOptions
from weakspot.commands.options.serve import ServeOptions

__all__ = [
    "CompareOptions",
    "EvaluateOptions",
    "ExportOptions",
    "LabelOptions",
    "LocalizeOptions",
    "MeasureOptions",
    "ReportOptions",
    "ServeOptions",
]
