"""What is told about a machine group."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from inductiva.protocol.users import Quota
from inductiva.resources import validation
from inductiva.utils.format_utils import datetime_formatter, timedelta_formatter

if TYPE_CHECKING:
    from inductiva.resources.groups import Group


def _idle(value: timedelta | None) -> str:
    return "no limit" if value is None else timedelta_formatter(value)


def _end(value: datetime | None) -> str:
    return "N/A" if value is None else datetime_formatter(value)


def _size(group: Group) -> Iterator[tuple[str, object]]:
    if group.is_elastic:
        yield "Maximum number of machines", group.max_vms
        yield "Minimum number of machines", group.min_vms
    else:
        yield "Number of machines", group.max_vms


def _rows(group: Group) -> Iterator[tuple[str, object]]:
    yield "Name", group.name
    if group.zone:
        yield "Zone", group.zone
    yield "Provider", group.provider
    yield "Machine Type", group.machine_type
    yield "Data disk size", f"{group.data_disk_gb} GB"
    if group.auto_resize_gb is not None:
        yield "Auto resize disk max size", f"{group.auto_resize_gb} GB"
    if group.total_ram_gb is not None:
        yield "Total memory (RAM)", f"{group.total_ram_gb} GB"
    yield "Maximum idle time", _idle(validation.idle_time(group.max_idle_time))
    yield "Auto terminate timestamp", _end(group.auto_terminate_ts)
    yield from _size(group)
    yield "Spot", group.spot


def banner(group: Group) -> str:
    """What was registered."""
    lines = [f"■ Registering {group.short_name()} configurations:"]
    lines += [f"\t· {label + ':':<27} {value}" for label, value in _rows(group)]
    return "\n".join([*lines, *cost_lines(group), *notice_lines(group)])


def notice_lines(group: Group) -> list[str]:
    """What the server wants the user to know of the group."""
    return [f"\t! {notice}" for notice in group.notices]


def cost_lines(group: Group) -> list[str]:
    """The cost, of an elastic group from fewest to most machines, with the server's reasons."""
    cost = group.cost_per_hour
    if group.is_elastic:
        return [
            f"\t· Minimum estimated cloud cost: {_dollars(cost.min)} $/h ({cost.min_reason})",
            f"\t· Maximum estimated cloud cost: {_dollars(cost.max)} $/h ({cost.max_reason})",
        ]
    return [f"\t· Estimated cloud cost of machine group: {_dollars(cost.max)} $/h"]


def _dollars(amount: float) -> str:
    return f"{amount:.3f}"


def quota_table(usage: dict[str, float], quotas: dict[str, Quota], header: str) -> str:
    """One row for each quota that a group counts towards. `header` heads the group's own share."""
    from inductiva.utils import tables

    rows = [
        [quota.label, f"{usage[key]:g}", _amount(quota.in_use), _amount(quota.max_allowed, "no limit")]
        for key, quota in quotas.items()
        if key in usage
    ]
    return tables.render_for_terminal(["", header.upper(), "CURRENT USAGE", "MAX ALLOWED"], rows)


def _amount(value: float | None, none: str = "n/a") -> str:
    return none if value is None else f"{value:g}"
