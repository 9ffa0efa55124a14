"""Submitting: what is refused, and what sending again does."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlalchemy import func, select
from tests.unit.server.rig import Rig, insert_user

from inductiva.protocol.runner import StopCause
from inductiva.protocol.status import TaskStatusCode
from inductiva.protocol.tasks import TaskRequest
from inductiva.server import problems
from inductiva.server.db.schema import projects, tasks
from inductiva.server.services import groups, submission


def _count(rig: Rig) -> int:
    return rig.query(lambda connection: int(connection.execute(select(func.count()).select_from(tasks)).scalar_one()))


def test_a_submitted_task_waits_for_its_input(rig: Rig) -> None:
    task = rig.task(rig.submit(rig.group(), storage_path_prefix="/my/dir/", time_to_live_seconds=90))
    assert task["status"] == TaskStatusCode.PENDING_INPUT
    assert task["storage_path"] == f"my/dir/{task['id']}"
    assert task["time_to_live_seconds"] == 90
    assert task["attempt"] == 0


def test_values_survive_the_way_into_the_database(rig: Rig) -> None:
    parameters = {"commands": [{"cmd": "echo 'ü \"quoted\"'"}], "n_vcpus": 2}
    task = rig.task(rig.submit(rig.group(), extra_params=parameters, stream_zip=False, input_resources=["a/b"]))
    assert task["extra_params"] == parameters
    assert task["stream_zip"] is False
    assert task["resubmit_on_preemption"] is False
    assert task["input_resources"] == ["a/b"]
    assert task["compress_with"] == "AUTO"
    assert task["idempotency_key"] is None
    assert task["metrics"] == {}


def test_the_same_key_and_request_make_one_task(rig: Rig) -> None:
    group = rig.group()
    assert rig.submit(group, key="k") == rig.submit(group, key="k")
    assert _count(rig) == 1


def test_the_same_key_at_the_same_time_makes_one_task(rig: Rig) -> None:
    request = TaskRequest(simulator="arbitrary_commands", resource_pool=rig.group())

    async def submit_all() -> list[submission.Submitted]:
        prepared = [submission.prepare(rig.user_id, request, f"key-{number % 3}") for number in range(30)]
        writes = [rig.context.db.write_batched(submission.insert_all, item) for item in prepared]
        return list(await asyncio.gather(*writes))

    assert len({answer.task_id for answer in rig.run(submit_all())}) == 3
    assert _count(rig) == 3


def test_the_same_key_for_another_request_is_a_conflict(rig: Rig) -> None:
    group = rig.group()
    rig.submit(group, key="k")
    with pytest.raises(problems.Conflict, match="key of its own"):
        rig.submit(group, key="k", time_to_live_seconds=5)


def test_keys_of_other_users_are_others(rig: Rig) -> None:
    first = rig.submit(rig.group(), key="k")
    rig.user_id = rig.write(insert_user, "bob")
    assert rig.submit(rig.group(), key="k") != first


def test_projects_are_created_once(rig: Rig) -> None:
    group = rig.group()
    for project in (None, "p", "p"):
        rig.submit(group, project=project)
    names = rig.query(lambda connection: connection.execute(select(projects.c.name)).scalars().all())
    assert sorted(names) == ["default", "p"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"extra_params": {"commands": [{"cmd": "a | b"}]}}, "not allowed"),
        ({"extra_params": {"commands": [{"cmd": ""}]}}, "empty"),
        ({"extra_params": {"commands": "run"}}, "extra_params"),
        ({"extra_params": {"run_subprocess_dir": "../out"}}, "inside of the input directory"),
        ({"extra_params": {"run_subprocess_dir": "/etc"}}, "inside of the input directory"),
        ({"time_to_live_seconds": 0}, "positive"),
        ({"time_to_live_seconds": float("nan")}, "positive"),
        ({"storage_path_prefix": "a/../b"}, "plain relative path"),
        ({"storage_path_prefix": "a\0b"}, "control characters"),
        ({"input_resources": ["../secret"]}, "plain relative path"),
        ({"project": "x" * 200}, "project"),
        ({"simulator_name_alias": "s", "container_image": "x" * 2000}, "short names"),
        ({"key": ""}, "Idempotency-Key"),
    ],
)
def test_malformed_requests_are_refused_with_a_reason(rig: Rig, given: dict[str, Any], said: str) -> None:
    with pytest.raises(problems.Invalid, match=said):
        rig.submit(rig.group(), **given)
    assert _count(rig) == 0


def test_unknown_and_foreign_groups_do_not_exist(rig: Rig) -> None:
    group = rig.group()
    with pytest.raises(problems.NotFound, match="no machine group"):
        rig.submit("nothing")
    rig.user_id = rig.write(insert_user, "bob")
    with pytest.raises(problems.NotFound, match="no machine group"):
        rig.submit(group)


def test_a_terminated_group_takes_no_tasks(rig: Rig) -> None:
    group = rig.group()
    rig.write(groups.begin_termination, groups.Termination(group, StopCause.GROUP_TERMINATED))
    with pytest.raises(problems.Conflict, match="terminated"):
        rig.submit(group)
