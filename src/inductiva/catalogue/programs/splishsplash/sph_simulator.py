"""SPHSimulator: run a SPlisHSPlasH scene without a window, with the options of the program of that name.

One file, which can be copied and run anywhere. The simulation is a child process, so that whatever a scene does to the
C++ code, the caller gets a sentence on stderr and an exit code: 0 done, 1 the simulation failed, 2 wrong arguments.
"""

import argparse
import importlib
import json
import math
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PROGRAM = "SPHSimulator"
FAILED, WRONG_ARGUMENTS = 1, 2
SAMPLE = 200  # particles looked at, once a second, to notice a simulation that has blown up


def main() -> int:
    options, passed_on = parser().parse_known_args()
    if options.version:
        return guarded(options, passed_on)
    if not options.scene:
        print(f"{PROGRAM}: give a scene file; see --help", file=sys.stderr)
        return WRONG_ARGUMENTS
    problem = scene_problem(options.scene) or state_problem(options.state_file)
    if problem:
        print(f"{PROGRAM}: {problem}", file=sys.stderr)
        return FAILED
    return guarded(options, passed_on)


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=PROGRAM, description="Run a SPlisHSPlasH scene without a window.")
    parser.add_argument("scene", nargs="?", type=Path, help="scene file (JSON)")
    parser.add_argument("--output-dir", type=Path, default=Path(), help="where results go (default: here)")
    parser.add_argument("--stopAt", type=float, metavar="SECONDS", help="simulated time to stop at, over the scene's")
    parser.add_argument("--param", action="append", default=[], metavar="[FLUID:]NAME:VALUE", help="set a parameter")
    parser.add_argument("--state-file", type=Path, help="state_TIME.bin to go on from")
    parser.add_argument("--no-cache", action="store_true", help="do not keep sampled boundaries beside the scene")
    parser.add_argument("--no-gui", action="store_true", help="accepted; there never is a window")
    parser.add_argument("--no-initial-pause", action="store_true", help="accepted; it never waits")
    parser.add_argument("-v", "--version", action="store_true", help="print the version of SPlisHSPlasH")
    return parser


def scene_problem(scene: Path) -> str | None:
    """What is wrong with a scene file, in words; None when it can be tried."""
    if not scene.is_file():
        here = sorted(file.name for file in Path().glob("*.json"))
        return f"there is no scene file {str(scene)!r} in {Path.cwd()}; JSON files here: {', '.join(here) or 'none'}"
    try:
        content = json.loads(scene.read_text(encoding="utf-8"))
    except ValueError as error:
        return f"scene {str(scene)!r} is not JSON: {error}"
    if not isinstance(content, dict):
        return f"scene {str(scene)!r} holds no JSON object; a scene has 'Configuration', 'FluidBlocks', ..."
    if not any(content.get(key) for key in ("FluidBlocks", "FluidModels", "Emitters")):
        return f"scene {str(scene)!r} has no fluid; give it 'FluidBlocks', 'FluidModels' or 'Emitters'"
    if not isinstance(content.get("Configuration"), dict):
        return f"scene {str(scene)!r} has no 'Configuration'"
    missing = sorted({name for name in files(content) if not (scene.parent / name).is_file()})
    if missing:
        return f"scene {str(scene)!r} names files that are not there: {', '.join(missing)}"
    return None


def state_problem(state: Path | None) -> str | None:
    return f"there is no state file {str(state)!r} in {Path.cwd()}" if state and not state.is_file() else None


def files(part: object) -> Iterator[str]:
    """Names of the meshes and particle files that a part of a scene refers to."""
    for key, value in part.items() if isinstance(part, dict) else enumerate(part) if isinstance(part, list) else ():
        if key in ("geometryFile", "particleFile") and isinstance(value, str) and value:
            yield value
        yield from files(value)


def guarded(options: argparse.Namespace, passed_on: list[str]) -> int:
    """Run the simulation in a child process and say how it ended."""
    child = os.fork()
    if child == 0:
        status = FAILED
        try:
            status = version() if options.version else simulate(options, passed_on)
        except (RuntimeError, ValueError) as error:  # what the C++ code throws
            print(f"{PROGRAM}: {error}", file=sys.stderr)
        finally:
            sys.stdout.flush()
            os._exit(status)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda received, _: os.kill(child, received))
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code < 0:
        print(f"{PROGRAM}: ended by signal {-code} ({signal.Signals(-code).name}){advice(-code)}", file=sys.stderr)
    elif code > 0:
        print(f"{PROGRAM}: the simulation failed, see the messages above", file=sys.stderr)
    return FAILED if code > 0 else code if code == 0 else 128 - code


