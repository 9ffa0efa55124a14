"""runswmm INPUT REPORT [OUTPUT]: run a storm water model, as the program of that name does."""

import importlib
import sys
from pathlib import Path
from types import TracebackType


def main(arguments: list[str]) -> int:
    if len(arguments) not in (2, 3):
        print("usage: runswmm INPUT REPORT [OUTPUT]", file=sys.stderr)
        return 2
    model, report = arguments[:2]
    if not Path(model).is_file():
        print(f"runswmm: there is no input file {model!r} in {Path.cwd()}", file=sys.stderr)
        return 1
    # Without a name for it, SWMM keeps its binary output in a scratch file.
    importlib.import_module("swmm.toolkit.solver").swmm_run(model, report, arguments[2] if len(arguments) > 2 else "")
    print(f"\nFinished: the report is in {report}", flush=True)
    return 0


def say(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """The solver raises plain Exceptions with SWMM's own words, which are the only thing worth reading."""
    print(f"\nrunswmm: {str(error).strip()}", file=sys.stderr)


if __name__ == "__main__":
    sys.excepthook = say
    sys.exit(main(sys.argv[1:]))
