"""The rules that may never break, under random sequences of submits, claims, reports, crashes, leases and kills.

The services run on a real database; the clock is moved by hand; a failure is one seed.
"""

from __future__ import annotations

import shutil
import tempfile
import uuid
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, multiple, rule
from tests.unit.server.rig import OUTPUT, Rig, close_rig, open_rig, reopen_rig, stored

from inductiva.protocol.runner import ComputationEnded, ComputationStarted, Drop, Finished, Report, ReportRefused
from inductiva.protocol.status import (
    ENDING_EVENTS,
    ON_MACHINE,
    RUNNING,
    TERMINAL,
    TaskEvent,
    TaskStatusCode,
    next_status,
)
from inductiva.server.services import tasks as task_services

LEASE_SECONDS = 30.0
ENDINGS = sorted(ENDING_EVENTS - {TaskEvent.SUCCEEDED})


class Rules(RuleBasedStateMachine):
    """Two machines, one group, and whatever can happen to their tasks."""

    tasks = Bundle("tasks")
    held = Bundle("held")  # (runner, task, attempt) as a runner believes

    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="inductiva-model-"))
        self.rig: Rig = open_rig(self.folder, lease_seconds=LEASE_SECONDS)
        self.group = self.rig.group()
        self.machines = [self.rig.machine(self.group) for _ in range(2)]
        self.accepted: dict[str, str] = {}
        self.ended: dict[str, TaskStatusCode] = {}
        self.attempts: dict[str, int] = {}
        self.seqs: dict[tuple[str, int], int] = {}

    def teardown(self) -> None:
        if hasattr(self, "rig"):
            close_rig(self.rig)
            shutil.rmtree(self.folder)

    # Clients

    @rule(target=tasks, resubmit=st.booleans())
    def submit(self, resubmit: bool) -> str:
        return self._submitted(resubmit)

    def _submitted(self, resubmit: bool) -> str:
        key = str(uuid.uuid4())
        task = self.rig.submit(self.group, key, resubmit_on_preemption=resubmit)
        assert self.rig.submit(self.group, key, resubmit_on_preemption=resubmit) == task, "sent twice, made once"
        self.accepted[key] = task
        return task

    @rule(task=tasks)
    def upload(self, task: str) -> None:
        if self.rig.status(task) is TaskStatusCode.PENDING_INPUT:
            self.rig.upload(task)
            assert self.rig.status(task) is TaskStatusCode.SUBMITTED

    @rule(target=held, runner=st.sampled_from([0, 1]), lost=st.booleans())
    def run_one_that_may_lose_its_machine(self, runner: int, lost: bool) -> Any:
        """A task that is requeued and taken again by the same machine: its first attempt may still want to talk."""
        task = self._submitted(True)
        self.rig.upload(task)
        places = self._claimed(task, runner)
        if lost:
            self.rig.clock.now += LEASE_SECONDS + 1
            self.rig.sweep()
            places += self._claimed(task, runner)
        return multiple(*places)

    def _claimed(self, task: str, runner: int) -> list[tuple[str, str, int]]:
        """What the machine takes until it has taken the task."""
        places: list[tuple[str, str, int]] = []
        while all(place[1] != task for place in places):
            rows = self.rig.claim(self.group, self.machines[runner])
            assert rows, "a waiting task can be claimed"
            places += [(row["runner_id"], row["id"], row["attempt"]) for row in rows]
        return places

    @rule(task=tasks)
    def kill(self, task: str) -> None:
        before = self.rig.status(task)
        self.rig.write(task_services.kill, task)
        after = self.rig.status(task)
        assert after in {TaskStatusCode.KILLED, TaskStatusCode.PENDING_KILL} or before in TERMINAL

    # Runners

    @rule(target=held, runners=st.lists(st.sampled_from([0, 1]), min_size=1, max_size=2))
    def claim(self, runners: list[int]) -> Any:
        chosen = [self.machines[number] for number in runners]
        waiting = [task for task in self.accepted.values() if self.rig.status(task) is TaskStatusCode.SUBMITTED]
        waiting.sort(key=lambda task: int(self.rig.task(task)["queue_seq"]))
        claimed = self.rig.claim(self.group, *chosen)
        assert [row["id"] for row in claimed] == waiting[: len(chosen)], "first come, first served"
        return multiple(*((row["runner_id"], row["id"], row["attempt"]) for row in claimed))

    def _is_current(self, runner: str, task: str, attempt: int) -> bool:
        row = self.rig.task(task)
        return row["runner_id"] == runner and row["attempt"] == attempt and row["status"] in ON_MACHINE

    def _tell(self, place: tuple[str, str, int], body: Any) -> list[Any]:
        """The next report of an attempt. What an attempt that is not current says must change nothing."""
        runner, task, attempt = place
        current = self._is_current(*place)
        before = self.rig.task(task)
        seq = self.seqs.get((task, attempt), 0) + 1
        answers = self.rig.deliver(runner, [Report(task, attempt, seq, self.rig.clock.now, body)])
        if current and not any(isinstance(answer, ReportRefused) for answer in answers):
            self.seqs[task, attempt] = seq
        if not current:
            assert self.rig.task(task) == before, "a stale attempt changes nothing"
            assert before["status"] in TERMINAL or all(isinstance(answer, Drop) for answer in answers)
        return answers

    @rule(place=held, body=st.sampled_from([ComputationStarted(), ComputationEnded()]))
    def report(self, place: tuple[str, str, int], body: Any) -> None:
        self._tell(place, body)

    @rule(place=held)
    def report_again(self, place: tuple[str, str, int]) -> None:
        """The same report once more, because its acknowledgement was lost."""
        runner, task, attempt = place
        seq = self.seqs.get((task, attempt), 0)
        if seq:
            self.rig.clock.now += 1  # so that a lease that it renewed would show
            before = self.rig.task(task)
            self.rig.deliver(runner, [Report(task, attempt, seq, self.rig.clock.now, ComputationStarted())])
            assert self.rig.task(task) == before

    @rule(place=consumes(held), arrived=st.booleans())
    def succeed(self, place: tuple[str, str, int], arrived: bool) -> None:
        """The end of an attempt that may claim a success whose output never arrived."""
        _, task, attempt = place
        if arrived:
            self.rig.stage(task, attempt)
        current = self._is_current(*place)
        answers = self._tell(place, Finished(TaskEvent.SUCCEEDED, stored(OUTPUT), exit_code=0))
        if current and not arrived:
            assert isinstance(answers[0], ReportRefused)
            assert self.rig.status(task) is not TaskStatusCode.SUCCESS

    @rule(place=consumes(held), event=st.sampled_from(ENDINGS), arrived=st.booleans())
    def end(self, place: tuple[str, str, int], event: TaskEvent, arrived: bool) -> None:
        if arrived:
            self.rig.stage(place[1], place[2])
        self._tell(place, Finished(event, stored(OUTPUT) if arrived else None, detail="a cause"))

    @rule(place=held)
    def renew(self, place: tuple[str, str, int]) -> None:
        runner, task, attempt = place
        self.rig.renew(runner, (task, attempt))

    # Time and faults

    @rule(seconds=st.sampled_from([1.0, LEASE_SECONDS / 2, LEASE_SECONDS + 1]))
    def time_passes(self, seconds: float) -> None:
        self.rig.clock.now += seconds
        self.rig.sweep()

    @rule()
    def server_crashes(self) -> None:
        self.rig = reopen_rig(self.rig)

    # What always holds

    @invariant()
    def accepted_is_durable(self) -> None:
        if hasattr(self, "rig"):
            for task in self.accepted.values():
                self.rig.task(task)

    @invariant()
    def the_log_explains_every_status(self) -> None:
        if not hasattr(self, "rig"):
            return
        for task in self.accepted.values():
            status = TaskStatusCode.PENDING_INPUT
            for event in self.rig.events(task):
                status = next_status(status, event) or status
            assert status is self.rig.status(task)

    @invariant()
    def ends_are_final_and_attempts_only_grow(self) -> None:
        if not hasattr(self, "rig"):
            return
        for task in self.accepted.values():
            row = self.rig.task(task)
            assert row["attempt"] >= self.attempts.get(task, 0)
            self.attempts[task] = row["attempt"]
            status = TaskStatusCode(row["status"])
            assert self.ended.get(task, status) is status
            if status in TERMINAL:
                self.ended[task] = status

    @invariant()
    def what_runs_has_an_owner_and_a_lease_and_success_has_outputs(self) -> None:
        if not hasattr(self, "rig"):
            return
        for task in self.accepted.values():
            row = self.rig.task(task)
            if row["status"] in RUNNING:
                assert row["runner_id"] in self.machines
                assert row["lease_until"] is not None
            if row["status"] in TERMINAL and row["attempt"]:
                path = self.rig.context.store.locate(self.rig.user_id, task_services.output_path(row))
                digest = self.rig.context.store.digest(path)
                assert (digest.size, digest.sha256) == (row["output_size"], row["output_sha256"])
            if row["status"] == TaskStatusCode.SUCCESS:
                assert path.read_bytes() == OUTPUT


Rules.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestRules = Rules.TestCase
