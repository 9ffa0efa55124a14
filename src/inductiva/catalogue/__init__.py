"""What can be run and on what, as data: simulators (`simulators/*.toml`) and machine types (`machines.toml`).

`load()` reads and checks the simulators once; `inductiva.catalogue.machines.load()` does it for machine types.
"""

from inductiva.catalogue.loader import CatalogueError, load, resource
from inductiva.catalogue.model import Catalogue, Channel, Native, Simulator, StubLibraries, Version

__all__ = [
    "Catalogue",
    "CatalogueError",
    "Channel",
    "Native",
    "Simulator",
    "StubLibraries",
    "Version",
    "load",
    "resource",
]
