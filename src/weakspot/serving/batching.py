"""One localizer that many ask at once: what they ask waits in a queue and is answered in batches."""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, Future
from concurrent.futures import TimeoutError as TookTooLong
from dataclasses import dataclass, field

from weakspot.concurrency import available_cores
from weakspot.config import BoxesName
from weakspot.errors import WeakspotError
from weakspot.inference.localization import Localization
from weakspot.inference.localizer import Localizer

# So many images are run through the model together, by all threads.
_BATCH = 16
# So long, in seconds, an image waits for others to come along: alone, and while another batch is in the model, when
# those that ask are many, and slow as the cores are taken.
_WINDOW, _LONG_WINDOW = 0.003, 0.015


class QueueFullError(WeakspotError):
    """Too many images are waiting."""


class RequestTimeoutError(WeakspotError):
    """It took too long, or the service is about to stop."""


@dataclass(frozen=True)
class RequestOptions:
    """How an image is to be localized in; those that want the same go through the model together.

    Attributes:
        method: Name of the method; None for the localizer's own.
        classes: Indices or names of classes; None for the most probable.
        top_k: How many of these.
        threshold: Where to cut; None for the method's own.
        boxes: ``"largest"``, ``"all"`` or ``"instances"``.
    """

    method: str | None = None
    classes: tuple[int | str, ...] | None = None
    top_k: int = 1
    threshold: float | None = None
    boxes: BoxesName = "largest"


@dataclass(frozen=True, eq=False)
class _Job:
    image: bytes
    way: RequestOptions
    answer: "Future[Localization]" = field(default_factory=Future)


