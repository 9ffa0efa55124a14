"""Tasks end to end: latency of each step, durable submits, and real processes beside HyperQueue."""

from __future__ import annotations

import json
import socket
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bench.measure import Result, median, percentile
from bench.server import Server, quiet

IMAGE = "docker://inductiva/kutu:base-image_v0.1.1"
LATENCY_RUNS = 40
SUBMITS = 8000
CLIENTS = 16
PROCESSES = 600


def run() -> Iterator[Result]:
    with Server() as server:
        import inductiva

        with quiet():
            group = inductiva.resources.MachineGroup("c2-standard-4", max_idle_time=60)
            group.start()
            latencies = list(latency(group))
        yield from latencies
        yield submits(server, group.id)
        with quiet():
            group.terminate()
            pair = inductiva.resources.MachineGroup("c2-standard-4", num_machines=2, max_idle_time=60)
            pair.start()
            ours = processes(pair)
        with quiet():
            peer = hyperqueue_processes()
        yield Result(
            "processes end to end, 2 machines", ours, "1/s", peer, True, peer, "1/s HyperQueue (not durable, no files)"
        )


def latency(group: Any) -> Iterator[Result]:
    """`date` tells when it runs; one clock for all, since everything is on this machine."""
    import inductiva

    simulator = inductiva.simulators.CustomImage(IMAGE)
    returned, started, ended = [], [], []
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "input.txt").write_text("small")
        for number in range(LATENCY_RUNS + 3):
            began = time.time()
            task = simulator.run(folder, commands=["date +%s.%N"], on=group, verbose=False)
            submitted = time.time()
            task.wait(silent_mode=True, download_std_on_completion=False)
            waited = time.time()
            output = task.download_outputs(filenames=["stdout.txt"], output_dir=str(Path(folder, "out")))
            assert output is not None
            ran = next(float(line) for line in (output / "stdout.txt").read_text().splitlines() if line[:1].isdigit())
            if number >= 3:
                returned.append(1000 * (submitted - began))
                started.append(1000 * (ran - submitted))
                ended.append(1000 * (waited - ran))
    yield Result("run() returns, small input, median", median(returned), "ms", 30)
    yield Result("run() returned → process runs, median", median(started), "ms", 30)
    yield Result("process ran → wait() returns, median", median(ended), "ms")
    yield Result("process ran → wait() returns, 99th percentile", percentile(ended, 0.99), "ms", 50)


def whole_answer(connection: socket.socket) -> bytes:
    """One HTTP answer with a Content-Length."""
    answer = connection.recv(65536)
    while b"\r\n\r\n" not in answer:
        answer += connection.recv(65536)
    head, _, body = answer.partition(b"\r\n\r\n")
    length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
    while len(body) < length:
        body += connection.recv(65536)
    return head + body


def submits(server: Server, group: str) -> Result:
    """Durable submits a second from 16 connections that send one after the other."""
    address = urlsplit(server.url)
    body = json.dumps(
        {
            "simulator": "arbitrary_commands",
            "resource_pool": group,
            "container_image": IMAGE,
            "extra_params": {"commands": [{"cmd": "true"}]},
        }
    )
    head = (
        f"POST /tasks/submit HTTP/1.1\r\nHost: {address.netloc}\r\nX-API-Key: {server.key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nIdempotency-Key: "
    )

    def client(count: int) -> None:
        with socket.create_connection((address.hostname or "", address.port or 80)) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for _ in range(count):
                connection.sendall(f"{head}{uuid.uuid4()}\r\n\r\n{body}".encode())
                answer = whole_answer(connection)
                if not answer.startswith(b"HTTP/1.1 202"):
                    raise RuntimeError(f"the server answered {answer!r}")

    threads = [threading.Thread(target=client, args=(SUBMITS // CLIENTS,)) for _ in range(CLIENTS)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rate = SUBMITS / (time.perf_counter() - began)
    return Result("durable submits, 16 clients", rate, "1/s", 4000, True)


def processes(group: Any) -> float:
    """Real processes a second: submit with input, run `true` isolated, store logs and outputs, end durably."""
    import inductiva

    simulator = inductiva.simulators.CustomImage(IMAGE)
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "input.txt").write_text("small")
        began = time.perf_counter()
        tasks = [simulator.run(folder, commands=["true"], on=group, verbose=False) for _ in range(PROCESSES)]
        for task in tasks:
            task.wait(silent_mode=True, download_std_on_completion=False)
    return PROCESSES / (time.perf_counter() - began)


def hyperqueue_processes() -> float:
    """HyperQueue's own server and two one-core workers in this process, the same number of `true`."""
    from hyperqueue import Job, LocalCluster
    from hyperqueue.cluster import WorkerConfig

    with LocalCluster() as cluster:
        for _ in range(2):
            cluster.start_worker(WorkerConfig(cores=1))
        job = Job()
        for _ in range(PROCESSES):
            job.program(["true"], stdout=None, stderr=None)
        client = cluster.client()
        began = time.perf_counter()
        client.wait_for_jobs([client.submit(job)])
        return PROCESSES / (time.perf_counter() - began)
