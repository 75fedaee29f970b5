"""Entry point of ``python -m weakspot`` and of the ``weakspot`` command."""

import sys


def main() -> None:
    """Run the command line and exit with its code."""
    from weakspot.cli.app import main as run

    sys.exit(run())


if __name__ == "__main__":
    main()
