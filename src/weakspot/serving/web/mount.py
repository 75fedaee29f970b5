"""Mount the page in a server."""

import asyncio
from collections.abc import Callable
from contextlib import closing
from functools import partial
from importlib.resources import files
from typing import cast

import fastapi
import gradio as gr
from starlette.routing import Mount

from weakspot.serving.batching import BatchingLocalizer
from weakspot.serving.web.examples import examples, thumbnail
from weakspot.serving.web.gradio_routes import RouteAllowlist
from weakspot.serving.web.layout import asset, build_page

_FONT = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif")
_MONO = ("ui-monospace", "SFMono-Regular", "Menlo", "monospace")


def mount_page(
    app: fastapi.FastAPI, localizer: BatchingLocalizer, *, max_upload_mb: int = 20, root_url: str = ""
) -> None:
    """Mount the page at ``/``; earlier routes of the app take precedence, later ones are unreachable.

    ``root_url`` is the path or URL of the service behind a reverse proxy.
    """
    _call_in_event_loop(partial(_mount, app, localizer, max_upload_mb, root_url))


def _call_in_event_loop(function: Callable[[], None]) -> None:
    """Call a function in an event loop; without one, Gradio opens a loop for each of its locks and leaks it."""

    async def call() -> None:
        function()

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        with closing(asyncio.new_event_loop()) as loop:
            loop.run_until_complete(call())
    else:
        function()


def _mount(app: fastapi.FastAPI, localizer: BatchingLocalizer, max_upload_mb: int, root_url: str) -> None:
    page = build_page(localizer, max_upload_mb=max_upload_mb)
    # System fonts, so that no font is downloaded.
    theme = gr.themes.Base(
        primary_hue="emerald", neutral_hue="slate", font=list(_FONT), font_mono=list(_MONO), radius_size="lg"
    )
    thumbnails = "".join(
        f"#ws-example-{number} {{ background-image: url({thumbnail(example.path)}); }}"
        for number, example in enumerate(examples())
    )
    gr.mount_gradio_app(
        app,
        page,
        "/",
        root_path=root_url or None,
        footer_links=[],
        favicon_path=str(files("weakspot.serving.web").joinpath("page.svg")),
        run_history=False,
        show_error=False,
        max_file_size=f"{max_upload_mb}mb",
        ssr_mode=False,
        enable_monitoring=False,
        pwa=False,
        mcp_server=False,
        theme=theme,
        css=asset("page.css") + thumbnails,
        head=f"<script>{asset('page.js')}</script>",
    )
    # Gradio checks that a file was uploaded only on pages that it has launched itself; on others, it would read any
    # path that a visitor names.
    page.has_launched = True
    gradio_app = cast(Mount, app.routes[-1]).app
    cast(fastapi.FastAPI, gradio_app).add_middleware(
        RouteAllowlist,
        max_upload=max_upload_mb * 2**20,
        inputs={number: len(event.inputs) for number, event in page.fns.items() if event.fn is not None},
    )
