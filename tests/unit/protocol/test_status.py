"""The life cycle table: what holds for every status, event and sequence of events."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from inductiva.protocol import status
from inductiva.protocol.runner import StopCause
from inductiva.protocol.status import Actor, TaskEvent, TaskStatusCode

events = st.sampled_from(TaskEvent)
histories = st.lists(events, max_size=40)


def walk(history: list[TaskEvent]) -> list[TaskStatusCode]:
    seen = [TaskStatusCode.PENDING_INPUT]
    for event in history:
        seen.append(status.next_status(seen[-1], event) or seen[-1])
    return seen


def test_every_status_and_event_is_described() -> None:
    assert set(status.STATUSES) == set(TaskStatusCode)
    assert set(status.EVENTS) == set(TaskEvent)
    assert len(TaskStatusCode) == 17
    assert len({info.alias for info in status.STATUSES.values()}) == len(status.STATUSES)


@given(histories)
def test_a_terminal_status_absorbs_everything(history: list[TaskEvent]) -> None:
    seen = walk(history)
    ends = [code for code in seen if code in status.TERMINAL]
    assert len(set(ends)) <= 1
    if ends:
        first = seen.index(ends[0])
        assert set(seen[first:]) == {ends[0]}


@given(histories)
def test_success_only_after_the_computation_and_never_after_a_kill(history: list[TaskEvent]) -> None:
    seen = walk(history)
    if seen[-1] is TaskStatusCode.SUCCESS:
        assert TaskEvent.SUCCEEDED in history
        assert TaskStatusCode.STARTED in seen
        assert TaskStatusCode.PENDING_KILL not in seen


@given(histories)
def test_a_kill_that_was_asked_for_wins(history: list[TaskEvent]) -> None:
    seen = walk(history)
    if TaskStatusCode.PENDING_KILL in seen:
        after = seen[seen.index(TaskStatusCode.PENDING_KILL) :]
        assert set(after) <= {TaskStatusCode.PENDING_KILL, TaskStatusCode.KILLED}


def test_every_live_status_can_end_by_a_kill_and_by_losing_its_machine() -> None:
    for code in TaskStatusCode:
        if code in status.TERMINAL:
            continue
        after_kill = status.next_status(code, TaskEvent.KILL_REQUESTED)
        assert after_kill in {TaskStatusCode.KILLED, TaskStatusCode.PENDING_KILL}
        lost = TaskEvent.RUNNER_LOST if code in status.ON_MACHINE else TaskEvent.GROUP_TERMINATED
        assert status.next_status(code, lost) in status.TERMINAL


def test_every_status_can_be_reached() -> None:
    reached = {TaskStatusCode.PENDING_INPUT}
    while True:
        more = {after for (before, _), after in status.TRANSITIONS.items() if before in reached} - reached
        if not more:
            break
        reached |= more
    assert reached == set(TaskStatusCode)


def test_a_runner_may_report_every_ending_and_every_stop_cause_is_one() -> None:
    for event in status.ENDING_EVENTS:
        assert Actor.RUNNER in status.EVENTS[event].actors
    assert {TaskEvent(cause.value) for cause in StopCause} <= status.ENDING_EVENTS
