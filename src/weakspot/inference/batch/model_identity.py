"""Which model a run uses: where its weights are and their hash, so that a resumed run has the same one."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from weakspot.config import PRETRAINED
from weakspot.errors import ModelError
from weakspot.inference.batch.options import LocalizeOptions
from weakspot.models.run_files import MODEL_FILE, hash_file, weights_file

if TYPE_CHECKING:
    from weakspot.inference.localizer import Localizer

MODEL_PATH, MODEL_HASH = "model_path", "model_hash"


@dataclass(frozen=True)
class ModelIdentity:
    """A model by its weights, whatever name or link leads to them.

    Attributes:
        model: Model as the user named it.
        path: File of the weights, without links; None for published weights.
        digest: Hash of that file, which for a run includes its thresholds; of published weights, a hash of the loaded
            weights, and None before they are loaded.
        is_run: Whether the file is all of the model; else it has the weights of the architecture ``model``.
    """

    model: str
    path: Path | None
    digest: str | None
    is_run: bool = False

    @classmethod
    def of(cls, options: LocalizeOptions) -> "ModelIdentity":
        """Identify the model of a command; ModelError ``weights-unreadable`` if its file cannot be read."""
        path = weights_file(options.model, options.weights)
        if path is None:
            return cls(options.model, None, None)
        is_run = options.weights == PRETRAINED
        return cls(options.model, path.resolve(), hash_file(path), is_run)

    def loaded(self, localizer: "Localizer") -> "ModelIdentity":
        """Return the identity with a hash of the loaded weights, if they are published ones."""
        if self.digest is not None:
            return self
        from weakspot.models.state_dicts import hash_state_dict

        return replace(self, digest=hash_state_dict(localizer.model.state_dict()))

    def settings(self) -> dict[str, Any]:
        """Return what the settings of a run record."""
        return {MODEL_PATH: self.path, MODEL_HASH: self.digest}

    def free_settings(self, saved: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the names of settings that may differ from those saved, because the hashes are compared instead."""
        if self.path is None or MODEL_PATH not in saved:
            return (MODEL_PATH, MODEL_HASH)
        return (MODEL_PATH, MODEL_HASH, "weights", *(("model",) if self.is_run else ()))

    def check_same(self, saved: Mapping[str, Any], folder: Path) -> None:
        """Raise ModelError (``model-changed``) if a run in a folder was made with other weights.

        Settings of earlier versions have no hash, and before published weights are loaded there is none to compare.
        """
        before, path = saved.get(MODEL_HASH), saved.get(MODEL_PATH)
        if None in (before, self.digest) or before == self.digest:
            return
        if path is not None and path == str(self.path):
            change, advice = f"{path} has changed since", "Restore it to continue"
        elif path is None and self.path is None:
            change, advice = "its published weights have changed", "Install the earlier ones to continue"
        else:
            change = f"its weights are {_described(self.path)}, not {_described(path)}"
            advice = f"Continue with {_options(saved)}"
        problem = f"{self.model} is not the model of the run in {folder}: {change}."
        raise ModelError("model-changed", problem, f"{advice}, or choose another --output.")


def _described(path: object) -> str:
    return "published ones" if path is None else f"those of {path}"


def _options(saved: Mapping[str, Any]) -> str:
    """Return the options that name the model of a run, without links, by its settings."""
    path = saved.get(MODEL_PATH)
    if path is None:
        return f"--model {saved.get('model')}"
    if saved.get("weights", PRETRAINED) != PRETRAINED:
        return f"--model {saved.get('model')} --weights {path}"
    return f"--model {Path(path).parent if Path(path).name == MODEL_FILE else path}"


def check_unchanged(options: LocalizeOptions, identity: ModelIdentity) -> None:
    """Raise ModelError (``model-changed``) if the file of a model is not the one that a run started with."""
    if identity.path is None:
        return
    now = ModelIdentity.of(options)
    now.check_same({MODEL_PATH: str(identity.path), MODEL_HASH: identity.digest}, options.output or Path())
