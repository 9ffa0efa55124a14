"""Stored files and the paths that name them."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from inductiva.server import problems
from inductiva.server.domain import paths
from inductiva.server.objects.local import ObjectStore


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return ObjectStore(tmp_path / "objects", tmp_path / "staging")


def test_a_file_has_its_name_only_when_it_is_whole(store: ObjectStore) -> None:
    target = store.locate("u", "a/b.txt")
    with store.incoming(target) as incoming:
        incoming.write(b"one")
        incoming.write(b"two")
        assert not target.exists()
        digest = incoming.commit()
    assert target.read_bytes() == b"onetwo"
    assert (digest.size, digest.sha256) == (6, hashlib.sha256(b"onetwo").hexdigest())
    assert list(store.staging.iterdir()) == []


def test_an_upload_that_breaks_off_leaves_nothing(store: ObjectStore) -> None:
    target = store.locate("u", "a.txt")
    with store.incoming(target) as incoming:
        incoming.write(b"half")
    assert not target.exists()
    assert list(store.staging.iterdir()) == []


def test_the_digest_is_of_what_is_stored_now(store: ObjectStore) -> None:
    path = store.locate("u", "a.txt")
    path.parent.mkdir(parents=True)
    for content in (b"old", b"new"):
        path.write_bytes(content)
        os.utime(path, ns=(0, len(content) + content[0]))
        assert store.digest(path).sha256 == hashlib.sha256(content).hexdigest()


def test_a_killed_servers_rests_are_removed_and_current_attempts_kept(store: ObjectStore) -> None:
    store.staged("current", 2).write_bytes(b"x")
    store.staged("current", 1).write_bytes(b"x")
    (store.staging / ".incoming-1").write_bytes(b"x")
    store.clean([("current", 2)])
    assert [path.name for path in store.staging.iterdir()] == ["current.2.zip"]


@pytest.mark.parametrize("path", ["../x", "a/../../x", "a//b", "a/./b", "..", "a\nb", "a\0b", "x" * 300, "a/" * 600])
def test_hostile_paths_are_refused(store: ObjectStore, path: str) -> None:
    with pytest.raises(problems.Invalid):
        store.locate("u", path)


@pytest.mark.parametrize(("given", "meant"), [("/a/b.zip", "a/b.zip"), ("a/", "a"), ("", ""), ("ü/x y", "ü/x y")])
def test_slashes_at_the_ends_do_not_count(store: ObjectStore, given: str, meant: str) -> None:
    assert paths.clean(given) == meant
    assert store.locate("u", given) == store.root / "u" / meant
