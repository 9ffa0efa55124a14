"""Which links of an archive may be made: relative ones that lead nowhere outside the target directory."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping

from inductiva.archive.errors import ArchiveError

_MAX_HOPS = 40
"""The kernel follows no more either, so that a longer chain leads nowhere."""
_MAX_STEPS = 5_000_000
"""Steps that are followed for all links of an archive together: some seconds of work."""


def check_links(links: Mapping[str, bytes]) -> None:
    """Raise ArchiveError when one of `links` (name → target, as in the archive) leaves the tree.

    Links are followed through one another, as the system would do it: a harmless looking `a/b/..` leads elsewhere
    when `a/b` is itself a link.
    """
    targets = {name: target.decode(errors="surrogateescape") for name, target in links.items()}
    steps = 0
    for name in targets:
        steps += _follow(name, targets)
        if steps > _MAX_STEPS:
            raise ArchiveError(f"the {len(targets)} links of the archive lead through one another; leave them out")


def _follow(name: str, targets: Mapping[str, str]) -> int:
    """Where the link leads, step by step; the number of steps."""
    here = posixpath.dirname(name).split("/") if "/" in name else []
    ahead = _steps(name, targets[name])
    hops = steps = 0
    while ahead and hops <= _MAX_HOPS:
        steps += 1
        step = ahead.pop()
        if step == "..":
            if not here:
                raise _leaves(name, targets[name])
            here.pop()
            continue
        here.append(step)
        target = targets.get("/".join(here))
        if target is not None:
            hops += 1
            here.pop()
            ahead += _steps(name, target)
    return steps


def _steps(name: str, target: str) -> list[str]:
    """The parts of a target, the first last."""
    if not target or target.startswith("/") or "\0" in target:
        raise _leaves(name, target)
    return [part for part in reversed(target.split("/")) if part not in ("", ".")]


def _leaves(name: str, target: str) -> ArchiveError:
    return ArchiveError(
        f"the link {name!r} points out of the archive (to {target!r}); replace it by what it points to, or leave it out"
    )
