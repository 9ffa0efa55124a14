"""Calls to the catalogue: simulator images and machine types. They need no key."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

import inductiva
from inductiva.api import errors, session, transport
from inductiva.protocol.users import AvailableSimulatorVersions, MachineType


def _get(path: str, query: transport.Query | None = None) -> bytes:
    url = inductiva.machines_catalogue_api_url.rstrip("/")
    if not url:
        return session.call("GET", path, query=query).body
    request = transport.Call("GET", f"{url}{path}{transport.encode_query(query)}", {"Accept": "application/json"})
    answer = transport.send(request)
    if answer.status >= 300:
        raise errors.from_answer(str(request), answer.status, answer.reason, answer.body, answer.headers)
    return answer.body


def available_images() -> AvailableSimulatorVersions:
    return msgspec.json.decode(_get("/simulators/available-images"), type=AvailableSimulatorVersions)


def machine_types(provider_id: str, filters: dict[str, Sequence[str] | bool | None]) -> list[MachineType]:
    query: transport.Query = {"provider_id": provider_id, **filters}
    return msgspec.json.decode(_get("/pricing/machine-types", query), type=list[MachineType])
