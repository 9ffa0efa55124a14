"""`python -m inductiva.runner install NAME[==VERSION] [--check] [--json]`."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import msgspec

from inductiva.protocol.embedded import Layout, data_dir
from inductiva.runner.environments.model import Environment, EnvironmentUnavailable
from inductiva.runner.environments.provide import install, provided

READY, MISSING, FAILED = 0, 1, 2


def main(argv: list[str]) -> int:
    """Exit code 0: the simulator is provided; 1: with `--check`, it is not; 2: it cannot be."""
    options = _parser().parse_args(argv)
    name, _, version = options.simulator.partition("==")
    directory = options.environments_dir or Layout(data_dir()).environments
    began = time.monotonic()
    try:
        if options.check:
            environment = provided(name, version or None, directory)
        else:
            environment = install(name, version or None, directory, _say)
    except EnvironmentUnavailable as error:
        _say(f"Error: {error}")
        return FAILED
    _answer(environment, name, options.json, time.monotonic() - began)
    return READY if environment else MISSING


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m inductiva.runner install",
        description="Provide a simulator on this machine, so that the first task need not wait for it.",
    )
    parser.add_argument("simulator", metavar="NAME[==VERSION]", help="image name, such as splishsplash")
    parser.add_argument("--check", action="store_true", help="only say whether it is provided (exit code 0 or 1)")
    parser.add_argument("--json", action="store_true", help="print the environment as JSON on stdout")
    parser.add_argument("--environments-dir", type=Path, help="where environments live (default: the user's)")
    return parser


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _answer(environment: Environment | None, name: str, as_json: bool, seconds: float) -> None:
    if as_json:
        print(msgspec.json.encode(environment, enc_hook=str).decode())
    elif environment:
        print(f"{environment.name} {environment.version} is provided in {environment.prefix} ({seconds:.1f} s)")
    else:
        print(f"{name} is not provided; run 'inductiva simulators install {name}'")
