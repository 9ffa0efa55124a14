"""The tables. Times are seconds since the epoch (UTC), sizes bytes."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.types import TypeEngine

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _required(name: str, type_: type[TypeEngine[Any]]) -> Column[object]:
    return Column(name, type_, nullable=False)


users = Table(
    "users",
    metadata,
    Column("id", Text, primary_key=True),
    Column("username", Text, nullable=False, unique=True),
    _required("email", Text),
    Column("name", Text),
    _required("created_at", Float),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("hash", Text, primary_key=True),  # SHA-256 of the key, hexadecimal: the key itself is not kept
    Column("user_id", Text, ForeignKey("users.id"), nullable=False),
    _required("scopes", JSON),
    _required("created_at", Float),
    Column("revoked_at", Float),
)

projects = Table(
    "projects",
    metadata,
    Column("id", Text, primary_key=True),
    Column("user_id", Text, ForeignKey("users.id"), nullable=False),
    _required("name", Text),
    _required("project_type", Text),
    _required("created_at", Float),
    UniqueConstraint("user_id", "name"),
)

machine_groups = Table(
    "machine_groups",
    metadata,
    Column("id", Text, primary_key=True),
    Column("user_id", Text, ForeignKey("users.id"), nullable=False),
    _required("name", Text),
    _required("provider_id", Text),
    _required("machine_type", Text),
    _required("type", Text),
    _required("status", Text),
    _required("spot", Boolean),
    _required("is_elastic", Boolean),
    _required("num_vms", Integer),
    _required("min_vms", Integer),
    _required("max_vms", Integer),
    _required("zone", Text),
    Column("threads_per_core", Integer),
    _required("cpu_cores_logical", Integer),
    _required("cpu_cores_physical", Integer),
    Column("ram_gb", Float),
    Column("gpu_count", Integer),
    Column("gpu_name", Text),
    _required("list_price", Float),  # US dollars an hour and machine, by the catalogue
    Column("disk_size_gb", Float),
    Column("max_idle_time", Float),
    Column("auto_terminate_at", Float),
    Column("dynamic_disk_resize_config", JSON),
    Column("custom_vm_image", Text),
    _required("notices", JSON),
    _required("created_at", Float),
    Column("started_at", Float),
    Column("terminate_requested_at", Float),
    Column("terminated_at", Float),
    # A name is free again when its group has ended.
    Index(
        "uq_machine_groups_name",
        "user_id",
        "name",
        unique=True,
        sqlite_where=text("terminated_at IS NULL"),
    ),
    Index(None, "status"),
)

machines = Table(
    "machines",
    metadata,
    Column("id", Text, primary_key=True),
    Column("group_id", Text, ForeignKey("machine_groups.id"), nullable=False, index=True),
    Column("token_hash", Text, nullable=False, unique=True),
    Column("pid", Integer),
    Column("host_name", Text),
    Column("cpu_count_logical", Integer),
    Column("cpu_count_physical", Integer),
    Column("memory_bytes", Integer),
    Column("disk_free_bytes", Integer),
    Column("sandbox", Text),
    _required("created_at", Float),
    Column("started_at", Float),
    Column("last_seen_at", Float),
    Column("terminated_at", Float),
)

tasks = Table(
    "tasks",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=True),  # order of submission
    Column("id", Text, nullable=False, unique=True),
    Column("user_id", Text, ForeignKey("users.id"), nullable=False),
    Column("project_id", Text, ForeignKey("projects.id"), nullable=False),
    Column("group_id", Text, ForeignKey("machine_groups.id"), nullable=False),
    _required("status", Text),
    _required("simulator", Text),
    Column("container_image", Text),
    _required("extra_params", JSON),
    Column("input_resources", JSON),
    _required("stream_zip", Boolean),
    Column("compress_with", Text),
    _required("resubmit_on_preemption", Boolean),
    Column("time_to_live_seconds", Float),
    _required("storage_path", Text),
    Column("idempotency_key", Text),
    Column("request_hash", Text),
    # the queue and the attempt
    Column("queue_seq", Integer),
    _required("attempt", Integer),
    _required("num_retries", Integer),
    Column("runner_id", Text, ForeignKey("machines.id")),
    Column("lease_until", Float),
    _required("report_seq", Integer),
    _required("event_seq", Integer),
    Column("stop_cause", Text),  # a Stop that the runner must get until the attempt ends
    # what is stored
    Column("input_size", Integer),
    Column("input_sha256", Text),
    Column("output_size", Integer),
    Column("output_sha256", Text),
    # what happened
    _required("metrics", JSON),
    Column("exit_code", Integer),
    Column("signal", Integer),
    Column("error_detail", Text),
    _required("created_at", Float),
    Column("input_submitted_at", Float),
    Column("started_at", Float),
    Column("computation_started_at", Float),
    Column("computation_ended_at", Float),
    Column("ended_at", Float),
    UniqueConstraint("user_id", "idempotency_key"),
    Index(None, "user_id", "seq"),
    Index(None, "user_id", "status", "seq"),
    Index(None, "user_id", "project_id", "seq"),
    Index(None, "group_id", "status", "queue_seq"),
    Index("ix_tasks_queue_seq", "queue_seq", sqlite_where=text("queue_seq IS NOT NULL")),
    Index("ix_tasks_lease", "lease_until", sqlite_where=text("lease_until IS NOT NULL")),
    Index("ix_tasks_runner", "runner_id", sqlite_where=text("lease_until IS NOT NULL")),
)

task_counts = Table(  # kept by triggers on `tasks` (migration 0002)
    "task_counts",
    metadata,
    Column("user_id", Text, primary_key=True),
    Column("project_id", Text, primary_key=True),
    Column("status", Text, primary_key=True),
    _required("tasks", Integer),
    sqlite_with_rowid=False,
)

task_metadata = Table(
    "task_metadata",
    metadata,
    Column("task_id", Text, ForeignKey("tasks.id"), primary_key=True),
    Column("key", Text, primary_key=True),
    _required("value", Text),
    Index(None, "key", "value", "task_id"),
    sqlite_with_rowid=False,
)

task_events = Table(
    "task_events",
    metadata,
    Column("task_id", Text, ForeignKey("tasks.id"), primary_key=True),
    Column("seq", Integer, primary_key=True),
    _required("time", Float),
    _required("event", Text),
    _required("status", Text),  # after the event
    _required("attempt", Integer),
    _required("actor", Text),
    Column("machine_id", Text),
    Column("detail", Text),
    sqlite_with_rowid=False,
)

task_operations = Table(
    "task_operations",
    metadata,
    Column("task_id", Text, ForeignKey("tasks.id"), primary_key=True),
    Column("attempt", Integer, primary_key=True),
    Column("operation_id", Text, primary_key=True),
    _required("name", Text),
    _required("status", Text),
    _required("started_at", Float),
    Column("ended_at", Float),
    _required("attributes", JSON),
    sqlite_with_rowid=False,
)

archives = Table(
    "archives",
    metadata,
    Column("user_id", Text, ForeignKey("users.id"), primary_key=True),
    Column("path", Text, primary_key=True),
    _required("size", Integer),
    _required("sha256", Text),
    Column("members", LargeBinary, nullable=False),  # msgpack of a list of inductiva.archive.Member
    sqlite_with_rowid=False,
)
