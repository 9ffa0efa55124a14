"""The life of a task as one table: (status, event) → status.

Everything that decides on a status reads this module: the server's life cycle, the SDK's `is_failed()`, the
documentation (`docs/task-states.md` is generated from it). Nothing else in the code lists statuses.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class TaskStatusCode(StrEnum):
    """Status of a task on the wire. Compares equal to its plain text."""

    PENDING_INPUT = "pending-input"
    SUBMITTED = "submitted"
    STARTED = "started"
    COMPUTATION_STARTED = "computation-started"
    COMPUTATION_ENDED = "computation-ended"
    SUCCESS = "success"
    FAILED = "failed"
    PENDING_KILL = "pending-kill"
    KILLED = "killed"
    ZOMBIE = "zombie"
    SPOT_INSTANCE_PREEMPTED = "spot-instance-preempted"
    EXECUTER_TERMINATED = "executer-terminated"
    EXECUTER_TERMINATED_BY_USER = "executer-terminated-by-user"
    EXECUTER_TERMINATED_TTL_EXCEEDED = "executer-terminated-ttl-exceeded"
    EXECUTER_TERMINATED_CREDITS_EXHAUSTED = "executer-terminated-credits-exhausted"
    EXECUTER_FAILED = "executer-failed"
    TTL_EXCEEDED = "ttl-exceeded"


class Actor(StrEnum):
    """Who may send an event."""

    CLIENT = "client"
    SERVER = "server"
    RUNNER = "runner"


class TaskEvent(StrEnum):
    """What can happen to a task. Every event is appended to the task's log, whether or not the status changes."""

    INPUT_UPLOADED = "input-uploaded"
    CLAIMED = "claimed"
    COMPUTATION_STARTED = "computation-started"
    COMPUTATION_ENDED = "computation-ended"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    EXECUTION_FAILED = "execution-failed"
    KILL_REQUESTED = "kill-requested"
    KILLED = "killed"
    TTL_EXCEEDED = "ttl-exceeded"
    GROUP_TERMINATED = "group-terminated"
    TERMINATED_BY_USER = "terminated-by-user"
    MACHINE_TIME_LIMIT = "machine-time-limit"
    CREDITS_EXHAUSTED = "credits-exhausted"
    RUNNER_TERMINATED = "runner-terminated"
    RUNNER_LOST = "runner-lost"
    PREEMPTED = "preempted"
    REQUEUED = "requeued"


@dataclass(frozen=True, slots=True)
class StatusInfo:
    """What people and programs need to know of one status."""

    alias: str
    description: str
    terminal: bool = False
    running: bool = False
    failed: bool = False


@dataclass(frozen=True, slots=True)
class EventInfo:
    """Who may send an event, and what it means."""

    actors: frozenset[Actor]
    meaning: str


_S = TaskStatusCode
_E = TaskEvent

STATUSES: dict[TaskStatusCode, StatusInfo] = {
    _S.PENDING_INPUT: StatusInfo("Waiting for Input", "The task exists; its input is being uploaded."),
    _S.SUBMITTED: StatusInfo("In Queue", "The task waits in the queue of its machine group."),
    _S.STARTED: StatusInfo(
        "Preparing to Compute", "A machine took the task and prepares its input and simulator.", running=True
    ),
    _S.COMPUTATION_STARTED: StatusInfo("In Progress", "The simulation is running.", running=True),
    _S.COMPUTATION_ENDED: StatusInfo(
        "Finalizing", "The simulation has ended; its outputs are being stored.", running=True
    ),
    _S.SUCCESS: StatusInfo("Success", "The simulation succeeded and its outputs are stored.", terminal=True),
    _S.FAILED: StatusInfo("Failed", "A command of the simulation failed.", terminal=True, failed=True),
    _S.PENDING_KILL: StatusInfo("Pending Kill", "The task is being killed."),
    _S.KILLED: StatusInfo("Killed", "The task was killed.", terminal=True, failed=True),
    _S.ZOMBIE: StatusInfo(
        "Machine Terminated in Queue",
        "The machine group was terminated before the task started.",
        terminal=True,
        failed=True,
    ),
    _S.SPOT_INSTANCE_PREEMPTED: StatusInfo(
        "Spot Reclaimed", "The provider took the spot machine back.", terminal=True, failed=True
    ),
    _S.EXECUTER_TERMINATED: StatusInfo(
        "Task Runner Terminated", "The machine that ran the task was lost or stopped.", terminal=True, failed=True
    ),
    _S.EXECUTER_TERMINATED_BY_USER: StatusInfo(
        "Machine Terminated by User",
        "The machine group was terminated while the task was running.",
        terminal=True,
        failed=True,
    ),
    _S.EXECUTER_TERMINATED_TTL_EXCEEDED: StatusInfo(
        "Machine Time Limit Reached", "The machine group reached its time limit.", terminal=True, failed=True
    ),
    _S.EXECUTER_TERMINATED_CREDITS_EXHAUSTED: StatusInfo(
        "Credits Exhausted", "The account's credits ran out.", terminal=True, failed=True
    ),
    _S.EXECUTER_FAILED: StatusInfo(
        "Runtime Error", "The task failed outside of its simulation.", terminal=True, failed=True
    ),
    _S.TTL_EXCEEDED: StatusInfo("Task Timed Out", "The task reached its time to live.", terminal=True, failed=True),
}

_CLIENT, _SERVER, _RUNNER = frozenset({Actor.CLIENT}), frozenset({Actor.SERVER}), frozenset({Actor.RUNNER})

