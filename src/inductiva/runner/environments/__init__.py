"""From a container image's name to what its commands run in on this machine.

`resolve` is what a runner calls for each task; `install` and `main` are the same thing ahead of time.
"""

from inductiva.runner.environments.main import main
from inductiva.runner.environments.model import Environment, EnvironmentUnavailable
from inductiva.runner.environments.provide import install, provided, resolve

__all__ = ["Environment", "EnvironmentUnavailable", "install", "main", "provided", "resolve"]
