"""How attempts end, in sentences for the user."""

from __future__ import annotations

import errno
import signal

import msgspec

from inductiva.protocol.commands import CommandSpec
from inductiva.protocol.runner import StopCause
from inductiva.protocol.status import TaskEvent
from inductiva.runner.journal import Outcome

_STOPS: dict[StopCause, str] = {
    StopCause.KILL: "The task was killed on request",
    StopCause.TTL: "The task reached its time to live",
    StopCause.GROUP_TERMINATED: "The machine group was terminated",
    StopCause.MACHINE_TIME_LIMIT: "The machine group reached its time limit",
    StopCause.CREDITS_EXHAUSTED: "The account has no credits left",
    StopCause.RUNNER_TERMINATED: "The runner was told to stop",
    StopCause.PREEMPTED: "The provider took the machine back",
}
_CODES = {
    126: ": the program cannot be executed (is it a script without its execute permission?)",
    127: ": the program was not found in the environment of the simulator",
}


class Over(Exception):  # noqa: N818 as it is no error of the runner
    """The work of an attempt ends here; outputs are still stored."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.detail)
        self.outcome = outcome


def failed_to_run(detail: str) -> Over:
    """The platform could not run the simulation."""
    return Over(Outcome(TaskEvent.EXECUTION_FAILED, detail))


def stopped(cause: StopCause, where: str, limit: str = "") -> Outcome:
    """`where`: what the attempt was doing, such as `before its first command`. `limit`: such as ` of 60 s`."""
    return Outcome(TaskEvent(cause.value), f"{_STOPS[cause]}{limit} {where}.")


def name_command(index: int, commands: list[CommandSpec]) -> str:
    """`command 2 of 3, 'bash run.sh',`"""
    return f"command {index + 1} of {len(commands)}, {commands[index].cmd!r},"


def of_exit(index: int, commands: list[CommandSpec], code: int) -> Outcome | None:
    """What the exit code of a command means for the attempt; None when the next command may run.

    `code` is a shell's: 128 + n for a process that signal n ended.
    """
    if code == 0:
        return None
    name = f"C{name_command(index, commands)[1:]}"
    number = code - 128
    if number in {item.value for item in signal.Signals}:
        label = signal.Signals(number).name
        hint = ": probably out of memory" if number == signal.SIGKILL else ""
        return Outcome(TaskEvent.FAILED, f"{name} was killed by signal {number} ({label}){hint}.", signal=number)
    return Outcome(TaskEvent.FAILED, f"{name} exited with code {code}{_CODES.get(code, '')}.", exit_code=code)


def lost(index: int, commands: list[CommandSpec]) -> Outcome:
    """A command is gone and nobody saw how."""
    return Outcome(
        TaskEvent.RUNNER_LOST,
        f"C{name_command(index, commands)[1:]} is gone without an exit code: the machine restarted, "
        "or somebody killed the processes that watch over it. What it had written is stored.",
    )


def of_os_error(doing: str, error: OSError) -> Outcome:
    """The machine let the attempt down while it was `doing` something."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return disk_full(f"while {doing}")
    return Outcome(TaskEvent.EXECUTION_FAILED, f"The machine failed while {doing}: {error}.")


def on_full_disk(outcome: Outcome) -> Outcome:
    """A command failed when the disk was full, which is the likely reason."""
    return msgspec.structs.replace(outcome, detail=f"{outcome.detail} The machine's disk is full.")


def disk_full(where: str) -> Outcome:
    """The machine's disk takes no more."""
    return Outcome(
        TaskEvent.EXECUTION_FAILED,
        f"The machine's disk was full {where}; use a machine with a larger disk or write less.",
    )
