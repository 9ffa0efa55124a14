"""Durable runs of simulations."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from inductiva.protocol.watch import LiveOperation

    Operations = LiveOperation
    from inductiva.tasks.info import TaskInfo
    from inductiva.tasks.output_info import TaskOutputInfo
    from inductiva.tasks.query import get, get_all, get_tasks, to_dict
    from inductiva.tasks.run import run_simulation
    from inductiva.tasks.task import Task

__all__ = [
    "Operations",
    "Task",
    "TaskInfo",
    "TaskOutputInfo",
    "get",
    "get_all",
    "get_tasks",
    "run_simulation",
    "to_dict",
]

_HOMES = {
    "Task": "inductiva.tasks.task",
    "TaskInfo": "inductiva.tasks.info",
    "TaskOutputInfo": "inductiva.tasks.output_info",
    "get": "inductiva.tasks.query",
    "get_all": "inductiva.tasks.query",
    "get_tasks": "inductiva.tasks.query",
    "run_simulation": "inductiva.tasks.run",
    "to_dict": "inductiva.tasks.query",
}


def __getattr__(name: str) -> Any:
    if name == "Operations":
        return importlib.import_module("inductiva.protocol.watch").LiveOperation
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    if name in {"task", "report", "info"}:
        return importlib.import_module(f"inductiva.tasks.{name}")
    raise AttributeError(f"module 'inductiva.tasks' has no attribute {name!r}")
