import ast
import json
import re
import runpy
from pathlib import Path

import pytest
from PIL import Image

TUTORIAL = Path(__file__).parents[2] / "docs" / "tutorial"
BUILD = runpy.run_path(str(TUTORIAL / "build.py"))
PAGES = [TUTORIAL / "lecture.en.md", TUTORIAL / "lecture.ru.md"]


def cells(page):
    return BUILD["read_cells"](page)


def code(page):
    return BUILD["code_of"](cells(page))


def notebook(page):
    return json.loads(page.with_suffix(".ipynb").read_text(encoding="utf-8"))


def run(source, names):
    """Run a cell as a notebook does, and give the value of its last line."""
    tree = ast.parse(source)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "cell", "exec"), names)
    return None if last is None else eval(ast.unparse(last), names)


def headings(page):
    text = "\n".join(cell.source for cell in cells(page) if not cell.is_code)
    return [line.split()[0] for line in text.splitlines() if line.startswith("#")]


@pytest.mark.usefixtures("one_thread")
def test_every_assert_holds_and_cells_print_and_show_what_the_page_says(capsys):
    names = {}
    for cell in code(PAGES[0]):
        shown = run(cell.source, names)
        assert capsys.readouterr().out == cell.printed
        assert isinstance(shown, Image.Image) == bool(cell.picture)


def test_both_languages_have_the_same_code_results_pictures_and_headings():
    english, russian = PAGES
    assert code(english) == code(russian)
    assert headings(english) == headings(russian)
    assert len(code(english)) > 10


def test_both_languages_have_the_same_formulas():
    english, russian = (re.findall(r"\$\$.*?\$\$", page.read_text(encoding="utf-8"), re.DOTALL) for page in PAGES)
    assert english
    assert english == russian


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_notebook_has_the_cells_of_its_page(page):
    made = [("".join(cell["source"]), cell["cell_type"] == "code") for cell in notebook(page)["cells"]]
    assert made == [(cell.source, cell.is_code) for cell in cells(page)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_notebook_was_run_and_says_nothing_of_where(page):
    outputs = [output for cell in notebook(page)["cells"] for output in cell.get("outputs", [])]
    assert sum("data" in output for output in outputs) == sum(bool(cell.picture) for cell in code(page))
    assert all(output.get("name") != "stderr" for output in outputs)
    assert notebook(page)["metadata"] == {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }


def test_pictures_are_there_and_all_is_small():
    assert all((TUTORIAL / cell.picture).is_file() for cell in code(PAGES[0]) if cell.picture)
    assert sum(page.with_suffix(".ipynb").stat().st_size for page in PAGES) < 1_000_000


def test_cut_of_a_page(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# One\n\n```python\n1\n```\n\n```text\n1\n```\n\n![one](images/1.jpg)\n\nTwo.\n", encoding="utf-8")
    title, number, text = cells(page)
    assert (title.source, text.source, text.is_code) == ("# One", "Two.", False)
    assert (number.source, number.printed, number.picture) == ("1", "1\n", "images/1.jpg")
