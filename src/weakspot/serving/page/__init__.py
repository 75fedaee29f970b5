"""A page in the browser: a photo in, pictures and boxes out, for whoever asks."""

from weakspot.serving.page import environment  # noqa: F401  (before anything that imports Gradio)
from weakspot.serving.page.layout import build_page
from weakspot.serving.page.mounting import mount_page

__all__ = ["build_page", "mount_page"]
