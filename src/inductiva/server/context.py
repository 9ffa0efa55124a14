"""What the running server is made of; `app` puts it together."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from inductiva.server.config import Config
from inductiva.server.db.engine import Database
from inductiva.server.hub import Hub
from inductiva.server.objects.local import ObjectStore
from inductiva.server.objects.signing import Signer, secret_key
from inductiva.server.services.logs import LogStore

if TYPE_CHECKING:
    from inductiva.server.services.dispatch import Dispatcher
    from inductiva.server.services.fleet import Fleet
    from inductiva.server.services.links import RunnerLink
    from inductiva.server.services.sweeper import Sweeper


@dataclass(slots=True)
class Context:
    """`links`: runners connected now, by runner id. `active_at`: when each group last had work, by group id."""

    config: Config
    clock: Callable[[], float]
    db: Database
    hub: Hub
    store: ObjectStore
    signer: Signer
    logs: LogStore
    started_at: float
    links: dict[str, RunnerLink] = field(default_factory=dict)
    active_at: dict[str, float] = field(default_factory=dict)
    closing: asyncio.Event = field(default_factory=asyncio.Event)
    requested_at: float = 0.0
    watchers: int = 0
    _background: set[asyncio.Task[Any]] = field(default_factory=set)
    dispatcher: Dispatcher = field(init=False)
    sweeper: Sweeper = field(init=False)
    fleet: Fleet = field(init=False)

    def spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Runs `work` beside whatever is going on; an error in it is logged by the event loop."""
        task = asyncio.get_running_loop().create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)
        return task

    def link_of(self, runner_id: str | None) -> RunnerLink | None:
        return self.links.get(runner_id) if runner_id else None


def open_context(config: Config, clock: Callable[[], float] = time.time) -> Context:
    """Opens the database (creating or upgrading it) and the stores of a data directory."""
    from inductiva.server.db.upgrade import upgrade
    from inductiva.server.services import effects
    from inductiva.server.services.dispatch import Dispatcher
    from inductiva.server.services.fleet import Fleet
    from inductiva.server.services.sweeper import Sweeper

    upgrade(config.layout.database)
    context = Context(
        config=config,
        clock=clock,
        db=Database(config.layout.database, clock),
        hub=Hub(),
        store=ObjectStore(config.layout.objects, config.staging),
        signer=Signer(secret_key(config.secret), clock),
        logs=LogStore(config.logs),
        started_at=clock(),
        requested_at=clock(),
    )
    context.dispatcher = Dispatcher(context)
    context.sweeper = Sweeper(context)
    context.fleet = Fleet(context)
    context.db.on_commit = lambda changes: effects.follow(context, changes)
    return context