EVENTS: dict[TaskEvent, EventInfo] = {
    _E.INPUT_UPLOADED: EventInfo(_CLIENT, "The input archive is complete and well-formed."),
    _E.CLAIMED: EventInfo(_SERVER, "A runner was handed the task, with a new attempt number and a lease."),
    _E.COMPUTATION_STARTED: EventInfo(_RUNNER, "The first command is about to start."),
    _E.COMPUTATION_ENDED: EventInfo(_RUNNER, "The last command has ended."),
    _E.SUCCEEDED: EventInfo(_RUNNER, "All commands exited with 0; the output was stored and verified."),
    _E.FAILED: EventInfo(_RUNNER, "A command exited with another code or by a signal; the output was stored."),
    _E.EXECUTION_FAILED: EventInfo(
        frozenset({Actor.RUNNER, Actor.SERVER}), "Something outside of the simulation failed; the detail says what."
    ),
    _E.KILL_REQUESTED: EventInfo(_CLIENT, "The user asked to kill the task."),
    _E.KILLED: EventInfo(_RUNNER, "The process tree is gone after a kill; what it had written was stored."),
    _E.TTL_EXCEEDED: EventInfo(_RUNNER, "The time to live passed; the process tree was ended."),
    _E.GROUP_TERMINATED: EventInfo(_SERVER, "The machine group ended while the task was waiting."),
    _E.TERMINATED_BY_USER: EventInfo(_RUNNER, "The machine group was terminated; the process tree was ended."),
    _E.MACHINE_TIME_LIMIT: EventInfo(_RUNNER, "The machine group reached its time limit."),
    _E.CREDITS_EXHAUSTED: EventInfo(_RUNNER, "The account's credits ran out."),
    _E.RUNNER_TERMINATED: EventInfo(_RUNNER, "The runner was told to stop and ended the task."),
    _E.RUNNER_LOST: EventInfo(
        frozenset({Actor.SERVER, Actor.RUNNER}), "The lease ran out, or the machine restarted under the task."
    ),
    _E.PREEMPTED: EventInfo(_RUNNER, "The provider takes the machine back."),
    _E.REQUEUED: EventInfo(_SERVER, "The machine was lost and the task asked to be resubmitted."),
}

_WAITING = (_S.PENDING_INPUT, _S.SUBMITTED)
_ON_MACHINE = (_S.STARTED, _S.COMPUTATION_STARTED, _S.COMPUTATION_ENDED)

# How an attempt on a machine can end, and what the task then is.
_ENDINGS: dict[TaskEvent, TaskStatusCode] = {
    _E.SUCCEEDED: _S.SUCCESS,
    _E.FAILED: _S.FAILED,
    _E.EXECUTION_FAILED: _S.EXECUTER_FAILED,
    _E.KILLED: _S.KILLED,
    _E.TTL_EXCEEDED: _S.TTL_EXCEEDED,
    _E.TERMINATED_BY_USER: _S.EXECUTER_TERMINATED_BY_USER,
    _E.MACHINE_TIME_LIMIT: _S.EXECUTER_TERMINATED_TTL_EXCEEDED,
    _E.CREDITS_EXHAUSTED: _S.EXECUTER_TERMINATED_CREDITS_EXHAUSTED,
    _E.RUNNER_TERMINATED: _S.EXECUTER_TERMINATED,
    _E.RUNNER_LOST: _S.EXECUTER_TERMINATED,
    _E.PREEMPTED: _S.SPOT_INSTANCE_PREEMPTED,
}

TRANSITIONS: dict[tuple[TaskStatusCode, TaskEvent], TaskStatusCode] = {
    (_S.PENDING_INPUT, _E.INPUT_UPLOADED): _S.SUBMITTED,
    (_S.SUBMITTED, _E.CLAIMED): _S.STARTED,
    (_S.STARTED, _E.COMPUTATION_STARTED): _S.COMPUTATION_STARTED,
    (_S.COMPUTATION_STARTED, _E.COMPUTATION_ENDED): _S.COMPUTATION_ENDED,
    (_S.PENDING_KILL, _E.COMPUTATION_STARTED): _S.PENDING_KILL,
    (_S.PENDING_KILL, _E.COMPUTATION_ENDED): _S.PENDING_KILL,
    **{(status, _E.KILL_REQUESTED): _S.KILLED for status in _WAITING},
    **{(status, _E.KILL_REQUESTED): _S.PENDING_KILL for status in _ON_MACHINE},
    (_S.PENDING_KILL, _E.KILL_REQUESTED): _S.PENDING_KILL,
    **{(status, _E.GROUP_TERMINATED): _S.ZOMBIE for status in _WAITING},
    **{(status, _E.REQUEUED): _S.SUBMITTED for status in _ON_MACHINE},
    **{(status, event): ending for status in _ON_MACHINE for event, ending in _ENDINGS.items()},
    # A kill that was asked for wins over whatever else happened meanwhile.
    **{(_S.PENDING_KILL, event): _S.KILLED for event in _ENDINGS},
}

TERMINAL = frozenset(status for status, info in STATUSES.items() if info.terminal)
RUNNING = frozenset(status for status, info in STATUSES.items() if info.running)
FAILED = frozenset(status for status, info in STATUSES.items() if info.failed)
ENDING_EVENTS = frozenset(_ENDINGS)
ON_MACHINE = frozenset({*_ON_MACHINE, _S.PENDING_KILL})
KILLABLE = frozenset({*_WAITING, *_ON_MACHINE})


def next_status(status: TaskStatusCode, event: TaskEvent) -> TaskStatusCode | None:
    """The status after `event`, or None when the event cannot happen in `status` (it then changes nothing)."""
    return TRANSITIONS.get((status, event))
