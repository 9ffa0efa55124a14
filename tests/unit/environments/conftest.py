"""A simulator made for tests: one tiny wheel and one program, installed by the real pip."""

import base64
import hashlib
import zipfile
from pathlib import Path

import pytest

from inductiva.catalogue import Native, Simulator, Version

PROGRAM = "/opt/tiny/bin/runtiny"


def wheel(directory: Path) -> None:
    """Write tiny-1.0, a package whose only content is `tiny.py`."""
    members = {
        "tiny.py": b"VALUE = 42\n",
        "tiny-1.0.dist-info/METADATA": b"Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n",
        "tiny-1.0.dist-info/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(
        f"{name},sha256={base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b'=').decode()},{len(data)}\n"
        for name, data in members.items()
    )
    members["tiny-1.0.dist-info/RECORD"] = f"{record}tiny-1.0.dist-info/RECORD,,\n".encode()
    with zipfile.ZipFile(directory / "tiny-1.0-py3-none-any.whl", "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory that is all pip knows of the world."""
    directory = tmp_path / "wheels"
    directory.mkdir()
    wheel(directory)
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(directory))
    return directory


@pytest.fixture
def tiny() -> tuple[Simulator, Version]:
    native = Native(python=["tiny==1.0"], path=["/opt/tiny/bin"], files={PROGRAM: "swmm/runswmm.py"}, env={"TINY": "1"})
    version = Version("1.0", native)
    return Simulator("tiny", "Tiny", "A simulator of nothing.", [version]), version
