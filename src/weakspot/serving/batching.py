"""Decode the images of many requests, and batch them through one localizer."""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass, field, replace

from PIL import Image

from weakspot.concurrency import available_cores
from weakspot.config import BoxesName
from weakspot.data.decoding import read_downscaled
from weakspot.data.image_files import error_of_image
from weakspot.errors import WeakspotError
from weakspot.inference.localization import Localization
from weakspot.inference.localizer import Localizer
from weakspot.inference.postprocess import DecodedImage, FailedImage

_BATCH_SIZE = 16  # images in the model at once, over all worker threads
# Seconds that a worker waits for more images: if idle, and if another batch runs, as many clients are slow then.
_WINDOW, _LONG_WINDOW = 0.003, 0.015


class QueueFullError(WeakspotError):
    """Too many images are queued."""


class RequestTimeoutError(WeakspotError):
    """A request took too long, or the service is stopping."""


def stopping_error() -> RequestTimeoutError:
    """Build the error of requests to a service that is stopping."""
    return RequestTimeoutError("service-stopping", "The service is stopping.", "Retry later.")


def timeout_error(seconds: float) -> RequestTimeoutError:
    """Build the error of a request without a result in time."""
    return RequestTimeoutError("request-timeout", f"The request took longer than {seconds:g} seconds.", "Retry later.")


@dataclass(frozen=True)
class RequestOptions:
    """Options of a request, as :meth:`weakspot.Localizer.batch` has them; images with equal options share a batch.

    ``method`` and ``threshold`` None are those of the localizer, ``classes`` None the ``top_k`` most probable ones.
    """

    method: str | None = None
    classes: tuple[int | str, ...] | None = None
    top_k: int = 1
    threshold: float | None = None
    boxes: BoxesName = "best"


@dataclass(frozen=True, eq=False)
class _Job:
    image: bytes | DecodedImage
    options: RequestOptions
    future: "Future[Localization]" = field(default_factory=Future)


