"""Turning the particles of a simulation into surfaces, with splashsurf."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from inductiva.commands.command import Command


@dataclass(frozen=True, slots=True)
class SurfaceOptions:
    """Lengths in units of the particle radius, except the radius itself."""

    vtk_dir: str | None
    vtk_prefix: str
    out_dir: str | None
    particle_radius: float | None
    smoothing_length: float
    cube_size: float
    surface_threshold: float


def reconstruct(options: SurfaceOptions) -> Command:
    """The command that makes an OBJ surface of each VTK file. Raises ValueError without directory or radius."""
    if not options.vtk_dir or options.particle_radius is None:
        raise ValueError("vtk_to_obj=True needs vtk_to_obj_vtk_dir and vtk_to_obj_particle_radius")
    # splashsurf itself puts the number of each file in place of the braces.
    source = shlex.quote(f"{options.vtk_dir.rstrip('/')}/{options.vtk_prefix}{{}}.vtk")
    out_dir = (options.out_dir or options.vtk_dir).rstrip("/")
    target = shlex.quote(f"{out_dir}/{options.vtk_prefix}_surface{{}}.obj")
    return Command(
        f"splashsurf reconstruct {source} -r={options.particle_radius} -l={options.smoothing_length} "
        f"-c={options.cube_size} -t={options.surface_threshold} --subdomain-grid=on --mesh-cleanup=on "
        "--mesh-smoothing-weights=on --mesh-smoothing-iters=25 --normals=on --normals-smoothing-iters=10 "
        f"-o {target}"
    )
