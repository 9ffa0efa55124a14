"""Log bytes reach the server once and in order, whatever happens to chunks, acknowledgements and files."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inductiva.protocol.runner import MAX_LOG_CHUNK_BYTES, LogChunk
from inductiva.protocol.watch import LogStream
from inductiva.runner.logs import RESEND_SECONDS, WINDOW_BYTES, StreamShipper


class Store:
    """The server's side: takes a chunk that fits, answers with its size."""

    def __init__(self) -> None:
        self.data = b""
        self.waiting: list[LogChunk] = []
        self.is_online = True

    def send(self, chunk: LogChunk) -> bool:
        if self.is_online:
            assert len(chunk.data) <= MAX_LOG_CHUNK_BYTES
            self.waiting.append(chunk)
        return self.is_online

    def take(self) -> int:
        chunk = self.waiting.pop(0)
        if chunk.offset <= len(self.data):
            self.data += chunk.data[len(self.data) - chunk.offset :]
        return len(self.data)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "stdout.txt"


def shipper(path: Path) -> StreamShipper:
    return StreamShipper("t", 1, LogStream.STDOUT, path)


def settle(ships: StreamShipper, store: Store, now: float = 0.0) -> None:
    while not ships.is_drained or store.waiting:
        ships.ship(store.send, now)
        while store.waiting:
            ships.on_ack(store.take(), now)
        now += 1.0


def append(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


def test_nothing_is_sent_before_there_is_a_file(path: Path) -> None:
    store = Store()
    ships = shipper(path)
    ships.ship(store.send, 0.0)
    assert ships.is_drained
    assert not store.waiting


def test_memory_is_bounded_by_the_window(path: Path) -> None:
    store = Store()
    ships = shipper(path)
    append(path, bytes(3 * WINDOW_BYTES))
    ships.ship(store.send, 0.0)
    assert sum(len(chunk.data) for chunk in store.waiting) == WINDOW_BYTES
    settle(ships, store)
    assert len(store.data) == 3 * WINDOW_BYTES


def test_lost_chunks_are_sent_again_after_a_while(path: Path) -> None:
    store = Store()
    ships = shipper(path)
    append(path, b"abc")
    ships.ship(store.send, 0.0)
    store.waiting.clear()
    ships.ship(store.send, RESEND_SECONDS / 2)
    assert not store.waiting
    ships.ship(store.send, RESEND_SECONDS * 1.1)
    assert [chunk.data for chunk in store.waiting] == [b"abc"]


def test_a_gap_is_closed_when_the_server_says_so(path: Path) -> None:
    store = Store()
    ships = shipper(path)
    append(path, b"abc")
    ships.ship(store.send, 0.0)
    append(path, b"def")
    ships.ship(store.send, 0.0)
    del store.waiting[0]
    ships.on_ack(store.take(), 0.0)
    settle(ships, store)
    assert store.data == b"abcdef"


def test_a_file_that_is_cut_or_replaced_counts_as_appended(path: Path) -> None:
    store = Store()
    ships = shipper(path)
    append(path, b"first")
    settle(ships, store)
    path.write_bytes(b"2nd")
    settle(ships, store)
    path.unlink()
    path.write_bytes(b"third, longer")
    settle(ships, store)
    assert store.data == b"first2ndthird, longer"


def test_the_rest_of_a_file_goes_before_its_successor(path: Path) -> None:
    store = Store()
    ships = shipper(path)
    append(path, b"fir")
    settle(ships, store)
    append(path, b"st")
    path.rename(path.with_name("moved"))
    path.write_bytes(b"second")
    settle(ships, store)
    ships.ship(store.send, 0.0)
    settle(ships, store)
    assert store.data == b"firstsecond"


def test_a_link_in_its_place_is_not_read(path: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret")
    path.symlink_to(secret)
    store = Store()
    ships = shipper(path)
    ships.ship(store.send, 0.0)
    assert ships.is_drained
    assert not store.waiting


actions = st.lists(
    st.one_of(
        st.binary(min_size=1, max_size=50).map(lambda data: ("append", data)),
        st.sampled_from(["ship", "take", "lose", "duplicate", "disconnect", "restart", "wait"]).map(
            lambda name: (name, b"")
        ),
    ),
    max_size=60,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(actions)
def test_whatever_happens_the_server_gets_the_file(tmp_path: Path, actions: list[tuple[str, bytes]]) -> None:
    path = tmp_path / "log"
    path.unlink(missing_ok=True)
    path.touch()
    store, ships, now = Store(), shipper(path), 0.0
    for name, data in actions:
        match name:
            case "append":
                append(path, data)
            case "ship":
                ships.ship(store.send, now)
            case "take" if store.waiting:
                ships.on_ack(store.take(), now)
            case "lose" if store.waiting:
                store.waiting.pop()
            case "duplicate" if store.waiting:
                store.waiting.append(store.waiting[0])
            case "disconnect":
                store.waiting.clear()
                ships.resume(len(store.data))
            case "restart":
                store.waiting.clear()
                ships = shipper(path)
                ships.resume(len(store.data))
            case "wait":
                now += RESEND_SECONDS * 1.5
        assert path.read_bytes().startswith(store.data)
    settle(ships, store, now)
    assert store.data == path.read_bytes()
