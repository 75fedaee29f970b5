"""Localize whole folders: rows, images and masks in a run folder, resumable."""