def advice(number: int) -> str:
    if number == signal.SIGKILL:
        return ": probably out of memory; use fewer particles (a larger particleRadius) or a larger machine"
    if number in (signal.SIGSEGV, signal.SIGABRT, signal.SIGFPE):
        return ": SPlisHSPlasH crashed, most often over a wrong or missing entry in the scene"
    return ""


def version() -> int:
    importlib.import_module("pysplishsplash").Exec.SimulatorBase().init([PROGRAM, "--version"], PROGRAM)
    return 0


def simulate(options: argparse.Namespace, passed_on: list[str]) -> int:
    sph = importlib.import_module("pysplishsplash")
    options.output_dir.mkdir(parents=True, exist_ok=True)
    base = sph.Exec.SimulatorBase()
    base.init(arguments(options, passed_on), PROGRAM)
    base.initSimulation()
    base.setValueBool(base.PAUSE, False)
    if options.stopAt is not None:  # after the scene, which would win otherwise
        base.setValueFloat(base.STOP_AT, options.stopAt)
    stop = base.getValueFloat(base.STOP_AT)
    if stop <= 0:
        print(f"{PROGRAM}: nothing says when to stop; set 'stopAt' in the scene or give --stopAt", file=sys.stderr)
        return FAILED
    progress = Progress(sph, stop)
    base.setTimeStepCB(progress.step)
    base.runSimulation()
    if options.state_file:  # it brings the end of its own run with it, at which the line above has stopped
        base.setValueFloat(base.STOP_AT, stop)
        while base.timeStepNoGUI():
            pass
    base.cleanup()
    return progress.end(options.output_dir)


def arguments(options: argparse.Namespace, passed_on: list[str]) -> list[str]:
    """The C++ program's own arguments. It takes relative paths from where its executable is: give it absolute ones."""
    given = [PROGRAM, "--no-gui", "--no-initial-pause", "--output-dir", str(options.output_dir.absolute())]
    if options.no_cache:
        given.append("--no-cache")
    if options.state_file:
        given += ["--state-file", str(options.state_file.absolute())]
    for parameter in options.param:
        given += ["--param", parameter]
    return [*given, *passed_on, str(options.scene.absolute())]


class Progress:
    """Says once a second how far the simulation is, and stops one whose particles have left the numbers."""

    def __init__(self, sph: Any, stop: float) -> None:
        self.sph = sph
        self.stop = stop
        self.steps = 0
        self.time = 0.0  # kept, because the simulation forgets its state when it ends
        self.count = self.particles()
        self.began = self.said = time.monotonic()
        print(f"Simulating {self.count} particles until t = {stop:g} s", flush=True)

    def step(self) -> None:
        self.steps += 1
        self.time = float(self.sph.TimeManager.getCurrent().getTime())
        self.count = self.particles()
        now = time.monotonic()
        if now - self.said >= 1 or self.time >= self.stop:
            self.said = now
            self.check()
            print(f"Progress: {self.state()}", flush=True)

    def end(self, output: Path) -> int:
        seconds = time.monotonic() - self.began
        print(f"Finished: {self.state()}, {seconds:.1f} s of computation, results in {output.absolute()}", flush=True)
        return 0

    def state(self) -> str:
        share = min(1.0, self.time / self.stop)
        return f"t = {self.time:.3f} s of {self.stop:g} s ({share:.0%}), step {self.steps}, {self.count} particles"

    def models(self) -> list[Any]:
        simulation = self.sph.Simulation.getCurrent()
        return [simulation.getFluidModel(index) for index in range(simulation.numberOfFluidModels())]

    def particles(self) -> int:
        return sum(model.numActiveParticles() for model in self.models())

    def check(self) -> None:
        for model in self.models():
            count = model.numActiveParticles()
            for index in range(0, count, max(1, count // SAMPLE)):
                if not all(math.isfinite(value) for value in model.getPosition(index)):
                    print(
                        f"{PROGRAM}: unstable: particle {index} of {model.getId()!r} has no finite position at step "
                        f"{self.steps}; use a smaller time step (cflFactor, cflMaxTimeStepSize)",
                        file=sys.stderr,
                        flush=True,
                    )
                    os._exit(FAILED)


if __name__ == "__main__":
    sys.exit(main())
