"""How long it takes until something happens: imports and commands, whole processes, beside a bare interpreter."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from bench.measure import Result, command_milliseconds
from bench.server import Server

BIN = Path(sys.executable).parent


def run() -> Iterator[Result]:
    with Server() as server:
        environment = server.environment
        bare = command_milliseconds([sys.executable, "-c", "pass"], environment)

        def beside(name: str, command: list[str], budget: float) -> Result:
            value = command_milliseconds(command, environment)
            return Result(name, value, "ms", budget, peer=bare, peer_name="ms python -c pass")

        inductiva = str(BIN / "inductiva")
        yield beside("import inductiva", [sys.executable, "-c", "import inductiva"], 90)
        yield beside("inductiva --help", [inductiva, "--help"], 100)
        yield beside("inductiva tasks list, warm server", [inductiva, "tasks", "list"], 200)
        yield Result("server, resident, idle", server.resident_megabytes(), "MB", 100)
        yield Result("server, CPU while idle for 5 s", server.idle_cpu_percent(5), "%", 1)
