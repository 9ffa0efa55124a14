"""What a machine group may look like. Every function raises ValueError that names the argument and what is allowed."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

MIN_DISK_GB, MAX_DISK_GB = 10, 65536
_NAME = re.compile(r"[0-9a-zA-Z-]+")


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def machine_type(value: object) -> None:
    if not isinstance(value, str) or not value.strip():
        raise ValueError(
            f"machine_type must be a name such as 'c2-standard-4'; it is {value!r}. "
            "'inductiva resources available' lists them"
        )


def disk(data_disk_gb: object, auto_resize_disk_max_gb: object = None) -> None:
    if not isinstance(data_disk_gb, int) or not _is_int(data_disk_gb) or not MIN_DISK_GB <= data_disk_gb <= MAX_DISK_GB:
        raise ValueError(
            f"data_disk_gb must be a whole number from {MIN_DISK_GB} to {MAX_DISK_GB}; it is {data_disk_gb!r}"
        )
    if auto_resize_disk_max_gb is None:
        return
    size = auto_resize_disk_max_gb
    if not isinstance(size, int) or not _is_int(size) or size < data_disk_gb:
        raise ValueError(
            f"auto_resize_disk_max_gb must be a whole number of at least data_disk_gb ({data_disk_gb}); it is {size!r}"
        )


def threads_per_core(value: object) -> None:
    if value not in (1, 2):
        raise ValueError(f"threads_per_core must be 1 or 2; it is {value!r}")


def count(name: str, value: object, minimum: int) -> None:
    if not isinstance(value, int) or not _is_int(value) or value < minimum:
        raise ValueError(f"{name} must be a whole number of at least {minimum}; it is {value!r}")


def idle_time(value: object) -> timedelta | None:
    """`max_idle_time` (minutes, or a timedelta) as a timedelta; None means no limit."""
    if value is None:
        return None
    if not isinstance(value, timedelta):
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError(f"max_idle_time must be minutes, a timedelta or None; it is {value!r}")
        value = timedelta(minutes=value)
    if value <= timedelta(0):
        raise ValueError(f"max_idle_time must be more than 0; it is {value!r}. None means no limit")
    return value


def end(ts: object, minutes: object, now: datetime | None = None) -> datetime | None:
    """When the group ends by itself: `auto_terminate_ts`, or `auto_terminate_minutes` from now; None for never."""
    if ts is not None and minutes is not None:
        raise ValueError("give auto_terminate_ts or auto_terminate_minutes, not both")
    now = now or datetime.now(UTC)
    if minutes is not None:
        if isinstance(minutes, bool) or not isinstance(minutes, int | float) or minutes <= 0:
            raise ValueError(f"auto_terminate_minutes must be a number of more than 0 minutes; it is {minutes!r}")
        return now + timedelta(minutes=minutes)
    if ts is None:
        return None
    if not isinstance(ts, datetime) or ts.tzinfo is None:
        raise ValueError(
            "auto_terminate_ts must be a datetime with a time zone, such as "
            f"datetime.now(timezone.utc) + timedelta(...); it is {ts!r}"
        )
    if ts <= now:
        raise ValueError(f"auto_terminate_ts must be in the future; it is {ts.isoformat()}")
    return ts


def elastic(min_machines: object, max_machines: object) -> None:
    count("min_machines", min_machines, 0)
    count("max_machines", max_machines, 1)
    if not isinstance(min_machines, int) or not isinstance(max_machines, int) or min_machines >= max_machines:
        raise ValueError(f"min_machines ({min_machines!r}) must be less than max_machines ({max_machines!r})")


def own_machines(byoc: bool, name: str | None, num_machines: int, auto_resize_disk_max_gb: int | None) -> None:
    """Machines that the user brings: one, with a name if wanted."""
    if name is not None and not byoc:
        raise ValueError("mg_name is only for machines of your own: give byoc=True too, or leave it out")
    if name is not None and _NAME.fullmatch(name) is None:
        raise ValueError(f"mg_name consists of letters, digits and '-'; it is {name!r}")
    if byoc and num_machines != 1:
        raise ValueError(f"with byoc=True num_machines must be 1; it is {num_machines!r}")
    if byoc and auto_resize_disk_max_gb is not None:
        raise ValueError("with byoc=True there is no auto_resize_disk_max_gb")
