"""A simulator, its versions and what each needs to run natively, that is without a container image."""

from __future__ import annotations

import re
from enum import StrEnum

import msgspec

IMAGE_PREFIX = "docker://inductiva/kutu:"
_IMAGE = re.compile(r"(?P<name>.+)_v(?P<version>[^_]+)(?P<gpu>_gpu)?(?P<dev>_dev)?")


class Channel(StrEnum):
    PRODUCTION = "production"
    DEVELOPMENT = "development"


class StubLibraries(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Shared libraries to replace by empty ones, for a program that links graphics it never uses.

    `needed_by`: pattern of the library in site-packages that links them; `replace`: patterns of the linked names;
    `into`: directory of site-packages, on the library's run path, where the empty ones are put.
    """

    needed_by: str
    replace: list[str]
    into: str


class Native(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How to provide a version on a plain Linux machine.

    `python`: pinned requirements, installed as wheels into an environment of their own.
    `programs`: host programs it calls → the Debian package that brings each.
    `files`: absolute path in the overlay tree → file of `catalogue/programs`; `.py` files become executables.
    `path`: directories of the overlay tree added to PATH. `env`: variables set for every command.
    """

    python: list[str] = []
    programs: dict[str, str] = {}
    files: dict[str, str] = {}
    path: list[str] = []
    env: dict[str, str] = {}
    stubs: list[StubLibraries] = []


class Version(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`note` says what really runs when that is not exactly the simulator's own release of this number."""

    version: str
    native: Native = Native()
    channel: Channel = Channel.PRODUCTION
    note: str = ""


class Simulator(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`name` is the image's name, `simulator_class` the class in `inductiva.simulators` ("" when there is none)."""

    name: str
    display_name: str
    description: str
    versions: list[Version]
    simulator_class: str = ""

    def find(self, version: str) -> Version | None:
        return next((found for found in self.versions if found.version == version), None)

    @property
    def latest(self) -> Version:
        """The newest production version, or the newest of all when none is in production."""
        production = [version for version in self.versions if version.channel is Channel.PRODUCTION]
        return max(production or self.versions, key=lambda version: version_key(version.version))


class Catalogue(msgspec.Struct, frozen=True):
    """All simulators by name."""

    simulators: dict[str, Simulator]

    def names(self) -> list[str]:
        return sorted(self.simulators)

    def get(self, name: str) -> Simulator | None:
        return self.simulators.get(name)

    def available_versions(self) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
        """Image name → versions, oldest first: those in production, those in development."""
        return self._versions(Channel.PRODUCTION), self._versions(Channel.DEVELOPMENT)

    def _versions(self, channel: Channel) -> dict[str, list[str]]:
        return {
            name: sorted(versions, key=version_key)
            for name, simulator in self.simulators.items()
            if (versions := [found.version for found in simulator.versions if found.channel is channel])
        }

    def find_image(self, uri: str) -> tuple[Simulator, Version] | None:
        """What `docker://inductiva/kutu:NAME_vVERSION[_gpu][_dev]` stands for; None when it is not offered.

        A `_gpu` image is the same program where there is nothing to gain from a GPU.
        """
        parts = split_image(uri)
        simulator = self.simulators.get(parts[0]) if parts else None
        version = simulator.find(parts[1]) if simulator and parts else None
        return (simulator, version) if simulator and version else None


def split_image(uri: str) -> tuple[str, str] | None:
    """Image URI → (simulator's name, version), whether offered or not; None for images of other people."""
    match = _IMAGE.fullmatch(uri.removeprefix(IMAGE_PREFIX)) if uri.startswith(IMAGE_PREFIX) else None
    return (match["name"], match["version"]) if match else None


def image(name: str, version: str) -> str:
    """The image URI of a version."""
    return f"{IMAGE_PREFIX}{name}_v{version}"


def version_key(version: str) -> tuple[tuple[int, int | str], ...]:
    """Sort key that puts 2.9 before 2.10, and numbers before letters."""
    return tuple((0, int(part)) if part.isdigit() else (1, part) for part in re.findall(r"\d+|[^\d.\-_]+", version))
