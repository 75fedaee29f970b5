"""Lightning loggers by name."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from weakspot.errors import InputError, suggest

if TYPE_CHECKING:
    from lightning.pytorch.loggers import Logger

# Name -> class, and the package that it needs.
LOGGERS: Mapping[str, tuple[str, str]] = {
    "tensorboard": ("TensorBoardLogger", "tensorboard"),
    "csv": ("CSVLogger", ""),
    "wandb": ("WandbLogger", "wandb"),
    "mlflow": ("MLFlowLogger", "mlflow"),
    "comet": ("CometLogger", "comet-ml"),
    "neptune": ("NeptuneLogger", "neptune"),
}
_WITH_FOLDER = ("tensorboard", "csv", "wandb", "mlflow")


def make_loggers(names: "Sequence[str | Logger]", folder: Path) -> "list[Logger]":
    """Create loggers that write to a run folder; instances of Lightning loggers are returned unchanged."""
    return [_make(name, folder) if isinstance(name, str) else name for name in names]


def check_loggers(names: "Sequence[str | Logger]") -> None:
    """Check the names of loggers."""
    for name in names:
        if isinstance(name, str) and name not in LOGGERS:
            hint = suggest(name, LOGGERS, f"Available loggers: {', '.join(LOGGERS)}.")
            raise InputError("unknown-logger", f"Logger {name!r} does not exist.", hint)


def _make(name: str, folder: Path) -> "Logger":
    from lightning.pytorch import loggers

    check_loggers([name])
    class_name, package = LOGGERS[name]
    target = {"tracking_uri": f"file:{folder.absolute() / 'mlruns'}"} if name == "mlflow" else {"save_dir": str(folder)}
    try:
        made: Logger = getattr(loggers, class_name)(**target if name in _WITH_FOLDER else {})
    except (ImportError, ModuleNotFoundError) as error:
        problem = f"Logger {name} needs the package {package}."
        raise InputError("not-installed", problem, f"Run: pip install {package}") from error
    return made
