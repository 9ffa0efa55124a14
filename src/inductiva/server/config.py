"""What can be configured when the server starts."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from inductiva.protocol.embedded import Layout


@dataclass(frozen=True)
class Config:
    """Times in seconds. `port` 0: the previous one if free, else any. `idle_seconds` None: never ends itself."""

    data_dir: Path
    host: str = "127.0.0.1"
    port: int = 0
    idle_seconds: float | None = None
    lease_seconds: float = 30.0
    heartbeat_seconds: float = 5.0

    @cached_property
    def layout(self) -> Layout:
        return Layout(self.data_dir)

    @property
    def staging(self) -> Path:
        """Outputs of attempts that are not over, on the file system of the objects so that a rename publishes them."""
        return self.data_dir / "staging"

    @property
    def logs(self) -> Path:
        return self.data_dir / "logs"

    @property
    def secret(self) -> Path:
        """The key that signs URLs."""
        return self.layout.server / "secret"
