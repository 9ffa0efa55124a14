"""A user's storage: signed URLs."""

from __future__ import annotations

from sqlalchemy import Connection

from inductiva.protocol.ids import is_task_id
from inductiva.protocol.status import TaskStatusCode
from inductiva.protocol.storage import OperationType
from inductiva.server import problems
from inductiva.server.context import Context
from inductiva.server.domain import paths
from inductiva.server.objects.signing import Grant
from inductiva.server.services import lifecycle

URL_SECONDS = 86400
MAX_PATHS = 10_000


def signed_urls(
    context: Context, base_url: str, user_id: str, operation: OperationType, wanted: list[str]
) -> list[str]:
    """One URL a path to upload; to download, one a file: a directory stands for the files in it. Raises NotFound."""
    if len(wanted) > MAX_PATHS:
        raise problems.Invalid(f"{len(wanted)} paths at once are too many; ask for at most {MAX_PATHS}")
    sign = _upload if operation is OperationType.UPLOAD else _download
    return [url for path in wanted for url in sign(context, base_url, user_id, paths.clean(path))]


def input_url(context: Context, base_url: str, user_id: str, task_id: str, path: str) -> str:
    """Where the input archive of a task that waits for it is PUT to."""
    expires = int(context.clock()) + URL_SECONDS
    return context.signer.url(base_url, Grant(user_id, "PUT", path, expires, task_id))


def _upload(context: Context, base_url: str, user_id: str, path: str) -> list[str]:
    context.store.locate(user_id, path)
    if not path:
        raise problems.Invalid("an empty path cannot be uploaded to; give the name of a file")
    task_id = context.db.peek(lambda connection: task_of(connection, user_id, path))
    if task_id is not None:
        context.db.peek(lambda connection: require_input(connection, task_id, path))
    expires = int(context.clock()) + URL_SECONDS
    return [context.signer.url(base_url, Grant(user_id, "PUT", path, expires, task_id))]


def _download(context: Context, base_url: str, user_id: str, path: str) -> list[str]:
    place = context.store.locate(user_id, path)
    if place.is_dir():
        root = context.store.root / user_id
        files = sorted(str(file.relative_to(root)) for file in place.rglob("*") if file.is_file())
    elif place.is_file():
        files = [path]
    else:
        raise problems.NotFound(f"there is no file {path!r} in your storage")
    expires = int(context.clock()) + URL_SECONDS
    return [context.signer.url(base_url, Grant(user_id, "GET", file, expires)) for file in files]


def task_of(connection: Connection, user_id: str, path: str) -> str | None:
    """The task whose input or output archive is at `path`."""
    directory, _, name = path.rpartition("/")
    task_id = directory.rpartition("/")[2]
    if name not in ("input.zip", "output.zip") or not is_task_id(task_id):
        return None
    task = lifecycle.find(connection, task_id)
    own = task is not None and task["user_id"] == user_id and task["storage_path"] == directory
    return task_id if own else None


def require_input(connection: Connection, task_id: str, path: str) -> None:
    """Only the input of a task that waits for it can be uploaded by its user. Raises Conflict."""
    task = lifecycle.find(connection, task_id)
    status = task["status"] if task is not None else None
    if status != TaskStatusCode.PENDING_INPUT or path.endswith("/output.zip"):
        raise problems.Conflict(
            f"{path!r} belongs to task {task_id}, which is {status}: its archives cannot be replaced; "
            "submit another task or upload to another path"
        )
