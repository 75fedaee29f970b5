from pathlib import Path

import pytest

from weakspot.data.patterns import is_pattern, matches


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """Images in folders, hidden ones, and links to folders above and beside."""
    monkeypatch.chdir(tmp_path)
    for name in ("a.jpg", "d/b.jpg", "d/e/c.jpg", "d/.hidden/h.jpg", ".h/i.jpg", "x[1]/y.jpg"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()


def found(pattern):
    return [path.as_posix() for path in matches(pattern) if path.is_file()]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("**/*.jpg", ["a.jpg", "d/b.jpg", "d/e/c.jpg", "x[1]/y.jpg"]),
        ("**", ["a.jpg", "d/b.jpg", "d/e/c.jpg", "x[1]/y.jpg"]),
        ("d/**", ["d/b.jpg", "d/e/c.jpg"]),
        ("d/**/**/c.*", ["d/e/c.jpg"]),
        ("**/e/**/*.jpg", ["d/e/c.jpg"]),
        ("*/*.jpg", ["d/b.jpg", "x[1]/y.jpg"]),
        ("[d]/**/*.jpg", ["d/b.jpg", "d/e/c.jpg"]),
        ("**/x[[]1]/*.jpg", ["x[1]/y.jpg"]),
        ("gone/**/*.jpg", []),
    ],
)
def test_patterns_match_as_in_glob(tree, pattern, expected):
    assert found(pattern) == expected


def test_absolute_patterns_match_absolute_paths(tree, tmp_path):
    assert found(f"{tmp_path}/d/**/*.jpg") == [f"{tmp_path}/d/b.jpg", f"{tmp_path}/d/e/c.jpg"]


def test_circles_of_links_are_entered_once(tree):
    for i in range(12):
        Path(f"d/up{i}").symlink_to("..")
    Path("self").symlink_to(".")
    assert found("**/*.jpg") == ["a.jpg", "d/b.jpg", "d/e/c.jpg", "x[1]/y.jpg"]


def test_a_folder_elsewhere_is_entered_through_a_link(tree, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    (other / "o.jpg").touch()
    Path("d/link").symlink_to(other)
    assert found("d/**/*.jpg") == ["d/b.jpg", "d/e/c.jpg", "d/link/o.jpg"]


def test_a_file_with_the_letters_of_a_pattern_is_no_pattern(tree):
    assert not is_pattern("x[1]")
    assert is_pattern("x[2]")
