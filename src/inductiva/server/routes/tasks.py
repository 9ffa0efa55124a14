"""Tasks: submit, look, kill, annotate."""

from __future__ import annotations

from typing import Annotated, Any

from litestar import Request, get, patch, post, put
from litestar.params import FromPath, FromQuery, HeaderParameter, JSONBody, QueryParameter

from inductiva.protocol.status import STATUSES, TaskStatusCode
from inductiva.protocol.tasks import (
    TaskRequest,
    TaskStatus,
    TaskSubmittedInfo,
    TaskWithPagination,
    TaskWithStatusHistory,
)
from inductiva.server import problems
from inductiva.server.routes.given import Caller, Ctx
from inductiva.server.routes.storage import base_url
from inductiva.server.services import listing, storage, submission, tasks, views
from inductiva.server.services.lifecycle import TaskRow

IdempotencyKey = Annotated[str | None, HeaderParameter(name="Idempotency-Key")]
MAX_PER_PAGE = 500
Metadata = dict[str, str]


def find(ctx: Ctx, account: Caller, task_id: str) -> TaskRow:
    return ctx.db.peek(lambda connection: tasks.find(connection, account.id, task_id))


@post("/tasks/submit", status_code=202, tags=["tasks"])
async def submit(
    request: Request[Any, Any, Any],
    ctx: Ctx,
    account: Caller,
    data: JSONBody[TaskRequest],
    idempotency_key: IdempotencyKey = None,
) -> TaskSubmittedInfo:
    """Creates a task that waits for its input. With an Idempotency-Key, sending it again makes no second task."""
    prepared = submission.prepare(account.id, data, idempotency_key)
    submitted: submission.Submitted = await ctx.db.write_batched(submission.insert_all, prepared)
    return TaskSubmittedInfo(
        id=submitted.task_id,
        status=submitted.status,
        is_terminated=STATUSES[submitted.status].terminal,
        storage_region=views.REGION,
        time_to_live_seconds=submitted.time_to_live_seconds,
        orchestration_fee=views.FREE,
        input_upload_url=storage.input_url(ctx, base_url(request), account.id, submitted.task_id, submitted.input_path),
    )


@post("/tasks/{task_id:str}/input_uploaded", status_code=200, tags=["tasks"])
async def input_uploaded(ctx: Ctx, account: Caller, task_id: FromPath[str]) -> TaskStatus:
    """The input archive is complete: it is checked (422 when it is broken or hostile) and the task enters the queue."""
    await tasks.input_uploaded(ctx, find(ctx, account, task_id))
    return await task_status(ctx, account, task_id)


async def task_status(ctx: Ctx, account: Caller, task_id: str) -> TaskStatus:
    return ctx.db.peek(lambda connection: views.task_status(connection, tasks.find(connection, account.id, task_id)))


@get("/tasks/{task_id:str}/status", tags=["tasks"])
async def get_status(ctx: Ctx, account: Caller, task_id: FromPath[str]) -> TaskStatus:
    """A task's status and, while it waits, how many are ahead of it."""
    return await task_status(ctx, account, task_id)


@get("/tasks/{task_id:str}", tags=["tasks"])
async def get_task(ctx: Ctx, account: Caller, task_id: FromPath[str]) -> TaskWithStatusHistory:
    """A task with its timeline. Unknown, malformed and others' ids are 404."""
    find(ctx, account, task_id)
    return ctx.db.peek(lambda connection: views.task_with_history(connection, views.find(connection, task_id)))


@get("/tasks", tags=["tasks"])
async def list_tasks(
    ctx: Ctx,
    account: Caller,
    page: Annotated[int, QueryParameter(ge=1)] = 1,
    per_page: Annotated[int, QueryParameter(ge=1, le=MAX_PER_PAGE)] = 100,
    status: FromQuery[list[TaskStatusCode] | None] = None,
    project: FromQuery[list[str] | None] = None,
    active: FromQuery[bool | None] = None,
    task_id_filter: FromQuery[str | None] = None,
    machine_group: FromQuery[str | None] = None,
    sort: FromQuery[list[str] | None] = None,
) -> TaskWithPagination:
    """One page of tasks, the newest first. `status` and `project` can be repeated."""
    wanted = listing.Wanted(
        user_id=account.id,
        page=page,
        per_page=per_page,
        statuses=status or [],
        projects=project or [],
        active=active,
        task_id_filter=task_id_filter,
        machine_group=machine_group,
        sort=sort or [],
    )
    return await ctx.db.read(lambda connection: listing.list_tasks(connection, wanted))


@post("/tasks/{task_id:str}/kill", status_code=200, tags=["tasks"])
async def kill(ctx: Ctx, account: Caller, task_id: FromPath[str]) -> TaskStatus:
    """Kills a task: a waiting one at once, one on a machine as soon as its processes are gone."""
    find(ctx, account, task_id)
    await ctx.db.write(tasks.kill, task_id)
    return await task_status(ctx, account, task_id)


@get("/tasks/{task_id:str}/metadata", tags=["tasks"])
async def get_metadata(ctx: Ctx, account: Caller, task_id: FromPath[str]) -> dict[str, str]:
    find(ctx, account, task_id)
    return ctx.db.peek(lambda connection: tasks.metadata_of(connection, task_id))


@put("/tasks/{task_id:str}/metadata", tags=["tasks"])
async def put_metadata(
    ctx: Ctx, account: Caller, task_id: FromPath[str], data: JSONBody[dict[str, str]]
) -> dict[str, str]:
    """Replaces a task's metadata by this map."""
    find(ctx, account, task_id)
    return await ctx.db.write(tasks.set_metadata, tasks.MetadataChange(task_id, data, replace=True))


@patch("/tasks/{task_id:str}/metadata", tags=["tasks"])
async def patch_metadata(
    ctx: Ctx, account: Caller, task_id: FromPath[str], data: JSONBody[dict[str, str | None]]
) -> dict[str, str]:
    """Changes the keys that are given; null removes one."""
    find(ctx, account, task_id)
    return await ctx.db.write(tasks.set_metadata, tasks.MetadataChange(task_id, data, replace=False))


@post(["/tasks/{task_id:str}/register", "/tasks/{task_id:str}/offer"], status_code=200, tags=["tasks"])
async def no_peer_connections(ctx: Ctx, account: Caller, task_id: FromPath[str]) -> dict[str, str]:
    """Peer-to-peer streaming is not offered; live files come from GET /tasks/{id}/live."""
    find(ctx, account, task_id)
    raise problems.NotFound(
        "this server has no peer-to-peer streams: update the client with 'pip install --upgrade inductiva' "
        "or read GET /tasks/{id}/watch"
    )


HANDLERS = [
    submit,
    input_uploaded,
    get_status,
    get_task,
    list_tasks,
    kill,
    get_metadata,
    put_metadata,
    patch_metadata,
    no_peer_connections,
]
