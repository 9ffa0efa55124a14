"""Attempts: what runners tell of them, their leases, and their endings. What names an older attempt changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, select, update
from sqlalchemy.dialects.sqlite import insert

from inductiva.protocol.runner import (
    AttemptRef,
    ComputationEnded,
    ComputationStarted,
    Drop,
    Finished,
    Metrics,
    OperationEnded,
    OperationStarted,
    Report,
    ReportAck,
    ReportRefused,
    StopCause,
)
from inductiva.protocol.status import ENDING_EVENTS, ON_MACHINE, Actor, TaskEvent, TaskStatusCode
from inductiva.protocol.tasks import OperationStatus
from inductiva.server.context import Context
from inductiva.server.db.engine import Transaction
from inductiva.server.db.prepared import Prepared
from inductiva.server.db.schema import task_operations, tasks
from inductiva.server.objects.local import ObjectStore
from inductiva.server.services import archives, lifecycle
from inductiva.server.services.lifecycle import TaskRow, change, load, transition
from inductiva.server.services.outputs import Mismatch, Output, salvage, verify

Answer = ReportAck | ReportRefused | Drop

_MACHINE_ENDED = frozenset({TaskEvent.RUNNER_LOST, TaskEvent.RUNNER_TERMINATED, TaskEvent.PREEMPTED})
"""Endings that are no fault of the task: it is tried again when its user asked for that."""
_OF_TASK = task_operations.c.task_id == bindparam("task")
_PLACE = (
    _OF_TASK
    & (task_operations.c.attempt == bindparam("number"))
    & (task_operations.c.operation_id == bindparam("operation"))
)
_OPERATION = Prepared(select(task_operations.c.attributes).where(_PLACE))
_START_OPERATION = Prepared(
    insert(task_operations).on_conflict_do_nothing(),
    ("task_id", "attempt", "operation_id", "name", "status", "started_at", "attributes"),
)
_END_OPERATION = Prepared(update(task_operations).where(_PLACE), ("status", "ended_at", "attributes"))
_END_OPERATIONS = Prepared(
    update(task_operations)
    .where(_OF_TASK, task_operations.c.ended_at.is_(None))
    .values(status=OperationStatus.FAILED, ended_at=bindparam("ended_at"))
)


@dataclass(frozen=True, slots=True)
class Told:
    """A report, and for a `Finished` what was found of its output."""

    report: Report
    output: Output | Mismatch | None = None


@dataclass(frozen=True, slots=True)
class Reports:
    """What one runner told, in order."""

    runner_id: str
    lease_seconds: float
    store: ObjectStore
    told: Sequence[Told]


def is_current(task: TaskRow | None, runner_id: str, attempt: int) -> bool:
    """Whether a runner holds the present attempt of a task and it is not over."""
    return (
        task is not None
        and task["runner_id"] == runner_id
        and task["attempt"] == attempt
        and task["status"] in ON_MACHINE
    )


async def accept(context: Context, runner_id: str, reports: Sequence[Report]) -> list[Answer]:
    """Applies reports in one transaction and answers for each attempt they name. Durable when it returns."""
    told = [Told(report, await _look_at_output(context, runner_id, report)) for report in reports]
    wanted = Reports(runner_id, context.config.lease_seconds, context.store, told)
    return await context.db.write(apply, wanted)


async def _look_at_output(context: Context, runner_id: str, report: Report) -> Output | Mismatch | None:
    """Outside of the transaction, since an archive may be large."""
    finished = report.body
    if not isinstance(finished, Finished):
        return None
    task = context.db.peek(lambda connection: lifecycle.find(connection, report.task_id))
    if task is None or not is_current(task, runner_id, report.attempt):
        return None
    if finished.event not in ENDING_EVENTS:
        return Mismatch(f"{finished.event} does not end an attempt")
    if finished.output is not None:
        return await verify(context, task, finished.output)
    if finished.event is TaskEvent.SUCCEEDED:
        return Mismatch("an attempt that succeeded has an output archive; this report names none")
    return await salvage(context, task)


def apply(tx: Transaction, reports: Reports) -> list[Answer]:
    """Applies reports that are new, in order of their numbers; the answers acknowledge, refuse or drop."""
    known = load(tx, list({told.report.task_id for told in reports.told}))
    answers: dict[tuple[str, int], Answer] = {}
    for told in reports.told:
        report = told.report
        place = (report.task_id, report.attempt)
        task = known.get(report.task_id)
        if task is None or task["runner_id"] != reports.runner_id or task["attempt"] != report.attempt:
            answers[place] = Drop(*place)
        elif report.seq == task["report_seq"] + 1 and task["status"] in ON_MACHINE:
            answers[place] = _apply_one(tx, reports, task, told)
        elif report.seq <= task["report_seq"]:
            answers[place] = ReportAck(*place, task["report_seq"])
        elif task["status"] not in ON_MACHINE:
            answers[place] = Drop(*place)
    return list(answers.values())


def _apply_one(tx: Transaction, reports: Reports, task: TaskRow, told: Told) -> Answer:
    report, output = told.report, told.output
    if isinstance(output, Mismatch):
        return ReportRefused(report.task_id, report.attempt, report.seq, output.reason)
    change(tx, task, {"report_seq": report.seq, "lease_until": tx.now + reports.lease_seconds})
    # The runner's clock may be wrong: what it says counts only between its claim and now.
    time = min(max(report.time, task["started_at"] or 0.0), tx.now)
    if isinstance(report.body, Finished):
        _finish(tx, reports.store, task, report.body, output)
    else:
        _APPLY[type(report.body)](tx, task, report.body, time)
    return ReportAck(report.task_id, report.attempt, report.seq)


def _finish(tx: Transaction, store: ObjectStore, task: TaskRow, finished: Finished, output: Output | None) -> None:
    said = finished.output
    counts = {"output_total_files": said.files, "output_size_bytes": said.uncompressed_size} if said else {}
    values = {
        "exit_code": finished.exit_code,
        "signal": finished.signal,
        "error_detail": finished.detail,
        "metrics": {**task["metrics"], **counts},
    }
    end(tx, store, task, finished.event, Actor.RUNNER, output, values)


def end(
    tx: Transaction,
    store: ObjectStore,
    task: TaskRow,
    event: TaskEvent,
    actor: Actor,
    output: Output | None,
    values: dict[str, Any],
) -> None:
    """Ends the present attempt: its output is published, and only then the status changes.

    A task whose machine ended goes back into its queue when its user asked for that. What the attempt had written can
    be downloaded meanwhile, and stays when the task is killed before it runs again.
    """
    detail = values.get("error_detail")
    if event in _MACHINE_ENDED and may_requeue(task):
        event, actor, values = TaskEvent.REQUEUED, Actor.SERVER, {"num_retries": task["num_retries"] + 1}
    if output is not None:
        _publish(tx, store, task, output)
        metrics = {**(values.get("metrics") or task["metrics"]), "output_zipped_size_bytes": output.digest.size}
        metrics.setdefault("output_total_files", sum(not member.is_dir for member in output.members))
        metrics.setdefault("output_size_bytes", sum(member.size for member in output.members))
        digest = {"output_size": output.digest.size, "output_sha256": output.digest.sha256}
        values = values | digest | {"metrics": metrics}
    _END_OPERATIONS.run(tx.connection, {"task": task["id"], "ended_at": tx.now})
    transition(tx, task, event, actor, detail=detail, values=values)


def _publish(tx: Transaction, store: ObjectStore, task: TaskRow, output: Output) -> None:
    if output.source is not None:
        store.publish(output.source, output.target)
    archives.remember(tx, task["user_id"], output.path, output.digest, output.members)


def _computation_started(tx: Transaction, task: TaskRow, _body: ComputationStarted, time: float) -> None:
    transition(tx, task, TaskEvent.COMPUTATION_STARTED, Actor.RUNNER, time=time)


def _computation_ended(tx: Transaction, task: TaskRow, _body: ComputationEnded, time: float) -> None:
    transition(tx, task, TaskEvent.COMPUTATION_ENDED, Actor.RUNNER, time=time)


def _metrics(tx: Transaction, task: TaskRow, body: Metrics, _time: float) -> None:
    change(tx, task, {"metrics": task["metrics"] | body.values})


def _operation_started(tx: Transaction, task: TaskRow, body: OperationStarted, time: float) -> None:
    values = {
        "task_id": task["id"],
        "attempt": task["attempt"],
        "operation_id": body.operation_id,
        "name": body.name,
        "status": OperationStatus.RUNNING,
        "started_at": time,
        "attributes": body.attributes,
    }
    _START_OPERATION.run(tx.connection, values)


def _operation_ended(tx: Transaction, task: TaskRow, body: OperationEnded, time: float) -> None:
    place = {"task": task["id"], "number": task["attempt"], "operation": body.operation_id}
    attributes = _OPERATION.scalar(tx.connection, **place)
    if attributes is None:
        return
    status = OperationStatus.OK if body.ok else OperationStatus.FAILED
    values = {"status": status, "ended_at": time, "attributes": attributes | body.attributes}
    _END_OPERATION.run(tx.connection, {**place, **values})


_APPLY: dict[type, Callable[[Transaction, TaskRow, Any, float], None]] = {
    ComputationStarted: _computation_started,
    ComputationEnded: _computation_ended,
    Metrics: _metrics,
    OperationStarted: _operation_started,
    OperationEnded: _operation_ended,
}


# Leases


def held(connection: Connection) -> list[tuple[str, int]]:
    """Task id and number of every attempt that is not over."""
    rows = connection.execute(select(tasks.c.id, tasks.c.attempt).where(tasks.c.lease_until.is_not(None)))
    return [(row.id, row.attempt) for row in rows]


@dataclass(frozen=True, slots=True)
class Renewal:
    """The attempts that a runner says it holds."""

    runner_id: str
    lease_seconds: float
    attempts: Sequence[AttemptRef]


def renew(tx: Transaction, renewal: Renewal) -> list[Drop]:
    """Renews the leases of attempts that are the runner's; tells it to drop the others."""
    known = load(tx, [held.task_id for held in renewal.attempts])
    dropped = []
    for held in renewal.attempts:
        task = known.get(held.task_id)
        if task is not None and is_current(task, renewal.runner_id, held.attempt):
            change(tx, task, {"lease_until": tx.now + renewal.lease_seconds})
        elif not (task is not None and _just_ended(task, renewal.runner_id, held.attempt)):
            dropped.append(Drop(held.task_id, held.attempt))
    return dropped


