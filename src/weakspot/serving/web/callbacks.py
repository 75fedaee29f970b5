"""What the page answers when a visitor does something. What is known of a photo comes and goes with each call."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from weakspot.errors import WeakspotError
from weakspot.labels.from_localizations import unique_names
from weakspot.serving.finder import LocalizerProtocol
from weakspot.serving.web.downloads import DOWNLOADS, Download, plain_name
from weakspot.serving.web.examples import Example
from weakspot.serving.web.html import NOTHING_CHOSEN, WELCOME, message, method_name, percent, results
from weakspot.serving.web.inputs import MAX_METHODS, UserInput, read_choice
from weakspot.serving.web.photo_state import ImageState, apply_threshold, predict_image, predict_missing
from weakspot.serving.web.uploads import read_upload, write_download

# Photo, pictures, controls, classes, threshold, whose files: what a new photo changes.
NEW_PHOTO_OUTPUTS = 6


@dataclass(frozen=True)
class Callbacks:
    """The page's answers.

    Attributes:
        finder: What localizes.
        max_bytes: Larger files are refused.
    """

    finder: LocalizerProtocol
    max_bytes: int

    def to_upload(self, payload: Any, methods: Any, which: Any, opacity: Any) -> Sequence[Any]:
        """Localize in a photo that was uploaded."""
        choice = read_choice(self.finder, methods, [], None, which, opacity)
        try:
            return self._new_photo(*read_upload(payload, self.max_bytes), choice)
        except WeakspotError as error:
            return _refused(error)

    def to_example(self, example: Example, methods: Any, which: Any, opacity: Any) -> Sequence[Any]:
        """Localize in one of the photos to try."""
        choice = read_choice(self.finder, methods, [], None, which, opacity)
        try:
            return self._new_photo(example.path.read_bytes(), example.path.name, choice)
        except WeakspotError as error:
            return _refused(error)

    def to_choice(self, photo: ImageState | None, *controls: Any) -> Sequence[Any]:
        """Show other methods or classes; what is not known yet is asked of the model."""
        choice = read_choice(self.finder, *controls)
        if photo is None:
            return None, WELCOME, gr.skip()
        if isinstance(controls[0], list) and len(controls[0]) > MAX_METHODS:
            gr.Info(f"The first {MAX_METHODS} methods are shown.")
        try:
            photo = predict_missing(self.finder, photo, choice.methods, choice.classes)
        except WeakspotError as error:
            gr.Warning(message(error))
        return photo, _pictures(photo, choice), _whose_files(choice)

    def to_slider(self, photo: ImageState | None, *controls: Any) -> str:
        """Cut and draw again what is known; the model is not asked."""
        return WELCOME if photo is None else _pictures(photo, read_choice(self.finder, *controls))

    def to_download(self, kind: str, photo: ImageState | None, method: Any, *controls: Any) -> Any:
        """Write a file of what is shown of one method."""
        choice = read_choice(self.finder, *controls)
        found = {} if photo is None else _cut(photo, choice)
        shown = found.get(method if isinstance(method, str) else "") or next(iter(found.values()), ())
        if photo is None or not shown:
            gr.Warning("There is nothing to take home yet.<br>Choose a photo, a method and a class.")
            return gr.skip()
        end, write = DOWNLOADS[kind]
        taken = Download(photo.name, photo.content, shown, self.finder.class_names, choice.opacity)
        return str(write_download(write(taken), f"{_short(Path(plain_name(photo.name)).stem)}{end}"))

    def _new_photo(self, content: bytes, name: str, choice: UserInput) -> Sequence[Any]:
        methods = choice.methods or self.finder.methods[:1]
        photo = predict_image(self.finder, content, name, methods)
        shown = UserInput(methods, photo.first_classes, photo.threshold, choice.largest, choice.opacity)
        classes = gr.update(choices=class_choices(photo, self.finder.class_names), value=list(shown.classes))
        files = _whose_files(shown)
        return photo, _pictures(photo, shown), gr.update(visible=True), classes, photo.threshold, files


def class_choices(photo: ImageState, class_names: Sequence[str]) -> list[tuple[str, int]]:
    """All classes, the most probable first and with their probability."""
    names = unique_names(dict(enumerate(class_names)))
    likely = {one.class_index: f"{names[one.class_index]} · {percent(one.score)}" for one in photo.likely}
    return [(words, index) for index, words in (likely | {i: n for i, n in names.items() if i not in likely}).items()]


def _cut(photo: ImageState, choice: UserInput) -> dict[str, Any]:
    return apply_threshold(photo, choice.methods, choice.classes, choice.threshold, largest=choice.largest)


def _pictures(photo: ImageState, choice: UserInput) -> str:
    found = _cut(photo, choice)
    return results(photo.shown, found, choice.opacity) if found else NOTHING_CHOSEN


def _whose_files(choice: UserInput) -> Any:
    """Downloads are of one method: which, is asked where there are several."""
    names = [(method_name(method), method) for method in choice.methods]
    return gr.update(choices=names, value=next(iter(choice.methods), None), visible=len(names) > 1)


def _refused(error: WeakspotError) -> Sequence[Any]:
    """Say what is wrong; all else stays as it is."""
    gr.Warning(message(error))
    return [gr.skip()] * NEW_PHOTO_OUTPUTS


def _short(name: str) -> str:
    """As much of a name as a file system takes, which counts bytes."""
    return name.encode(errors="replace")[:80].decode(errors="ignore")
