"""Run the benchmarks, print the table, write the results."""

from __future__ import annotations

import datetime
import json
import platform
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from bench import archives, startup, tasks, transfers
from bench.measure import Result

BENCHMARKS: dict[str, Callable[[], Iterable[Result]]] = {
    "startup": startup.run,
    "archives": archives.run,
    "transfers": transfers.run,
    "tasks": tasks.run,
}


def number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


def row(result: Result) -> str:
    verdict = {True: "yes", False: "NO", None: ""}[result.within]
    bound = ("≥ " if result.higher_is_better else "≤ ") + number(result.budget) if result.budget is not None else ""
    peer = f"{number(result.peer)} {result.peer_name}" if result.peer is not None else ""
    ratio = f"{result.ratio:.2f}" if result.ratio is not None else ""
    return f"{result.name:52} {number(result.value):>9} {result.unit:8} {bound:>8} {verdict:4} {ratio:>6} {peer}"


def main(names: list[str]) -> int:
    unknown = set(names) - set(BENCHMARKS)
    if unknown:
        print(f"unknown benchmark {', '.join(sorted(unknown))}; there are {', '.join(BENCHMARKS)}", file=sys.stderr)
        return 2
    print(f"{'what':52} {'value':>9} {'unit':8} {'budget':>8} {'met':4} {'ratio':>6} beside")
    results = []
    for name in names or BENCHMARKS:
        for result in BENCHMARKS[name]():
            print(row(result), flush=True)
            results.append({"benchmark": name, **result.as_json()})
    folder = Path(__file__).parent / "results"
    folder.mkdir(exist_ok=True)
    now = datetime.datetime.now(datetime.UTC)
    file = folder / f"{now:%Y-%m-%d}.json"
    about = {"date": f"{now:%Y-%m-%d}", "python": platform.python_version(), "machine": platform.machine()}
    file.write_text(json.dumps({**about, "results": results}, indent=1) + "\n")
    print(f"written to {file}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
