"""Hands waiting tasks to runners at the moment that both are there."""

from __future__ import annotations

from typing import Any

import msgspec

from inductiva.protocol.runner import Assign, ExtraParams, Work
from inductiva.server.context import Context
from inductiva.server.objects.signing import Grant
from inductiva.server.services.lifecycle import TaskRow
from inductiva.server.services.links import GRACE_SECONDS, RunnerLink
from inductiva.server.services.queue import ClaimRequest, claim
from inductiva.server.services.tasks import input_path, output_path

URL_SECONDS = 7 * 86400
"""How long a runner's URLs are valid; after that it asks for new ones."""


class Dispatcher:
    """One claim at a time for each group; what happens meanwhile is looked at right after it."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._busy: set[str] = set()
        self._again: set[str] = set()

    def kick(self, group_id: str) -> None:
        """Something changed: a task entered the group's queue, or a runner can take one."""
        if group_id in self._busy:
            self._again.add(group_id)
            return
        self._busy.add(group_id)
        self._context.spawn(self._hand_out(group_id))

    async def _hand_out(self, group_id: str) -> None:
        try:
            more = True
            while more:
                self._again.discard(group_id)
                claimed = await self._claim(group_id)
                more = claimed > 0 or group_id in self._again
        finally:
            self._busy.discard(group_id)

    async def _claim(self, group_id: str) -> int:
        context = self._context
        free = [link for link in context.links.values() if link.group_id == group_id and link.slots > 0]
        slots = [link.runner_id for link in free for _ in range(link.slots) if not link.retiring]
        if not slots:
            context.fleet.grow(group_id)
            return 0
        claimed = await context.db.write(claim, ClaimRequest(group_id, slots, context.config.lease_seconds))
        for task in claimed:
            link = context.link_of(task["runner_id"])
            if link is not None:  # else it gets the task when it says Hello again
                link.slots = max(0, link.slots - 1)
                link.send(Assign(work(context, task, link)))
        if claimed:
            context.sweeper.wake()
        return len(claimed)


def urls(context: Context, task: TaskRow, base_url: str) -> tuple[str, str]:
    """Signed URLs of an attempt's input and output."""
    expires = int(context.clock()) + URL_SECONDS
    user_id: str = task["user_id"]
    output = Grant(user_id, "PUT", output_path(task), expires, task["id"], task["attempt"])
    return (
        context.signer.url(base_url, Grant(user_id, "GET", input_path(task), expires)),
        context.signer.url(base_url, output),
    )


def work(context: Context, task: TaskRow, link: RunnerLink) -> Work:
    """Everything that a runner needs to run the task's present attempt."""
    input_url, output_url = urls(context, task, link.base_url)
    params: dict[str, Any] = task["extra_params"]
    return Work(
        task_id=task["id"],
        attempt=task["attempt"],
        simulator=task["simulator"],
        container_image=task["container_image"] or params.get("container_image"),
        params=msgspec.convert(params, ExtraParams),
        input_url=input_url,
        input_size=task["input_size"],
        input_sha256=task["input_sha256"],
        output_url=output_url,
        submitted_at=task["input_submitted_at"],
        time_to_live_seconds=task["time_to_live_seconds"],
        grace_seconds=GRACE_SECONDS,
    )
