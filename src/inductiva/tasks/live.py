"""Looking into the working directory of a running task."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, TextIO

import msgspec

from inductiva.api import session
from inductiva.api.errors import ApiException
from inductiva.protocol.watch import LiveAnswer, LiveOperation, LiveStatus
from inductiva.tasks.watch import read_lines

ANSWER_SECONDS = 60.0
FOLLOW_SECONDS = 24 * 3600.0
"""A file that is followed may be silent for long."""

_decode = msgspec.json.Decoder(LiveAnswer).decode


class LiveError(Exception):
    """A live look failed; the text says why and when to try again."""


def ask(task_id: str, operation: LiveOperation, *, follow: bool = False, **arguments: Any) -> Iterator[Any]:
    """The messages that answer `operation`. Raises LiveError when the task cannot answer, ApiException for no task."""
    path = f"/tasks/{session.segment(task_id)}/live/{operation.value}"
    query = {"follow": follow, **arguments}
    with session.following(path, query, FOLLOW_SECONDS if follow else ANSWER_SECONDS) as response:
        for line in read_lines(response):
            answer = _decode(line)
            if answer.status is not LiveStatus.SUCCESS:
                raise LiveError(str(answer.message))
            yield answer.message


def one(task_id: str, operation: LiveOperation) -> Any:
    """The single answer to `operation`."""
    for message in ask(task_id, operation):
        return message
    raise LiveError("the task gave no answer; try again")


def tree_lines(entries: Sequence[Any], prefix: str = "", parent: str = "") -> Iterator[str]:
    """A nested list of names and `{directory: [...]}` as lines of a tree; names are whole relative paths."""
    for index, entry in enumerate(entries):
        branch = "" if not prefix and not parent else ("└── " if index == len(entries) - 1 else "├── ")
        if isinstance(entry, dict):
            for name, children in entry.items():
                path = f"{parent}{name.rstrip('/')}/"
                yield f"{prefix}{branch}{path}"
                yield from tree_lines(children, prefix + ("│   " if branch else ""), path)
        else:
            yield f"{prefix}{branch}{parent}{entry}"


def last_modified_text(message: dict[str, Any]) -> str:
    """What was written last, and when."""
    modified = datetime.fromtimestamp(float(message["most_recent_timestamp"]), UTC).astimezone()
    return (
        f"Most recently modified file: {message['most_recent_file']}\n"
        f"Modification time: {modified:%Y-%m-%d %H:%M:%S %Z}\n"
        f"Time since last modification: {float(message['time_since_last_mod']):.1f} s"
    )


def _print_tail(task_id: str, name: str, lines: int, fout: TextIO) -> None:
    messages = ask(task_id, LiveOperation.TAIL, filename=name, lines=lines)
    shown = [line for message in messages for line in message]
    body = "".join(f"│{line}\n" for line in shown)
    fout.write(f"┌ (last {len(shown)} lines from {name})\n{body}└\n")
    fout.flush()


def _follow_tail(task_id: str, name: str, lines: int, wait: bool, fout: TextIO, lock: threading.Lock) -> None:
    for message in ask(task_id, LiveOperation.TAIL, follow=True, filename=name, lines=lines, wait=wait):
        with lock:
            fout.write("".join(f"{line}\n" for line in message))
            fout.flush()


def tail(task_id: str, names: Sequence[str], lines: int, *, follow: bool, wait: bool, fout: TextIO) -> None:
    """Write the last lines of each file to `fout`; with `follow` also what is appended, until the task ends.

    `wait` (with `follow`): wait for a file that does not exist yet. Raises LiveError for the first that fails.
    """
    if not follow:
        for name in names:
            _print_tail(task_id, name, lines, fout)
        return
    lock = threading.Lock()
    failures: list[Exception] = []

    def run(name: str) -> None:
        try:
            _follow_tail(task_id, name, lines, wait, fout, lock)
        except (LiveError, ApiException, OSError, ValueError) as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=(name,), daemon=True) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
