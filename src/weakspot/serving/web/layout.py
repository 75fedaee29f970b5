"""The page's controls, and what each of them calls."""

from collections.abc import Callable, Sequence
from functools import partial
from importlib.resources import files
from typing import Any, NamedTuple

import gradio as gr

from weakspot.serving.finder import LocalizerProtocol
from weakspot.serving.web.callbacks import Callbacks
from weakspot.serving.web.downloads import DOWNLOADS
from weakspot.serving.web.examples import Example, examples
from weakspot.serving.web.html import WELCOME, method_name
from weakspot.serving.web.inputs import ALL, LARGEST, MAX_CLASSES, MAX_METHODS, OPACITY
from weakspot.serving.web.uploads import private_folder

TITLE = "weakspot"
_LEDE = "Find where things are, with a classifier that has only ever learnt what they are."
# Seconds: how often old files are looked for, and how old they are then.
_DELETE_FILES = (60, 600)
# Seconds after which the photo of a visitor who does nothing is forgotten.
_FORGET_PHOTO = 3600
# Visitors whose photos are kept at once: of more, the one who was longest away is asked to drop it once more.
_VISITORS = 64
# Nobody waits for somebody else's photo: what is asked at the same time, the finder puts into one batch.
_AT_ONCE, _WAITING = 16, 128


class Controls(NamedTuple):
    """What a visitor moves, and what shows the outcome."""

    photo: gr.State
    upload: gr.UploadButton
    pictures: gr.HTML
    panel: gr.Column
    methods: gr.CheckboxGroup
    classes: gr.Dropdown
    threshold: gr.Slider
    which: gr.Radio
    opacity: gr.Slider
    whose: gr.Radio
    file: gr.DownloadButton


def build_page(finder: LocalizerProtocol, *, max_upload_mb: int = 20) -> gr.Blocks:
    """Build the page; :func:`mount_page` puts it into a server, and closes what Gradio leaves open there.

    Args:
        finder: What localizes.
        max_upload_mb: Larger files are refused.
    """
    private_folder()  # components remember where their files go when they are made
    shown = examples()
    page: gr.Blocks
    with gr.Blocks(title=TITLE, analytics_enabled=False, fill_width=True, delete_cache=_DELETE_FILES) as page:
        gr.HTML(f'<header class="ws-head"><h1>{TITLE}</h1><p>{_LEDE}</p></header>')
        with gr.Row(elem_classes="ws-body"):
            controls, tries, takes = _columns(finder, shown)
        answers = Callbacks(finder, max_upload_mb * 2**20)
        _connect_photos(controls, tries, shown, answers)
        _connect_choices(controls, answers)
        _connect_downloads(controls, takes, answers)
    page.queue(max_size=_WAITING, default_concurrency_limit=_AT_ONCE, api_open=False)
    page.state_session_capacity = _VISITORS
    return page


def _columns(
    finder: LocalizerProtocol, shown: Sequence[Example]
) -> tuple[Controls, list[gr.Button], dict[str, gr.Button]]:
    with gr.Column(scale=1, min_width=300, elem_classes="ws-side"):
        upload = gr.UploadButton(
            "Drop, paste or pick a photo", file_types=["image"], elem_id="ws-photo", elem_classes="ws-drop"
        )
        with gr.Row(elem_classes="ws-examples"):
            tries = [_try_button(number, one) for number, one in enumerate(shown)]
        methods = _methods(finder)
        with gr.Column(visible=False, elem_classes="ws-panel") as panel:
            classes = gr.Dropdown([], multiselect=True, max_choices=MAX_CLASSES, label="Classes", elem_id="ws-classes")
            cutting = _cutting()
            whose, takes, file = _taking()
    with gr.Column(scale=3, min_width=300, elem_classes="ws-main"):
        pictures = gr.HTML(WELCOME, elem_id="ws-pictures")
    photo = gr.State(None, time_to_live=_FORGET_PHOTO)
    return Controls(photo, upload, pictures, panel, methods, classes, *cutting, whose, file), tries, takes


