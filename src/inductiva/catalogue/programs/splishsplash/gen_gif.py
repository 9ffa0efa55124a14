"""gen_gif.py VTK_DIR GIF [--cam_pos X Y Z] [--cam_fp X Y Z]: an animation of a run's particles, coloured by speed.

Draws every `ParticleData_*_N.vtk` of a directory as small shaded spheres, far ones first. No display is needed.
"""

import argparse
import importlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

# Of the environment this runs in, not of the package it comes with.
np: Any = importlib.import_module("numpy")
Image: Any = importlib.import_module("PIL.Image")
ImageDraw: Any = importlib.import_module("PIL.ImageDraw")

Array = Any
Picture = Any

SLOW, FAST = (23, 74, 148), (222, 242, 255)  # deep water, spray
COLOURS = 32  # steps from slow to fast
KINDS = {"float": ">f4", "double": ">f8", "int": ">i4", "unsigned_int": ">u4", "long": ">i8", "unsigned_long": ">u8"}


def main() -> int:
    options = parser().parse_args()
    frames = [files for number, files in group(options.directory) if number in (options.frames or [number])]
    if not frames:
        print(f"gen_gif: no such files ParticleData_*_N.vtk in {options.directory}", file=sys.stderr)
        return 1
    clouds = [[np.concatenate(parts) for parts in zip(*map(read, files), strict=True)] for files in frames]
    top = float(np.percentile(np.concatenate([speed for _, speed in clouds]), 99)) or 1.0
    corners = box(np.concatenate([points for points, _ in clouds]))
    camera = Camera(np.array(options.cam_pos), np.array(options.cam_fp), options.size, corners, options.radius)
    images = [camera.draw(points, speed / top) for points, speed in clouds]
    if options.gif.suffix == ".png":
        strip(images).save(options.gif, optimize=True)
    else:
        later, pause = images[1:], round(1000 / options.fps)
        images[0].save(options.gif, save_all=True, append_images=later, duration=pause, loop=0, optimize=True)
    print(f"Wrote {options.gif}: {len(images)} frames")
    return 0


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="gen_gif", description="Animate the particles of a run.")
    parser.add_argument("directory", type=Path, help="where the VTK files are")
    parser.add_argument("gif", type=Path, help="file to write; a .png gets the frames side by side")
    parser.add_argument("--frames", type=int, nargs="+", metavar="N", help="only these frames")
    parser.add_argument("--cam_pos", type=float, nargs=3, default=(4.0, 1.0, 4.0), metavar=("X", "Y", "Z"))
    parser.add_argument("--cam_fp", type=float, nargs=3, default=(0.0, 0.0, 0.0), metavar=("X", "Y", "Z"))
    parser.add_argument("--size", type=int, nargs=2, default=(640, 400), metavar=("WIDTH", "HEIGHT"), help="pixels")
    parser.add_argument("--radius", type=float, default=0.025, help="radius of a particle (default: %(default)s)")
    parser.add_argument("--fps", type=float, default=10, help="frames a second (default: %(default)s)")
    return parser


def group(directory: Path) -> Iterator[tuple[int, list[Path]]]:
    """Number and files of each frame, in the order of time: there is one file for each fluid."""
    frames: dict[int, list[Path]] = {}
    for file in sorted(directory.glob("ParticleData_*.vtk")):
        number = re.search(r"_(\d+)\.vtk$", file.name)
        if number:
            frames.setdefault(int(number[1]), []).append(file)
    yield from sorted(frames.items())


def read(file: Path) -> tuple[Array, Array]:
    """Positions, shape (n, 3) in metres, and speeds, shape (n,) in m/s (0 when not stored), of a legacy VTK file."""
    points, velocity = np.zeros((0, 3)), None
    with file.open("rb") as stream:
        for words in headings(stream):
            if words[0] == "POINTS":
                points = numbers(stream, words[2], int(words[1]) * 3).reshape(-1, 3)
            elif words[0] == "CELLS":
                numbers(stream, "int", int(words[2]))
            elif words[0] == "CELL_TYPES":
                numbers(stream, "int", int(words[1]))
            elif words[0] == "SCALARS":
                stream.readline()  # LOOKUP_TABLE
                numbers(stream, words[2], len(points))
            elif len(words) == 4 and words[3] in KINDS:  # an array of a FIELD: name, components, tuples, kind
                values = numbers(stream, words[3], int(words[1]) * int(words[2])).reshape(-1, int(words[1]))
                velocity = values if words[0] == "velocity" else velocity
    speed = np.zeros(len(points)) if velocity is None else np.linalg.norm(velocity, axis=1)
    return points, speed


