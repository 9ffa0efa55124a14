"""The REST surface: keys, errors, signed URLs, ranges."""

from __future__ import annotations

import concurrent.futures
import hashlib
import os
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.server.rig import INPUT, OUTPUT, insert_user, zipped
from tests.unit.server.web import Web
from urllib3.exceptions import ProtocolError

from inductiva.server import problems
from inductiva.server.routes.objects import byte_range

TASK = "a" * 25


def test_health_and_version_need_no_key(web: Web) -> None:
    assert web("GET", "/healthz", key="").json["status"] == "ok"
    assert web("GET", "/version-check?client_version=0.18.12", key="").json["is_valid"] is True
    assert web("GET", "/version-check?client_version=0.4.1", key="").status == 406
    assert web("GET", "/version-check?client_version=new", key="").status == 422


def test_the_catalogue_needs_no_key(web: Web) -> None:
    assert "splishsplash" in web("GET", "/simulators/available-images", key="").json["production"]
    rows = web("GET", "/pricing/machine-types?provider_id=GCP&vcpus_range=4&vcpus_range=4", key="").json
    assert {row["num_vcpus"] for row in rows} == {4}
    assert {row["spot"] for row in rows} == {True, False}
    assert web("GET", "/pricing/machine-types?provider_id=GCP&vcpus_range=4", key="").status == 422


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/users/info"),
        ("GET", "/users/quotas"),
        ("GET", "/compute/groups"),
        ("GET", "/tasks"),
        ("GET", f"/tasks/{TASK}"),
        ("GET", f"/tasks/{TASK}/watch"),
        ("GET", f"/tasks/{TASK}/live/ls"),
        ("POST", f"/tasks/{TASK}/kill"),
        ("GET", "/storage/signed-urls?operation=download&paths=x"),
        ("GET", "/storage/zip-contents?path=x"),
        ("POST", "/tasks/submit"),
    ],
)
def test_everything_else_needs_a_key(web: Web, method: str, path: str) -> None:
    for key in ("", "wrong"):
        answer = web(method, path, {} if method == "POST" else None, key=key)
        assert answer.status == 401, answer.data
        assert "INDUCTIVA_API_KEY" in answer.json["detail"]


def test_the_account_has_what_clients_need(web: Web) -> None:
    assert web("GET", "/users/info").json["username"] == "you"
    assert {"max_price_hour", "max_vcpus", "max_instances"} <= set(web("GET", "/users/quotas").json)
    costs = web("GET", "/users/costs?start_year=2026&start_month=11&end_year=2027&end_month=1").json
    assert [row["month"] for row in costs["costs"]] == ["2026-11", "2026-12", "2027-01"]
    assert len(web("GET", "/users/costs").json["costs"]) == 1
    assert web("GET", "/users/fees").json["costs_fee_percentage"]["amount"] == 0


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/nothing", None, 404),
        ("GET", "/tasks/short", None, 404),
        ("GET", f"/tasks/{TASK}", None, 404),
        ("GET", f"/tasks/{TASK}/status", None, 404),
        ("POST", f"/tasks/{TASK}/kill", None, 404),
        ("POST", "/tasks/submit", {"simulator": 3}, 422),
        ("POST", "/tasks/submit", b"{", 422),
        ("GET", "/tasks?page=0", None, 422),
        ("GET", "/tasks?per_page=501", None, 422),
        ("GET", "/tasks?status=finished", None, 422),
        ("GET", "/tasks?sort=colour:asc", None, 422),
        ("DELETE", "/tasks", None, 405),
        ("POST", "/compute/group", {"machine_type": "c2-standard-5"}, 422),
        ("POST", "/compute/group/start?machine_group_id=nothing", None, 404),
        ("DELETE", "/compute/group?machine_group_id=nothing", None, 404),
        ("GET", "/compute/group/nothing", None, 404),
        ("GET", "/compute/price?machine_type=nothing", None, 422),
        ("GET", "/storage/signed-urls?operation=download&paths=nothing", None, 404),
        ("GET", "/storage/signed-urls?operation=upload&paths=../x", None, 422),
        ("GET", "/storage/zip-contents?path=nothing.zip", None, 404),
        ("POST", f"/tasks/{TASK}/register", {}, 404),
    ],
)
def test_errors_are_json_with_a_detail(web: Web, method: str, path: str, body: Any, status: int) -> None:
    answer = web(method, path, body)
    assert answer.status == status, answer.data
    assert answer.headers["content-type"].startswith("application/json")
    assert len(answer.json["detail"]) > 10


