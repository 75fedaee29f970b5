"""Learning curves."""

from collections.abc import Sequence

from matplotlib.ticker import MaxNLocator

from weakspot.training.lightning_module import EpochMetrics
from weakspot.visualization import COLORS, chart_to_svg, new_chart

_NAMES = {
    "train_loss": "training loss",
    "val_loss": "validation loss",
    "val_accuracy": "validation accuracy",
    "val_f1": "validation F1",
    "val_iou": "validation IoU",
}
_SCORES = ("val_accuracy", "val_f1", "val_iou")


def learning_curves(rows: Sequence[EpochMetrics]) -> bytes:
    """Draw losses and the validation score against epochs, as SVG; the epoch that is kept is marked."""
    drawn, axes = new_chart("epoch", "loss")
    scores = axes.twinx()
    scores.set(ylim=(0, 1), ylabel="share of validation images")
    scores.spines[["top"]].set_visible(False)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    for key, name in _NAMES.items():
        colour = COLORS[2 if key in _SCORES else list(_NAMES).index(key)]
        known = [(row["epoch"], row[key]) for row in rows if key in row]
        if known:
            (scores if key in _SCORES else axes).plot(*zip(*known, strict=True), color=colour, marker=".")
            axes.plot([], [], color=colour, marker=".", label=name)
    validated = [row for row in rows if "val_loss" in row]
    if validated:
        best = min(validated, key=lambda row: row["val_loss"])
        axes.axvline(best["epoch"], color="black", linewidth=0.8, linestyle=":", label=f"kept: epoch {best['epoch']}")
    axes.set_ylim(bottom=0)
    return chart_to_svg(drawn, axes, legend_x=1.15)
