"""Build the environment of one version: a virtual environment, a tree to overlay at "/", library stubs."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import venv
from collections import deque
from collections.abc import Callable
from pathlib import Path

from inductiva.catalogue import Native, Simulator, Version, resource
from inductiva.catalogue.model import image
from inductiva.runner.environments import stubs
from inductiva.runner.environments.model import Environment, EnvironmentUnavailable

FORMAT = 1  # raised when this module builds something else from the same recipe

# `sh` starts it and hands over to the right Python, whatever the path of that Python is (a `#!` line allows no blanks
# in it) and wherever the file is copied; to Python the same two lines are a string. `-I`: a file of the simulation
# that is called like a module is never imported. `-u`: progress is seen when it happens.
_HEADER = """#!/bin/sh
'''exec' "{python}" -I -u "$0" "$@"
' '''
"""

# Variables by which the caller's own shell would change where pip installs.
_NOT_FOR_PIP = {"PYTHONPATH", "PYTHONHOME", "PIP_TARGET", "PIP_PREFIX", "PIP_USER", "PIP_REQUIRE_VIRTUALENV"}

_OFFLINE = re.compile("connection broken by|Failed to establish a new connection|Max retries exceeded")


def build(
    simulator: Simulator, version: Version, prefix: Path, progress: Callable[[str], None], lock: int
) -> Environment:
    """Build everything below `prefix`. `lock` is a descriptor that outlives this process in the installer it starts.

    A virtual environment cannot be moved, so it is built in its final place; the caller writes the marker that makes
    it count. Raises EnvironmentUnavailable or OSError.
    """
    native = version.native
    title = f"{simulator.display_name} {version.version}"
    _require_programs(title, native)
    prefix.mkdir()
    if native.python:
        progress(f"Providing {title}")
        _install(title, simulator.name, native, prefix / "venv", progress, lock)
        for change in native.stubs:
            stubs.replace(site_packages(prefix / "venv"), change)
    _write_tree(native, prefix)
    progress(f"{title} is ready")
    return _environment(simulator, version, prefix)


def site_packages(environment: Path) -> Path:
    return environment / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"


def _environment(simulator: Simulator, version: Version, prefix: Path) -> Environment:
    native = version.native
    root = prefix / "root"
    path = [str(root / entry.lstrip("/")) for entry in native.path]
    return Environment(
        name=simulator.name,
        version=version.version,
        image=image(simulator.name, version.version),
        prefix=prefix,
        root=root if native.files else None,
        path=[*path, str(prefix / "venv" / "bin")] if native.python else path,
        env=dict(native.env),
        binds=_interpreter() if native.python else [],
    )


def _interpreter() -> list[Path]:
    """Directories outside /usr without which the virtual environment's Python does not start."""
    base = Path(sys.base_prefix)
    return [directory for directory in dict.fromkeys([base, base.resolve()]) if not directory.is_relative_to("/usr")]


def _require_programs(title: str, native: Native) -> None:
    missing = {program: package for program, package in native.programs.items() if not shutil.which(program)}
    if missing:
        raise EnvironmentUnavailable(
            f"{title} needs {', '.join(missing)}, which this machine does not have; on Debian or Ubuntu run "
            f"'apt-get install {' '.join(dict.fromkeys(missing.values()))}'"
        )


def _install(
    title: str, name: str, native: Native, environment: Path, progress: Callable[[str], None], lock: int
) -> None:
    venv.EnvBuilder(symlinks=True, with_pip=False).create(environment)
    python = environment / "bin" / "python"
    command = [*_pip(python), "install", "--no-input", "--disable-pip-version-check", "--progress-bar=off"]
    # Wheels only: the machine needs no compiler, and nothing of a package runs while it is installed.
    command += ["--only-binary=:all:", "--retries=2", *native.python]
    variables = {key: value for key, value in os.environ.items() if key not in _NOT_FOR_PIP}
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=variables,
        pass_fds=(lock,),
        text=True,
        errors="replace",
    ) as process:
        last = _follow(process, progress)
    if process.returncode != 0:
        raise EnvironmentUnavailable(
            f"{title} could not be installed: {last}. Check that pip reaches a package index from this machine "
            f"('pip download {native.python[0]}'), then run 'inductiva simulators install {name}'"
        )


def _pip(python: Path) -> list[str]:
    """The command that installs into `python`'s environment: this interpreter's pip, or one from its own bundle."""
    if importlib.util.find_spec("pip"):
        return [sys.executable, "-m", "pip", "--python", str(python)]
    bundled = subprocess.run([python, "-m", "ensurepip"], capture_output=True, text=True, check=False)
    if bundled.returncode != 0:
        raise EnvironmentUnavailable(
            f"{sys.executable} has no pip; install it ('python -m ensurepip', or the Debian package python3-pip) "
            "and try again"
        )
    return [str(python), "-m", "pip"]


def _follow(process: subprocess.Popen[str], progress: Callable[[str], None]) -> str:
    """Pass on what pip fetches; return the line that says why it failed."""
    lines: deque[str] = deque(maxlen=50)
    for line in process.stdout or ():
        text = line.strip()
        if text:
            lines.append(text)
        if text.startswith(("Collecting ", "Downloading ", "Installing ")):
            progress(text)
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    reason = (errors or list(lines) or ["pip said nothing"])[-1]
    # Without a network pip reports that it found nothing, and why only in a warning before that.
    return f"no connection to the package index ({reason})" if any(map(_OFFLINE.search, lines)) else reason


def _write_tree(native: Native, prefix: Path) -> None:
    header = _HEADER.format(python=prefix / "venv" / "bin" / "python")
    for target, source in native.files.items():
        content = resource(source).read_text()
        file = prefix / "root" / target.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(header + content if source.endswith(".py") else content)
        file.chmod(0o755)
