"""Doing something to several things, of which some may fail."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import click

from inductiva.cli.errors import FAILED, OK, Refused


def for_each(names: Iterable[str], action: Callable[[str], bool | None]) -> int:
    """`action` for each name once. What the server refuses is told in one line, the others go on.

    Returns the exit code: 1 when one failed, that is raised, or returned False because the user was told already. An
    unreachable server ends it all.
    """
    from inductiva.api.errors import ApiException, ServerUnreachable

    code = OK
    for name in dict.fromkeys(names):
        try:
            if action(name) is False:
                code = FAILED
        except ServerUnreachable:
            raise
        except (ApiException, Refused, ValueError) as error:
            click.echo(f"Error: {name}: {error}", err=True)
            code = FAILED
    return code
