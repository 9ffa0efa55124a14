"""Asking before something is ended."""

from __future__ import annotations

from collections.abc import Sequence

import click

from inductiva.cli.errors import Refused

_LISTED = 5


def confirm(question: str, items: Sequence[str], *, yes: bool) -> None:
    """Ask, unless `yes`. Up to five items are named. Raises Refused when the answer is no, or nobody can answer."""
    if yes:
        return
    if len(items) <= _LISTED:
        click.echo("\n".join(f"  {item}" for item in items), err=True)
    try:
        agreed = click.confirm(question, err=True)
    except click.Abort as error:
        if isinstance(error.__context__, KeyboardInterrupt):
            raise
        click.echo(err=True)  # The question's line is still open.
        raise Refused("nobody answered the question; give --yes to go on without it") from None
    if not agreed:
        raise Refused("not confirmed, nothing was done")