def test_prices_are_list_prices(web: Web) -> None:
    price = web("GET", "/compute/price?machine_type=c2-standard-4").json
    assert price["on_demand_price"] > price["preemptible_price"] > 0


def test_groups_are_registered_listed_and_ended(web: Web) -> None:
    answer = web("POST", "/compute/group", {"machine_type": "c2-standard-4", "name": "mine", "max_idle_time": 180})
    assert answer.status == 201
    group = answer.json
    assert (group["status"], group["started"], group["max_idle_time"]) == ("registered", False, 180.0)
    assert web("GET", "/compute/group/mine").json["id"] == group["id"]
    assert [row["id"] for row in web("GET", "/compute/groups").json] == [group["id"]]
    ended = web("DELETE", f"/compute/group?machine_group_id={group['id']}")
    assert (ended.status, ended.json["status"]) == (202, "terminated")
    assert web("DELETE", f"/compute/group?machine_group_id={group['id']}").status == 202
    assert web("POST", f"/compute/group/start?machine_group_id={group['id']}").status == 409
    assert web("GET", "/compute/groups").json == []


def test_sending_a_submit_again_answers_the_same(web: Web) -> None:
    body = {"simulator": "arbitrary_commands", "resource_pool": web.group()}
    first = web("POST", "/tasks/submit", body, Idempotency_Key="k")
    again = web("POST", "/tasks/submit", body, Idempotency_Key="k")
    assert (first.status, again.status, first.json) == (202, 202, again.json)
    other = web("POST", "/tasks/submit", body | {"project": "p"}, Idempotency_Key="k")
    assert other.status == 409


def test_tasks_of_others_do_not_exist(web: Web) -> None:
    from sqlalchemy import insert

    from inductiva.server.db.schema import api_keys
    from inductiva.server.services.accounts import hash_key

    def give_key(tx: Any, name: str) -> None:
        user_id = insert_user(tx, name)
        tx.conn.execute(insert(api_keys).values(hash=hash_key(name), user_id=user_id, scopes=[], created_at=0.0))

    web.context.db.run(give_key, "bob")
    group = web.group()
    task_id = web.queued(group)
    for path in (
        f"/tasks/{task_id}",
        f"/tasks/{task_id}/status",
        f"/tasks/{task_id}/watch",
        f"/tasks/{task_id}/metadata",
    ):
        assert web("GET", path, key="bob").status == 404
    assert web("POST", f"/tasks/{task_id}/kill", key="bob").status == 404
    assert web("GET", f"/storage/signed-urls?operation=download&paths={task_id}/input.zip", key="bob").status == 404
    assert web("GET", "/tasks", key="bob").json == {"total_size": 0, "tasks": []}
    assert web("GET", "/compute/groups", key="bob").json == []
    assert web("DELETE", f"/compute/group?machine_group_id={group}", key="bob").status == 404


def test_lists_are_newest_first_filtered_and_paged(web: Web) -> None:
    group = web.group()
    ids = [web.submit(group, project=project) for project in ("p", "q", "p", "r")]
    web("POST", f"/tasks/{ids[0]}/kill")

    def listed(query: str) -> list[str]:
        return [task["task_id"] for task in web("GET", f"/tasks?{query}").json["tasks"]]

    assert listed("") == ids[::-1]
    assert listed("page=2&per_page=3") == ids[:1]
    assert listed("page=3&per_page=3") == []
    assert listed("project=p&project=q") == [ids[2], ids[1], ids[0]]
    assert listed("status=killed") == [ids[0]]
    assert listed("active=false") == [ids[0]]
    assert listed("active=true") == ids[:0:-1]
    assert listed(f"task_id_filter={ids[1][:9]}") == [ids[1]]
    assert listed("sort=create_time:asc") == ids
    assert listed("project=unknown") == []
    assert listed("active=true&project=p&project=r") == [ids[3], ids[2]]
    assert listed("status=killed&status=pending-input&per_page=2&page=2") == [ids[1], ids[0]]
    totals = {
        "": 4,
        "per_page=1": 4,
        "status=killed": 1,
        "active=true": 3,
        "project=p": 2,
        "project=p&status=killed": 1,
    }
    totals |= {"project=unknown": 0, "status=killed&active=true": 0, f"task_id_filter={ids[1]}": 1}
    for query, total in totals.items():
        assert web("GET", f"/tasks?{query}").json["total_size"] == total
    assert web("GET", "/tasks").json["tasks"][0]["metrics"] is not None


