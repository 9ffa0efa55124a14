"""Outputs: whole, in part, over connections that break, into folders that hold something already."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import pytest
from tests.unit.sdk import samples
from tests.unit.sdk.samples import ID
from tests.unit.sdk.web import DROP, Reply, Request, Web, error, ok

import inductiva
from inductiva import archive
from inductiva.api import errors

FILES = {"stdout.txt": b"hello\n" * 5000, "vtk/frame 1.vtk": bytes(range(256)) * 40, "empty.dat": b""}
FOLDER = Path("inductiva_output") / ID / "outputs"


def packed(files: dict[str, bytes], prefix: str = "artifacts/") -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr(prefix, b"")
        for name, data in files.items():
            made.writestr(prefix + name, data)
    return file.getvalue()


DATA = packed(FILES)


def listing(data: bytes) -> dict[str, Any]:
    members = [member for member in archive.read_index(io.BytesIO(data)) if member.name != "artifacts/"]
    contents = [
        {
            "name": member.name.removeprefix("artifacts/"),
            "size": member.size,
            "compressed_size": member.compressed_size,
            "range_start": member.data_offset,
            "compress_type": member.method,
        }
        for member in members
    ]
    return {"size": sum(member.size for member in members), "contents": contents}


def store(data: bytes) -> Any:
    """A store that serves ranges."""

    def serve(request: Request) -> Reply:
        asked = request.headers.get("range")
        if asked is None:
            return Reply(data)
        first, _, last = asked.removeprefix("bytes=").partition("-")
        return Reply(data[int(first) : int(last) + 1 if last else None], 206)

    return serve


@pytest.fixture
def server(web: Web) -> Web:
    data = DATA
    web.on("GET", f"/tasks/{ID}", ok(samples.whole_task()))
    web.on("GET", "/storage/signed-urls", ok([f"{web.url}/get"]))
    web.on("GET", "/storage/zip-contents", ok(listing(data)))
    web.on("GET", "/get", store(data))
    return web


def found(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_everything(server: Web) -> None:
    assert inductiva.tasks.Task(ID).download_outputs() == FOLDER
    assert found(FOLDER) == FILES
    assert len(server.seen("GET", "/get")) == 1
    assert "x-api-key" not in server.seen("GET", "/get")[0].headers
    assert server.seen("GET", "/storage/signed-urls")[0].query["paths"] == [f"{ID}/output.zip"]


def test_what_is_there_stays_and_what_comes_again_is_replaced(server: Web, tmp_path: Path) -> None:
    (tmp_path / "out" / "vtk").mkdir(parents=True)
    (tmp_path / "out" / "vtk" / "mine.txt").write_bytes(b"mine")
    (tmp_path / "out" / "stdout.txt").write_bytes(b"old")
    inductiva.tasks.Task(ID).download_outputs(output_dir=tmp_path / "out")
    assert found(tmp_path / "out") == {**FILES, "vtk/mine.txt": b"mine"}


def test_the_archive_itself(server: Web, tmp_path: Path) -> None:
    task = inductiva.tasks.Task(ID)
    task.download_outputs(output_dir=tmp_path / "a", uncompress=False)
    task.download_outputs(output_dir=tmp_path / "b", rm_downloaded_zip_archive=False)
    assert found(tmp_path / "a") == {"output.zip": DATA}
    assert found(tmp_path / "b") == {**FILES, "output.zip": DATA}


def test_a_transfer_that_breaks_off_goes_on_where_it_was(server: Web) -> None:
    data = DATA
    server.on("GET", "/get", Reply(data[:100], declared=len(data), breaks_off=True), store(data))
    inductiva.tasks.Task(ID).download_outputs()
    assert found(FOLDER) == FILES
    assert server.seen("GET", "/get")[1].headers["range"] == "bytes=100-"


def test_a_part_whose_transfer_breaks_off_is_asked_for_again(server: Web) -> None:
    server.on("GET", "/get", DROP, store(DATA))
    inductiva.tasks.Task(ID).download_outputs(["vtk"])
    assert found(FOLDER) == {"vtk/frame 1.vtk": FILES["vtk/frame 1.vtk"]}


def test_a_damaged_archive_leaves_nothing_behind(server: Web) -> None:
    server.on("GET", "/get", Reply(DATA[:-30]))
    with pytest.raises(archive.ArchiveError):
        inductiva.tasks.Task(ID).download_outputs()
    assert not FOLDER.exists() or list(FOLDER.iterdir()) == []


@pytest.mark.parametrize("names", ["stdout.txt", ["stdout.txt"], ["./stdout.txt", "stdout.txt"]])
def test_one_file_is_one_ranged_request(server: Web, names: Any) -> None:
    assert inductiva.tasks.Task(ID).download_outputs(names) == FOLDER
    assert found(FOLDER) == {"stdout.txt": FILES["stdout.txt"]}
    requests = server.seen("GET", "/get")
    assert len(requests) == 1
    first, last = map(int, requests[0].headers["range"].removeprefix("bytes=").split("-"))
    assert last - first < 300


def test_folders_and_empty_files(server: Web) -> None:
    inductiva.tasks.Task(ID).download_outputs(["vtk/", "empty.dat"])
    assert found(FOLDER) == {name: FILES[name] for name in ("vtk/frame 1.vtk", "empty.dat")}


def test_unknown_names_are_told_with_those_that_are_near(server: Web, capsys: pytest.CaptureFixture[str]) -> None:
    inductiva.tasks.Task(ID).download_outputs(["frame 1.vtk", "stdot.txt", "zzz"])
    said = capsys.readouterr().err
    assert "did you mean 'vtk/frame 1.vtk'" in said
    assert "did you mean 'stdout.txt'" in said
    assert "'zzz'" in said
    assert found(FOLDER) == {}


def test_a_listing_that_points_outside_is_refused(server: Web) -> None:
    evil = listing(packed({"x": b"abc"}))
    evil["contents"][0]["name"] = "vtk/../../../evil"
    server.on("GET", "/storage/zip-contents", ok(evil))
    with pytest.raises(archive.ArchiveError, match="safely"):
        inductiva.tasks.Task(ID).download_outputs(["vtk"])


def test_a_member_of_another_size_is_refused(server: Web) -> None:
    wrong = listing(DATA)
    wrong["contents"][0]["size"] += 1
    server.on("GET", "/storage/zip-contents", ok(wrong))
    with pytest.raises(archive.ArchiveError, match="bytes instead of"):
        inductiva.tasks.Task(ID).download_outputs(["stdout.txt"])
    assert found(FOLDER) == {}


@pytest.mark.parametrize("reply", [ok([None]), error(404, "no such file"), ok([])])
def test_nothing_to_download(server: Web, reply: Reply, capsys: pytest.CaptureFixture[str]) -> None:
    server.on("GET", f"/tasks/{ID}", ok(samples.whole_task("submitted")))
    server.on("GET", "/storage/signed-urls", reply)
    task = inductiva.tasks.Task(ID)
    assert task.download_outputs() is None
    assert "task.wait()" in capsys.readouterr().err
    assert task.get_output_url() is None
    with pytest.raises(RuntimeError, match="no stored inputs"):
        task.get_input_url()


def test_a_url_of_what_is_not_there_yet(server: Web) -> None:
    server.on("GET", "/get", error(404, "no such object"))
    assert inductiva.tasks.Task(ID).download_outputs() is None
    assert not FOLDER.exists()


def test_inputs_come_without_their_folder(server: Web) -> None:
    server.on("GET", "/get", Reply(packed({"config.json": b"{}"}, "sim_dir/")))
    folder = inductiva.tasks.Task(ID).download_inputs()
    assert folder == Path("inductiva_output") / ID / "inputs"
    assert found(folder) == {"config.json": b"{}"}


def test_output_info(server: Web) -> None:
    info = inductiva.tasks.Task(ID).get_output_info()
    assert (info.n_files, info.total_size_bytes) == (3, sum(map(len, FILES.values())))
    assert "vtk/frame 1.vtk" in str(info)
    query = server.seen("GET", "/storage/zip-contents")[0].query
    assert (query["path"], query["zip_relative_path"]) == ([f"{ID}/output.zip"], ["artifacts/"])


def test_the_output_directory_can_be_set(server: Web, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from inductiva.utils import files

    monkeypatch.setattr(files, "_output_dir", files._output_dir)
    monkeypatch.setenv("INDUCTIVA_OUTPUT_DIR", "from-variable")
    assert inductiva.get_output_dir() == "from-variable"
    inductiva.set_output_dir(tmp_path / "set")
    assert inductiva.tasks.Task(ID).download_outputs() == tmp_path / "set" / ID / "outputs"
    inductiva.set_output_dir(None)
    assert inductiva.tasks.Task(ID).download_outputs(["empty.dat"]) == Path(ID) / "outputs"


def test_remote_files_can_be_removed(server: Web, capsys: pytest.CaptureFixture[str]) -> None:
    server.on("DELETE", "/storage/", ok({}), error(404, "nothing there"), error(500, "broken"))
    task = inductiva.tasks.Task(ID)
    assert [task.remove_remote_files() for _ in range(3)] == [True, False, False]
    assert server.seen("DELETE", "/storage/")[0].query["path"] == [f"{ID}/"]
    assert "broken" in capsys.readouterr().err


def test_a_server_that_ignores_ranges_is_noticed(server: Web) -> None:
    server.on("GET", "/get", Reply(DATA))
    with pytest.raises(errors.ApiException, match="instead of 206"):
        inductiva.tasks.Task(ID).download_outputs(["stdout.txt"])
