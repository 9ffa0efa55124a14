"""`inductiva auth login|logout|whoami`."""

from __future__ import annotations

import os

import click

import inductiva
from inductiva.cli.errors import Refused
from inductiva.cli.output import Answer, read_command


@click.command()
@click.option("--private", is_flag=True, help="Do not show the key while it is typed.")
@click.option("--api-key", metavar="KEY", help="The key; it is asked for when this is left out.")
@click.option("--no-examples", is_flag=True, hidden=True)
def login(private: bool, api_key: str | None, no_examples: bool) -> None:
    """Store an API key, after asking the server whether it is good.

    INDUCTIVA_API_URL says which server. Without it commands talk to your own server on this machine, which needs none.
    """
    from inductiva.api import keys, users
    from inductiva.api.errors import UnauthorizedException

    if not inductiva.api_url:
        raise Refused(
            "INDUCTIVA_API_URL is not set, so commands talk to your own server on this machine, which needs no login; "
            "set it to the address of the server that the key is for"
        )
    key = (api_key or click.prompt("API key", hide_input=private, err=True)).strip()
    if not keys.is_valid_key(key):
        raise Refused("this cannot be a key: a key consists of letters, digits, '.', '_' and '-'; copy the whole key")
    keys.set_api_key(key)
    try:
        user = users.info()
    except UnauthorizedException:
        raise Refused(f"{inductiva.api_url} does not know this key, so it was not stored; copy the whole key") from None
    keys.set_stored_api_key(key)
    click.echo(f"Logged in to {inductiva.api_url} as {user.username}; the key is in {keys.stored_key_path()}.")
    if os.environ.get(keys.KEY_VARIABLE, key) != key:
        click.echo(f"{keys.KEY_VARIABLE} is set to another key, which is used instead of the stored one.", err=True)


@click.command()
def logout() -> None:
    """Forget the stored API key."""
    from inductiva.api import keys

    click.echo("Logged out." if keys.remove_stored_api_key() else "No key was stored.")


@read_command()
def whoami() -> Answer:
    """Show which server and which account commands talk to.

    JSON: {"url", "embedded", "key_source", "user"}; the user is as in the REST API.
    """
    from inductiva.api import session, users

    user = users.info()
    place = session.connect()
    data = {"url": place.url, "embedded": place.embedded, "key_source": place.key.source, "user": user}

    def text() -> str:
        kind = "your own server on this machine" if place.embedded else "server"
        return f"{user.username} ({user.email}) on {kind} {place.url}, with the key from {place.key.source}"

    return Answer(data, text)
