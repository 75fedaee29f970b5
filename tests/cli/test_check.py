import re

from weakspot.cli.app import main
from weakspot.cli.check import installed_version, packages_of


def test_it_says_what_is_there_what_is_missing_and_how_fast_it_is_a_line_each(capsys):
    assert main(["check"]) == 0
    printed = capsys.readouterr().out
    assert "torch  " in printed
    found = dict(re.split(r" {2,}", line, maxsplit=1) for line in printed.splitlines())
    assert found["weakspot"] == installed_version("weakspot")
    assert found["weights of tf_efficientnet_lite0"] == "installed"
    assert found["speed"].split()[1] == "images"
    assert all(value == "complete" or value.startswith("missing: ") for name, value in found.items() if "extra" in name)


def test_a_package_that_is_missing_is_known_to_be():
    assert installed_version("no-such-package-as-this") is None
    assert set(packages_of("onnx")) == {"onnx", "onnxruntime", "onnxscript"}
    assert packages_of("none") == []
