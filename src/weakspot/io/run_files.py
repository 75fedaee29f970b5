"""Names of the files in the folders that weakspot writes."""

# A folder with one of these files holds the output of a command: images in it are not inputs.
RUN_FILE = "localize.toml"
EVALUATE_FILE = "evaluate.toml"

# The folder of a training run.
CONFIG, METRICS, LOG, CURVES, SKIPPED, STATE = (
    "config.toml",
    "metrics.jsonl",
    "train.log",
    "curves.svg",
    "skipped.jsonl",
    "state.ckpt",
)
VERSION = "weakspot"  # key of the version that wrote a folder
