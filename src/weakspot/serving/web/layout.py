"""Controls of the page, and their callbacks."""

from collections.abc import Callable, Sequence
from functools import partial
from importlib.resources import files
from typing import Any, NamedTuple

import gradio as gr

from weakspot.serving.batching import BatchingLocalizer
from weakspot.serving.web.callbacks import Callbacks
from weakspot.serving.web.downloads import DOWNLOADS
from weakspot.serving.web.examples import ExampleImage, examples
from weakspot.serving.web.html import WELCOME, method_name
from weakspot.serving.web.inputs import ALL, BEST, MAX_CLASSES, MAX_METHODS, OPACITY
from weakspot.serving.web.uploads import private_folder

TITLE = "weakspot"
_TAGLINE = "Find where objects are, with a classifier trained on image-level labels."
# Seconds between deletions of old files, and the age at which a file is old.
_DELETE_FILES = (60, 600)
# Seconds after which the image of an inactive visitor is deleted.
_STATE_TIME_TO_LIVE = 3600
# Number of visitors whose images are kept; the least recent visitor must upload again.
_MAX_VISITORS = 64
# Concurrent events and queued events; the localizer batches concurrent ones.
_MAX_CONCURRENT, _MAX_QUEUE = 16, 128


class Controls(NamedTuple):
    """Inputs and outputs of the page."""

    state: gr.State
    upload: gr.UploadButton
    results: gr.HTML
    panel: gr.Column
    methods: gr.CheckboxGroup
    classes: gr.Dropdown
    threshold: gr.Slider
    regions: gr.Radio
    opacity: gr.Slider
    download_method: gr.Radio
    file: gr.DownloadButton


def build_page(localizer: BatchingLocalizer, *, max_upload_mb: int = 20) -> gr.Blocks:
    """Build the page; :func:`mount_page` adds it to a server, and closes the routes that Gradio leaves open."""
    private_folder()  # components read the folder of their files when they are created
    page: gr.Blocks
    with gr.Blocks(title=TITLE, analytics_enabled=False, fill_width=True, delete_cache=_DELETE_FILES) as page:
        gr.HTML(f'<header class="ws-head"><h1>{TITLE}</h1><p>{_TAGLINE}</p></header>')
        with gr.Row(elem_classes="ws-body"):
            controls, example_buttons, download_buttons = _columns(localizer)
        callbacks = Callbacks(localizer, max_upload_mb * 2**20)
        _connect_images(controls, example_buttons, callbacks)
        _connect_controls(controls, callbacks)
        _connect_downloads(controls, download_buttons, callbacks)
    page.queue(max_size=_MAX_QUEUE, default_concurrency_limit=_MAX_CONCURRENT, api_open=False)
    page.state_session_capacity = _MAX_VISITORS
    return page


def _columns(
    localizer: BatchingLocalizer,
) -> tuple[Controls, list[tuple[gr.Button, ExampleImage]], dict[str, gr.Button]]:
    with gr.Column(scale=1, min_width=300, elem_classes="ws-side"):
        upload = gr.UploadButton(
            "Drop or select an image", file_types=["image"], elem_id="ws-upload", elem_classes="ws-drop"
        )
        with gr.Row(elem_classes="ws-examples"):
            example_buttons = [
                (gr.Button(example.title, elem_id=f"ws-example-{i}", elem_classes="ws-example", min_width=48), example)
                for i, example in enumerate(examples())
            ]
        methods = _methods(localizer)
        with gr.Column(visible=False, elem_classes="ws-panel") as panel:
            classes = gr.Dropdown([], multiselect=True, max_choices=MAX_CLASSES, label="Classes", elem_id="ws-classes")
            sliders = _sliders()
            download_method, download_buttons, file = _downloads()
    with gr.Column(scale=3, min_width=300, elem_classes="ws-main"):
        results = gr.HTML(WELCOME, elem_id="ws-results")
    state = gr.State(None, time_to_live=_STATE_TIME_TO_LIVE)
    controls = Controls(state, upload, results, panel, methods, classes, *sliders, download_method, file)
    return controls, example_buttons, download_buttons


