"""Make the lecture's notebooks and pictures from its pages: the same code in English and in Russian, run once.

pip install .[docs], then: python docs/tutorial/build.py

A page is plain Markdown. A fenced block of ``python`` is a code cell; a block of ``text`` right behind it shows what it
prints, and a picture right behind that is the one that it shows. All else is text.
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
        printed: What the page says that the code prints.
        picture: The file, beside the page, of the picture that the code shows; empty for none.
    """

    source: str
    is_code: bool
    printed: str = ""
    picture: str = ""


def read_cells(page: Path) -> list[Cell]:
    """Cut a page into text and code."""
    text, cells, end = page.read_text(encoding="utf-8"), [], 0
    for found in _CODE.finditer(text):
        cells.append(Cell(text[end : found.start()].strip(), is_code=False))
        cells.append(Cell(found["code"].rstrip(), True, found["printed"] or "", found["picture"] or ""))
        end = found.end()
    return [cell for cell in [*cells, Cell(text[end:].strip(), is_code=False)] if cell.source]


def code_of(cells: list[Cell]) -> list[Cell]:
    """The code cells alone."""
    return [cell for cell in cells if cell.is_code]


def run(cells: list[Cell]) -> list[list[dict[str, Any]]]:
    """Run the code in a fresh kernel, and give the outputs of each code cell."""
    from nbclient import NotebookClient
    from nbformat import v4

    notebook = v4.new_notebook(cells=[v4.new_code_cell(cell.source) for cell in code_of(cells)])
    quiet = {**os.environ, "PYTHONWARNINGS": "ignore:IProgress not found"}  # progress bars want a widget
    NotebookClient(notebook, timeout=300, kernel_name="python3", record_timing=False).execute(env=quiet)
    return [[_tidied(output) for output in cell.outputs] for cell in notebook.cells]


def _tidied(output: Any) -> dict[str, Any]:
    """Of a picture only its JPEG is kept: the PNG is large, and its description is an address in memory."""
    if output.output_type == "stream" and output.name == "stderr":
        raise SystemExit(f"A cell complains: {output.text}")
    if "data" in output and "image/jpeg" in output.data:
        jpeg = output.data["image/jpeg"].replace("\n", "")
        return {"output_type": "display_data", "metadata": {}, "data": {"image/jpeg": jpeg}}
    return dict(output)


def notebook_of(cells: list[Cell], outputs: list[list[dict[str, Any]]]) -> dict[str, Any]:
    """Put text, code and outputs together; nothing in it says where or when it was run."""
    of_code = iter(enumerate(outputs, start=1))
    made = []
    for number, cell in enumerate(cells):
        common = {"id": f"cell-{number:02}", "metadata": {}, "source": cell.source.splitlines(keepends=True)}
        if cell.is_code:
            count, shown = next(of_code)
            made.append({"cell_type": "code", **common, "execution_count": count, "outputs": shown})
        else:
            made.append({"cell_type": "markdown", **common})
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
    return {"cells": made, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}


def write_pictures(cells: list[Cell], outputs: list[list[dict[str, Any]]]) -> None:
    """Write the picture of each cell that shows one to the file that the page names."""
    for cell, shown in zip(code_of(cells), outputs, strict=True):
        pictures = [output["data"]["image/jpeg"] for output in shown if "data" in output]
        if len(pictures) != bool(cell.picture):
            raise SystemExit(f"The page names {cell.picture or 'no picture'}, the cell shows {len(pictures)}.")
        for picture in pictures:
            (FOLDER / cell.picture).write_bytes(b64decode(picture))


def main() -> None:
    """Write a notebook beside each page, and the pictures that the pages show."""
    (FOLDER / "images").mkdir(exist_ok=True)
    outputs = run(read_cells(PAGES[0]))
    write_pictures(read_cells(PAGES[0]), outputs)
    for page in PAGES:
        notebook = notebook_of(read_cells(page), outputs)
        text = json.dumps(notebook, ensure_ascii=False, indent=1) + "\n"
        page.with_suffix(".ipynb").write_text(text, encoding="utf-8")
        print(page.with_suffix(".ipynb").relative_to(FOLDER))


if __name__ == "__main__":
    main()
