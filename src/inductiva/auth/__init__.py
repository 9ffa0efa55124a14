"""Keeping the API key for later sessions."""

from __future__ import annotations

from inductiva.api import keys
from inductiva.api.errors import ApiKeyError, UnauthorizedException

__all__ = ["login", "logout"]


def login(private: bool = False) -> None:
    """Ask for an API key, check it with the server and store it. `private` hides what is typed.

    Raises ApiKeyError for what is no key of the server, ApiException when the server cannot tell.
    """
    from inductiva import logs, users

    if private:
        import getpass

        key = getpass.getpass("API key: ").strip()
    else:
        key = input("API key: ").strip()
    keys.set_api_key(key)
    try:
        user = users.get_info()
    except UnauthorizedException as error:
        raise ApiKeyError(f"The server does not know this API key, so it was not stored: {error}") from error
    keys.set_stored_api_key(key)
    logs.teller()(f"Logged in as {user.username}. The key is in {keys.stored_key_path()}.")


def logout() -> None:
    """Forget the stored API key."""
    from inductiva import logs

    existed = keys.remove_stored_api_key()
    logs.teller()("Logged out: the stored API key was removed." if existed else "No API key is stored.")
