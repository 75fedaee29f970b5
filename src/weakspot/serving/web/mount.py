"""The page in a server."""

import asyncio
from collections.abc import Callable
from contextlib import closing
from functools import partial
from importlib.resources import files
from typing import cast

import fastapi
import gradio as gr
from starlette.routing import Mount

from weakspot.serving.finder import LocalizerProtocol
from weakspot.serving.web.examples import examples, thumbnail
from weakspot.serving.web.gradio_routes import RouteAllowlist
from weakspot.serving.web.layout import asset, build_page

_FONT = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif")
_MONO = ("ui-monospace", "SFMono-Regular", "Menlo", "monospace")


def mount_page(app: fastapi.FastAPI, finder: LocalizerProtocol, *, max_upload_mb: int = 20) -> None:
    """Mount the page at ``/``; routes that the app has already stay in force, later ones are not reached.

    Args:
        app: The server.
        finder: What localizes.
        max_upload_mb: Larger files are refused.
    """
    _with_a_loop(partial(_mount, app, finder, max_upload_mb))


def _with_a_loop(make: Callable[[], None]) -> None:
    """Gradio opens an event loop for each of its locks where none runs, and never closes it."""

    async def making() -> None:
        make()

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        with closing(asyncio.new_event_loop()) as loop:
            loop.run_until_complete(making())
    else:
        make()


def _mount(app: fastapi.FastAPI, finder: LocalizerProtocol, max_upload_mb: int) -> None:
    page = build_page(finder, max_upload_mb=max_upload_mb)
    gr.mount_gradio_app(
        app,
        page,
        "/",
        footer_links=[],
        favicon_path=str(files("weakspot.serving.web").joinpath("page.svg")),
        run_history=False,
        show_error=False,
        max_file_size=f"{max_upload_mb}mb",
        ssr_mode=False,
        enable_monitoring=False,
        pwa=False,
        mcp_server=False,
        theme=_theme(),
        css=asset("page.css") + _thumbnails(),
        head=f"<script>{asset('page.js')}</script>",
    )
    # Gradio asks only of pages that it has launched itself whether a file was uploaded, and reads any other for a
    # visitor who names its path.
    page.has_launched = True
    mounted = cast(Mount, app.routes[-1]).app
    cast(fastapi.FastAPI, mounted).add_middleware(RouteAllowlist, max_upload=max_upload_mb * 2**20)


def _theme() -> gr.themes.Base:
    """Plain, in the system's own letters: no font is fetched from anywhere."""
    return gr.themes.Base(
        primary_hue="emerald", neutral_hue="slate", font=list(_FONT), font_mono=list(_MONO), radius_size="lg"
    )


def _thumbnails() -> str:
    return "".join(
        f"#ws-example-{number} {{ background-image: url({thumbnail(one.path)}); }}"
        for number, one in enumerate(examples())
    )
