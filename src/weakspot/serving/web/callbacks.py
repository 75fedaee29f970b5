"""Callbacks of the page's controls. The state of an image is passed in and returned by each call."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr

from weakspot.errors import WeakspotError
from weakspot.labels.from_localizations import unique_names
from weakspot.serving.batching import BatchingLocalizer
from weakspot.serving.web.downloads import DOWNLOADS, Download, base_name
from weakspot.serving.web.examples import ExampleImage
from weakspot.serving.web.html import WELCOME, error_html, method_name, percent, results_html
from weakspot.serving.web.image_state import ImageState, apply_threshold, predict_image, predict_missing
from weakspot.serving.web.inputs import MAX_METHODS, UserInput, parse_input
from weakspot.serving.web.uploads import read_upload, write_download

# Outputs of a new image: state, results, panel, classes, threshold, method of the downloads.
NEW_IMAGE_OUTPUTS = 6


@dataclass(frozen=True)
class Callbacks:
    """Callbacks of the page; ``max_bytes`` is the maximum size of an uploaded file."""

    localizer: BatchingLocalizer
    max_bytes: int

    def on_upload(self, payload: Any, methods: Any, regions: Any, opacity: Any) -> Sequence[Any]:
        """Localize the top classes of an uploaded image."""
        return self._new_image(partial(read_upload, payload, self.max_bytes), methods, regions, opacity)

    def on_example(self, example: ExampleImage, methods: Any, regions: Any, opacity: Any) -> Sequence[Any]:
        """Localize the top classes of an example image."""
        return self._new_image(lambda: (example.path.read_bytes(), example.path.name), methods, regions, opacity)

    def on_selection(self, state: ImageState | None, *controls: Any) -> Sequence[Any]:
        """Show other methods or classes, and run the model for those that are new."""
        selection = parse_input(self.localizer, *controls)
        if state is None:
            return None, WELCOME, gr.skip()
        if isinstance(controls[0], list) and len(controls[0]) > MAX_METHODS:
            gr.Info(f"The first {MAX_METHODS} methods are shown.")
        try:
            state = predict_missing(self.localizer, state, selection.methods, selection.classes)
        except WeakspotError as error:
            gr.Warning(error_html(error))
        return state, _results(state, selection), _download_methods(selection)

    def on_slider(self, state: ImageState | None, *controls: Any) -> str:
        """Apply another threshold or opacity, without the model."""
        return WELCOME if state is None else _results(state, parse_input(self.localizer, *controls))

    def on_download(self, kind: str, state: ImageState | None, method: Any, *controls: Any) -> Any:
        """Write a file of the displayed results of one method."""
        selection = parse_input(self.localizer, *controls)
        results = {} if state is None else _localizations(state, selection)
        localizations = results.get(method if isinstance(method, str) else "") or next(iter(results.values()), ())
        if state is None or not localizations:
            gr.Warning("Nothing to download yet.<br>Select an image, a method and a class.")
            return gr.skip()
        suffix, convert = DOWNLOADS[kind]
        content = convert(
            Download(state.name, state.content, localizations, self.localizer.class_names, selection.opacity)
        )
        stem = Path(base_name(state.name)).stem.encode(errors="replace")  # file systems limit bytes, not characters
        return str(write_download(content, f"{stem[:80].decode(errors='ignore')}{suffix}"))

    def _new_image(self, read: Callable[[], tuple[bytes, str]], *controls: Any) -> Sequence[Any]:
        selection = parse_input(self.localizer, controls[0], [], None, *controls[1:])
        methods = selection.methods or self.localizer.methods[:1]
        try:
            state = predict_image(self.localizer, *read(), methods)
        except WeakspotError as error:
            gr.Warning(error_html(error))
            return [gr.skip()] * NEW_IMAGE_OUTPUTS
        selection = UserInput(methods, state.initial_classes, state.threshold, selection.best_only, selection.opacity)
        choices = class_choices(state, self.localizer.class_names)
        classes = gr.update(choices=choices, value=list(selection.classes))
        panel = gr.update(visible=True)
        return state, _results(state, selection), panel, classes, state.threshold, _download_methods(selection)


def class_choices(state: ImageState, class_names: Sequence[str]) -> list[tuple[str, int]]:
    """List all classes, the most probable ones first and with their probability."""
    names = unique_names(dict(enumerate(class_names)))
    top = {
        localization.class_index: f"{names[localization.class_index]} · {percent(localization.score)}"
        for localization in state.top_classes
    }
    others = {index: name for index, name in names.items() if index not in top}
    return [(text, index) for index, text in (top | others).items()]


def _localizations(state: ImageState, selection: UserInput) -> dict[str, Any]:
    return apply_threshold(
        state, selection.methods, selection.classes, selection.threshold, best_only=selection.best_only
    )


def _results(state: ImageState, selection: UserInput) -> str:
    return results_html(state.display_image, _localizations(state, selection), selection.opacity)


def _download_methods(selection: UserInput) -> Any:
    """Update the choice of the method to download, which is visible if there are several."""
    names = [(method_name(method), method) for method in selection.methods]
    return gr.update(choices=names, value=next(iter(selection.methods), None), visible=len(names) > 1)
