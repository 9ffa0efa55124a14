"""`inductiva resources list|info|start|terminate`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from inductiva.cli.confirm import confirm
from inductiva.cli.each import for_each
from inductiva.cli.errors import Refused
from inductiva.cli.options import Command, Number
from inductiva.cli.output import Answer, read_command

if TYPE_CHECKING:
    from inductiva.protocol.compute import MachineGroup, MachineInfo

_GROUP_HEADERS = (
    "Name",
    "Machine type",
    "Elastic",
    "Type",
    "# machines",
    "Data size in GB",
    "Spot",
    "Created at",
    "Idle time",
    "Max cost ($/hour)",
)
_MACHINE_HEADERS = ("Host name", "Started", "Status", "Last seen", "Running task")


def _active(group: MachineGroup) -> int:
    return sum(machine.terminated_at is None for machine in group.machines)


def _idle(group: MachineGroup) -> str:
    from inductiva.utils.format_utils import seconds_formatter

    limit = "never ends" if group.max_idle_time is None else seconds_formatter(group.max_idle_time)
    return f"{seconds_formatter(group.idle_seconds or 0)}/{limit}"


def _group_row(group: MachineGroup) -> list[str]:
    from inductiva.utils.format_utils import MISSING, datetime_formatter

    machines = f"{_active(group)}/{group.max_vms} (max)" if group.is_elastic else f"{_active(group)}/{group.num_vms}"
    return [
        group.name,
        group.machine_type,
        str(group.is_elastic),
        group.type,
        machines,
        MISSING if group.disk_size_gb is None else str(group.disk_size_gb),
        str(group.spot),
        datetime_formatter(group.creation_timestamp),
        _idle(group),
        f"{group.cost_per_hour.max:g}",
    ]


@read_command()
def list_groups() -> Answer:
    """List the active machine groups.

    JSON: {"machine_groups": [fields as in the REST API]}.
    """
    from inductiva.api import compute

    groups = compute.groups()
    return Answer({"machine_groups": groups}, lambda: _groups_table(groups))


def _groups_table(groups: list[MachineGroup]) -> str:
    from inductiva.utils import tables
    from inductiva.utils.format_utils import local_zone

    if not groups:
        return "\nNo active machine groups. 'inductiva resources start MACHINE_TYPE' starts one.\n"
    table = tables.render_for_terminal(_GROUP_HEADERS, [_group_row(group) for group in groups])
    return f"{table}\n Times are {local_zone()}.\n"


def _machine_row(machine: MachineInfo) -> list[str]:
    from inductiva.utils.format_utils import MISSING, datetime_formatter

    return [
        machine.host_name or MISSING,
        datetime_formatter(machine.started_at),
        "Active" if machine.terminated_at is None else "Off",
        datetime_formatter(machine.last_seen_at),
        machine.current_task_id or MISSING,
    ]


@read_command(click.argument("name"))
def info(name: str) -> Answer:
    """Show the machines of a machine group.

    JSON: the group as in the REST API, with its "machines".
    """
    from inductiva.api import compute

    group = compute.group(name)

    def text() -> str:
        from inductiva.utils import tables
        from inductiva.utils.format_utils import local_zone

        title = (
            f"\n Machine group {group.name}: {group.status}, {_active(group)} of {group.max_vms} {group.machine_type}"
        )
        notices = "".join(f"\n {notice}" for notice in group.notices)
        table = tables.render_for_terminal(_MACHINE_HEADERS, [_machine_row(machine) for machine in group.machines])
        return f"{title}{notices}\n{table}\n Times are {local_zone()}.\n"

    return Answer(group, text)


@click.command(cls=Command)
@click.argument("machine_type")
@click.option(
    "-n",
    "--num-machines",
    default=1,
    show_default=True,
    type=Number(min=1),
    metavar="N",
    help="Number of machines.",
)
@click.option(
    "-d", "--data-disk-gb", default=10, show_default=True, type=int, metavar="GB", help="Disk of each machine."
)
@click.option(
    "-s/-S", "--spot/--no-spot", default=True, show_default="--spot", help="Machines the provider may take back."
)
@click.option("--provider", type=click.Choice(["GCP", "LOCAL"], case_sensitive=False), default="GCP", show_default=True)
def start(machine_type: str, num_machines: int, data_disk_gb: int, spot: bool, provider: str) -> None:
    """Register a machine group and start it.

    Its name is printed on standard output.
    """
    from inductiva.resources import MachineGroup

    group = MachineGroup(
        machine_type=machine_type, num_machines=num_machines, data_disk_gb=data_disk_gb, spot=spot, provider=provider
    )
    group.start()
    click.echo(group.name)


@click.command(cls=Command)
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@click.option("--all", "every", is_flag=True, help="All active machine groups.")
def terminate(names: tuple[str, ...], yes: bool, every: bool) -> int:
    """Terminate machine groups. Their waiting and running tasks end.

    Exit code 1 when a group is unknown or none is active.
    """
    if every == bool(names):
        raise click.UsageError("give the names of machine groups, or --all")
    from inductiva.api import compute

    ids = {group.name: group.id for group in compute.groups()}
    chosen = list(ids) if every else list(dict.fromkeys(names))
    if not ids:
        raise Refused("no machine group is active, there is nothing to terminate")
    if unknown := [name for name in chosen if name not in ids]:
        raise Refused(f"no active machine group is called {', '.join(unknown)}; there are: {', '.join(ids)}")
    confirm(f"Terminate {len(chosen)} machine group{'s'[: len(chosen) != 1]}?", chosen, yes=yes)

    def end(name: str) -> None:
        compute.terminate(ids[name])
        click.echo(f"Machine group {name} is being terminated.")

    return for_each(chosen, end)
