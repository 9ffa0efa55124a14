"""Machine types: sizes, and prices against the published ones of a few machines."""

from pathlib import Path

import pytest

from inductiva.catalogue import CatalogueError, machines


def test_the_machine_of_the_first_example() -> None:
    shape = machines.load().get("c2-standard-4")
    assert shape
    assert (shape.vcpus, shape.ram_gb, shape.threads_per_core, shape.family) == (4, 16, 2, "c2")
    assert shape.zone.startswith(shape.region)


# On-demand, us-central1, US dollars an hour, as the provider's pages show them.
@pytest.mark.parametrize(
    ("name", "price"),
    [
        ("e2-standard-4", 0.1340),
        ("n1-standard-4", 0.1900),
        ("n2-standard-4", 0.1942),
        ("n2d-standard-4", 0.1690),
        ("c2-standard-4", 0.2088),
        ("c2d-standard-4", 0.1816),
        ("t2d-standard-4", 0.1690),
    ],
)
def test_prices_are_the_published_ones(name: str, price: float) -> None:
    shape = machines.load().get(name)
    assert shape
    assert shape.on_demand_price == pytest.approx(price, abs=2e-4)
    assert 0 < shape.spot_price < shape.on_demand_price


def test_names_are_unique_and_say_their_size() -> None:
    shapes = machines.load().all()
    assert len({shape.name for shape in shapes}) == len(shapes)
    assert all(shape.name.endswith(f"-{shape.vcpus}") for shape in shapes)


def test_unknown_name_has_close_matches() -> None:
    types = machines.load()
    assert types.get("c2-standart-4") is None
    assert types.close_matches("C2-standart-4")[0] == "c2-standard-4"
    assert types.close_matches("zzz") == []


def test_wrong_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "machines.toml"
    file.write_text("region = 1")
    with pytest.raises(CatalogueError, match=r"machines\.toml.*region"):
        machines.load(file)
