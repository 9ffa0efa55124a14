"""`inductiva resources available|cost`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from inductiva.cli.options import Many, Number
from inductiva.cli.output import Answer, read_command

if TYPE_CHECKING:
    from inductiva.protocol.users import MachineType

_HEADERS = ("Machine type", "vCPUs", "GPUs", "Memory (GB)", "Price/hour (USD)", "Zone")


def _row(machine: MachineType) -> list[str]:
    from inductiva.utils.format_utils import MISSING

    gpus = f"{machine.num_gpus} x {machine.gpu_name}" if machine.num_gpus else MISSING
    return [
        machine.machine_type,
        str(machine.num_vcpus),
        gpus,
        f"{machine.ram_gb:g}",
        f"{machine.price:.4f}",
        machine.zone or MISSING,
    ]


@read_command(
    click.option(
        "-p",
        "--provider",
        type=click.Choice(["GCP", "LOCAL"], case_sensitive=False),
        default="GCP",
        show_default=True,
    ),
    click.option("-f", "--family", "families", cls=Many, metavar="FAMILY", help="Only these families, such as c2d."),
    click.option("-s", "--spot", is_flag=True, help="Machines the provider may take back, at their lower price."),
)
def available(provider: str, families: tuple[str, ...], spot: bool) -> Answer:
    """List the machine types that can be started.

    JSON: {"machine_types": [fields as in the REST API]}.
    """
    from inductiva.api import catalogue

    offered = catalogue.machine_types(provider, {"machine_families": families or None})
    found = [machine for machine in offered if bool(machine.spot) is spot]

    def text() -> str:
        from inductiva.utils import tables

        if not found:
            return "\nNo machine types match. Without --family and --provider all are listed.\n"
        return tables.render_for_terminal(_HEADERS, [_row(machine) for machine in found])

    return Answer({"machine_types": found}, text)


@read_command(
    click.argument("machine_type"),
    click.option("-s", "--spot", is_flag=True, help="The price of machines the provider may take back."),
    click.option(
        "-n",
        "--num-machines",
        default=1,
        show_default=True,
        type=Number(min=1),
        metavar="N",
        help="Number of machines.",
    ),
    click.option("--zone", metavar="ZONE", help="The price in this zone."),
)
def cost(machine_type: str, spot: bool, num_machines: int, zone: str | None) -> Answer:
    """Show what machines of a type cost an hour.

    JSON: {"machine_type", "num_machines", "spot", "on_demand_price", "preemptible_price", "total"}, US dollars an hour.
    """
    from inductiva.api import compute

    price = compute.price(machine_type, zone)
    each = price.preemptible_price if spot else price.on_demand_price
    data: dict[str, Any] = {
        "machine_type": machine_type,
        "num_machines": num_machines,
        "spot": spot,
        "on_demand_price": price.on_demand_price,
        "preemptible_price": price.preemptible_price,
        "total": each * num_machines,
    }

    def text() -> str:
        from inductiva.utils.format_utils import currency_formatter

        total = f"{currency_formatter(each * num_machines)}/h"
        return total if num_machines == 1 else f"{total} for {num_machines}, {currency_formatter(each)}/h each"

    return Answer(data, text)
