"""Bad input on the wire: each answer says what was wrong and what to do, with the right status, and nothing is lost."""

from __future__ import annotations

import io
import stat
import zipfile
from collections.abc import Callable

import pytest
from tests.system.harness import Answer, Platform, Rest, zip_of

from inductiva.protocol.status import TaskStatusCode as S


def refused(answer: Answer, code: int, *words: str) -> None:
    assert answer.status == code, (answer.status, answer.body)
    detail = answer.json["detail"]
    assert isinstance(detail, str)
    for word in words:
        assert word in detail, detail


def archive(*members: tuple[str | zipfile.ZipInfo, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as made:
        for name, data in members:
            made.writestr(name, data)
    return file.getvalue()


def link(name: str, target: str) -> tuple[zipfile.ZipInfo, bytes]:
    info = zipfile.ZipInfo(name)
    info.create_system = 3
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info, target.encode()


HOSTILE = {
    "empty": b"",
    "no zip": b"not a zip at all",
    "cut": zip_of({"a.txt": "a" * 1000})[:-30],
    "parent": archive(("sim_dir/../../evil", b"x")),
    "absolute": archive(("/etc/evil", b"x")),
    "drive": archive(("C:\\evil", b"x")),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_archives_are_refused_and_the_task_can_still_get_a_good_one(
    platform: Platform, group: str, kind: str
) -> None:
    task = platform.register(group, ["true"]).json["id"]
    assert platform.rest("PUT", platform.upload_url(task), HOSTILE[kind]).status == 200
    refused(platform.rest("POST", f"/tasks/{task}/input_uploaded"), 422)
    assert platform.status(task) == S.PENDING_INPUT
    assert platform.rest("PUT", platform.upload_url(task), zip_of({"a": "b"})).status == 200
    assert platform.rest("POST", f"/tasks/{task}/input_uploaded").status == 200
    platform.wait(task, S.SUCCESS)


def bomb() -> bytes:
    """Five megabytes that would become five gigabytes."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as made:
        for number in range(20):
            made.writestr(f"sim_dir/{number}.bin", bytes(256 << 20))
    return file.getvalue()


@pytest.mark.parametrize("kind", ["bomb", "link out", "absolute link"])
def test_what_only_unpacking_shows_ends_the_task_with_a_cause(platform: Platform, group: str, kind: str) -> None:
    makers: dict[str, Callable[[], bytes]] = {
        "bomb": bomb,
        "link out": lambda: archive(link("sim_dir/out", "../../../etc"), ("sim_dir/a", b"x")),
        "absolute link": lambda: archive(link("sim_dir/out", "/etc/passwd")),
    }
    data = makers[kind]()
    task = platform.register(group, ["true"]).json["id"]
    assert platform.rest("PUT", platform.upload_url(task), data).status == 200
    answer = platform.rest("POST", f"/tasks/{task}/input_uploaded")
    if answer.status == 422:
        return
    told = platform.wait(task, S.EXECUTER_FAILED)
    assert told["error_detail"]


def test_nothing_was_uploaded(platform: Platform, group: str) -> None:
    task = platform.register(group, ["true"]).json["id"]
    refused(platform.rest("POST", f"/tasks/{task}/input_uploaded"), 422, "upload")


def test_unknown_and_malformed_tasks(platform: Platform) -> None:
    refused(platform.rest("GET", f"/tasks/{'a' * 25}"), 404, "a" * 25)
    for bad in ("short", "A" * 25, "a" * 24 + "%0a", "..%2f..%2fetc%2fpasswd"):
        answer = platform.rest("GET", f"/tasks/{bad}")
        assert answer.status in (404, 422)
        assert answer.json["detail"]


@pytest.mark.parametrize("key", [None, "wrong", "with space", ""])
def test_wrong_keys_are_refused_everywhere(platform: Platform, key: str | None) -> None:
    stranger = Rest(platform.url, key)
    for method, path in (
        ("GET", "/tasks"),
        ("GET", "/compute/groups"),
        ("POST", "/tasks/submit"),
        ("GET", "/users/info"),
    ):
        refused(stranger(method, path), 401, "API key")


def test_an_unknown_machine_type_names_those_that_are_near(platform: Platform) -> None:
    answer = platform.rest("POST", "/compute/group", {"machine_type": "c2-standart-4", "provider_id": "GCP"})
    refused(answer, 422, "c2-standart-4", "c2-standard-4")


def test_an_unknown_group(platform: Platform) -> None:
    refused(platform.register("00000000-0000-0000-0000-000000000000", ["true"]), 404)
    refused(platform.rest("POST", "/compute/group/start?machine_group_id=nonsense"), 404)


@pytest.mark.parametrize("command", ["a | b", "echo $HOME", "echo 'open", "", "a" * 600])
def test_commands_that_no_shell_will_see_are_refused(platform: Platform, group: str, command: str) -> None:
    refused(platform.register(group, [command]), 422, "command")


@pytest.mark.parametrize("folder", ["../up", "/abs", "a/../../b"])
def test_folders_outside_the_input_are_refused(platform: Platform, group: str, folder: str) -> None:
    refused(platform.register(group, ["true"], extra_params={"run_subprocess_dir": folder}), 422, "run_subprocess_dir")


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"simulator": 3, "resource_pool": "x"}', b'"text"'])
def test_bodies_of_the_wrong_shape_are_422_or_400_with_the_place(platform: Platform, body: bytes) -> None:
    answer = platform.rest("POST", "/tasks/submit", body, Content_Type="application/json")
    assert answer.status in (400, 422)
    assert answer.json["detail"]


@pytest.mark.parametrize("metadata", [{"a": 1}, {"a": ""}, {"": "a"}, {"a": None}, [], {"a": {"b": "c"}}])
def test_metadata_that_is_not_text_is_refused_and_changes_nothing(
    platform: Platform, group: str, metadata: object
) -> None:
    task = platform.submit(group, ["true"])
    assert platform.rest("PUT", f"/tasks/{task}/metadata", {"keep": "me"}).status == 200
    assert platform.rest("PUT", f"/tasks/{task}/metadata", metadata).status in (400, 422)
    assert platform.rest.get(f"/tasks/{task}/metadata") == {"keep": "me"}
    platform.wait(task, S.SUCCESS)


def test_metadata_is_replaced_by_put_and_merged_by_patch(platform: Platform, group: str) -> None:
    task = platform.submit(group, ["true"])
    platform.rest("PUT", f"/tasks/{task}/metadata", {"a": "1", "b": "2"})
    platform.rest("PATCH", f"/tasks/{task}/metadata", {"b": "3", "c": "4"})
    assert platform.rest.get(f"/tasks/{task}/metadata") == {"a": "1", "b": "3", "c": "4"}
    platform.rest("PUT", f"/tasks/{task}/metadata", {"ключ": "значение"})
    assert platform.task(task)["task_metadata"] == {"ключ": "значение"}
    platform.wait(task, S.SUCCESS)


def test_signed_urls_cannot_be_forged_turned_or_pointed_elsewhere(platform: Platform, group: str) -> None:
    task = platform.submit(group, ["true"])
    url = platform.rest.get(f"/storage/signed-urls?operation=download&paths={task}/input.zip")[0]
    assert platform.rest("GET", url).status == 200
    assert platform.rest("GET", url[:-3] + "xyz").status == 403
    assert platform.rest("PUT", url, b"x").status in (403, 405)
    assert platform.rest("GET", url.replace("input.zip", "output.zip")).status == 403
    for path in ("../../server/api_key", "a/../../b", "/../x"):
        answer = platform.rest("GET", f"/storage/signed-urls?operation=download&paths={path}")
        assert answer.status in (404, 422)
    platform.wait(task, S.SUCCESS)


def test_a_simulator_that_is_not_there_says_how_to_get_it(platform: Platform, group: str) -> None:
    task = platform.submit(group, ["true"], container_image="docker://inductiva/kutu:nosuch_v1.0")
    told = platform.wait(task, S.EXECUTER_FAILED)
    assert "nosuch" in told["error_detail"]
    assert told["executer"]["error_detail"] == told["error_detail"]
    output = platform.output(task)
    assert {"stdout.txt", "stderr.txt"} <= set(output), "there is an archive however a task ends"


def test_a_program_that_is_not_there(platform: Platform, group: str) -> None:
    task = platform.submit(group, ["no-such-program --help"])
    told = platform.wait(task, S.FAILED)
    assert "no-such-program" in told["error_detail"]
