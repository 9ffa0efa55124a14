"""Click groups that import a command's module when the command is used."""

from __future__ import annotations

import difflib
from importlib import import_module
from typing import Any

import click

from inductiva.cli.tree import Branch, Leaf

_PACKAGE = "inductiva.cli.commands"


def load(leaf: Leaf) -> click.Command:
    """The command of a leaf of the tree."""
    module, _, attribute = leaf.target.partition(":")
    command = getattr(import_module(f"{_PACKAGE}.{module}"), attribute)
    if not isinstance(command, click.Command):
        raise TypeError(f"{leaf.target} is no command")
    return command


class LazyGroup(click.Group):
    """A branch of the tree. Without a sub-command it prints its help and succeeds."""

    def __init__(self, branch: Branch, name: str, **attributes: Any) -> None:
        super().__init__(name, help=branch.help, invoke_without_command=True, callback=_print_help, **attributes)
        self.branch = branch
        self._aliases = {
            child.alias: name for name, child in branch.children.items() if isinstance(child, Leaf) and child.alias
        }

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.branch.children)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        name = self._aliases.get(cmd_name, cmd_name)
        child = self.branch.children.get(name)
        if child is None:
            return None
        return LazyGroup(child, name) if isinstance(child, Branch) else load(child)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and not args[0].startswith("-") and self.get_command(ctx, args[0]) is None:
            ctx.fail(self._unknown(args[0]))
        return super().resolve_command(ctx, args)

    def _unknown(self, name: str) -> str:
        close = difflib.get_close_matches(name, [*self.branch.children, *self._aliases], n=1)
        hint = f"did you mean '{close[0]}'?" if close else f"there are: {', '.join(self.branch.children)}"
        return f"no command '{name}'; {hint}"

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """As Click does, but from the tree: nothing is imported to print help."""
        rows = []
        for name, child in self.branch.children.items():
            alias = child.alias if isinstance(child, Leaf) else None
            rows.append((f"{name}, {alias}" if alias else name, child.help))
        with formatter.section("Commands"):
            formatter.write_dl(rows)


def _print_help(**_options: Any) -> None:
    context = click.get_current_context()
    if context.invoked_subcommand is None:
        click.echo(context.get_help())
