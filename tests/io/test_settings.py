from pathlib import Path

from refusals import refused

from weakspot.io.settings import check_settings, save_settings

SETTINGS = {"model": "resnet50", "layer": ("a", "b"), "weights": Path("w.pth"), "threshold": None, "workers": 2}


def test_settings_round_trip(tmp_path):
    save_settings(tmp_path / "s.toml", SETTINGS)
    check_settings(tmp_path / "s.toml", SETTINGS, free=(), missing={})


def test_only_free_settings_may_change(tmp_path):
    save_settings(tmp_path / "s.toml", SETTINGS)
    check_settings(tmp_path / "s.toml", SETTINGS | {"workers": 8}, free=("workers",), missing={})
    with refused("settings-mismatch", "threshold", 0.5):
        check_settings(tmp_path / "s.toml", SETTINGS | {"threshold": 0.5}, free=("workers",), missing={})


def test_a_missing_file_is_accepted_and_a_damaged_one_is_refused(tmp_path):
    check_settings(tmp_path / "s.toml", SETTINGS, free=(), missing={})
    (tmp_path / "s.toml").write_text("[[[")
    with refused("file-unreadable", "s.toml"):
        check_settings(tmp_path / "s.toml", SETTINGS, free=(), missing={})


def test_settings_that_an_earlier_version_lacked_have_their_defaults(tmp_path):
    save_settings(tmp_path / "s.toml", {"weakspot": "0.0.1", "model": "resnet50"})
    now = {"model": "resnet50", "uncertainty": False, "layer": ("a",)}
    check_settings(tmp_path / "s.toml", now, free=(), missing={"uncertainty": False, "layer": ("a",), "model": "vgg16"})
    with refused("settings-mismatch", "uncertainty", True):
        check_settings(tmp_path / "s.toml", now | {"uncertainty": True}, free=(), missing=now)
