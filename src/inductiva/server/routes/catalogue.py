"""The catalogue: simulators and machine types. Needs no key."""

from __future__ import annotations

from litestar import get
from litestar.params import FromQuery

import inductiva.catalogue
from inductiva.catalogue import machines
from inductiva.catalogue.machines import MachineShape
from inductiva.protocol.compute import Provider
from inductiva.protocol.users import AvailableSimulatorVersions, MachineType
from inductiva.server import problems

Two = FromQuery[list[float] | None]


@get("/simulators/available-images", tags=["catalogue"])
async def available_images() -> AvailableSimulatorVersions:
    """Simulators and their versions."""
    return AvailableSimulatorVersions(*inductiva.catalogue.load().available_versions())


def _row(shape: MachineShape, spot: bool) -> MachineType:
    return MachineType(
        machine_type=shape.name,
        num_vcpus=shape.vcpus,
        ram_gb=shape.ram_gb,
        price=shape.spot_price if spot else shape.on_demand_price,
        provider_id=Provider.GCP,
        threads_per_core=shape.threads_per_core,
        spot=spot,
        region=shape.region,
        zone=shape.zone,
    )


def _within(name: str, limits: list[float] | None, value: float) -> bool:
    if limits is None:
        return True
    if len(limits) != 2:
        raise problems.Invalid(f"{name} has {len(limits)} values; give two, the least and the most")
    return limits[0] <= value <= limits[1]


@get("/pricing/machine-types", tags=["catalogue"])
async def machine_types(
    provider_id: FromQuery[Provider],
    machine_families: FromQuery[list[str] | None] = None,
    machine_configs: FromQuery[list[str] | None] = None,
    zones: FromQuery[list[str] | None] = None,
    gpu_names: FromQuery[list[str] | None] = None,
    vcpus_range: Two = None,
    memory_range: Two = None,
    price_range: Two = None,
    gpus_range: Two = None,
    spot: FromQuery[bool | None] = None,
) -> list[MachineType]:
    """Machine types with their list prices, once on demand and once as spot machines."""
    if provider_id is Provider.LOCAL or gpu_names:
        return []
    rows = []
    for shape in machines.load().all():
        if machine_families and shape.family not in machine_families:
            continue
        if machine_configs and not any(config in shape.name.split("-") for config in machine_configs):
            continue
        if zones and shape.zone not in zones:
            continue
        rows += [_row(shape, kind) for kind in (False, True) if spot is None or kind is spot]
    return [
        row
        for row in rows
        if _within("vcpus_range", vcpus_range, row.num_vcpus)
        and _within("memory_range", memory_range, row.ram_gb)
        and _within("price_range", price_range, row.price)
        and _within("gpus_range", gpus_range, row.num_gpus or 0)
    ]


HANDLERS = [available_images, machine_types]
