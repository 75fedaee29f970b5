import subprocess
import sys

import pytest
from PIL import Image

import weakspot
from weakspot.cli.app import app, main
from weakspot.config import RENAMED_OPTIONS


@pytest.mark.parametrize("words", [["--help"], ["localize", "--help"], ["demo", "--help"], ["check", "--help"], []])
def test_help_is_printed(words, capsys):
    assert main(words) == 0
    assert "Usage: weakspot" in capsys.readouterr().out


def test_the_version_is_printed(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.strip() == weakspot.__version__


def test_an_unknown_command_is_refused_with_a_near_one(capsys):
    assert main(["localise"]) == 2
    assert 'Did you mean "localize"?' in capsys.readouterr().err


def test_the_module_runs_and_exits_with_the_code():
    command = [sys.executable, "-m", "weakspot", "localize", "missing.jpg", "--threshold", "0"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "0" in done.stderr


@pytest.mark.parametrize(
    "code",
    [
        pytest.param("import weakspot", id="import"),
        pytest.param("from weakspot.cli.app import main; main(['--help'])", id="help"),
        pytest.param("import weakspot; weakspot.ops.box_from_heatmap; weakspot.Localization", id="arrays and results"),
    ],
)
def test_torch_is_not_imported_where_it_is_not_needed(code):
    script = f"{code}; import sys; sys.exit(any(name in sys.modules for name in ('torch', 'timm', 'torchvision')))"
    subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)


def test_a_package_that_is_not_installed_is_named(capsys, monkeypatch, tmp_path):
    """As in an environment that has only what exported files need."""
    monkeypatch.delitem(sys.modules, "weakspot.inference.load_torch", raising=False)
    monkeypatch.setitem(sys.modules, "torch", None)
    Image.new("RGB", (8, 8)).save(tmp_path / "photo.jpg")
    assert main(["localize", str(tmp_path / "photo.jpg"), "--output", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err.splitlines() == [
        "torch is not installed.",
        "Run: pip install torch, or pip install weakspot for everything.",
    ]


@pytest.mark.parametrize(
    ("words", "help_of"),
    [(["localize", "--treshold", "0.3", "a.jpg"], "weakspot localize"), (["locallize", "a.jpg"], "weakspot")],
)
def test_a_misspelled_word_is_answered_with_a_suggestion_and_help(words, help_of, capsys):
    assert main(words) == 2
    problem, hint = capsys.readouterr().err.splitlines()
    assert "Did you mean" in problem
    assert hint == f"See: {help_of} --help"


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ("localize cat.jpg --doubt", "`--doubt` is now `--uncertainty`."),
        ("localize cat.jpg --boxes split", "`--boxes split` is now `--boxes instances`."),
        ("evaluate data --boxes=found.csv", "`--boxes` is now `--predicted-boxes`."),
        ("label found --val 0.2", "`--val` is now `--val-fraction`."),
        ("train data --from runs/cam", "`--from` is now `--teacher`."),
    ],
)
def test_renamed_options_are_answered_with_the_new_name(words, line, capsys):
    assert main(words.split()) == 2
    assert capsys.readouterr().err.splitlines()[0] == line


def test_each_new_name_is_an_option():
    for command, names in RENAMED_OPTIONS.items():
        options = {name for arg in app[command].assemble_argument_collection() for name in arg.names}
        assert {f"--{name.replace('_', '-')}" for name in names.values()} <= options
        assert not {f"--{name}" for name in names if name != "from"} & (options - {"--format"})
