"""What machines there are and what they cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from inductiva.api import catalogue, compute
from inductiva.protocol.compute import Provider
from inductiva.protocol.users import MachineType
from inductiva.resources.utils import provider_of

Range = Sequence[float]


@dataclass(frozen=True, slots=True)
class MachineTypeInfo:
    """A machine type at one price. `price` in US dollars an hour, `ram_gb` in GB."""

    threads_per_core: int | None
    machine_type: str
    provider_id: str
    num_vcpus: int
    price: float
    ram_gb: float
    region: str | None
    spot: bool | None
    zone: str | None
    num_gpus: int | None
    gpu_name: str | None
    gpu_id: str | None

    def __getitem__(self, name: str) -> Any:
        if name not in self.__slots__:
            raise KeyError(name)
        return getattr(self, name)


def _info(given: MachineType) -> MachineTypeInfo:
    return MachineTypeInfo(**{name: getattr(given, name) for name in MachineTypeInfo.__slots__})


def _range(name: str, given: Range | None) -> list[str] | None:
    """The two ends of a range. Raises ValueError unless there are two in order."""
    if given is None:
        return None
    if len(given) != 2 or given[0] > given[1]:
        raise ValueError(f"{name} must be (smallest, largest); it is {given!r}")
    return [str(value) for value in given]


def get_available_machine_types(
    provider: str | Provider = Provider.GCP,
    machine_families: Sequence[str] | None = None,
    machine_configs: Sequence[str] | None = None,
    vcpus_range: Range | None = None,
    memory_range: Range | None = None,
    price_range: Range | None = None,
    spot: bool | None = None,
    gpus_range: Range | None = None,
    gpu_names: Sequence[str] | None = None,
    zones: Sequence[str] | None = None,
) -> list[MachineTypeInfo]:
    """The machine types that fit. Ranges are (smallest, largest), both included; memory in GB, price in US$/h."""
    filters: dict[str, Sequence[str] | bool | None] = {
        "machine_families": machine_families,
        "machine_configs": machine_configs,
        "vcpus_range": _range("vcpus_range", vcpus_range),
        "memory_range": _range("memory_range", memory_range),
        "price_range": _range("price_range", price_range),
        "spot": spot,
        "gpus_range": _range("gpus_range", gpus_range),
        "gpu_names": gpu_names,
        "zones": zones,
    }
    return [_info(given) for given in catalogue.machine_types(provider_of(provider).value, filters)]


def estimate_machine_cost(machine_type: str, spot: bool = False, zone: str | None = None) -> float:
    """US dollars an hour of one machine. Raises ApiException when the server does not know the type."""
    price = compute.price(machine_type, zone)
    return price.preemptible_price if spot else price.on_demand_price
