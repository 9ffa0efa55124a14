"""Simulations as durable tasks.

    import inductiva
    group = inductiva.resources.MachineGroup("c2-standard-4")
    task = inductiva.simulators.SplishSplash().run("input", sim_config_filename="config.json", on=group)
    task.wait()
    task.download_outputs()

Importing makes no request and prints nothing; sub-modules load when they are touched.
"""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from inductiva import (
        api,
        auth,
        client,
        commands,
        constants,
        logs,
        resources,
        simulators,
        tasks,
        types,
        users,
        utils,
    )
    from inductiva.api.agent import compare_client_and_backend_versions, get_api_agent
    from inductiva.api.errors import ApiException, ApiKeyError, ServerUnreachable, VersionError
    from inductiva.api.keys import get_api_key, get_validated_api_key, set_api_key
    from inductiva.utils.files import get_output_dir, set_output_dir
    from inductiva.utils.notebook import is_notebook

    ansi_enabled: bool
    api_url: str
    machines_catalogue_api_url: str

__version__ = "0.19.0"

_MODULES = (
    "api",
    "auth",
    "client",
    "commands",
    "constants",
    "logs",
    "resources",
    "simulators",
    "tasks",
    "types",
    "users",
    "utils",
)

_NAMES = {
    "ApiException": "inductiva.api.errors",
    "ApiKeyError": "inductiva.api.errors",
    "ServerUnreachable": "inductiva.api.errors",
    "VersionError": "inductiva.api.errors",
    "compare_client_and_backend_versions": "inductiva.api.agent",
    "get_api_agent": "inductiva.api.agent",
    "get_api_key": "inductiva.api.keys",
    "get_output_dir": "inductiva.utils.files",
    "get_validated_api_key": "inductiva.api.keys",
    "is_notebook": "inductiva.utils.notebook",
    "set_api_key": "inductiva.api.keys",
    "set_output_dir": "inductiva.utils.files",
}

# Read at each use, so that both setting the variable and assigning `inductiva.api_url` work after the import.
# An empty text means the user's own embedded server.
_VARIABLES = {
    "api_url": "INDUCTIVA_API_URL",
    "machines_catalogue_api_url": "INDUCTIVA_MACHINES_CATALOGUE_API_URL",
}

__all__ = [
    "ApiException",
    "ApiKeyError",
    "ServerUnreachable",
    "VersionError",
    "__version__",
    "ansi_enabled",
    "api",
    "api_url",
    "auth",
    "client",
    "commands",
    "compare_client_and_backend_versions",
    "constants",
    "get_api_agent",
    "get_api_key",
    "get_output_dir",
    "get_validated_api_key",
    "is_notebook",
    "logs",
    "machines_catalogue_api_url",
    "resources",
    "set_api_key",
    "set_output_dir",
    "simulators",
    "tasks",
    "types",
    "users",
    "utils",
]


def __getattr__(name: str) -> Any:
    if name in _VARIABLES:
        return os.environ.get(_VARIABLES[name], "")
    if name == "ansi_enabled":
        return importlib.import_module("inductiva.utils.format_utils").ansi_enabled()
    if name in _MODULES:
        return importlib.import_module(f"inductiva.{name}")
    if name in _NAMES:
        return getattr(importlib.import_module(_NAMES[name]), name)
    raise AttributeError(f"module 'inductiva' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
