"""What ``weakspot serve`` can be told."""

from dataclasses import dataclass

from weakspot.config import BackendName, QualityName


@dataclass(frozen=True)
class ServeOptions:
    """Where to listen, and what a request may cost.

    Attributes:
        host: Address to listen on. Any but one of this machine alone demands a token.
        port: Port to listen on; 0 takes a free one.
        token: What a request has to show: "Authorization: Bearer TOKEN", or in a browser as the password. Better in the
            environment variable WEAKSPOT_TOKEN, which other users of the machine cannot see.
        max_upload_mb: Larger requests are refused before they are read.
        max_pixels: Larger images are refused before they are decoded. Default: 89 million, as Pillow has it.
        max_images: How many images a request may have.
        concurrency: So many images may wait; further requests are answered 429.
        timeout: Seconds that a request may take to come, and its answer; at SIGTERM the service ends within these.
        method: Method of requests that name none. Default: that which a run was trained for, else gradcam.
        quality: plain, fast, balanced or best. Default: a run's own, else fast.
        device: auto, cpu, cuda, cuda:1 and so on.
        backend: torch, onnx, or auto: onnxruntime on a CPU if it can run the model, which is exported for it once.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    token: str | None = None
    max_upload_mb: float = 20
    max_pixels: int | None = None
    max_images: int = 32
    concurrency: int = 64
    timeout: float = 30
    method: str | None = None
    quality: QualityName | None = None
    device: str = "auto"
    backend: BackendName = "auto"
