"""Fetching examples, durations, truth, files; and that importing does nothing."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import zipfile
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.error import URLError

import pytest
from tests.unit.sdk.web import Reply, Web, error

import inductiva
from inductiva.archive import ArchiveError
from inductiva.commands import Command, MPIConfig
from inductiva.utils import files
from inductiva.utils.durations import to_seconds

URL = "https://storage.googleapis.com/demo-files/example%20case.zip"


def zipped(*names: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as made:
        for name in names:
            made.writestr(name, b"" if name.endswith("/") else name)
    return file.getvalue()


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "mirror"
    folder.mkdir()
    monkeypatch.setenv("INDUCTIVA_DOWNLOAD_MIRROR", str(folder))
    return folder


def tree(folder: str) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in Path(folder).rglob("*") if path.is_file())


class TestDownloads:
    @pytest.mark.parametrize(
        ("names", "expected"),
        [
            (["config.json", "a/b"], ["a/b", "config.json"]),
            (["example case/config.json"], ["config.json"]),
            (["example case/", "example case/x/y", "__MACOSX/._x"], ["x/y"]),
            (["other/config.json"], ["other/config.json"]),
            (["example case/a", "beside"], ["beside", "example case/a"]),
        ],
    )
    def test_unpacked_once(self, mirror: Path, names: list[str], expected: list[str]) -> None:
        (mirror / "example case.zip").write_bytes(zipped(*names))
        for _ in range(2):
            folder = inductiva.utils.download_from_url(URL, unzip=True)
            assert folder == str(Path.cwd() / "example case")
            assert tree(folder) == expected
        assert os.listdir() == ["example case"]  # noqa: PTH208

    def test_to_a_place_of_ones_own(self, mirror: Path, tmp_path: Path) -> None:
        (mirror / "example case.zip").write_bytes(zipped("example case/a"))
        folder = inductiva.utils.files.download_from_url(URL, unzip=True, path=tmp_path / "x" / "y")
        assert (folder, tree(folder)) == (str(tmp_path / "x" / "y"), ["a"])

    def test_as_it_is(self, mirror: Path) -> None:
        (mirror / "example case.zip").write_bytes(b"any")
        path = inductiva.utils.download_from_url(URL)
        assert (path, Path(path).read_bytes()) == (str(Path.cwd() / "example case.zip"), b"any")

    def test_what_the_mirror_does_not_have(self, mirror: Path) -> None:
        with pytest.raises(URLError, match="INDUCTIVA_DOWNLOAD_MIRROR"):
            inductiva.utils.download_from_url(URL, unzip=True)
        assert os.listdir() == []  # noqa: PTH208

    def test_from_the_web(self, web: Web) -> None:
        web.on("GET", "/x/case.zip", Reply(zipped("case/a")))
        folder = inductiva.utils.download_from_url(f"{web.url}/x/case.zip?token=1", unzip=True)
        assert tree(folder) == ["a"]
        assert "x-api-key" not in web.requests[0].headers

    def test_a_mirror_on_the_web(self, web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("INDUCTIVA_DOWNLOAD_MIRROR", f"{web.url}/mirror/")
        web.on("GET", "/mirror/case.txt", Reply(b"text"))
        assert Path(inductiva.utils.download_from_url("https://example.invalid/a/case.txt")).read_bytes() == b"text"

    def test_a_file_that_is_not_there(self, web: Web) -> None:
        web.on("GET", "/case.zip", error(404, "no"))
        with pytest.raises(URLError, match=r"cannot download .*/case\.zip: 404"):
            inductiva.utils.download_from_url(f"{web.url}/case.zip")
        assert os.listdir() == []  # noqa: PTH208

    @pytest.mark.parametrize("content", [b"", b"no zip", zipped("../evil"), zipped("/evil")])
    def test_hostile_archives(self, mirror: Path, content: bytes, tmp_path: Path) -> None:
        (mirror / "example case.zip").write_bytes(content)
        with pytest.raises(ArchiveError):
            inductiva.utils.download_from_url(URL, unzip=True)
        assert not any("evil" in path.name for path in tmp_path.rglob("*"))

    @pytest.mark.parametrize("url", ["https://example.invalid/", "file:///etc/passwd", "nonsense/x"])
    def test_what_is_no_address(self, url: str) -> None:
        with pytest.raises(ValueError, match=r"URL|file"):
            inductiva.utils.download_from_url(url)


@pytest.mark.parametrize(
    ("given", "seconds"),
    [
        (90, 90), (1.5, 1.5), ("90", 90), ("90s", 90), ("10m", 600), ("1h30m", 5400), ("1h 30m", 5400),
        ("2 hours, 5 minutes", 7500), ("1.5h", 5400), ("1d", 86400), ("1:30:00", 5400), ("02:30", 150),
        (timedelta(minutes=2), 120),
    ],
)  # fmt: skip
def test_durations(given: Any, seconds: float) -> None:
    assert to_seconds(given) == seconds


@pytest.mark.parametrize("given", ["", "soon", "10x", "m10", "1h30", 0, -1, "0s", float("nan"), float("inf"), True])
def test_what_is_no_duration(given: Any) -> None:
    with pytest.raises(ValueError, match="duration"):
        to_seconds(given)


def test_truth() -> None:
    assert [inductiva.utils.strtobool(word) for word in ("yes", " On ", "0", "F")] == [True, True, False, False]
    with pytest.raises(ValueError, match="maybe"):
        inductiva.utils.strtobool("maybe")
    assert inductiva.utils.is_valid_token("a.B-9_")
    assert not inductiva.utils.is_valid_token("a b")


def test_local_files(tmp_path: Path) -> None:
    (tmp_path / "b.vtk").write_bytes(b"12")
    (tmp_path / "a.vtk").write_bytes(b"3")
    assert files.get_path_size(tmp_path) == 3
    assert [Path(name).name for name in files.get_sorted_files(tmp_path, "vtk")] == ["a.vtk", "b.vtk"]
    assert files.get_timestamped_path("out.zip").name.startswith("out-2")


class TestCommands:
    def test_wire_form(self) -> None:
        command = Command("ask me", "yes", mpi_config=MPIConfig("4.1.6", use_hwthread_cpus=True), env={"A": "1"})
        assert Command.commands_to_dicts([command, "ls *"]) == [
            {
                "cmd": "ask me",
                "prompts": ["yes"],
                "mpi_config": {"version": "4.1.6", "options": {"use-hwthread-cpus": True}},
                "env": {"A": "1"},
            },
            {"cmd": "ls *", "prompts": [], "mpi_config": None, "env": {}},
        ]

    @pytest.mark.parametrize("character", "|><&;?~$")
    def test_forbidden_characters(self, character: str) -> None:
        with pytest.raises(ValueError, match="script"):
            Command(f"a {character} b")

    def test_types(self) -> None:
        with pytest.raises(ValueError, match="str"):
            Command(3)  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="prompt"):
            Command("a", 3)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="MPIConfig"):
            Command("a", mpi_config="4.1.6")  # type: ignore[arg-type]


QUIET = """
import logging, sys
hook, handlers = sys.excepthook, list(logging.getLogger().handlers)
import inductiva
heavy = {"urllib3", "rich", "msgspec", "asyncio", "isal", "ssl", "http.client"} & set(sys.modules)
assert not heavy, heavy
for name in inductiva.__all__:
    getattr(inductiva, name)
for package in ("tasks", "resources", "simulators", "utils", "users", "commands", "client"):
    for name in getattr(inductiva, package).__all__:
        getattr(getattr(inductiva, package), name)
assert not {"urllib3", "rich"} & set(sys.modules)
assert (sys.excepthook, logging.getLogger().handlers) == (hook, handlers)
"""


def test_importing_does_nothing_and_every_name_is_there(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    environment = {**os.environ, "HOME": str(home), "INDUCTIVA_API_URL": "http://127.0.0.1:9"}
    done = subprocess.run([sys.executable, "-c", QUIET], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert list(home.iterdir()) == []


def test_unknown_names_are_attribute_errors() -> None:
    for module in (inductiva, inductiva.tasks, inductiva.utils, inductiva.utils.files):
        with pytest.raises(AttributeError, match="nonsense"):
            module.nonsense  # noqa: B018
