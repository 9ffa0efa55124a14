"""A whole platform of its own for a test: a real server process, real runners, and a bare REST client.

The client here speaks the wire directly, so that what the server promises is not judged by our own SDK.
"""

from __future__ import annotations

import fcntl
import json
import os
import pty
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import psutil
import urllib3

from inductiva.archive import Entry, ZipStream
from inductiva.protocol import status
from inductiva.protocol.embedded import Layout
from inductiva.protocol.status import TaskStatusCode

BASE_IMAGE = "docker://inductiva/kutu:base-image_v0.1.1"
BIN = Path(sys.executable).parent
REPOSITORY = Path(__file__).parents[2]
DEADLINE_SECONDS = 60.0

Json = Any
T = TypeVar("T")


def eventually(look: Callable[[], T | None], what: str, seconds: float = DEADLINE_SECONDS) -> T:
    """Look until there is something to see; fail with `what` when the deadline passes."""
    deadline = time.monotonic() + seconds
    while True:
        seen = look()
        if seen:
            return seen
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:.0f} s: {what}")
        time.sleep(0.02)


@dataclass
class Answer:
    status: int
    body: bytes
    headers: Mapping[str, str]

    @property
    def json(self) -> Json:
        return json.loads(self.body)


class Rest:
    """The bare wire: JSON in, JSON out, no retry."""

    def __init__(self, url: str, key: str | None) -> None:
        self.url = url
        self.headers = {"X-API-Key": key} if key else {}
        self.pool = urllib3.PoolManager(retries=False, timeout=urllib3.Timeout(30))

    def __call__(self, method: str, path: str, body: Json = None, **headers: str) -> Answer:
        given = {**self.headers, **{name.replace("_", "-"): value for name, value in headers.items()}}
        data = None
        if isinstance(body, bytes):
            data = body
        elif body is not None:
            data, given["Content-Type"] = json.dumps(body).encode(), "application/json"
        url = path if path.startswith("http") else self.url + path
        answer = self.pool.request(method, url, body=data, headers=given, redirect=False)
        return Answer(answer.status, answer.data, answer.headers)

    def get(self, path: str) -> Json:
        answer = self("GET", path)
        assert answer.status == 200, (path, answer.status, answer.body)
        return answer.json


def zip_of(files: Mapping[str, str | bytes], prefix: str = "sim_dir/") -> bytes:
    """An input archive as a client packs it."""
    now = time.time()
    entries = [Entry(prefix, None, 0o40755, now, 0)]
    for name, content in files.items():
        data = content.encode() if isinstance(content, str) else content
        mode = 0o100755 if name.endswith(".sh") else 0o100644
        entries.append(Entry(prefix + name, data, mode, now, len(data)))
    return b"".join(ZipStream(entries))


