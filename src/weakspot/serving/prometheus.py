"""Prometheus metrics of a service."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_IMAGES = (1, 2, 4, 8, 16, 32)


class PrometheusMetrics:
    """Metrics of one service; two services in one process do not share them."""

    def __init__(self, queued: Callable[[], int]) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "weakspot_requests", "Localization requests, by status.", ["status"], registry=self._registry
        )
        self._seconds = Histogram(
            "weakspot_request_seconds",
            "Time from the first byte of a localization request to its response.",
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._images = Counter("weakspot_images", "Images, by outcome.", ["outcome"], registry=self._registry)
        self._batches = Histogram(
            "weakspot_batch_images", "Images in one forward pass.", buckets=_IMAGES, registry=self._registry
        )
        Gauge("weakspot_waiting_images", "Queued images.", registry=self._registry).set_function(queued)

    def count_request(self, status: int, seconds: float) -> None:
        """Count a localization request."""
        self._requests.labels(str(status)).inc()
        self._seconds.observe(seconds)

    def count_image(self, *, localized: bool) -> None:
        """Count an image."""
        self._images.labels("localized" if localized else "refused").inc()

    def count_batch(self, images: int) -> None:
        """Count a forward pass."""
        self._batches.observe(images)

    def text(self) -> bytes:
        """Return all metrics in Prometheus text format."""
        return generate_latest(self._registry)
