"""What a service tells Prometheus of itself."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_IMAGES = (1, 2, 4, 8, 16, 32)


class PrometheusMetrics:
    """Counters of one service; two services in one process do not share them.

    Args:
        waiting: Says how many images wait.
    """

    def __init__(self, waiting: Callable[[], int]) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "weakspot_requests", "Requests to localize, by status.", ["status"], registry=self._registry
        )
        self._seconds = Histogram(
            "weakspot_request_seconds",
            "From the first byte of a request to localize to its answer.",
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._images = Counter(
            "weakspot_images",
            "Images, by what became of them.",
            ["outcome"],
            registry=self._registry,
        )
        self._batches = Histogram(
            "weakspot_batch_images", "Images in one forward pass.", buckets=_IMAGES, registry=self._registry
        )
        Gauge("weakspot_waiting_images", "Images that wait.", registry=self._registry).set_function(waiting)

    def request(self, status: int, seconds: float) -> None:
        """Count a request to localize."""
        self._requests.labels(str(status)).inc()
        self._seconds.observe(seconds)

    def image(self, *, localized: bool) -> None:
        """Count an image."""
        self._images.labels("localized" if localized else "refused").inc()

    def batch(self, images: int) -> None:
        """Count a forward pass."""
        self._batches.observe(images)

    def text(self) -> bytes:
        """All counters, as Prometheus reads them."""
        return generate_latest(self._registry)
