"""`inductiva tasks download`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from inductiva.cli.each import for_each
from inductiva.cli.options import Command, Many, TaskId

if TYPE_CHECKING:
    from inductiva.tasks import Task


def _download(task: Task, filenames: list[str] | None, directory: str | None, what: str) -> bool:
    """Whether everything asked for was there; the SDK tells what was done and what is missing."""
    target = None if directory is None else Path(directory).absolute() / task.id / what
    if what == "inputs":
        path = task.download_inputs(filenames=filenames, input_dir=target)
    else:
        path = task.download_outputs(filenames=filenames, output_dir=target)
    if path is None:
        return False
    if path.exists():
        click.echo(path)
    return all((path / name).exists() for name in filenames or ())


@click.command(cls=Command)
@click.argument("ids", nargs=-1, metavar="[ID]...", type=TaskId())
@click.option("--id", "more_ids", cls=Many, metavar="ID", type=TaskId(), help="The same as an argument.")
@click.option("--filenames", cls=Many, metavar="NAME", help="Only these files.")
@click.option("--dir", "directory", metavar="DIR", help="Into DIR/ID/outputs instead of inductiva_output/ID/outputs.")
@click.option("-i", "--input", "inputs", is_flag=True, help="Download inputs.")
@click.option("-o", "--output", "outputs", is_flag=True, help="Download outputs; so it is without -i and -o.")
def download(
    ids: tuple[str, ...],
    more_ids: tuple[str, ...],
    filenames: tuple[str, ...],
    directory: str | None,
    inputs: bool,
    outputs: bool,
) -> int:
    """Download outputs or inputs of tasks.

    The folders they are in are printed on standard output.

    Exit code 1 when a task is unknown, or something is not there to download.
    """
    chosen = [*ids, *more_ids]
    if not chosen:
        raise click.UsageError("give the ids of the tasks; 'inductiva tasks list' shows them")
    if directory == "":
        raise click.UsageError("--dir is empty; give a directory")
    kinds = [*(["outputs"] if outputs or not inputs else []), *(["inputs"] if inputs else [])]

    def every_kind(task_id: str) -> bool:
        from inductiva.tasks import Task

        task = Task(task_id)
        complete = [_download(task, list(filenames) or None, directory, kind) for kind in kinds]
        return all(complete)

    return for_each(chosen, every_kind)
