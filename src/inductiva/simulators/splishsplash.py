"""SPlisHSPlasH: fluids and deformable solids as particles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Unpack

from inductiva.commands.command import Command
from inductiva.simulators.options import InputDir, RunOptions
from inductiva.simulators.simulator import Simulator
from inductiva.simulators.surface import SurfaceOptions, reconstruct
from inductiva.tasks.inputs import quoted
from inductiva.tasks.task import Task

if TYPE_CHECKING:
    from inductiva.types import ComputationalResources

Point = tuple[float, float, float]


class SplishSplash(Simulator):
    """SPlisHSPlasH. `version`: one that the catalogue has, "latest" when None."""

    alias = "splishsplash"

    def __init__(self, version: str | None = None, use_dev: bool = False) -> None:
        super().__init__(version, use_dev)

    def run(
        self,
        input_dir: InputDir,
        sim_config_filename: str,
        *,
        on: ComputationalResources,
        vtk_to_obj: bool = False,
        vtk_to_obj_vtk_dir: str | None = None,
        vtk_to_obj_vtk_prefix: str = "PartFluid_",
        vtk_to_obj_out_dir: str | None = None,
        vtk_to_obj_particle_radius: float | None = None,
        vtk_to_obj_smoothing_length: float = 2.0,
        vtk_to_obj_cube_size: float = 1.0,
        vtk_to_obj_surface_threshold: float = 0.6,
        gen_gif: bool = False,
        gen_gif_cam_pos: Point = (4.0, 1.0, 4.0),
        gen_gif_cam_fp: Point = (0.0, 0.0, 0.0),
        **options: Unpack[RunOptions],
    ) -> Task:
        """Run the scene `sim_config_filename` (a file of `input_dir`) on the machine group `on`. Returns at once.

        `vtk_to_obj` makes surfaces of the particles in `vtk_to_obj_vtk_dir` afterwards: `vtk_to_obj_particle_radius`
        is that of the scene; smoothing length and cube size are in units of it. `gen_gif` draws the particles from
        `gen_gif_cam_pos` looking at `gen_gif_cam_fp`. The other options are those of `RunOptions`.
        Raises ValueError, FileNotFoundError for input that cannot be, ApiException when the server refuses the task.
        """
        commands = [
            Command("cp /SPlisHSPlasH_CPU/bin/SPHSimulator ."),
            Command(f"./SPHSimulator {quoted(sim_config_filename)} --no-gui --output-dir ."),
            Command("rm SPHSimulator"),
        ]
        if vtk_to_obj:
            surface = SurfaceOptions(
                vtk_to_obj_vtk_dir,
                vtk_to_obj_vtk_prefix,
                vtk_to_obj_out_dir,
                vtk_to_obj_particle_radius,
                vtk_to_obj_smoothing_length,
                vtk_to_obj_cube_size,
                vtk_to_obj_surface_threshold,
            )
            commands.append(reconstruct(surface))
        if gen_gif:
            commands.append(_animation(gen_gif_cam_pos, gen_gif_cam_fp))
        return self._submit(input_dir, commands, on=on, options=options, needs=[sim_config_filename])


def _animation(position: Point, focus: Point) -> Command:
    """The command that draws the particles as a moving picture, `res.gif`."""
    camera, target = (" ".join(map(str, point)) for point in (position, focus))
    return Command(f"python3 /home/scripts/gen_gif.py ./vtk res.gif --cam_pos {camera} --cam_fp {target}")
