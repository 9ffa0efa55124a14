"""Accounts, version and catalogue on the REST wire."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from inductiva.protocol.times import Timestamp


class VersionComparison(msgspec.Struct):
    is_valid: bool
    client_version: str
    server_version: str
    min_supported_client_version: str | None = None


class User(msgspec.Struct, kw_only=True):
    email: str
    username: str
    tier: str
    total_available_credits: float
    terms_and_conditions_decision: str
    registration_ts: Timestamp
    costs_fee_percentage: float
    terminate_resources_credits_threshold: float
    name: str | None = None
    organization: str | None = None
    credits_currency: str | None = "USD"


class QuotaScope(StrEnum):
    GLOBAL = "global"
    INSTANCE = "instance"


class Quota(msgspec.Struct, kw_only=True):
    id: str
    label: str
    unit: str
    scope: QuotaScope
    max_allowed: float | None = None
    in_use: float | None = None


class AvailableSimulatorVersions(msgspec.Struct):
    """Image name → versions; a version with the suffix `_gpu` is an image for machines with a GPU."""

    production: dict[str, list[str]]
    development: dict[str, list[str]]


class MachineType(msgspec.Struct, kw_only=True):
    """`price` in US dollars an hour."""

    machine_type: str
    num_vcpus: int
    ram_gb: float
    price: float
    provider_id: str
    threads_per_core: int | None = None
    spot: bool | None = None
    region: str | None = None
    zone: str | None = None
    num_gpus: int | None = None
    gpu_id: str | None = None
    gpu_name: str | None = None
