"""Who we are to the server."""

from __future__ import annotations

import sys

from inductiva import __version__
from inductiva.api.errors import ApiException, VersionError


def is_cli() -> bool:
    """Whether this process is the `inductiva` command."""
    return sys.argv[0].endswith(("inductiva", "inductiva.exe")) if sys.argv else False


def get_api_agent() -> str:
    """The `User-Agent` of every request."""
    return f"{'CLI' if is_cli() else 'Client'}/{__version__}/python"


def compare_client_and_backend_versions(client_version: str) -> None:
    """Ask the server whether it works with `client_version`.

    Raises VersionError when it does not, RuntimeError when that could not be found out.
    """
    from inductiva.api import users

    try:
        users.version_check(client_version)
    except ApiException as error:
        if error.status == 406:
            raise VersionError(
                f"The server does not work with version {client_version} of this package: {error} "
                "Run 'pip install --upgrade inductiva'."
            ) from error
        raise RuntimeError(f"Could not compare versions with the server: {error}") from error