class BatchingLocalizer:
    """A localizer with its own threads, which decode images and run the model, and a queue of at most ``max_queue``.

    Images that take long to decode do not hold up the model. :meth:`localize` waits ``timeout`` seconds for its result;
    ``on_batch`` is called with the number of images in each batch.
    """

    def __init__(
        self,
        localizer: Localizer,
        *,
        max_queue: int = 64,
        timeout: float = 30,
        on_batch: Callable[[int], None] | None = None,
    ) -> None:
        self.localizer, self.max_queue, self.timeout = localizer, max_queue, timeout
        self._on_batch = on_batch
        self._undecoded: deque[_Job] = deque()
        self._jobs: deque[_Job] = deque()  # decoded
        lock = threading.Lock()
        self._arrived, self._changed = threading.Condition(lock), threading.Condition(lock)  # images; decoded ones
        self._decoding, self._idle, self._closed = 0, 0, False
        # PyTorch parallelizes by itself; the second worker postprocesses while the first is in the model.
        count = available_cores() if localizer.backend == "onnx" else 2
        self._batch_size = -(-_BATCH_SIZE // count)
        self._workers = self._start(self._work, count, "localizer")
        decoders = localizer.decoders
        self._decode_threads = self._start(self._decode, decoders.size if decoders else available_cores(), "decoder")

    def _start(self, run: Callable[[], None], count: int, name: str) -> list[threading.Thread]:
        threads = [threading.Thread(target=run, daemon=True, name=f"{name}-{i}") for i in range(count)]
        for thread in threads:
            thread.start()
        return threads

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes, by index."""
        return self.localizer.class_names

    @property
    def methods(self) -> tuple[str, ...]:
        """Names of the methods that need one forward pass, the localizer's own first."""
        return self.localizer.single_pass_methods

    @property
    def max_pixels(self) -> int:
        """Maximum number of pixels; larger images are rejected before they are decoded."""
        return self.localizer.max_pixels

    @property
    def queued(self) -> int:
        """Number of images before the model."""
        return len(self._undecoded) + self._decoding + len(self._jobs)

    @property
    def full(self) -> bool:
        """Whether another image would be rejected."""
        return self.queued >= self.max_queue

    @property
    def busy(self) -> bool:
        """Whether images are queued or in the model."""
        return self.queued > 0 or self._idle < len(self._workers)

    @property
    def ready(self) -> bool:
        """Whether images are accepted, all threads are alive, and not all decoders are stuck."""
        try:
            self.check_ready()
        except RequestTimeoutError:
            return False
        return True

    def check_ready(self) -> None:
        """Raise RequestTimeoutError unless the service is ready: ``service-stopping`` or ``decoders-busy``."""
        if self._closed or not all(thread.is_alive() for thread in (*self._workers, *self._decode_threads)):
            raise stopping_error()
        if self.localizer.decoders is not None and self.localizer.decoders.is_stuck:
            problem = "All decoders are busy with images that take long to decode."
            raise RequestTimeoutError("decoders-busy", problem, "Retry later.")

    def read_downscaled(self, content: bytes, *, height: int, width: int) -> Image.Image:
        """Decode an image as :func:`weakspot.data.decoding.read_downscaled`, in a decoder if there are any."""
        decoders, max_pixels = self.localizer.decoders, self.max_pixels
        if decoders is None:
            return read_downscaled(content, height=height, width=width, max_pixels=max_pixels)[0]
        return Image.fromarray(decoders.read(content, height=height, width=width, max_pixels=max_pixels)[0])

    def submit(self, images: Sequence[bytes], options: RequestOptions) -> "list[Future[Localization]]":
        """Queue images, all or none; a future that is cancelled before its turn costs nothing.

        Raises:
            QueueFullError: ``queue-full`` if the queue has no room for all of them.
            RequestTimeoutError: ``service-stopping`` after :meth:`close`.
        """
        jobs = [_Job(image, options) for image in images]
        with self._changed:
            if self._closed:
                raise stopping_error()
            if self.queued + len(jobs) > self.max_queue:
                raise QueueFullError("queue-full", f"{self.queued} images are queued already.", "Retry later.")
            self._undecoded.extend(jobs)
            self._arrived.notify(len(jobs))
        return [job.future for job in jobs]

    def localize(
        self, image: bytes, *, method: str, classes: Sequence[int | str] | None = None, top_k: int = 1
    ) -> Localization:
        """Localize classes in the bytes of one image file, and wait for the result.

        Raises:
            WeakspotError: If the image or an option cannot be used.
            QueueFullError: ``queue-full`` if too many images are queued.
            RequestTimeoutError: ``request-timeout`` or ``service-stopping``.
        """
        options = RequestOptions(method, None if classes is None else tuple(classes), top_k)
        (future,) = self.submit([image], options)
        try:
            return future.result(self.timeout)
        except FutureTimeoutError as error:
            future.cancel()
            raise timeout_error(self.timeout) from error
        except CancelledError as error:
            raise stopping_error() from error

    def close(self, *, timeout: float) -> bool:
        """Accept no more images, and return whether all queued ones were processed within ``timeout`` seconds.

        Images that are still queued afterwards are cancelled.
        """
        deadline = time.monotonic() + timeout
        with self._changed:
            self._closed = True
            self._arrived.notify_all()
            self._changed.notify_all()
        threads = (*self._decode_threads, *self._workers)
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        with self._changed:
            unprocessed = [*self._undecoded, *self._jobs]
            self._undecoded.clear()
            self._jobs.clear()
        for job in unprocessed:
            job.future.cancel()
        return not unprocessed and not any(thread.is_alive() for thread in threads)

    def _decode(self) -> None:
        """Decode one image after another for the workers."""
        while (job := self._next_undecoded()) is not None:
            decoded = None if job.future.cancelled() else self._decoded(job)
            with self._changed:
                self._decoding -= 1
                if decoded is not None:
                    self._jobs.append(decoded)
                self._changed.notify(len(self._workers) if self._closed else 1)

    def _next_undecoded(self) -> _Job | None:
        """Wait for an image; None once the queue is closed and empty."""
        with self._arrived:
            self._arrived.wait_for(lambda: self._undecoded or self._closed)
            if not self._undecoded:
                return None
            self._decoding += 1
            return self._undecoded.popleft()

    def _decoded(self, job: _Job) -> _Job | None:
        """Return a job with the decoded image; None if it failed."""
        try:
            image = self.localizer.decode(job.image)
        except Exception as error:  # any error belongs to the request; the thread stays alive
            image = FailedImage("", error_of_image("The image", error))
        if isinstance(image, DecodedImage):
            return replace(job, image=image)
        if job.future.set_running_or_notify_cancel():
            job.future.set_exception(image.error)
        return None

    def _work(self) -> None:
        while jobs := self._next_batch():
            active = [job for job in jobs if job.future.set_running_or_notify_cancel()]
            if active:
                self._run_batch(active[0].options, active)

    def _next_batch(self) -> list[_Job]:
        """Return this worker's share of the queue, all with equal options; an empty list once all is done."""
        with self._changed:
            self._idle += 1
            batch: list[_Job] = []
            while not batch and not self._is_done:
                self._changed.wait_for(lambda: self._jobs or self._is_done)
                window = _WINDOW if self._idle == len(self._workers) else _LONG_WINDOW
                self._changed.wait_for(lambda: len(self._jobs) >= _BATCH_SIZE or self._closed, window)
                share = min(self._batch_size, -(-len(self._jobs) // self._idle))
                batch = self._pop_matching(share)  # empty if other workers were faster
            self._idle -= 1
            if self._jobs:
                self._changed.notify()
            return batch

    @property
    def _is_done(self) -> bool:
        """Whether no more images will come."""
        return self._closed and not (self._undecoded or self._decoding or self._jobs)

    def _pop_matching(self, limit: int) -> list[_Job]:
        """Remove the oldest job and others with equal options from the queue."""
        batch = [job for job in self._jobs if job.options == self._jobs[0].options][:limit]
        for job in batch:
            self._jobs.remove(job)
        return batch

    def _run_batch(self, options: RequestOptions, jobs: list[_Job]) -> None:
        if self._on_batch is not None:
            self._on_batch(len(jobs))
        single_threaded = self._idle < len(self._workers) - 1 or len(jobs) > 1
        try:
            localizer = self.localizer.with_options(
                method=options.method, threshold=options.threshold, boxes=options.boxes
            )
            results = localizer.batch(
                [job.image for job in jobs],
                classes=options.classes,
                top_k=options.top_k,
                single_threaded=single_threaded,
            )
        except Exception as error:  # any error belongs to the requests; the worker stays alive
            for job in jobs:
                job.future.set_exception(error)
            return
        for job, result in zip(jobs, results, strict=True):
            if isinstance(result, Localization):
                job.future.set_result(result)
            else:
                job.future.set_exception(result)
