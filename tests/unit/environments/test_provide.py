"""Environments are built once, whole or not at all, and found at once afterwards."""

import subprocess
import sys
import threading
import timeit
from pathlib import Path

import pytest

from inductiva.catalogue import Native, Simulator, Version
from inductiva.catalogue.model import image
from inductiva.runner.environments import EnvironmentUnavailable, main, provided, resolve
from inductiva.runner.environments.model import MARKER
from inductiva.runner.environments.provide import prefix_of, provide

Tiny = tuple[Simulator, Version]
PROGRAM = "opt/tiny/bin/runtiny"


def ignore(line: str) -> None:
    pass


def test_no_image_is_the_base_image(tmp_path: Path) -> None:
    environment = resolve(None, tmp_path, ignore)
    assert (environment.name, environment.root, environment.path, environment.binds) == ("base-image", None, [], [])
    assert environment.prefix.is_dir()
    assert resolve("docker://inductiva/kutu:base-image_v0.1.1", tmp_path, ignore) == environment


def test_provided_environment_is_found_within_a_millisecond(tmp_path: Path) -> None:
    resolve(None, tmp_path, ignore)
    assert min(timeit.repeat(lambda: resolve(None, tmp_path, pytest.fail), number=100, repeat=5)) / 100 < 0.001


def test_removed_environment_is_built_again(tmp_path: Path) -> None:
    environment = resolve(None, tmp_path, ignore)
    (environment.prefix / MARKER).unlink()
    assert resolve(None, tmp_path, ignore) == environment
    assert (environment.prefix / MARKER).is_file()


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("docker://ubuntu:22.04", ["ubuntu:22.04", "container engine", "splishsplash"]),
        ("inductiva://folder/file.sif", ["file.sif"]),
        (image("splishsplash", "1.0"), ["SPlisHSPlasH 1.0", "2.19.0"]),
        (image("unheard", "1.0"), ["'unheard'", "splishsplash"]),
    ],
)
def test_unknown_image_says_what_there_is(tmp_path: Path, uri: str, words: list[str]) -> None:
    with pytest.raises(EnvironmentUnavailable) as caught:
        resolve(uri, tmp_path, ignore)
    assert [word for word in words if word not in str(caught.value)] == []


@pytest.mark.usefixtures("index")
def test_program_runs_from_a_copy_and_from_a_path_with_blanks(tmp_path: Path, tiny: Tiny) -> None:
    lines: list[str] = []
    environment = provide(*tiny, tmp_path / "a place with blanks", lines.append)
    assert lines[0] == "Providing Tiny 1.0"
    assert lines[-1] == "Tiny 1.0 is ready"
    assert environment.root
    copy = tmp_path / "copy"
    copy.write_bytes((environment.root / PROGRAM).read_bytes())
    copy.chmod(0o755)
    result = subprocess.run([copy], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (2, "usage: runswmm INPUT REPORT [OUTPUT]\n")
    python = environment.prefix / "venv/bin/python"
    assert subprocess.check_output([python, "-c", "import tiny; print(tiny.VALUE)"], text=True) == "42\n"
    assert environment.path == [f"{environment.root}/opt/tiny/bin", f"{environment.prefix}/venv/bin"]
    assert environment.env == {"TINY": "1"}
    assert all(not bind.is_relative_to("/usr") for bind in environment.binds)


@pytest.mark.usefixtures("index")
def test_program_ignores_modules_beside_it(tmp_path: Path, tiny: Tiny) -> None:
    environment = provide(*tiny, tmp_path / "environments", ignore)
    (tmp_path / "pathlib.py").write_text("raise SystemExit('imported from the working directory')\n")
    copy = tmp_path / "copy"
    copy.write_bytes((environment.prefix / "root" / PROGRAM).read_bytes())
    copy.chmod(0o755)
    assert subprocess.run([copy], cwd=tmp_path, capture_output=True, check=False).returncode == 2


@pytest.mark.usefixtures("index")
def test_two_at_once_build_once(tmp_path: Path, tiny: Tiny) -> None:
    lines: list[str] = []
    threads = [threading.Thread(target=provide, args=(*tiny, tmp_path / "e", lines.append)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert lines.count("Providing Tiny 1.0") == 1


@pytest.mark.usefixtures("index")
def test_half_build_never_counts(tmp_path: Path, tiny: Tiny) -> None:
    prefix = prefix_of(*tiny, tmp_path)
    (prefix / "venv" / "rubbish").mkdir(parents=True)
    environment = provide(*tiny, tmp_path, ignore)
    assert environment.prefix == prefix
    assert not (prefix / "venv" / "rubbish").exists()


@pytest.mark.usefixtures("index")
def test_needs_no_network_once_provided(tmp_path: Path, tiny: Tiny, index: Path) -> None:
    environment = provide(*tiny, tmp_path, ignore)
    (index / "tiny-1.0-py3-none-any.whl").unlink()
    assert provide(*tiny, tmp_path, pytest.fail) == environment


def test_moved_environment_is_not_used(tmp_path: Path) -> None:
    first = resolve(None, tmp_path / "a", ignore)
    (tmp_path / "b").mkdir()
    moved = first.prefix.rename(tmp_path / "b" / first.prefix.name)
    assert provided("base-image", None, tmp_path / "b") is None
    assert resolve(None, tmp_path / "b", ignore).prefix == moved


def test_missing_package_is_an_error_that_says_what_to_do(tmp_path: Path, tiny: Tiny, index: Path) -> None:
    (index / "tiny-1.0-py3-none-any.whl").unlink()
    with pytest.raises(EnvironmentUnavailable) as caught:
        provide(*tiny, tmp_path / "e", ignore)
    assert "No matching distribution found for tiny==1.0" in str(caught.value)
    assert "inductiva simulators install tiny" in str(caught.value)
    assert not prefix_of(*tiny, tmp_path / "e").exists()


def test_no_network_is_named_as_the_reason(tmp_path: Path, tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    with pytest.raises(EnvironmentUnavailable, match="no connection to the package index"):
        provide(*tiny, tmp_path, ignore)


def test_missing_host_program_names_its_package(tmp_path: Path) -> None:
    version = Version("1", Native(programs={"no-such-program": "no-such-package", "sh": "dash"}))
    with pytest.raises(EnvironmentUnavailable, match=r"needs no-such-program,.*apt-get install no-such-package'"):
        provide(Simulator("x", "X", "", [version]), version, tmp_path, ignore)


def test_unwritable_place_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EnvironmentUnavailable, match="INDUCTIVA_ENVIRONMENTS_DIR"):
        resolve(None, tmp_path / "file" / "environments", ignore)


def test_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = ["--environments-dir", str(tmp_path)]
    assert main(["base-image", "--check", *place]) == 1
    assert main(["base-image==0.1.1", *place]) == 0
    assert main(["base-image", "--check", "--json", *place]) == 0
    assert '"name":"base-image"' in capsys.readouterr().out
    assert main(["base-image==7", *place]) == 2
    assert "Error: Base image 7 is not in the catalogue" in capsys.readouterr().err


def test_import_is_light() -> None:
    heavy = "{'asyncio', 'ssl', 'venv', 'inductiva.server'} & set(sys.modules)"
    code = f"import sys, inductiva.catalogue.machines; print({heavy})"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "set()\n"