def _just_ended(task: TaskRow, runner_id: str, attempt: int) -> bool:
    """The acknowledgement of the ending is on its way."""
    return bool(task["attempt"] == attempt and task["runner_id"] == runner_id)


@dataclass(frozen=True, slots=True)
class Lost:
    """An attempt whose machine is gone. `force`: end it although its lease has not run out."""

    task_id: str
    attempt: int
    output: Output
    store: ObjectStore
    detail: str
    force: bool = False


def lose(tx: Transaction, lost: Lost) -> TaskStatusCode | None:
    """Ends a lost attempt, or puts the task back into its queue. None when it turns out not to be lost."""
    task = load(tx, [lost.task_id]).get(lost.task_id)
    if task is None or task["attempt"] != lost.attempt or task["status"] not in ON_MACHINE:
        return None
    if not lost.force and (task["lease_until"] or 0.0) > tx.now:
        return None
    end(tx, lost.store, task, TaskEvent.RUNNER_LOST, Actor.SERVER, lost.output, {"error_detail": lost.detail})
    return TaskStatusCode(task["status"])


def may_requeue(task: TaskRow) -> bool:
    """A lost task is tried again when its user asked for it and nobody has asked to stop it."""
    return (
        bool(task["resubmit_on_preemption"])
        and task["stop_cause"] is None
        and (task["status"] != TaskStatusCode.PENDING_KILL)
    )


async def expire(context: Context, task: TaskRow, detail: str, force: bool = False) -> TaskStatusCode | None:
    """Ends (or requeues) an attempt that is lost, after storing what is known of its output."""
    output = await salvage(context, task)
    lost = Lost(task["id"], task["attempt"], output, context.store, detail, force)
    return await context.db.write(lose, lost)


def ask_to_stop(tx: Transaction, task: TaskRow, cause: StopCause) -> None:
    """Notes that a runner must stop the attempt, so that it is told again after a reconnect. The first cause stays."""
    if task["stop_cause"] is None:
        change(tx, task, {"stop_cause": cause})
