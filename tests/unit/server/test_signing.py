"""Signed URLs give what they say, to whom they say, for as long as they say."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.server.rig import START, Clock

from inductiva.server import problems
from inductiva.server.objects.signing import Grant, Signer, secret_key

GRANT = Grant("user", "PUT", "task/output.zip", int(START) + 60, "task", 3)


def _parts(url: str) -> tuple[str, dict[str, str]]:
    parts = urlsplit(url)
    return unquote(parts.path).removeprefix("/~/"), dict(parse_qsl(parts.query))


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1).filter(lambda text: text.strip("/") == text))
def test_a_url_gives_back_its_grant(path: str) -> None:
    signer = Signer(b"key", Clock())
    grant = msgspec.structs.replace(GRANT, path=path)
    url = signer.url("http://host", grant)
    assert urlsplit(url).path.count("/~/") >= 1
    assert signer.check("PUT", *_parts(url)) == grant


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("user", "other"),
        ("method", "GET"),
        ("expires", "9999999999"),
        ("task", "t2"),
        ("attempt", "4"),
        ("signature", "x"),
    ],
)
def test_what_is_changed_is_refused(name: str, value: str) -> None:
    signer = Signer(b"key", Clock())
    path, query = _parts(signer.url("http://host", GRANT))
    with pytest.raises(problems.Forbidden):
        signer.check("PUT", path, query | {name: value})
    with pytest.raises(problems.Forbidden):
        signer.check("PUT", path, {key: text for key, text in query.items() if key != name})


def test_another_path_method_key_or_time_is_refused() -> None:
    clock = Clock()
    signer = Signer(b"key", clock)
    path, query = _parts(signer.url("http://host", GRANT))
    with pytest.raises(problems.Forbidden, match="wrong"):
        signer.check("PUT", "task/input.zip", query)
    with pytest.raises(problems.Forbidden, match="for PUT, not for GET"):
        signer.check("GET", path, query)
    with pytest.raises(problems.Forbidden, match="wrong"):
        Signer(b"other", clock).check("PUT", path, query)
    clock.now += 61
    with pytest.raises(problems.Forbidden, match="expired"):
        signer.check("PUT", path, query)


def test_a_url_for_get_is_good_for_head() -> None:
    signer = Signer(b"key", Clock())
    grant = msgspec.structs.replace(GRANT, method="GET")
    assert signer.check("HEAD", *_parts(signer.url("http://host", grant))) == grant


def test_the_key_is_made_once_and_private(tmp_path: Path) -> None:
    key = secret_key(tmp_path / "secret")
    assert len(key) == 32
    assert secret_key(tmp_path / "secret") == key
    assert ((tmp_path / "secret").stat().st_mode & 0o777) == 0o600