def test_metadata_is_replaced_changed_and_read(web: Web) -> None:
    task_id = web.submit(web.group())
    path = f"/tasks/{task_id}/metadata"
    assert web("PUT", path, {"a": "1", "b": "2"}).json == {"a": "1", "b": "2"}
    assert web("PATCH", path, {"b": None, "c": "3"}).json == {"a": "1", "c": "3"}
    assert web("GET", path).json == {"a": "1", "c": "3"}
    assert web("GET", f"/tasks/{task_id}").json["task_metadata"] == {"a": "1", "c": "3"}
    assert web("PUT", path, {"a": 1}).status == 422
    assert web("PUT", path, {"a": ""}).status == 422
    assert web("PUT", path, {}).json == {}


def test_a_killed_task_stays_killed(web: Web) -> None:
    task_id = web.queued(web.group())
    assert web("POST", f"/tasks/{task_id}/kill").json["status"] == "killed"
    again = web("POST", f"/tasks/{task_id}/kill")
    assert (again.status, again.json["status"]) == (200, "killed")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "cannot be used"),
        (b"not a zip", "cannot be used"),
        (INPUT[:-30], "cannot be used"),
        (zipped({"../../evil": b"x"}, "sim_dir/"), "cannot be used"),
    ],
)
def test_a_bad_input_is_refused_and_may_be_sent_again(web: Web, data: bytes, said: str) -> None:
    task_id = web.submit(web.group())
    answer = web.upload(task_id, data)
    assert answer.status == 422
    assert said in answer.json["detail"]
    assert web.status(task_id) == "pending-input"
    assert web.upload(task_id).status == 200
    assert web.status(task_id) == "submitted"


def test_input_that_never_came_is_said(web: Web) -> None:
    task_id = web.submit(web.group())
    answer = web("POST", f"/tasks/{task_id}/input_uploaded")
    assert answer.status == 422
    assert "no input was uploaded" in answer.json["detail"]


def test_input_uploaded_can_be_repeated_and_the_input_cannot_be_replaced(web: Web) -> None:
    task_id = web.submit(web.group())
    upload = f"/storage/signed-urls?operation=upload&paths={task_id}/input.zip"
    kept = web("GET", upload).json[0]
    web.upload(task_id)
    assert web("POST", f"/tasks/{task_id}/input_uploaded").json["status"] == "submitted"
    assert web("GET", upload).status == 409
    assert web("PUT", kept, OUTPUT).status == 409
    assert web("GET", upload.replace("input.zip", "output.zip")).status == 409


@pytest.mark.parametrize("prefix", ["", "a folder/ü"])
def test_submit_says_where_the_input_goes(web: Web, prefix: str) -> None:
    body = {"simulator": "arbitrary_commands", "resource_pool": web.group(), "storage_path_prefix": prefix}
    first = web("POST", "/tasks/submit", body, Idempotency_Key="a key").json
    again = web("POST", "/tasks/submit", body, Idempotency_Key="a key").json
    assert first["id"] == again["id"]
    assert web("PUT", again["input_upload_url"], INPUT).status == 200
    assert web("POST", f"/tasks/{first['id']}/input_uploaded").json["status"] == "submitted"
    assert web("PUT", first["input_upload_url"], OUTPUT).status == 409


# Signed URLs


def _store(web: Web, path: str, data: bytes) -> None:
    url = web("GET", f"/storage/signed-urls?operation=upload&paths={path}").json[0]
    assert web.pool.request("PUT", url, body=iter([data[:7], data[7:]])).status == 200


def test_what_was_uploaded_is_downloaded_whole_and_in_parts(web: Web) -> None:
    data = os.urandom(3_000_000)
    _store(web, "my dir/ü.bin", data)
    [url] = web("GET", "/storage/signed-urls?operation=download&paths=my%20dir/%C3%BC.bin").json
    whole = web.pool.request("GET", url)
    assert hashlib.sha256(whole.data).digest() == hashlib.sha256(data).digest()
    assert "content-encoding" not in whole.headers
    head = web.pool.request("HEAD", url)
    assert (head.status, head.headers["content-length"], head.data) == (200, str(len(data)), b"")
    for text, part in (("0-0", data[:1]), ("5-99", data[5:100]), ("2999990-", data[-10:]), ("-22", data[-22:])):
        answer = web.pool.request("GET", url, headers={"Range": f"bytes={text}", "Accept-Encoding": "gzip, deflate"})
        assert (answer.status, answer.data) == (206, part)
        assert answer.headers["content-range"].endswith(f"/{len(data)}")
    assert web.pool.request("GET", url, headers={"Range": "bytes=3000000-"}).status == 416


