"""A task: one durable run of a simulation."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO, TypeVar

from inductiva import logs
from inductiva.api import tasks as api
from inductiva.api.errors import ApiException, NotFoundException
from inductiva.constants import OUTPUT_PREFIX
from inductiva.protocol import tasks as wire
from inductiva.protocol.status import FAILED, RUNNING, TERMINAL, TaskStatusCode
from inductiva.protocol.watch import LiveOperation
from inductiva.tasks.info import TaskInfo
from inductiva.tasks.metadata import checked
from inductiva.tasks.output_info import TaskOutputInfo, from_archive

T = TypeVar("T")


class Task:
    """A task by its id. Making the object asks nothing; each call asks the server, so any session can use any task.

    Raises ValueError for an id that is no text. Calls raise `inductiva.client.ApiException` when the server refuses
    them (`NotFoundException` for an id that names no task of yours) or cannot be reached.
    """

    def __init__(self, task_id: str) -> None:
        given: object = task_id
        if not isinstance(given, str) or not given.strip():
            raise ValueError(f"a task id is a text of 25 letters and digits; {task_id!r} is not")
        self.id = given.strip()
        self._info: TaskInfo | None = None
        self._status: TaskStatusCode | None = None
        self._tied = False

    @classmethod
    def from_api_info(cls, info: wire.Task) -> Task:
        """The task of an item of a list."""
        task = cls(info.task_id)
        task._keep(TaskInfo(info))
        return task

    def __repr__(self) -> str:
        status = "unknown" if self._status is None else self._status.value
        return f'Task("{self.id}", status={status})'

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Task) and self.id == other.id

    def __hash__(self) -> int:
        return hash(self.id)

    # What is known

    def _keep(self, info: TaskInfo) -> TaskInfo:
        self._info, self._status = info, info.status
        return info

    def note_status(self, status: TaskStatusCode) -> None:
        """Remember a status that was just seen; what is known beside it is then out of date."""
        if self._info is not None and self._info.status is not status:
            self._info = None
        self._status = status

    def get_info(self) -> TaskInfo:
        """Everything about the task, from the server."""
        return self._keep(TaskInfo(api.info(self.id)))

    @property
    def info(self) -> TaskInfo:
        """What was last known about the task; the server is asked the first time, and after its status changed."""
        return self._info or self.get_info()

    def _ended(self) -> bool:
        return self._info is not None and self._info.is_terminal

    def known_end(self) -> TaskStatusCode | None:
        """The status the task ended with, None when its end is not known here. Asks nothing."""
        return self._status if self._status in TERMINAL else None

    def get_status(self) -> TaskStatusCode:
        """The task's status now. Compares equal to its text, such as "computation-started"."""
        if self._status in TERMINAL:
            return self._status
        self.note_status(api.status(self.id).status)
        return self._status or self.info.status

    status = property(get_status, doc="The task's status now, as `get_status()`.")

    def is_running(self) -> bool:
        """Whether a machine works on the task."""
        return self.get_status() in RUNNING

    def is_failed(self) -> bool:
        """Whether the task ended otherwise than with success."""
        return self.get_status() in FAILED

    def is_terminal(self) -> bool:
        """Whether the task has ended, in whatever way."""
        return self.get_status() in TERMINAL

    def get_position_in_queue(self) -> int | None:
        """How many tasks are ahead in the queue; None when the task is not waiting."""
        status = api.status(self.id)
        self.note_status(status.status)
        return None if status.position_in_queue is None else status.position_in_queue.tasks_ahead

    def get_simulator_name(self) -> str:
        """The simulator's name, such as "splishsplash"."""
        return self.info.simulator

    def get_storage_path(self) -> str | None:
        """Where the task's files are in storage."""
        return self.info.storage_path

    def get_machine_type(self) -> str | None:
        """Provider and machine type, such as "GCP-c2-standard-4"; None before a machine took the task."""
        if self.info.executer is None:
            self.get_info()
        return self.info.machine_type()

    def latest_info(self) -> TaskInfo:
        """Everything about the task; the server is only asked while something can still change."""
        return self.info if self._ended() else self.get_info()

    def _current(self, cached: bool) -> TaskInfo:
        return self.info if cached else self.latest_info()

    def get_computation_time(self, cached: bool = False) -> float | None:
        """Seconds that the simulation has computed, so far if it still does; None before it started."""
        return self._current(cached).computation_seconds()

    def get_total_time(self, cached: bool = False) -> float | None:
        """Seconds from the task's creation to its end, so far if it goes on."""
        return self._current(cached).total_seconds()

    @property
    def summary(self) -> str:
        """The report of the task."""
        return str(self._current(cached=False))

    def print_summary(self, fhandle: TextIO | None = None) -> None:
        """Print the report of the task as it is now, to stdout or to `fhandle`."""
        # Flushed, so that it stands before what is told on stderr later, in a pipe as well.
        print(self.get_info(), file=sys.stdout if fhandle is None else fhandle, flush=True)

    # Waiting and ending

    def wait(
        self,
        polling_period: float = 1,
        silent_mode: bool = False,
        download_std_on_completion: bool = True,
        *,
        timeout: float | None = None,
    ) -> TaskStatusCode:
        """Wait for the task to end, showing what it does and writes. Returns its last status.

        The server pushes what happens, so `polling_period` has no effect any more. Ctrl-C stops the waiting, not the
        task. Afterwards stdout and stderr are in the task's outputs folder unless `download_std_on_completion` is
        False. Raises TimeoutError after `timeout` seconds; the task goes on.
        """
        from inductiva.tasks import waiting

        return waiting.wait(
            self, silent=silent_mode, download_std=download_std_on_completion, timeout=timeout, tied=self._tied
        )

    def wait_for_status(
        self,
        status: str,
        polling_period: float = 1,
        silent_mode: bool = False,
        *,
        timeout: float | None = None,
    ) -> TaskStatusCode | None:
        """Wait until the task has reached `status` (now or before). Returns it, None when the task ended without.

        Raises ValueError for an unknown status, TimeoutError after `timeout` seconds.
        """
        from inductiva.tasks import query, waiting

        wanted = query.known_status(status)
        return waiting.wait_for_status(self, wanted, timeout, silent_mode)

    def kill(self, wait_timeout: float | None = 1, verbosity_level: int = 2) -> bool | None:
        """Kill the task and wait up to `wait_timeout` seconds for that. Returns whether it was killed.

        With None only the request is made, and None returned. Raises TypeError, ValueError for other arguments,
        RuntimeError when the server does not take the request. What the task wrote is stored all the same.
        """
        from inductiva.tasks import killing

        return killing.kill(self, wait_timeout, verbosity_level)

    @contextmanager
    def sync_context(self) -> Iterator[None]:
        """Tie the task to a block: Ctrl-C in it kills the task and ends the block; errors kill it and are raised."""
        self._tied = True
        try:
            yield
        except KeyboardInterrupt:
            logs.teller()(f"Interrupted: killing task {self.id}.")
            self.kill(wait_timeout=None)
        except BaseException:
            self.kill(wait_timeout=None)
            raise
        finally:
            self._tied = False

    # Metadata

    def set_metadata(self, metadata: Mapping[str, str]) -> None:
        """Replace the task's metadata. Raises TypeError, ValueError unless keys and values are non-empty texts."""
        api.set_metadata(self.id, checked(metadata))

    def get_metadata(self) -> dict[str, str]:
        """The task's metadata."""
        return api.get_metadata(self.id)

    # Files of the running task

    def _look(self, look: Callable[[], T]) -> tuple[T | None, int]:
        """`look()` and 0; None and 1, the reason on stderr, when the task cannot answer."""
        from inductiva.tasks.live import LiveError

        try:
            return look(), 0
        except (LiveError, ApiException) as error:
            print(f"Task {self.id}: {error}", file=sys.stderr)
            return None, 1

    def list_files(self) -> tuple[str | None, int]:
        """The tree of files in the task's working directory, and 0; None and 1 when it cannot be seen."""
        from inductiva.tasks import live

        return self._look(lambda: "\n".join(live.tree_lines(live.one(self.id, LiveOperation.LS))))

    def last_modified_file(self) -> tuple[str | None, int]:
        """What the task wrote last and when, and 0; None and 1 when it cannot be seen."""
        from inductiva.tasks import live

        return self._look(lambda: live.last_modified_text(live.one(self.id, LiveOperation.LAST_MODIFIED_FILE)))

    def _top(self) -> tuple[str | None, int]:
        """The task's processes, and 0; None and 1 when they cannot be seen."""
        from inductiva.tasks import live

        return self._look(lambda: str(live.one(self.id, LiveOperation.TOP)))

    def tail_files(
        self,
        tail_files: str | Sequence[str],
        lines: int = 10,
        follow: bool = False,
        fout: TextIO | None = None,
        wait: bool = False,
    ) -> int:
        """Write the last lines of files of the working directory to `fout` (stdout). Returns 0, 1 when it failed.

        `follow`: go on with what is appended until the task ends; `wait`: for files that do not exist yet.
        """
        from inductiva.tasks import live

        names = [tail_files] if isinstance(tail_files, str) else list(tail_files)
        target = sys.stdout if fout is None else fout
        return self._look(lambda: live.tail(self.id, names, lines, follow=follow, wait=wait, fout=target))[1]

    # Stored inputs and outputs

    def get_output_info(self) -> TaskOutputInfo:
        """The files of the task's outputs with their sizes, without downloading them.

        Raises `NotFoundException` when there are none (yet).
        """
        from inductiva.api import storage

        path = self.latest_info().storage_output_path
        if path is None:
            raise NotFoundException(404, "Not Found", message=f"Task {self.id} has no outputs (yet).")
        return from_archive(storage.zip_contents(path, OUTPUT_PREFIX, recursive=True, region=self.info.storage_region))

    def get_output_url(self) -> str | None:
        """A URL to download the outputs' archive with, for a while; None when there is none (yet)."""
        from inductiva.tasks import downloads

        url = downloads.signed_url(self, downloads.OUTPUTS)
        logs.teller()(f"Download URL of the outputs: {url}" if url else f"Task {self.id} has no outputs (yet).")
        return url

    def get_input_url(self) -> str:
        """A URL to download the inputs' archive with, for a while. Raises RuntimeError when there is none."""
        from inductiva.tasks import downloads

        url = downloads.signed_url(self, downloads.INPUTS)
        if url is None:
            raise RuntimeError(f"Task {self.id} has no stored inputs.")
        logs.teller()(f"Download URL of the inputs: {url}")
        return url

    def download_outputs(
        self,
        filenames: str | Sequence[str] | None = None,
        output_dir: str | os.PathLike[str] | None = None,
        uncompress: bool = True,
        rm_downloaded_zip_archive: bool = True,
        rm_remote_files: bool = False,
    ) -> Path | None:
        """Download what the task wrote, to `output_dir` or `<output directory>/<task id>/outputs`. Returns the folder.

        `filenames`: only these files or folders; only their bytes are transferred. None is returned when there is
        nothing to download (yet). Raises OSError when it cannot be written, ApiException when it cannot be read.
        """
        from inductiva.tasks import downloads

        got = downloads.download(
            self,
            downloads.OUTPUTS,
            filenames,
            output_dir,
            uncompress=uncompress,
            remove_archive=rm_downloaded_zip_archive,
        )
        if rm_remote_files and got is not None:
            self.remove_remote_files()
        return got

    def download_inputs(
        self,
        filenames: str | Sequence[str] | None = None,
        input_dir: str | os.PathLike[str] | None = None,
        uncompress: bool = True,
        rm_downloaded_zip_archive: bool = True,
        rm_remote_files: bool = False,
    ) -> Path | None:
        """As `download_outputs`, for the inputs; to `<output directory>/<task id>/inputs`."""
        from inductiva.tasks import downloads

        got = downloads.download(
            self,
            downloads.INPUTS,
            filenames,
            input_dir,
            uncompress=uncompress,
            remove_archive=rm_downloaded_zip_archive,
        )
        if rm_remote_files and got is not None:
            self.remove_remote_files()
        return got

    def remove_remote_files(self, verbose: bool = True) -> bool:
        """Delete the task's inputs and outputs from storage. Returns whether that was done."""
        from inductiva.api import storage

        tell = logs.teller(verbose)
        path = self.get_storage_path() or self.id
        try:
            storage.remove(f"{path.rstrip('/')}/", self.info.storage_region)
        except NotFoundException:
            tell(f"Task {self.id} has no files in storage.")
            return False
        except ApiException as error:
            logs.warn(f"Could not remove the stored files of task {self.id}: {error}")
            return False
        tell(f"Removed the stored files of task {self.id}.")
        return True
