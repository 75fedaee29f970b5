"""lightning's loggers by name."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from lightning.pytorch import loggers
from lightning.pytorch.loggers import Logger

from weakspot.errors import InputError, suggest

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


def make_loggers(names: Sequence[str | Logger], folder: Path) -> list[Logger]:
    """Make loggers that write into a run folder; loggers of lightning's are taken as they are.

    Raises:
        InputError: If there is none of that name, or its package is not installed.
    """
    return [_make(name, folder) if isinstance(name, str) else name for name in names]


def check_loggers(names: Sequence[str | Logger]) -> None:
    """Refuse names that are no loggers.

    Raises:
        InputError: If there is none of that name.
    """
    for name in names:
        if isinstance(name, str) and name not in LOGGERS:
            raise InputError(f"There is no logger {name!r}.", suggest(name, LOGGERS, f"Take {', '.join(LOGGERS)}."))


def _make(name: str, folder: Path) -> Logger:
    check_loggers([name])
    kind, package = LOGGERS[name]
    place = {"tracking_uri": f"file:{folder.absolute() / 'mlruns'}"} if name == "mlflow" else {"save_dir": str(folder)}
    try:
        made: Logger = getattr(loggers, kind)(**place if name in _WITH_FOLDER else {})
    except (ImportError, ModuleNotFoundError) as error:
        raise InputError(f"The logger {name} needs the package {package}.", f"Run: pip install {package}") from error
    return made
