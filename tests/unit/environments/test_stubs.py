"""Libraries written byte by byte: the system's own loader takes them."""

import _ctypes
import ctypes
import platform
import uuid
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inductiva.runner.environments import stubs

MACHINE = {"x86_64": 62, "aarch64": 183}.get(platform.machine(), 0)
pytestmark = pytest.mark.skipif(not MACHINE, reason=f"no stubs for {platform.machine()}")

names = st.lists(st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,40}", fullmatch=True), unique=True, max_size=40)


@given(names)
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_function_is_found_and_returns_zero(tmp_path: Path, functions: list[str]) -> None:
    file = tmp_path / f"{uuid.uuid4().hex}.so"
    file.write_bytes(stubs.write(MACHINE, [f"stub_{name}" for name in functions]))
    library = ctypes.CDLL(str(file), mode=2)  # RTLD_NOW, as Python loads its modules
    assert [getattr(library, f"stub_{name}")(7) for name in functions] == [0] * len(functions)
    with pytest.raises(AttributeError):
        _ = library.stub_missing_


def test_reads_what_a_real_library_takes_from_others() -> None:
    linked = stubs.read(Path(str(_ctypes.__file__)).read_bytes())
    assert linked.machine == MACHINE
    assert any(name.startswith("libffi") for name in linked.libraries)
    assert "malloc" not in linked.functions  # it has a version: libc keeps it
