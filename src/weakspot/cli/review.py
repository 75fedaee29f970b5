"""Review localizations in a page: correct boxes, learn from them, and look at what is left."""

import socket
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

from weakspot.data import find_images
from weakspot.data.decoding_apart import decoding_apart
from weakspot.errors import InputError, ModelError
from weakspot.inference.batch.options import LocalizeOptions
from weakspot.inference.batch.run import localize
from weakspot.inference.batch.run_folder import LocalizeOutcome
from weakspot.inference.early_checks import check_images, check_model
from weakspot.inference.folder_classes import FOLDER, FolderClasses
from weakspot.io.folder_lock import folder_lock
from weakspot.io.folders import next_free_path
from weakspot.io.manifest import finished_row_files
from weakspot.models.run_files import GRAPH_SUFFIX, is_run
from weakspot.serving.review.options import ReviewOptions
from weakspot.serving.review.standing import check_stop_at
from weakspot.serving.tokens import allowed_hosts, checked_token
from weakspot.terminal import counted, echo

# A decision has a few boxes; seconds until a request must have arrived.
_MAX_BYTES, _TIMEOUT = 2**20, 30.0


@decoding_apart()
def review(folder_or_run: str, images: Path | None, options: ReviewOptions, *, on_start: Callable[[str], None]) -> None:
    """Serve the page until the process receives SIGINT or SIGTERM; ``on_start`` is called with its URL.

    Args:
        folder_or_run: Output folder of ``weakspot localize``, or a model that localizes the images first.
        images: Folder of the images; with an output folder, where they are now if they have moved.
        options: Where to listen, and where to write.
        on_start: Called with the URL once the page can be opened.

    Raises:
        KeyboardInterrupt: On SIGINT.
        InputError: ``missing-images`` for a model without images, ``options-conflict`` for --output with a folder of
            results, ``out-of-range`` for --stop-at, ``output-in-use`` if another process uses the folder, or as the
            functions that are called.
        ModelError: ``not-installed`` without the packages of the service, or as ``localize``.
    """
    if not all(find_spec(name) for name in ("fastapi", "multipart", "uvicorn")):
        problem = "Packages of the web service are not installed."
        raise ModelError("not-installed", problem, "Run: pip install 'weakspot[web]'")
    check_stop_at(options.stop_at)
    token = checked_token(options.token, options.host)
    folder, localizes = Path(folder_or_run), not _has_results(Path(folder_or_run))
    if localizes:
        images = _checked_images(folder_or_run, images)
    elif options.output is not None:
        raise InputError("options-conflict", f"--output cannot be used with {folder}, which is written to itself.")
    from weakspot.serving.server import listen

    with closing(listen(options.host, options.port)) as listener:
        if images is not None and localizes:
            folder, images = localize_first(folder_or_run, images, options.output), None
        with folder_lock(folder):
            _serve(folder, images, listener, token, options.stop_at, on_start)


def _has_results(folder: Path) -> bool:
    return folder.is_dir() and bool(finished_row_files(folder))


def _checked_images(model: str, images: Path | None) -> Path:
    """Return the folder of the images; InputError or ModelError if a model cannot localize them."""
    if images is None:
        problem = f"{model} is not output of weakspot localize; a model needs images."
        raise InputError("missing-images", problem, "Run: weakspot review RUN IMAGES/.")
    check_model(model, LocalizeOptions(model=model))
    check_images(list(find_images([str(images)])))
    return images


def localize_first(model: str, images: Path, output: Path | None) -> Path:
    """Localize images with uncertainty and heatmaps, and return the folder; an interrupted one is continued.

    The class is that of the image's folder if any folder is named after a class, else the most probable one.
    """
    folder = output or next_free_path("review")
    options = LocalizeOptions(model=model, output=folder, resume=output is not None, save_heatmaps=True)
    outcome = localize([str(images)], _adapted(options, list(find_images([str(images)]))))
    _tell(outcome)
    return folder


def _adapted(options: LocalizeOptions, paths: list[Path]) -> LocalizeOptions:
    """Choose what fits the model: the classes of folders, and uncertainty unless it regresses boxes."""
    if not is_run(options.model) or options.model.endswith(GRAPH_SUFFIX):
        return replace(options, uncertainty=True)
    from weakspot.models.checkpoint import read_metadata

    info = read_metadata(options.model).info
    folders = FolderClasses(info.class_names)
    named = FOLDER not in {name.casefold() for name in info.class_names} and any(
        folders.of(path) is not None for path in paths
    )
    by_folder = named and not info.multi_label
    return replace(options, classes=(FOLDER,) if by_folder else None, uncertainty=info.method != "psol")


def _tell(outcome: LocalizeOutcome) -> None:
    """Print on stderr what localize has to say."""
    if outcome.failed:
        verb = "was" if outcome.failed == 1 else "were"
        echo(f"{counted(outcome.failed, 'image')} {verb} skipped: {outcome.skipped}", to_stderr=True)
    for note in outcome.notes:
        echo(f"note: {note}", to_stderr=True)


def _serve(
    folder: Path,
    moved: Path | None,
    listener: socket.socket,
    token: str | None,
    stop_at: float | None,
    on_start: Callable[[str], None],
) -> None:
    from weakspot.serving.middleware import Limits, SecurityMiddleware
    from weakspot.serving.review.adoption import finish
    from weakspot.serving.review.learning import Learner
    from weakspot.serving.review.routes import POLICY, build_review
    from weakspot.serving.review.source import open_source
    from weakspot.serving.review.state import ReviewState
    from weakspot.serving.server import Server, url_of
    from weakspot.training.review import learn_from_review

    finish(folder)
    source = open_source(folder, moved)
    if source.note:
        echo(f"note: {source.note}", to_stderr=True)
    state = ReviewState(source, stop_at, on_reached=lambda text: echo(text, flush=True))
    limits = Limits(_MAX_BYTES, _TIMEOUT, token, allowed_hosts(listener.getsockname()[0]))
    with closing(Learner(source, state, learn_from_review)) as learner:
        app = SecurityMiddleware(build_review(source, state, learner), limits, lambda: False, policy=POLICY)
        server = Server(
            app,
            busy=lambda: app.active_requests > 0,
            timeout=_TIMEOUT,
            on_start=lambda: on_start(url_of(listener)),
        )
        server.run_until_stopped(listener)