def test_a_directory_stands_for_its_files(web: Web) -> None:
    for name in ("b.txt", "sub/a.txt"):
        _store(web, f"dir/{name}", b"some text")
    urls = web("GET", "/storage/signed-urls?operation=download&paths=dir").json
    assert [url.partition("?")[0].removeprefix(web.url) for url in urls] == ["/~/dir/b.txt", "/~/dir/sub/a.txt"]
    assert web("GET", "/storage/signed-urls?operation=upload").json == []


def test_signatures_are_checked(web: Web) -> None:
    _store(web, "a.txt", b"some text")
    [url] = web("GET", "/storage/signed-urls?operation=download&paths=a.txt").json
    for bad in (url.replace("a.txt", "b.txt"), url.partition("?")[0], url.replace("expires=", "expires=9")):
        answer = web("GET", bad)
        assert answer.status == 403
        assert "signed" in answer.json["detail"] or "signature" in answer.json["detail"]
    assert web("PUT", url, b"x").status == 403
    assert web("POST", url, b"x").status == 405
    (web.context.store.root / web.account_id() / "a.txt").unlink()
    assert web("GET", url).status == 404


def test_an_upload_is_whole_or_not_there(web: Web) -> None:
    [url] = web("GET", "/storage/signed-urls?operation=upload&paths=a.txt").json

    def broken() -> Any:
        yield b"half"
        raise ConnectionError

    with pytest.raises(ProtocolError):
        web.pool.request("PUT", url, body=broken())
    assert web("GET", "/storage/signed-urls?operation=download&paths=a.txt").status == 404


def test_uploads_at_the_same_time_do_not_mix(web: Web) -> None:
    [url] = web("GET", "/storage/signed-urls?operation=upload&paths=a.bin").json
    contents = [bytes([number]) * 500_000 for number in range(6)]
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda data: web.pool.request("PUT", url, body=data), contents))
    [found] = web("GET", "/storage/signed-urls?operation=download&paths=a.bin").json
    assert web.pool.request("GET", found).data in contents


@given(st.integers(1, 50), st.integers(0, 60), st.integers(0, 60))
def test_ranges_are_inclusive_and_clipped(size: int, first: int, last: int) -> None:
    data = bytes(range(size))
    if first >= size or last < first:
        with pytest.raises(problems.BadRange):
            byte_range(f"bytes={first}-{last}", size)
    else:
        start, end = byte_range(f"bytes={first}-{last}", size) or (0, 0)
        assert data[start:end] == data[first : last + 1]


@pytest.mark.parametrize("header", [None, "", "bytes=-", "bytes=1-2,4-5", "lines=1-2"])
def test_what_is_no_single_range_means_the_whole(header: str | None) -> None:
    assert byte_range(header, 10) is None


# Archives


def test_members_of_archives_are_listed_and_located(web: Web) -> None:
    _store(web, "t/output.zip", zipped({"stdout.txt": b"hello\n", "vtk/frame.vtk": b"points"}, "artifacts/"))
    path = "/storage/zip-contents?path=/t/output.zip"
    top = web("GET", f"{path}&zip_relative_path=artifacts/&recursive=false").json
    assert [(row["name"], row["size"]) for row in top["contents"]] == [("stdout.txt", 6), ("vtk/", 0)]
    assert top["size"] == 12
    every = web("GET", f"{path}&zip_relative_path=artifacts&recursive=true").json["contents"]
    assert {row["name"] for row in every} >= {"stdout.txt", "vtk/frame.vtk"}
    glued = "/storage/zip-file-range?path=t/output.zip&filename=frame.vtk&zip_relative_path=artifactsvtk"
    where = web("GET", glued).json
    [url] = web("GET", "/storage/signed-urls?operation=download&paths=t/output.zip").json
    raw = web.pool.request("GET", url, headers={"Range": f"bytes={where['range_start']}-{where['range_end']}"}).data
    if where["compress_type"]:
        import zlib

        raw = zlib.decompress(raw, -15)
    assert raw == b"points"
    assert web("GET", glued.replace("frame", "other")).status == 404


def test_the_openapi_document_names_every_route(web: Web) -> None:
    document = web("GET", "/openapi.json", key="").json
    assert document["openapi"].startswith("3.1")
    assert {"/tasks/submit", "/tasks/{task_id}/watch", "/compute/group"} <= set(document["paths"])
