"""Build the lecture's notebooks and images from its pages: the same code in English and in Russian, run once.

pip install .[docs], then: python docs/tutorial/build.py

A page is plain Markdown. A fenced block of ``python`` is a code cell; a block of ``text`` right after it is its printed
output, and an image right after that is the image that it shows. Everything else is text.
"""

import json
import os
import re
from base64 import b64decode
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
PAGES = (FOLDER / "lecture.en.md", FOLDER / "lecture.ru.md")

_CODE = re.compile(
    r"^```python\n(?P<code>.*?)^```\n"
    r"(?:\n```text\n(?P<printed>.*?)^```\n)?"
    r"(?:\n!\[[^\]]*\]\((?P<picture>images/\S+)\)\n)?",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Cell:
    """A cell of the notebook.

    Attributes:
        source: Text, or code.
        is_code: Whether it is code.
        printed: Printed output on the page.
        picture: File of the image that the code shows, relative to the page; empty for none.
    """

    source: str
    is_code: bool
    printed: str = ""
    picture: str = ""


def read_cells(page: Path) -> list[Cell]:
    """Split a page into text and code."""
    text, cells, end = page.read_text(encoding="utf-8"), [], 0
    for match in _CODE.finditer(text):
        cells.append(Cell(text[end : match.start()].strip(), is_code=False))
        cells.append(Cell(match["code"].rstrip(), True, match["printed"] or "", match["picture"] or ""))
        end = match.end()
    return [cell for cell in [*cells, Cell(text[end:].strip(), is_code=False)] if cell.source]


def code_of(cells: list[Cell]) -> list[Cell]:
    """Return the code cells."""
    return [cell for cell in cells if cell.is_code]


def run(cells: list[Cell]) -> list[list[dict[str, Any]]]:
    """Run the code in a fresh kernel, and return the outputs of each code cell."""
    from nbclient import NotebookClient
    from nbformat import v4

    notebook = v4.new_notebook(cells=[v4.new_code_cell(cell.source) for cell in code_of(cells)])
    quiet = {**os.environ, "PYTHONWARNINGS": "ignore:IProgress not found"}  # progress bars need a widget
    NotebookClient(notebook, timeout=300, kernel_name="python3", record_timing=False).execute(env=quiet)
    return [[_tidied(output) for output in cell.outputs] for cell in notebook.cells]


def _tidied(output: Any) -> dict[str, Any]:
    """Keep only the JPEG of an image: the PNG is large, and its description is an address in memory."""
    if output.output_type == "stream" and output.name == "stderr":
        raise SystemExit(f"A cell prints to stderr: {output.text}")
    if "data" in output and "image/jpeg" in output.data:
        jpeg = output.data["image/jpeg"].replace("\n", "")
        return {"output_type": "display_data", "metadata": {}, "data": {"image/jpeg": jpeg}}
    return dict(output)


def notebook_of(cells: list[Cell], outputs: list[list[dict[str, Any]]]) -> dict[str, Any]:
    """Combine text, code and outputs, without any trace of where or when the code ran."""
    of_code = iter(enumerate(outputs, start=1))
    notebook_cells = []
    for number, cell in enumerate(cells):
        common = {"id": f"cell-{number:02}", "metadata": {}, "source": cell.source.splitlines(keepends=True)}
        if cell.is_code:
            count, cell_outputs = next(of_code)
            notebook_cells.append({"cell_type": "code", **common, "execution_count": count, "outputs": cell_outputs})
        else:
            notebook_cells.append({"cell_type": "markdown", **common})
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
    return {"cells": notebook_cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}


def write_images(cells: list[Cell], outputs: list[list[dict[str, Any]]]) -> None:
    """Write the image of each cell that shows one to the file that the page names."""
    for cell, cell_outputs in zip(code_of(cells), outputs, strict=True):
        images = [output["data"]["image/jpeg"] for output in cell_outputs if "data" in output]
        if len(images) != bool(cell.picture):
            raise SystemExit(f"The page names {cell.picture or 'no image'}, the cell shows {len(images)}.")
        for image in images:
            (FOLDER / cell.picture).write_bytes(b64decode(image))


def main() -> None:
    """Write a notebook next to each page, and the images of the pages."""
    (FOLDER / "images").mkdir(exist_ok=True)
    outputs = run(read_cells(PAGES[0]))
    write_images(read_cells(PAGES[0]), outputs)
    for page in PAGES:
        notebook = notebook_of(read_cells(page), outputs)
        text = json.dumps(notebook, ensure_ascii=False, indent=1) + "\n"
        page.with_suffix(".ipynb").write_text(text, encoding="utf-8")
        print(page.with_suffix(".ipynb").relative_to(FOLDER))


if __name__ == "__main__":
    main()
