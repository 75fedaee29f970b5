"""Limits on the time and memory that decoding one image may take, and how a process sets them on itself."""

import os
import signal
from dataclasses import dataclass
from types import MappingProxyType, ModuleType

# Pixels that the header declares, for each second of CPU time: a core decodes several times as many. Plain PPM and
# compressed BMP are decoded in Python.
_PIXELS_PER_SECOND = 2_000_000
_SLOW_FORMATS = MappingProxyType({"JPEG2000": 300_000, "BMP": 200_000, "PPM": 200_000})
# Memory: the largest decoders (AVIF, JPEG 2000, WebP) take up to 22 bytes per pixel.
_BYTES_PER_PIXEL = 32


@dataclass(frozen=True)
class DecodingLimits:
    """What decoding one image may take.

    CPU time and memory are limited by the operating system, where it can; Windows has neither, macOS no limit of
    memory.

    Attributes:
        cpu_seconds: CPU time; more for an image of millions of pixels, such as a second for each 2 million of a JPEG.
        memory: Bytes of memory, and 32 more for each pixel.
        wall_seconds: Time on the clock, for a folder on the network that does not respond.
    """

    cpu_seconds: float = 2.0
    memory: int = 256 * 2**20
    wall_seconds: float = 300.0

    def cpu_seconds_of(self, format_: str, pixels: int) -> float:
        """Return the CPU time for an image of this format and size.

        Example:
            >>> DecodingLimits().cpu_seconds_of("JPEG", 10_000_000)
            7.0
        """
        return self.cpu_seconds + pixels / _SLOW_FORMATS.get(format_, _PIXELS_PER_SECOND)

    def memory_of(self, pixels: int) -> int:
        """Return the bytes of memory for an image of this size."""
        return self.memory + _BYTES_PER_PIXEL * pixels


def limit_cpu_time(seconds: float) -> None:
    """End this process by SIGPROF after some seconds of CPU time from now on; 0 lifts the limit."""
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_PROF, seconds)


def limit_memory(size: int) -> None:
    """Limit the address space of this process to so many bytes more than it has now; 0 lifts the limit."""
    resource = _resource()
    current = _address_space()
    if resource is None or current is None:
        return
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    bounded = current + size if size else resource.RLIM_INFINITY
    if hard != resource.RLIM_INFINITY:
        bounded = hard if bounded == resource.RLIM_INFINITY else min(bounded, hard)
    resource.setrlimit(resource.RLIMIT_AS, (bounded, hard))


def end_at_limits() -> None:
    """Let this process end by its limits whatever the parent ignores, and write neither files nor core dumps."""
    if hasattr(signal, "SIGPROF"):
        signal.signal(signal.SIGPROF, signal.SIG_DFL)
    resource = _resource()
    if resource is not None:
        for limit in (resource.RLIMIT_CORE, resource.RLIMIT_FSIZE):
            resource.setrlimit(limit, (0, 0))


def _resource() -> ModuleType | None:
    try:
        import resource
    except ImportError:  # Windows
        return None
    return resource


def _address_space() -> int | None:
    """Return the size of this process's address space in bytes; None if the system does not say."""
    try:
        with open("/proc/self/statm", "rb") as file:  # noqa: PTH123 - a Path for each image is slow
            return int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return None
