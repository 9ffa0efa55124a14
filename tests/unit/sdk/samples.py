"""Answers of a server, as the wire has them."""

from __future__ import annotations

from typing import Any

TIME = "2026-11-23T10:00:00.000000+00:00"
LATER = "2026-11-23T10:00:05.000000+00:00"
ID = "k3v" + "0" * 22


def group(**changes: Any) -> dict[str, Any]:
    return {
        "id": "11111111-1111-1111-1111-111111111111",
        "name": "api-7f3",
        "zone": "europe-west1-b",
        "machine_type": "c2-standard-4",
        "provider_id": "GCP",
        "type": "standard",
        "status": "registered",
        "started": False,
        "spot": True,
        "is_elastic": False,
        "num_vms": 0,
        "min_vms": 1,
        "max_vms": 1,
        "quota_usage": {"max_price_hour": 0.2, "max_vcpus": 4, "max_instances": 1},
        "cost_per_hour": {"min": 0.05, "max": 0.1, "min_reason": "few", "max_reason": "many"},
        "cpu_info": {"cpu_cores_logical": 4, "cpu_cores_physical": 2},
        "threads_per_core": 2,
        "disk_size_gb": 10,
        "total_ram_gb": 16,
        "max_idle_time": 180.0,
        "creation_timestamp": TIME,
        **changes,
    }


def task(status: str = "success", **changes: Any) -> dict[str, Any]:
    return {
        "task_id": ID,
        "status": status,
        "status_alias": status.capitalize(),
        "simulator": "splishsplash",
        "project": "default",
        "is_terminated": status in {"success", "failed", "killed"},
        "num_retries": 0,
        "storage_path": ID,
        "storage_input_path": f"{ID}/input.zip",
        "storage_output_path": f"{ID}/output.zip",
        "create_time": TIME,
        "input_submit_time": TIME,
        "metrics": {"computation_seconds": 2.5, "output_size_bytes": 7},
        **changes,
    }


def whole_task(status: str = "success", **changes: Any) -> dict[str, Any]:
    operation = {
        "name": "exec_command",
        "alias": "Execute command",
        "start_timestamp": TIME,
        "end_timestamp": LATER,
        "status": "OK",
        "attributes": {"command": "true", "exit_code": 0},
    }
    entry = {
        "status": "computation-started",
        "timestamp": TIME,
        "end_timestamp": LATER,
        "description": "The simulation is running.",
        "alias": "In Progress",
        "operations": [operation],
    }
    return {**task(status), "status_history": [entry], **changes}


def images(**production: list[str]) -> dict[str, Any]:
    return {"production": production or {"splishsplash": ["2.9.1", "2.13.0", "2.13.0_gpu"]}, "development": {}}
