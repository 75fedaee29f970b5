"""Run a command line, and turn what it raises into lines on stderr and an exit code."""

from errno import ENAMETOOLONG

from cyclopts import App, CycloptsError

from weakspot.cli.messages import log_to_stderr, renamed_option, with_option_name
from weakspot.errors import WeakspotError
from weakspot.terminal import echo

DONE, SOME_SKIPPED, MISTAKE, INTERRUPTED = 0, 1, 2, 130


def run_command_line(app: App, words: list[str]) -> int:
    """Run a command line: the arguments after ``weakspot``.

    Returns the exit code: 0 done; 1 finished, but some inputs were skipped; 2 wrong usage or input, explained on
    stderr; 130 interrupted.
    """
    try:
        with log_to_stderr():
            result = app(_with_stdin_last(words), exit_on_error=False, print_error=False)
    except WeakspotError as error:
        echo(with_option_name(error.problem, words), *filter(None, [error.hint]), to_stderr=True)
        return MISTAKE
    except OSError as error:
        if error.errno != ENAMETOOLONG:
            raise
        echo(f"Cannot use {error.filename}: {error.strerror}.", "Use a shorter name.", to_stderr=True)
        return MISTAKE
    except ModuleNotFoundError as error:  # installed without its dependencies, as for exported files
        hint = f"Run: pip install {error.name}, or pip install weakspot for everything."
        echo(f"{error.name} is not installed.", hint, to_stderr=True)
        return MISTAKE
    except CycloptsError as error:
        command = " ".join(error.command_chain or ())
        problem = renamed_option(words, command) or " ".join(str(error).split())
        echo(problem, f"See: {' '.join(('weakspot', *(error.command_chain or ())))} --help", to_stderr=True)
        return MISTAKE
    except KeyboardInterrupt as interrupt:
        echo("Interrupted.", *interrupt.args, to_stderr=True)
        return INTERRUPTED
    return result if isinstance(result, int) else DONE


def _with_stdin_last(words: list[str]) -> list[str]:
    """Move a lone ``-`` after ``--``, so that the parser does not take it for an option."""
    return [*(word for word in words if word != "-"), "--", "-"] if "-" in words else words
