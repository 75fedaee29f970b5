from pathlib import Path

import pytest

from weakspot.errors import InputError
from weakspot.io.settings import check_settings, save_settings

SETTINGS = {"model": "resnet50", "layer": ("a", "b"), "weights": Path("w.pth"), "threshold": None, "workers": 2}


def test_settings_come_back_as_they_were(tmp_path):
    save_settings(tmp_path / "s.toml", SETTINGS)
    check_settings(tmp_path / "s.toml", SETTINGS, free=(), missing={})


def test_what_may_change_may_and_the_rest_may_not(tmp_path):
    save_settings(tmp_path / "s.toml", SETTINGS)
    check_settings(tmp_path / "s.toml", SETTINGS | {"workers": 8}, free=("workers",), missing={})
    with pytest.raises(InputError, match=r"had threshold = None, and now it is 0\.5"):
        check_settings(tmp_path / "s.toml", SETTINGS | {"threshold": 0.5}, free=("workers",), missing={})


def test_no_file_is_no_reason_to_refuse_and_a_damaged_one_is(tmp_path):
    check_settings(tmp_path / "s.toml", SETTINGS, free=(), missing={})
    (tmp_path / "s.toml").write_text("[[[")
    with pytest.raises(InputError, match="cannot be read"):
        check_settings(tmp_path / "s.toml", SETTINGS, free=(), missing={})


def test_what_an_earlier_version_did_not_know_is_at_its_default(tmp_path):
    save_settings(tmp_path / "s.toml", {"weakspot": "0.0.1", "model": "resnet50"})
    now = {"model": "resnet50", "doubt": False, "layer": ("a",)}
    check_settings(tmp_path / "s.toml", now, free=(), missing={"doubt": False, "layer": ("a",), "model": "vgg16"})
    with pytest.raises(InputError, match="had doubt = False, and now it is True"):
        check_settings(tmp_path / "s.toml", now | {"doubt": True}, free=(), missing=now)
