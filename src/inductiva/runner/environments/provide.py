"""Find the environment of an image, or build it: once, whoever asks, and never half."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from inductiva import catalogue
from inductiva.catalogue.model import Simulator, Version, image, split_image
from inductiva.runner.environments import build
from inductiva.runner.environments.model import MARKER, Environment, EnvironmentUnavailable, read, save

Progress = Callable[[str], None]
BASE_IMAGE = "base-image"

_known: dict[tuple[str | None, Path], Environment] = {}


def resolve(container_image: str | None, environments_dir: Path, progress: Progress) -> Environment:
    """The environment of an image; no image means the base image. Well under a millisecond when it is provided.

    Builds it otherwise, which may take a minute and says so through `progress`. Blocking; safe from several threads
    and processes. Raises EnvironmentUnavailable.
    """
    key = container_image, environments_dir
    environment = _known.get(key)
    if not environment or not (environment.prefix / MARKER).exists():
        environment = _known[key] = provide(*find(container_image), environments_dir, progress)
    return environment


def provide(simulator: Simulator, version: Version, environments_dir: Path, progress: Progress) -> Environment:
    """The environment of a version, built if it is not there. Raises EnvironmentUnavailable."""
    prefix = prefix_of(simulator, version, environments_dir)
    return read(prefix) or _provide(simulator, version, prefix, progress)


def install(name: str, version: str | None, environments_dir: Path, progress: Progress) -> Environment:
    """Provide a simulator ahead of time, its newest version unless one is given. Raises EnvironmentUnavailable."""
    return resolve(_image(name, version), environments_dir, progress)


def provided(name: str, version: str | None, environments_dir: Path) -> Environment | None:
    """The environment of a simulator if it is there already; builds nothing. Raises EnvironmentUnavailable."""
    return read(prefix_of(*find(_image(name, version)), environments_dir))


def find(container_image: str | None) -> tuple[Simulator, Version]:
    """What an image stands for. Raises EnvironmentUnavailable with what is offered instead."""
    offered = catalogue.load()
    uri = container_image or _image(BASE_IMAGE, None)
    found = offered.find_image(uri)
    if found:
        return found
    parts = split_image(uri)
    if not parts:
        raise EnvironmentUnavailable(
            f"image {uri!r} is a container image of another registry, which this machine cannot run without a "
            f"container engine; images that run natively are {image('NAME', 'VERSION')} with NAME one of "
            f"{', '.join(offered.names())}"
        )
    raise EnvironmentUnavailable(_not_offered(*parts))


def prefix_of(simulator: Simulator, version: Version, environments_dir: Path) -> Path:
    """Where a version is provided. The name carries what it was made from: a new recipe or Python gets a new
    directory, so one that a running simulation uses is never changed."""
    native = version.native
    programs = [catalogue.resource(source).read_bytes() for source in native.files.values()]
    recipe = msgspec.json.encode((native, programs, sys.version, sys.base_prefix, build.FORMAT))
    digest = hashlib.sha256(recipe).hexdigest()[:8]
    return environments_dir.resolve() / f"{simulator.name}-{version.version}-{digest}"


def _image(name: str, version: str | None) -> str:
    simulator = catalogue.load().get(name)
    if not simulator:
        raise EnvironmentUnavailable(_not_offered(name, version))
    return image(name, version or simulator.latest.version)


def _not_offered(name: str, version: str | None) -> str:
    offered = catalogue.load()
    simulator = offered.get(name)
    if not simulator:
        return f"simulator {name!r} is not in the catalogue; it has {', '.join(offered.names())}"
    versions = ", ".join(found.version for found in simulator.versions)
    return f"{simulator.display_name} {version} is not in the catalogue; choose one of its versions: {versions}"


def _provide(simulator: Simulator, version: Version, prefix: Path, progress: Progress) -> Environment:
    try:
        prefix.parent.mkdir(parents=True, exist_ok=True)
        with _locked(prefix, progress) as lock:
            return read(prefix) or _build(simulator, version, prefix, progress, lock)
    except OSError as error:
        raise EnvironmentUnavailable(
            f"{simulator.display_name} {version.version} could not be provided in {prefix}: {error}; "
            "make room or set INDUCTIVA_ENVIRONMENTS_DIR to a directory you can write to"
        ) from error


def _build(simulator: Simulator, version: Version, prefix: Path, progress: Progress, lock: int) -> Environment:
    shutil.rmtree(prefix, ignore_errors=True)
    try:
        environment = build.build(simulator, version, prefix, progress, lock)
        save(environment)
    except BaseException:
        shutil.rmtree(prefix, ignore_errors=True)
        raise
    return environment


@contextmanager
def _locked(prefix: Path, progress: Progress) -> Iterator[int]:
    """Hold the lock of one environment. The file stays: removing it would let two builders hold "the" lock."""
    with (prefix.parent / f".{prefix.name}.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress(f"Waiting for another process that provides {prefix.name}")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield file.fileno()
