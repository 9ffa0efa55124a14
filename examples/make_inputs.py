"""Pack the folders of `inputs` as the archives that the examples download.

    python examples/make_inputs.py DIR
    INDUCTIVA_DOWNLOAD_MIRROR=DIR python examples/splishsplash.py

The same folder always gives the same bytes, whenever and wherever it is packed.
"""

import sys
import zipfile
from pathlib import Path

INPUTS = Path(__file__).parent / "inputs"
EPOCH = (2020, 1, 1, 0, 0, 0)


def pack(folder: Path, archive: Path) -> None:
    """Write `folder` and all that is in it to `archive`, below one top-level folder of its name."""
    with zipfile.ZipFile(archive, "w") as target:  # stored: compressors differ from one machine to the next
        for file in sorted(path for path in folder.rglob("*") if path.is_file()):
            member = zipfile.ZipInfo(file.relative_to(folder.parent).as_posix(), EPOCH)
            member.external_attr = 0o100644 << 16
            target.writestr(member, file.read_bytes())


def main(arguments: list[str]) -> int:
    if len(arguments) != 1:
        print("usage: python examples/make_inputs.py DIR", file=sys.stderr)
        return 2
    directory = Path(arguments[0])
    directory.mkdir(parents=True, exist_ok=True)
    for folder in sorted(path for path in INPUTS.iterdir() if path.is_dir()):
        pack(folder, directory / f"{folder.name}.zip")
        print(directory / f"{folder.name}.zip")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
