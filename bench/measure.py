"""How the benchmarks time things and what a result is."""

from __future__ import annotations

import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass


@dataclass
class Result:
    """One row: what was measured, beside what, and what the design allows, all in the same `unit`."""

    name: str
    value: float
    unit: str
    budget: float | None = None
    higher_is_better: bool = False
    peer: float | None = None
    peer_name: str | None = None
    note: str = ""

    @property
    def ratio(self) -> float | None:
        return self.value / self.peer if self.peer else None

    @property
    def within(self) -> bool | None:
        if self.budget is None:
            return None
        return self.value >= self.budget if self.higher_is_better else self.value <= self.budget

    def as_json(self) -> dict[str, object]:
        return {**asdict(self), "ratio": self.ratio, "within_budget": self.within}


def seconds(action: Callable[[], object]) -> float:
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def median(values: Sequence[float]) -> float:
    return statistics.median(values)


def percentile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def command_milliseconds(command: Sequence[str], environment: dict[str, str], runs: int = 11) -> float:
    """Median wall time of a whole process after one warm-up, in ms."""

    def once() -> object:
        return subprocess.run(command, env=environment, capture_output=True, check=True)

    once()
    return 1000 * median([seconds(once) for _ in range(runs)])
