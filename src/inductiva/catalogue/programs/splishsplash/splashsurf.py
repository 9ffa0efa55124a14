"""splashsurf: the surface of a particle set as a mesh, by the Python package of the same program."""

import importlib
import itertools
import sys
from pathlib import Path


def main() -> int:
    arguments = sys.argv[1:]
    for option, value in itertools.pairwise(arguments):
        if option in ("-o", "--output-file"):  # which the program does not make
            Path(value).parent.mkdir(parents=True, exist_ok=True)
    sys.argv[0] = "splashsurf"
    try:
        importlib.import_module("pysplashsurf").run_pysplashsurf()
    except RuntimeError as error:
        print(f"splashsurf: {str(error).partition('Stack backtrace')[0].strip()}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
