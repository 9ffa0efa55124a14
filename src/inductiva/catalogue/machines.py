"""Machine types as data: what `machines.toml` says about a name such as `c2-standard-4`."""

from __future__ import annotations

from difflib import get_close_matches
from functools import cache
from pathlib import Path

import msgspec

from inductiva.catalogue.loader import CatalogueError

_FILE = Path(__file__).with_name("machines.toml")


class MachineShape(msgspec.Struct, frozen=True):
    """Memory in GB, prices in US dollars an hour (list prices, estimates; `spot_price` is an upper bound)."""

    name: str
    vcpus: int
    ram_gb: float
    threads_per_core: int
    on_demand_price: float
    spot_price: float
    zone: str
    region: str
    family: str


class MachineTypes:
    """All machine types by name."""

    def __init__(self, shapes: list[MachineShape]) -> None:
        self._shapes = {shape.name: shape for shape in shapes}

    def get(self, name: str) -> MachineShape | None:
        return self._shapes.get(name)

    def all(self) -> list[MachineShape]:
        return list(self._shapes.values())

    def close_matches(self, name: str) -> list[str]:
        """Up to three names that `name` may have been meant to be, the likeliest first."""
        return get_close_matches(name.lower(), self._shapes, n=3, cutoff=0.6)


class _Class(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    name: str = msgspec.field(name="class")
    gb_per_vcpu: float
    vcpus: list[int]


class _Family(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    vcpu_hour: float
    gb_hour: float
    shapes: list[_Class]
    threads_per_core: int = 2


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    region: str
    zone: str
    source: str
    as_of: str
    note: str
    spot_factor: float
    families: list[_Family]


@cache
def load(path: Path = _FILE) -> MachineTypes:
    """The machine types of `path`; the package's own by default. Raises CatalogueError."""
    try:
        file = msgspec.toml.decode(path.read_bytes(), type=_File)
    except msgspec.DecodeError as error:  # ValidationError included
        raise CatalogueError(f"{path}: {error}") from error
    return MachineTypes(
        [
            _shape(file, family, shape, vcpus)
            for family in file.families
            for shape in family.shapes
            for vcpus in shape.vcpus
        ]
    )


def _shape(file: _File, family: _Family, shape: _Class, vcpus: int) -> MachineShape:
    ram_gb = vcpus * shape.gb_per_vcpu
    price = vcpus * family.vcpu_hour + ram_gb * family.gb_hour
    return MachineShape(
        name=f"{family.name}-{shape.name}-{vcpus}",
        vcpus=vcpus,
        ram_gb=ram_gb,
        threads_per_core=family.threads_per_core,
        on_demand_price=round(price, 6),
        spot_price=round(price * file.spot_factor, 6),
        zone=file.zone,
        region=file.region,
        family=family.name,
    )
