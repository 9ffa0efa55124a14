"""Calls about machine groups."""

from __future__ import annotations

from inductiva.api import session
from inductiva.protocol.compute import MachineGroup, MachinePrice, RegisterGroupRequest

START_SECONDS = 1800.0
"""The server answers a start when the machines are up, which takes minutes on some providers."""


def register(request: RegisterGroupRequest) -> MachineGroup:
    return session.fetch(MachineGroup, "POST", "/compute/group", body=request, safe=False)


def start(group_id: str) -> None:
    query = {"machine_group_id": group_id}
    session.call("POST", "/compute/group/start", query=query, read_seconds=START_SECONDS)


def terminate(group_id: str) -> None:
    session.call("DELETE", "/compute/group", query={"machine_group_id": group_id})


def groups() -> list[MachineGroup]:
    return session.fetch(list[MachineGroup], "GET", "/compute/groups")


def group(name: str) -> MachineGroup:
    return session.fetch(MachineGroup, "GET", f"/compute/group/{session.segment(name)}")


def price(machine_type: str, zone: str | None = None) -> MachinePrice:
    return session.fetch(MachinePrice, "GET", "/compute/price", query={"machine_type": machine_type, "zone": zone})