@dataclass
class Platform:
    """One server with its data directory. `start()` may be called again after a crash."""

    data_dir: Path
    options: list[str] = field(default_factory=list)
    process: subprocess.Popen[bytes] | None = None

    @property
    def layout(self) -> Layout:
        return Layout(self.data_dir)

    @property
    def url(self) -> str:
        return str(json.loads(self.layout.server_info.read_bytes())["url"])

    @property
    def key(self) -> str:
        return self.layout.api_key.read_text()

    @property
    def rest(self) -> Rest:
        return Rest(self.url, self.key)

    @property
    def environment(self) -> dict[str, str]:
        """What a user's shell has. The embedded server of this data directory is found by itself."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("INDUCTIVA_API")}
        return {**kept, "INDUCTIVA_DATA_DIR": str(self.data_dir), "NO_COLOR": "1", "COLUMNS": "200"}

    def start(self) -> Platform:
        self.layout.server.mkdir(parents=True, exist_ok=True)
        with self.layout.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "inductiva.server", *self.options],
                env=self.environment,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        eventually(self.is_up, f"the server starts; its log says:\n{self.tail_log()}", 30)
        return self

    def is_up(self) -> bool:
        if self.process is not None and self.process.poll() is not None:
            raise AssertionError(f"the server ended with {self.process.returncode}:\n{self.tail_log()}")
        try:
            info = json.loads(self.layout.server_info.read_bytes())
            return (
                info["pid"] == getattr(self.process, "pid", None)
                and Rest(self.url, None)("GET", "/healthz").status == 200
            )
        except (OSError, ValueError, urllib3.exceptions.HTTPError):
            return False

    def tail_log(self) -> str:
        return "\n".join(self.layout.log.read_text().splitlines()[-30:]) if self.layout.log.exists() else ""

    # What can die

    def server_process(self) -> psutil.Process | None:
        try:
            info = json.loads(self.layout.server_info.read_bytes())
            process = psutil.Process(info["pid"])
            return process if "inductiva.server" in " ".join(process.cmdline()) else None
        except (OSError, ValueError, psutil.Error):
            return None

    def runner_processes(self) -> list[psutil.Process]:
        return self._processes(lambda command: "inductiva.runner" in command and str(self.layout.machines) in command)

    def task_processes(self) -> list[psutil.Process]:
        """The processes of simulations: whatever works below a machine's directory and is no runner."""
        runners = {process.pid for process in self.runner_processes()}
        found = []
        for process in psutil.process_iter():
            try:
                inside = str(self.layout.machines) in " ".join(process.cmdline())
                if process.pid not in runners and inside:
                    found += [process, *process.children(recursive=True)]
            except psutil.Error:
                continue
        return list({process.pid: process for process in found}.values())

    @staticmethod
    def _processes(belongs: Callable[[str], bool]) -> list[psutil.Process]:
        found = []
        for process in psutil.process_iter():
            try:
                if belongs(" ".join(process.cmdline())) and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
            except psutil.Error:
                continue
        return found

    def kill_server(self) -> None:
        kill([process] if (process := self.server_process()) else [])
        if self.process is not None:
            self.process.wait()

    def kill_runners(self) -> None:
        kill(self.runner_processes())

    def power_cut(self) -> None:
        """Everything at once: the server, its runners and the simulations."""
        server = self.server_process()
        kill([*([server] if server else []), *self.runner_processes(), *self.task_processes()])
        if self.process is not None:
            self.process.wait()

    def stop(self) -> None:
        self.power_cut()

    # What a user does

    def run_python(self, script: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return self._run([sys.executable, "-c", script, *arguments], environment)

    def cli(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return self._run([str(BIN / "inductiva"), *arguments], environment)

    def _run(self, command: list[str], environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            env={**self.environment, **environment},
            capture_output=True,
            text=True,
            timeout=120,
            cwd=self.data_dir,
            stdin=subprocess.DEVNULL,
            check=False,
        )

    def fsck(self) -> subprocess.CompletedProcess[str]:
        return self._run([sys.executable, "-m", "inductiva.server", "fsck"], {})

    # What a client does on the wire

    def group(self, machines: int = 1, **fields: Json) -> str:
        body = {"machine_type": "c2-standard-4", "provider_id": "GCP", "num_vms": machines, **fields}
        made = self.rest("POST", "/compute/group", body)
        assert made.status == 201, made.body
        identity = str(made.json["id"])
        started = self.rest("POST", f"/compute/group/start?machine_group_id={identity}")
        assert started.status == 200, started.body
        return identity

    def register(self, group: str, commands: list[Json], key: str | None = None, **fields: Json) -> Answer:
        listed = [{"cmd": c} if isinstance(c, str) else c for c in commands]
        params = {"commands": listed, "sim_dir": "sim_dir", **fields.pop("extra_params", {})}
        body = {
            "simulator": "arbitrary_commands",
            "resource_pool": group,
            "container_image": BASE_IMAGE,
            "extra_params": params,
            **fields,
        }
        return self.rest("POST", "/tasks/submit", body, Idempotency_Key=key or str(uuid.uuid4()))

    def upload_url(self, task: str) -> str:
        return str(self.rest.get(f"/storage/signed-urls?operation=upload&paths=/{task}/input.zip")[0])

    def submit(
        self, group: str, commands: list[Json], files: Mapping[str, str | bytes] | None = None, **fields: Json
    ) -> str:
        answer = self.register(group, commands, **fields)
        assert answer.status == 202, answer.body
        task = str(answer.json["id"])
        put = self.rest("PUT", self.upload_url(task), zip_of(files or {"run.sh": "true\n"}))
        assert put.status == 200, put.body
        uploaded = self.rest("POST", f"/tasks/{task}/input_uploaded")
        assert uploaded.status == 200, uploaded.body
        return task

    def task(self, task: str) -> Json:
        return self.rest.get(f"/tasks/{task}")

    def status(self, task: str) -> TaskStatusCode:
        return TaskStatusCode(self.rest.get(f"/tasks/{task}/status")["status"])

    def wait(self, task: str, *codes: TaskStatusCode, seconds: float = DEADLINE_SECONDS) -> Json:
        """Wait for one of `codes` (default: any terminal status); the task as the server tells it."""
        wanted = frozenset(codes) or status.TERMINAL

        def look() -> Json:
            now = self.status(task)
            if now in status.TERMINAL and now not in wanted:
                raise AssertionError(f"task ended as {now}: {self.task(task)['error_detail']}")
            return now in wanted

        eventually(look, f"task {task} becomes {', '.join(wanted)}", seconds)
        return self.task(task)

    def output(self, task: str) -> dict[str, bytes]:
        """The members of the output archive."""
        import io
        import zipfile

        url = self.rest.get(f"/storage/signed-urls?operation=download&paths={task}/output.zip")[0]
        answer = self.rest("GET", url)
        assert answer.status == 200, answer.body
        with zipfile.ZipFile(io.BytesIO(answer.body)) as archive:
            assert archive.testzip() is None
            return {name.removeprefix("artifacts/"): archive.read(name) for name in archive.namelist()}

    def live_file(self, task: str, name: str) -> str:
        """The content of a file of a running task, through the runner's connection; '' while it is not there."""
        answer = self.rest("GET", f"/tasks/{task}/live/tail?filename={name}&lines=1000")
        frame = json.loads(answer.body.splitlines()[0])
        return "\n".join(frame["message"]) if frame["status"] == "success" else ""


def in_terminal(platform: Platform, arguments: list[str], **environment: str) -> str:
    """What a terminal shows of a command."""
    ours, theirs = pty.openpty()
    plain = {name: value for name, value in platform.environment.items() if name != "NO_COLOR"}
    with subprocess.Popen(
        [str(BIN / "inductiva"), *arguments],
        env={**plain, "TERM": "xterm", **environment},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    ) as process:
        os.close(theirs)
        shown = b""
        try:
            while piece := os.read(ours, 65536):
                shown += piece
        except OSError:  # how Linux says that nobody has the terminal open any more
            pass
        os.close(ours)
        assert process.wait(30) == 0
    return shown.decode()


def kill(processes: list[psutil.Process]) -> None:
    """SIGKILL all of them, and see them gone."""
    for process in processes:
        try:
            process.send_signal(signal.SIGSTOP)
        except psutil.Error:
            continue
    for process in processes:
        try:
            process.kill()
        except psutil.Error:
            continue
    psutil.wait_procs(processes, timeout=10)


@contextmanager
def held(lock: Path) -> Iterator[None]:
    """Hold a lock file, as another process would."""
    with lock.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
