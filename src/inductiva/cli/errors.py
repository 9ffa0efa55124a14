"""What went wrong, as one line on standard error and an exit code; never a traceback for what a user can cause."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

import click

OK = 0
FAILED = 1
USAGE = 2
UNREACHABLE = 3
INTERRUPTED = 130


class Refused(click.ClickException):
    """The command could not do what was asked. `message`: what was wrong and what to do next."""

    exit_code = FAILED


def _reported_errors() -> tuple[type[BaseException], ...]:
    """Errors that a user can cause. Imported when one happens: `except` evaluates its classes only then."""
    from inductiva.api.errors import ApiException, ApiKeyError, VersionError
    from inductiva.tasks.live import LiveError

    return (ApiException, ApiKeyError, VersionError, LiveError, ValueError, TypeError, RuntimeError, OSError)


def run(command: Callable[[], object]) -> int:
    """Runs a command and gives the exit code of the process."""
    try:
        result = command()
        sys.stdout.flush()
    except click.exceptions.Exit as error:
        return error.exit_code
    except click.ClickException as error:
        return _tell_click(error)
    except (click.Abort, KeyboardInterrupt):
        click.echo("", err=True)
        return INTERRUPTED
    except BrokenPipeError:
        return _leave_pipe()
    except _reported_errors() as error:
        return _tell(error)
    return result if isinstance(result, int) else OK


def _tell_click(error: click.ClickException) -> int:
    """Click's own errors: usage and a pointer to help for wrong arguments, one line for the others."""
    if isinstance(error, click.UsageError):
        error.show()
    else:
        _print(error.format_message())
    return error.exit_code


def _tell(error: BaseException) -> int:
    from inductiva.api.errors import ServerUnreachable

    _print(_sentence(error))
    if isinstance(error, ServerUnreachable):
        return UNREACHABLE
    return FAILED


def _sentence(error: BaseException) -> str:
    """`[Errno 13] Permission denied: 'x'` as people say it; other errors say it themselves."""
    if isinstance(error, OSError) and error.strerror and error.filename is not None:
        return f"{error.filename}: {error.strerror[:1].lower()}{error.strerror[1:]}"
    return str(error) or type(error).__name__


def _print(text: str) -> None:
    click.echo(f"Error: {text}", err=True)


def _leave_pipe() -> int:
    """The reader of our output has left (`| head`): that is its right. Later flushes must not complain."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    os.close(null)
    return OK
