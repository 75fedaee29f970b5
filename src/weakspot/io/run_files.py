"""File names in the folders that weakspot writes."""

# A folder with one of these files is the output of a command; its images are not inputs.
RUN_FILE = "localize.toml"
EVALUATE_FILE = "evaluate.toml"

# Files of a training run.
CONFIG, METRICS, LOG, CURVES, SKIPPED, STATE = (
    "config.toml",
    "metrics.jsonl",
    "train.log",
    "curves.svg",
    "skipped.jsonl",
    "state.ckpt",
)
VERSION = "weakspot"  # key of the version that wrote the folder