def _try_button(number: int, example: Example) -> gr.Button:
    return gr.Button(example.title, elem_id=f"ws-example-{number}", elem_classes="ws-example", min_width=48)


def _methods(finder: LocalizerProtocol) -> gr.CheckboxGroup:
    names = [(method_name(method), method) for method in finder.methods]
    label = "Methods" if len(names) <= MAX_METHODS else f"Methods, up to {MAX_METHODS} side by side"
    return gr.CheckboxGroup(names, value=list(finder.methods[:1]), label=label, elem_id="ws-methods")


def _cutting() -> tuple[gr.Slider, gr.Radio, gr.Slider]:
    threshold = gr.Slider(0.01, 1, value=0.2, step=0.01, label="Threshold", elem_id="ws-threshold", buttons=[])
    which = gr.Radio([LARGEST, ALL], value=LARGEST, label="Regions", elem_id="ws-which")
    opacity = gr.Slider(0, 1, value=OPACITY, step=0.05, label="Heatmap opacity", elem_id="ws-opacity", buttons=[])
    return threshold, which, opacity


def _taking() -> tuple[gr.Radio, dict[str, gr.Button], gr.DownloadButton]:
    whose = gr.Radio([], label="Files of", visible=False, elem_id="ws-whose")
    gr.HTML('<p class="ws-label">Download</p>')
    with gr.Row(elem_classes="ws-take"):
        takes = {
            kind: gr.Button(kind, size="sm", min_width=60, elem_id=f"ws-take-{kind.lower()}") for kind in DOWNLOADS
        }
    return whose, takes, gr.DownloadButton(visible="hidden", elem_id="ws-file")


def _connect_photos(c: Controls, tries: Sequence[gr.Button], shown: Sequence[Example], answers: Callbacks) -> None:
    how = [c.methods, c.which, c.opacity]
    changed = [c.photo, c.pictures, c.panel, c.classes, c.threshold, c.whose]
    _on(c.upload.upload, answers.to_upload, [c.upload, *how], changed, progress="full", on=c.pictures)
    for button, example in zip(tries, shown, strict=True):
        _on(button.click, partial(answers.to_example, example), how, changed, progress="full", on=c.pictures)


def _connect_choices(c: Controls, answers: Callbacks) -> None:
    controls = [c.photo, c.methods, c.classes, c.threshold, c.which, c.opacity]
    for one in (c.methods.input, c.classes.input):
        _on(one, answers.to_choice, controls, [c.photo, c.pictures, c.whose], progress="minimal", on=c.pictures)
    for one in (c.threshold.input, c.which.input, c.opacity.input):
        _on(one, answers.to_slider, controls, [c.pictures])


def _connect_downloads(c: Controls, takes: dict[str, gr.Button], answers: Callbacks) -> None:
    controls = [c.photo, c.whose, c.methods, c.classes, c.threshold, c.which, c.opacity]
    for kind, button in takes.items():
        written = _on(button.click, partial(answers.to_download, kind), controls, [c.file])
        written.success(None, js="() => setTimeout(window.weakspotTake, 50)", api_visibility="private")


def _on(
    event: Callable[..., Any],
    answer: Callable[..., Any],
    inputs: Sequence[Any],
    outputs: Sequence[Any],
    *,
    progress: str = "hidden",
    on: Any = None,
) -> Any:
    """Let an event call an answer: by no other name, with what the browser sent as it is, the last of many at least."""
    return event(
        answer,
        list(inputs),
        list(outputs),
        api_visibility="private",
        preprocess=False,  # Gradio's own would open a photo with Pillow before its size is known
        show_progress=progress,
        show_progress_on=on,
        trigger_mode="always_last",
    )


def asset(name: str) -> str:
    """Read a file that lies beside this one."""
    return files("weakspot.serving.web").joinpath(name).read_text("utf-8")