class BatchingLocalizer:
    """A localizer in threads of its own, with a bounded number of images that wait.

    Args:
        localizer: What localizes.
        waiting: So many images may wait; further ones are refused.
        timeout: So many seconds :meth:`localize` waits for its answer.
        on_batch: Told the number of images in each forward pass.

    Example:
        >>> import skimage.data, io
        >>> from PIL import Image
        >>> file = io.BytesIO()
        >>> Image.fromarray(skimage.data.chelsea()).save(file, "PNG")
        >>> shared = BatchingLocalizer(Localizer())
        >>> shared.localize(file.getvalue(), method="gradcam").label
        'Egyptian cat'
        >>> shared.close(timeout=10)
        True
    """

    def __init__(
        self,
        localizer: Localizer,
        *,
        waiting: int = 64,
        timeout: float = 30,
        on_batch: Callable[[int], None] | None = None,
    ) -> None:
        self.localizer, self.waiting, self.timeout = localizer, waiting, timeout
        self._on_batch = on_batch
        self._jobs: deque[_Job] = deque()
        self._changed = threading.Condition()
        self._idle, self._closed = 0, False
        # PyTorch shares its threads itself; a second batch is decoded, and its boxes made, beside the first.
        count = available_cores() if localizer.backend == "onnx" else 2
        self._share = -(-_BATCH // count)
        self._threads = [threading.Thread(target=self._work, daemon=True, name=f"localizer-{i}") for i in range(count)]
        for thread in self._threads:
            thread.start()

    @property
    def class_names(self) -> tuple[str, ...]:
        """One for each class."""
        return self.localizer.class_names

    @property
    def methods(self) -> tuple[str, ...]:
        """Names of the methods that are quick enough to be served, the localizer's own first."""
        return self.localizer.single_pass_methods

    @property
    def max_pixels(self) -> int:
        """Larger images are refused before they are decoded."""
        return self.localizer.max_pixels

    @property
    def queued(self) -> int:
        """How many images wait."""
        return len(self._jobs)

    @property
    def full(self) -> bool:
        """Whether a further image would be refused."""
        return len(self._jobs) >= self.waiting

    @property
    def busy(self) -> bool:
        """Whether images wait or are in the model."""
        return bool(self._jobs) or self._idle < len(self._threads)

    @property
    def works(self) -> bool:
        """Whether images are taken and all threads live."""
        return not self._closed and all(thread.is_alive() for thread in self._threads)

    def submit(self, images: Sequence[bytes], way: RequestOptions) -> "list[Future[Localization]]":
        """Put images in the queue, all or none; an answer that is cancelled before its turn costs nothing.

        Raises:
            QueueFullError: If there is no room for them.
            RequestTimeoutError: If the service is about to stop.
        """
        jobs = [_Job(image, way) for image in images]
        with self._changed:
            if self._closed:
                raise RequestTimeoutError("The service is about to stop.", "Ask another one, or later.")
            if len(self._jobs) + len(jobs) > self.waiting:
                raise QueueFullError(f"{len(self._jobs)} images are waiting already.", "Ask again in a moment.")
            self._jobs.extend(jobs)
            self._changed.notify(len(jobs))
        return [job.answer for job in jobs]

    def localize(
        self, image: bytes, *, method: str, classes: Sequence[int | str] | None = None, top_k: int = 1
    ) -> Localization:
        """Localize in one image, and wait for it.

        Args:
            image: The bytes of an image file.
            method: One of :attr:`methods`.
            classes: Indices or names of the classes to look for; None takes the ``top_k`` most probable.
            top_k: How many classes when ``classes`` is None.

        Raises:
            WeakspotError: If it cannot be localized in.
            QueueFullError: If too many images are waiting.
            RequestTimeoutError: If it took too long, or the service is about to stop.
        """
        way = RequestOptions(method, None if classes is None else tuple(classes), top_k)
        (answer,) = self.submit([image], way)
        try:
            return answer.result(self.timeout)
        except (TookTooLong, CancelledError) as error:
            answer.cancel()
            raise RequestTimeoutError(f"It took longer than {self.timeout:g} seconds.", "Ask again later.") from error

    def close(self, *, timeout: float) -> bool:
        """Take no more images, and answer those that wait.

        Args:
            timeout: For so many seconds at most; then those that still wait are given up.

        Returns:
            Whether all were answered.
        """
        until = time.monotonic() + timeout
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))
        with self._changed:
            given_up = list(self._jobs)
            self._jobs.clear()
        for job in given_up:
            job.answer.cancel()
        return not given_up and not any(thread.is_alive() for thread in self._threads)

    def _work(self) -> None:
        while jobs := self._take():
            wanted = [job for job in jobs if job.answer.set_running_or_notify_cancel()]
            if wanted:
                self._answer(wanted[0].way, wanted)

    def _take(self) -> list[_Job]:
        """This thread's share of what waits, all in one way; nothing once the service is closed and all are taken."""
        with self._changed:
            self._idle += 1
            taken: list[_Job] = []
            while not taken and (self._jobs or not self._closed):
                self._changed.wait_for(lambda: self._jobs or self._closed)
                window = _WINDOW if self._idle == len(self._threads) else _LONG_WINDOW
                self._changed.wait_for(lambda: len(self._jobs) >= _BATCH or self._closed, window)
                share = min(self._share, -(-len(self._jobs) // self._idle))
                taken = self._alike(share)  # none, if others were quicker
            self._idle -= 1
            if self._jobs:
                self._changed.notify()
            return taken

    def _alike(self, most: int) -> list[_Job]:
        """Take the first that waits, and others that want the same."""
        taken = [job for job in self._jobs if job.way == self._jobs[0].way][:most]
        for job in taken:
            self._jobs.remove(job)
        return taken

    def _answer(self, way: RequestOptions, jobs: list[_Job]) -> None:
        if self._on_batch is not None:
            self._on_batch(len(jobs))
        beside_others = self._idle < len(self._threads) - 1 or len(jobs) > 1
        try:
            localizer = self.localizer.with_options(method=way.method, threshold=way.threshold, boxes=way.boxes)
            found = localizer.batch(
                [job.image for job in jobs], classes=way.classes, top_k=way.top_k, single_threaded=beside_others
            )
        except Exception as error:  # whatever it is, it is theirs who asked, and the thread lives on
            for job in jobs:
                job.answer.set_exception(error)
            return
        for job, one in zip(jobs, found, strict=True):
            if isinstance(one, Localization):
                job.answer.set_result(one)
            else:
                job.answer.set_exception(one)
