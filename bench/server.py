"""A server of its own for a benchmark, in a temporary data directory."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

from inductiva.protocol.embedded import DATA_DIR_VARIABLE, Layout

START_SECONDS = 20.0


class Server:
    """Context manager. The environment of this process then points at the server too, so the SDK finds it."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="inductiva-bench-"))
        self.layout = Layout(self.folder)
        self.environment = {**os.environ, DATA_DIR_VARIABLE: str(self.folder)}
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Server:
        os.environ[DATA_DIR_VARIABLE] = str(self.folder)
        self.layout.server.mkdir(parents=True)
        with self.layout.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "inductiva.server"], env=self.environment, stdout=log, stderr=log
            )
        deadline = time.monotonic() + START_SECONDS
        while not self.layout.server_info.exists():
            if time.monotonic() > deadline or self.process.poll() is not None:
                raise RuntimeError(f"the server did not start:\n{self.layout.log.read_text()}")
            time.sleep(0.02)
        return self

    def __exit__(self, *_: object) -> None:
        for process in psutil.process_iter():
            try:
                if "inductiva.runner" in process.cmdline() and str(self.folder) in " ".join(process.cmdline()):
                    process.kill()
            except psutil.Error:
                continue
        if self.process is not None:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def url(self) -> str:
        return str(json.loads(self.layout.server_info.read_bytes())["url"])

    @property
    def key(self) -> str:
        return self.layout.api_key.read_text()

    def _measured(self) -> psutil.Process:
        assert self.process is not None
        return psutil.Process(self.process.pid)

    def resident_megabytes(self) -> float:
        return float(self._measured().memory_info().rss) / 1e6

    def idle_cpu_percent(self, seconds: float) -> float:
        return float(self._measured().cpu_percent(interval=seconds))


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Nothing that is measured talks into the table, not even what native code prints."""
    sys.stdout.flush()
    kept = [os.dup(1), os.dup(2)]
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        yield
    finally:
        sys.stdout.flush()
        for number, copy in enumerate(kept, 1):
            os.dup2(copy, number)
            os.close(copy)
        os.close(nowhere)