def _methods(localizer: BatchingLocalizer) -> gr.CheckboxGroup:
    names = [(method_name(method), method) for method in localizer.methods]
    label = "Methods" if len(names) <= MAX_METHODS else f"Methods, up to {MAX_METHODS} side by side"
    return gr.CheckboxGroup(names, value=list(localizer.methods[:1]), label=label, elem_id="ws-methods")


def _sliders() -> tuple[gr.Slider, gr.Radio, gr.Slider]:
    threshold = gr.Slider(0.01, 1, value=0.2, step=0.01, label="Threshold", elem_id="ws-threshold", buttons=[])
    regions = gr.Radio([BEST, ALL], value=BEST, label="Regions", elem_id="ws-regions")
    opacity = gr.Slider(0, 1, value=OPACITY, step=0.05, label="Heatmap opacity", elem_id="ws-opacity", buttons=[])
    return threshold, regions, opacity


def _downloads() -> tuple[gr.Radio, dict[str, gr.Button], gr.DownloadButton]:
    method = gr.Radio([], label="Method to download", visible=False, elem_id="ws-download-method")
    gr.HTML('<p class="ws-label">Download</p>')
    with gr.Row(elem_classes="ws-downloads"):
        buttons = {
            kind: gr.Button(kind, size="sm", min_width=60, elem_id=f"ws-download-{kind.lower()}") for kind in DOWNLOADS
        }
    return method, buttons, gr.DownloadButton(visible="hidden", elem_id="ws-file")


def _connect_images(
    c: Controls, example_buttons: Sequence[tuple[gr.Button, ExampleImage]], callbacks: Callbacks
) -> None:
    inputs = [c.methods, c.regions, c.opacity]
    outputs = [c.state, c.results, c.panel, c.classes, c.threshold, c.download_method]
    _on(c.upload.upload, callbacks.on_upload, [c.upload, *inputs], outputs, progress="full", progress_on=c.results)
    for button, example in example_buttons:
        callback = partial(callbacks.on_example, example)
        _on(button.click, callback, inputs, outputs, progress="full", progress_on=c.results)


def _connect_controls(c: Controls, callbacks: Callbacks) -> None:
    inputs = [c.state, c.methods, c.classes, c.threshold, c.regions, c.opacity]
    outputs = [c.state, c.results, c.download_method]
    for event in (c.methods.input, c.classes.input):
        _on(event, callbacks.on_selection, inputs, outputs, progress="minimal", progress_on=c.results)
    for event in (c.threshold.input, c.regions.input, c.opacity.input):
        _on(event, callbacks.on_slider, inputs, [c.results])


def _connect_downloads(c: Controls, buttons: dict[str, gr.Button], callbacks: Callbacks) -> None:
    inputs = [c.state, c.download_method, c.methods, c.classes, c.threshold, c.regions, c.opacity]
    for kind, button in buttons.items():
        file_written = _on(button.click, partial(callbacks.on_download, kind), inputs, [c.file])
        file_written.success(None, js="() => setTimeout(window.weakspotDownload, 50)", api_visibility="private")


def _on(
    event: Callable[..., Any],
    callback: Callable[..., Any],
    inputs: Sequence[Any],
    outputs: Sequence[Any],
    *,
    progress: str = "hidden",
    progress_on: Any = None,
) -> Any:
    """Connect an event to a callback, without an API name and with the browser's raw values."""
    return event(
        callback,
        list(inputs),
        list(outputs),
        api_visibility="private",
        preprocess=False,  # Gradio's own would open an image with Pillow before its size is checked
        show_progress=progress,
        show_progress_on=progress_on,
        trigger_mode="always_last",  # of several events during a call, the last one is run
    )


def asset(name: str) -> str:
    """Read a file of this package."""
    return files("weakspot.serving.web").joinpath(name).read_text("utf-8")
