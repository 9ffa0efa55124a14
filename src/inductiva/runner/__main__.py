"""`python -m inductiva.runner --machine-dir DIR` runs a machine's runner; `install NAME` provides a simulator."""

from __future__ import annotations

import argparse
import asyncio
import fcntl
import gc
import logging
import os
import signal
import sys
from pathlib import Path

import msgspec

from inductiva.protocol.runner import MachineConfig


def main(arguments: list[str]) -> int:
    """Exit code 0 after an orderly end, also when another process runs this machine already."""
    if arguments[:1] == ["install"]:
        from inductiva.runner import environments

        return environments.main(arguments[1:])
    parser = argparse.ArgumentParser(prog="python -m inductiva.runner", description="Run the tasks of one machine.")
    parser.add_argument("--machine-dir", type=Path, required=True, help="directory with the machine's machine.json")
    directory: Path = parser.parse_args(arguments).machine_dir.absolute()
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s", level=logging.INFO, stream=sys.stderr)
    logging.getLogger("websockets").setLevel(logging.WARNING)
    lock = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print(f"another process runs the machine {directory}", file=sys.stderr)
        return 0
    return _run(directory)


def _run(directory: Path) -> int:
    import uvloop

    config = msgspec.json.decode((directory / "machine.json").read_bytes(), type=MachineConfig)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_serve(directory, config))


async def _serve(directory: Path, config: MachineConfig) -> int:
    from inductiva.runner.agent import Agent

    agent = Agent(directory, config)
    loop = asyncio.get_running_loop()
    leaving: list[asyncio.Task[None]] = []

    def leave() -> None:
        if not leaving:
            leaving.append(loop.create_task(agent.terminate()))

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, leave)
    gc.freeze()  # what is loaded now stays: looking at it again and again would be a tenth of the work for a task
    code = await agent.run()
    logging.shutdown()
    sys.stderr.flush()
    # A thread that still provides a simulator must not hold the process back; what it leaves half done is not used.
    os._exit(code)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