def headings(stream: IO[bytes]) -> Iterator[list[str]]:
    while line := stream.readline():
        if words := line.decode("ascii", "replace").split():
            yield words


def numbers(stream: IO[bytes], kind: str, count: int) -> Array:
    return np.frombuffer(stream.read(np.dtype(KINDS[kind]).itemsize * count), KINDS[kind]).astype(np.float64)


def box(points: Array) -> Array:
    """Corners of the box around all points, shape (8, 3)."""
    low, high = points.min(axis=0), points.max(axis=0)
    return np.array([[(low, high)[i >> axis & 1][axis] for axis in range(3)] for i in range(8)])


class Camera:
    """A perspective view from `position` to `focus`, y upwards, which shows all of `corners`."""

    def __init__(self, position: Array, focus: Array, size: tuple[int, int], corners: Array, radius: float) -> None:
        forward = (focus - position) / np.linalg.norm(focus - position)
        right = np.cross(forward, [0.0, 1.0, 0.0])
        right /= np.linalg.norm(right)
        self.axes = np.stack([right, np.cross(forward, right), forward])  # image axes: right, down, away
        self.position, self.size, self.radius = position, tuple(size), radius
        self.scale, self.shift = 1.0, np.zeros(2)
        flat = self.project(corners)[:, :2]
        low, high = flat.min(axis=0), flat.max(axis=0)
        self.scale = float((np.array(size) * 0.9 / (high - low)).min())
        self.shift = np.array(size) / 2 - self.scale * (low + high) / 2
        self.corners = corners
        self.sprites: dict[tuple[int, int], Picture] = {}

    def project(self, points: Array) -> Array:
        """Pixels and distance, shape (n, 3)."""
        seen = (points - self.position) @ self.axes.T
        depth = np.maximum(seen[:, 2:], 1e-3)
        return np.hstack([seen[:, :2] / depth * self.scale + self.shift, depth])

    def draw(self, points: Array, speed: Array) -> Picture:
        """One frame; `speed` from 0 to 1."""
        image = Image.new("RGB", self.size, "white")
        self.outline(image)
        seen = self.project(points)
        shades = (np.clip(speed, 0, 1) ** 0.7 * (COLOURS - 1)).astype(int)
        widths = np.clip(np.rint(2.4 * self.radius * self.scale / seen[:, 2]), 2, 64).astype(int)
        for index in np.argsort(-seen[:, 2]):
            sprite = self.sprite(int(shades[index]), int(widths[index]))
            x, y = seen[index, :2] - widths[index] / 2
            image.paste(sprite, (round(x), round(y)), sprite)
        return image

    def outline(self, image: Picture) -> None:
        pen = ImageDraw.Draw(image)
        flat = [(float(x), float(y)) for x, y in self.project(self.corners)[:, :2]]
        for first in range(8):
            for axis in range(3):
                if not first >> axis & 1:
                    pen.line([flat[first], flat[first | 1 << axis]], fill=(190, 196, 204))

    def sprite(self, shade: int, width: int) -> Picture:
        """A shaded ball, lit from the upper left."""
        if (shade, width) not in self.sprites:
            self.sprites[shade, width] = ball(shade / (COLOURS - 1), width)
        return self.sprites[shade, width]


def strip(images: list[Picture]) -> Picture:
    """The frames side by side, in few colours."""
    width, height = images[0].size
    whole = Image.new("RGB", (width * len(images), height))
    for index, image in enumerate(images):
        whole.paste(image, (index * width, 0))
    return whole.quantize(96)


def ball(shade: float, width: int) -> Picture:
    x, y = np.meshgrid(*[np.linspace(-1, 1, width)] * 2) if width > 1 else (np.zeros((1, 1)),) * 2
    radius = np.hypot(x, y)
    light = np.clip(0.72 + 0.28 * (np.sqrt(np.clip(1 - radius**2, 0, 1)) - 0.5 * x - 0.7 * y), 0, 1.1)
    colour = np.array(SLOW) * (1 - shade) + np.array(FAST) * shade
    pixels = np.clip(light[..., None] * colour, 0, 255)
    alpha = np.clip((1 - radius) * width / 2 + 0.5, 0, 1) * 255
    return Image.fromarray(np.dstack([pixels, alpha]).astype(np.uint8), "RGBA")


if __name__ == "__main__":
    sys.exit(main())
