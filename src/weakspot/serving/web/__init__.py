"""A page in the browser: a photo in, pictures and boxes out, for whoever asks."""

from weakspot.serving.web import environment  # noqa: F401  (before anything that imports Gradio)
from weakspot.serving.web.layout import build_page
from weakspot.serving.web.mount import mount_page

__all__ = ["build_page", "mount_page"]
