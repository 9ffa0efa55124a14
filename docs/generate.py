"""Write the documents that are made from the code, or say with `--check` which of them are stale.

python docs/generate.py [--check]
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from inductiva.cli.help_pages import render as cli_page
from inductiva.protocol import status

DOCS = Path(__file__).parent


def task_states() -> str:
    """The task state table as a page."""
    lines = [
        "# Task states",
        "",
        "Generated from `inductiva.protocol.status` by `docs/generate.py`; do not edit.",
        "",
        "| status | shown as | ends the task | what it means |",
        "|---|---|---|---|",
    ]
    for code, info in status.STATUSES.items():
        lines.append(f"| `{code}` | {info.alias} | {'yes' if info.terminal else ''} | {info.description} |")
    lines += ["", "## Events", "", "| event | sent by | what it means |", "|---|---|---|"]
    for event, about in status.EVENTS.items():
        lines.append(f"| `{event}` | {', '.join(sorted(about.actors))} | {about.meaning} |")
    lines += ["", "## Transitions", "", "| in | event | then |", "|---|---|---|"]
    for (before, event), after in status.TRANSITIONS.items():
        lines.append(f"| `{before}` | `{event}` | `{after}` |")
    lines += [
        "",
        "Every other pair changes nothing. The event is then refused or, from a runner, acknowledged and kept",
    ]
    lines += ["out of the task's fate; statuses that end a task absorb everything.", ""]
    return "\n".join(lines)


PAGES: dict[str, Callable[[], str]] = {"task-states.md": task_states, "cli.md": cli_page}


def main(arguments: list[str]) -> int:
    stale = [name for name, make in PAGES.items() if not (DOCS / name).exists() or (DOCS / name).read_text() != make()]
    if "--check" in arguments:
        for name in stale:
            print(f"docs/{name} is stale: run 'make format'", file=sys.stderr)
        return 1 if stale else 0
    for name in stale:
        (DOCS / name).write_text(PAGES[name]())
        print(f"wrote docs/{name}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
