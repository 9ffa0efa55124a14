"""What all attempts of a machine share."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from inductiva.runner.environments import Environment, resolve
from inductiva.runner.environments.model import MARKER
from inductiva.runner.reporter import Post
from inductiva.runner.sandbox import Sandbox
from inductiva.runner.transfer import Transfer

_LOG = logging.getLogger(__name__)


class Transfers:
    """Lends transfers, so that each user has one of its own and connections are used again."""

    def __init__(self) -> None:
        self._idle: list[Transfer] = []

    @contextmanager
    def lend(self) -> Iterator[Transfer]:
        """A transfer for one user."""
        transfer = self._idle.pop() if self._idle else Transfer()
        try:
            yield transfer
        finally:
            self._idle.append(transfer)


class Provided:
    """Environments that this runner has used before: they need no thread to be found again."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._known: dict[str | None, Environment] = {}

    def get(self, image: str | None) -> Environment | None:
        """The environment of `image` if it is still there."""
        environment = self._known.get(image)
        return environment if environment and os.path.exists(environment.prefix / MARKER) else None  # noqa: PTH110

    def resolve(self, image: str | None) -> Environment:
        """The environment of `image`, built if need be, which may take minutes. Raises EnvironmentUnavailable."""
        environment = self._known[image] = resolve(image, self._directory, _LOG.info)
        return environment


@dataclass(frozen=True)
class Tools:
    """`environments`: the simulators provided here; `post` sends to the server if it is there."""

    sandbox: Sandbox
    environments: Provided
    post: Post
    transfers: Transfers = field(default_factory=Transfers)
