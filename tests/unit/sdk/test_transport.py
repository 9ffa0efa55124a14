"""What is sent again, what is not, and what the user reads when nothing helps."""

from __future__ import annotations

import socket
import threading

import pytest
from tests.unit.sdk.web import DROP, Reply, Web, error, ok

import inductiva
from inductiva.api import compute, errors, session, tasks, transport, users
from inductiva.protocol.compute import RegisterGroupRequest
from inductiva.protocol.tasks import TaskRequest

STATUS = {"id": "a" * 25, "status": "submitted", "is_terminated": False}


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "RETRY_PAUSES", (0.0, 0.0, 0.0))


def test_headers_of_a_call(web: Web) -> None:
    web.on("GET", "/users/quotas", ok({}))
    users.quotas()
    headers = web.requests[0].headers
    assert headers["x-api-key"] == "key-1"
    assert headers["user-agent"] == f"Client/{inductiva.__version__}/python"


def test_calls_share_a_connection(web: Web) -> None:
    web.on("GET", "/users/quotas", ok({}))
    for _ in range(3):
        users.quotas()
    assert len({request.connection for request in web.requests}) == 1


def test_a_read_whose_connection_drops_is_sent_again(web: Web) -> None:
    web.on("GET", "/users/quotas", DROP, DROP, ok({}))
    assert users.quotas() == {}
    assert len(web.requests) == 3


@pytest.mark.parametrize("status", [502, 503, 504])
def test_a_proxy_that_waits_for_its_server_is_asked_again(web: Web, status: int) -> None:
    web.on("GET", "/users/quotas", error(status, "later"), ok({}))
    assert users.quotas() == {}


def test_a_failing_server_is_not_asked_again(web: Web) -> None:
    web.on("GET", "/users/quotas", error(500, "broken"), ok({}))
    with pytest.raises(errors.ServiceException, match="broken"):
        users.quotas()
    assert len(web.requests) == 1


def test_a_submit_whose_answer_was_lost_is_sent_again_with_its_key(web: Web) -> None:
    web.on("POST", "/tasks/submit", DROP, ok({**STATUS, "status": "pending-input"}, 202))
    tasks.submit(TaskRequest("arbitrary_commands", "group"), "one-key")
    first, second = web.requests
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"] == "one-key"
    assert first.body == second.body


def test_what_may_not_happen_twice_is_not_sent_twice(web: Web) -> None:
    web.on("POST", "/compute/group", DROP)
    with pytest.raises(errors.ServerUnreachable):
        compute.register(RegisterGroupRequest(machine_type="c2-standard-4"))
    assert len(web.requests) == 1


def test_a_server_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    monkeypatch.setenv("INDUCTIVA_API_URL", url)
    with pytest.raises(errors.ServerUnreachable, match="INDUCTIVA_API_URL") as caught:
        users.quotas()
    assert url in str(caught.value)
    assert "nothing listens there" in str(caught.value)
    assert (caught.value.maybe_sent, caught.value.timed_out) == (False, False)


def test_a_silent_server_is_not_waited_for_twice() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/x"
        with pytest.raises(errors.ServerUnreachable, match="in time") as caught:
            transport.send(transport.Call("GET", url, {}, read_seconds=0.05))
        silent.accept()[0].close()
        silent.setblocking(False)
        with pytest.raises(BlockingIOError):
            silent.accept()
    assert (caught.value.maybe_sent, caught.value.timed_out) == (True, True)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, errors.BadRequestException),
        (401, errors.UnauthorizedException),
        (403, errors.ForbiddenException),
        (404, errors.NotFoundException),
        (409, errors.ConflictException),
        (418, errors.ApiException),
        (422, errors.UnprocessableEntityException),
        (500, errors.ServiceException),
    ],
)
def test_refusals_are_exceptions_by_status(web: Web, status: int, kind: type[errors.ApiException]) -> None:
    web.on("GET", "/users/quotas", error(status, "no, because"))
    with pytest.raises(errors.ApiException, match="no, because") as caught:
        users.quotas()
    assert type(caught.value) is kind
    assert caught.value.status == status
    assert caught.value.data == {"detail": "no, because"}
    assert '"detail"' in (caught.value.body or "")


def test_validation_errors_become_a_sentence(web: Web) -> None:
    reply = ok({"detail": [{"loc": ["body", "num_vms"], "msg": "must be positive"}]}, 422)
    web.on("GET", "/users/quotas", reply)
    with pytest.raises(errors.UnprocessableEntityException, match=r"body\.num_vms: must be positive"):
        users.quotas()


def test_an_error_page_of_something_else_names_the_call(web: Web) -> None:
    web.on("GET", "/users/quotas", Reply(b"<html>nginx</html>", 404))
    with pytest.raises(errors.NotFoundException, match=r"GET http.*/users/quotas was answered 404"):
        users.quotas()


def test_an_answer_that_is_something_else_says_so(web: Web) -> None:
    web.on("GET", "/users/quotas", Reply(b"<html>welcome</html>"))
    with pytest.raises(errors.ApiException, match="something unexpected"):
        users.quotas()


def test_a_redirect_says_where_to(web: Web) -> None:
    web.on("GET", "/users/quotas", Reply(b"", 308, {"Location": "https://elsewhere/users/quotas"}))
    with pytest.raises(errors.ApiException, match="https://elsewhere"):
        users.quotas()


def test_assigning_the_url_works_after_the_import(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INDUCTIVA_API_URL", "http://127.0.0.1:9")
    monkeypatch.setattr(inductiva, "api_url", f"{web.url}/", raising=False)
    web.on("GET", "/users/quotas", ok({}))
    assert users.quotas() == {}


def test_many_threads_at_once(web: Web) -> None:
    web.on("GET", "/users/quotas", ok({}))
    failures: list[Exception] = []

    def ask() -> None:
        try:
            for _ in range(5):
                users.quotas()
        except errors.ApiException as problem:
            failures.append(problem)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(web.requests) == 40


def test_queries() -> None:
    query = {"a": None, "b": True, "c": ["x", "y/z"], "d": 1, "e": "ü&"}
    assert transport.encode_query(query) == "?b=true&c=x&c=y/z&d=1&e=%C3%BC%26"
    assert transport.encode_query({}) == ""


def test_path_segments_cannot_become_paths() -> None:
    assert session.segment("../users/info") == "..%2Fusers%2Finfo"
