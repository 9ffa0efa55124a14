"""Where the key comes from, and that messages say so."""

from __future__ import annotations

import stat
import threading
from pathlib import Path

import pytest
from tests.unit.sdk.web import Web, error, ok

import inductiva
from inductiva.api import errors, keys, users
from inductiva.protocol.embedded import Layout, data_dir


def _sent(web: Web) -> str | None:
    web.on("GET", "/users/quotas", ok({}))
    users.quotas()
    headers: dict[str, str] = web.requests[-1].headers
    return headers.get("x-api-key")


def test_order(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    keys.set_stored_api_key("stored")
    inductiva.set_api_key("given")
    assert _sent(web) == inductiva.get_api_key() == "given"
    monkeypatch.setattr(keys, "_given", None)
    assert _sent(web) == inductiva.get_api_key() == "key-1"
    monkeypatch.delenv("INDUCTIVA_API_KEY")
    assert _sent(web) == inductiva.get_api_key() == "stored"
    assert keys.remove_stored_api_key()
    assert _sent(web) is None
    path = Layout(data_dir()).api_key
    path.parent.mkdir(parents=True)
    path.write_text("embedded\n")
    assert inductiva.get_api_key() == "embedded"
    assert _sent(web) is None, "the embedded server's key is not for other servers"


def test_a_key_is_seen_in_every_thread() -> None:
    inductiva.set_api_key("given")
    seen: list[str] = []
    thread = threading.Thread(target=lambda: seen.append(inductiva.get_api_key()))
    thread.start()
    thread.join()
    assert seen == ["given"]


def test_the_stored_key_is_the_users_alone() -> None:
    assert not keys.set_stored_api_key("one")
    assert keys.set_stored_api_key("two")
    path = Path.home() / ".inductiva" / "api_key"
    assert path.read_text() == keys.get_stored_api_key() == "two"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("bad", ["", "two words", "new\nline", "ü"])
def test_what_cannot_be_a_key_is_refused(bad: str) -> None:
    with pytest.raises(errors.ApiKeyError):
        inductiva.set_api_key(bad)


def test_a_malformed_key_of_the_environment_never_travels(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INDUCTIVA_API_KEY", "with space")
    with pytest.raises(errors.ApiKeyError, match="INDUCTIVA_API_KEY"):
        users.quotas()
    assert web.requests == []


def test_a_refused_key_says_where_it_came_from(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    web.on("GET", "/users/quotas", error(401, "The API key is unknown."))
    with pytest.raises(errors.UnauthorizedException, match=r"unknown\. .*environment variable INDUCTIVA_API_KEY"):
        users.quotas()
    monkeypatch.delenv("INDUCTIVA_API_KEY")
    with pytest.raises(errors.UnauthorizedException, match="inductiva auth login"):
        users.quotas()


def test_get_validated_api_key_wants_one() -> None:
    with pytest.raises(errors.ApiKeyError, match="No API key"):
        inductiva.get_validated_api_key()
