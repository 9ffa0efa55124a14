"""Machine groups: what is sent, what is refused, what is told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.unit.sdk import samples
from tests.unit.sdk.web import Web, error, ok

from inductiva.api import errors
from inductiva.commands import MPIConfig
from inductiva.resources import (
    ElasticMachineGroup,
    MachineGroup,
    MPICluster,
    estimate_machine_cost,
    get,
    get_available_machine_types,
    machine_groups,
    validation,
)


@pytest.fixture
def groups(web: Web) -> Web:
    """A server that registers groups as asked for."""
    web.on("POST", "/compute/group", lambda request: ok(samples.group(**_registered(request.json)), 201))
    web.on("POST", "/compute/group/start", ok({}))
    web.on("DELETE", "/compute/group", ok({}, 202))
    web.on("GET", "/users/quotas", ok({}))
    return web


def _registered(asked: dict[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in asked.items() if value is not None and key in samples.group()}
    count = asked.get("max_vms") or asked["num_vms"]
    return {**kept, "min_vms": asked.get("min_vms") or count, "max_vms": count, "num_vms": 0,
            "max_idle_time": asked["max_idle_time"], "auto_terminate_ts": asked["auto_terminate_ts"]}  # fmt: skip


def test_what_is_registered(groups: Web) -> None:
    group = MachineGroup("c2-standard-4", zone="z", data_disk_gb=20, num_machines=3, auto_resize_disk_max_gb=50)
    sent = groups.seen("POST", "/compute/group")[0].json
    assert {name: sent[name] for name in ("machine_type", "zone", "num_vms", "is_elastic", "spot", "provider_id")} == {
        "machine_type": "c2-standard-4", "zone": "z", "num_vms": 3, "is_elastic": False, "spot": True,
        "provider_id": "GCP",
    }  # fmt: skip
    assert (sent["disk_size_gb"], sent["threads_per_core"], sent["max_idle_time"]) == (20, 2, 180.0)
    assert sent["dynamic_disk_resize_config"] == {"free_space_threshold_gb": 5, "max_disk_size_gb": 50}
    assert (group.name, group.num_machines, group.started) == ("api-7f3", 3, False)
    assert group.max_idle_time == timedelta(minutes=3)
    assert len(groups.requests) == 1, "one request makes a group"


def test_other_shapes(groups: Web) -> None:
    elastic = ElasticMachineGroup("c2-standard-4", min_machines=2, max_machines=4)
    cluster = MPICluster("c2-standard-4", num_machines=3)
    first, second = (request.json for request in groups.seen("POST", "/compute/group"))
    assert (first["num_vms"], first["min_vms"], first["max_vms"], first["is_elastic"]) == (2, 2, 4, True)
    assert (second["num_vms"], second["type"], second["is_elastic"]) == (3, "mpi", False)
    assert (elastic.n_vcpus, elastic.available_vcpus) == ((16, 4), 4)
    assert (cluster.n_vcpus, cluster.available_vcpus, cluster.get_available_mpi_slots(False)) == ((12, 4), 12, 6)
    assert (str(elastic), repr(cluster)) == ("Elastic Machine Group api-7f3", 'MPICluster(name="api-7f3")')


def test_the_time_limit_is_sent(groups: Web) -> None:
    before = datetime.now(UTC)
    group = MachineGroup("c2-standard-4", auto_terminate_minutes=30, max_idle_time=None)
    sent = groups.requests[0].json
    end = datetime.fromisoformat(sent["auto_terminate_ts"])
    assert before + timedelta(minutes=30) <= end <= datetime.now(UTC) + timedelta(minutes=30)
    assert (sent["max_idle_time"], group.max_idle_time, group.auto_terminate_ts) == (None, None, end)


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ({"machine_type": ""}, "machine_type"),
        ({"data_disk_gb": 9}, "data_disk_gb"),
        ({"data_disk_gb": 10.5}, "data_disk_gb"),
        ({"data_disk_gb": 70000}, "data_disk_gb"),
        ({"auto_resize_disk_max_gb": 5}, "auto_resize_disk_max_gb"),
        ({"threads_per_core": 3}, "threads_per_core"),
        ({"max_idle_time": 0}, "max_idle_time"),
        ({"max_idle_time": "3"}, "max_idle_time"),
        ({"provider": "AWS"}, "AWS"),
        ({"num_machines": 0}, "num_machines"),
        ({"num_machines": True}, "num_machines"),
        ({"mg_name": "mine"}, "mg_name"),
        ({"byoc": True, "mg_name": "a b"}, "mg_name"),
        ({"byoc": True, "num_machines": 2}, "num_machines"),
        ({"auto_terminate_ts": datetime(2030, 1, 1)}, "time zone"),
        ({"auto_terminate_ts": datetime(2020, 1, 1, tzinfo=UTC)}, "future"),
        ({"auto_terminate_minutes": 0}, "auto_terminate_minutes"),
    ],
)
def test_what_is_refused_before_anything_is_sent(groups: Web, arguments: dict[str, Any], word: str) -> None:
    with pytest.raises(ValueError, match=word):
        MachineGroup(**{"machine_type": "c2-standard-4", **arguments})
    assert groups.requests == []


@pytest.mark.parametrize(("least", "most"), [(2, 2), (3, 2), (-1, 2)])
def test_elastic_bounds(groups: Web, least: int, most: int) -> None:
    with pytest.raises(ValueError, match="min_machines"):
        ElasticMachineGroup("c2-standard-4", min_machines=least, max_machines=most)


def test_life_of_a_group(groups: Web, capsys: pytest.CaptureFixture[str]) -> None:
    group = MachineGroup("c2-standard-4")
    assert group.terminate() is None, "nothing to end"
    assert group.start() is True
    assert group.start() is None
    assert (group.started, group.active_machines_to_str()) == (True, "1/1")
    assert group.terminate() is True
    assert (group.started, group.terminate()) == (False, None)
    starts, ends = groups.seen("POST", "/compute/group/start"), groups.seen("DELETE", "/compute/group")
    assert [request.query["machine_group_id"] for request in (*starts, *ends)] == [[group.id], [group.id]]
    said = capsys.readouterr().err
    for words in ("■ Registering MachineGroup", "c2-standard-4", "successfully started in 0:00:0", "not started"):
        assert words in said


def test_a_failed_start_leaves_the_group_as_it_was(groups: Web) -> None:
    groups.on("POST", "/compute/group/start", error(409, "It was terminated."))
    group = MachineGroup("c2-standard-4")
    with pytest.raises(errors.ConflictException, match="terminated"):
        group.start(verbose=False)
    assert not group.started


def test_silence(groups: Web, capsys: pytest.CaptureFixture[str]) -> None:
    group = MachineGroup("c2-standard-4")
    capsys.readouterr()
    group.start(verbose=False)
    group.terminate(verbose=False)
    assert capsys.readouterr() == ("", "")


def test_notices_reach_the_user(web: Web, capsys: pytest.CaptureFixture[str]) -> None:
    web.on("POST", "/compute/group", ok(samples.group(notices=["This machine has 2 of the 4 vCPUs."]), 201))
    MachineGroup("c2-standard-4")
    assert "This machine has 2 of the 4 vCPUs." in capsys.readouterr().err


def test_quotas_decide_on_starting(groups: Web) -> None:
    group = MachineGroup("c2-standard-4")
    quota = {"id": "max_vcpus", "label": "vCPUs", "unit": "", "scope": "global", "max_allowed": 8}
    groups.on(
        "GET", "/users/quotas", ok({"max_vcpus": {**quota, "in_use": 4}}), ok({"max_vcpus": {**quota, "in_use": 5}})
    )
    assert group.can_start_resource()
    assert not group.can_start_resource()


def test_groups_come_back_as_their_own_class(web: Web) -> None:
    web.on(
        "GET",
        "/compute/groups",
        ok(
            [
                samples.group(auto_terminate_ts="9999-12-31T00:00:00+00:00", threads_per_core=1),
                samples.group(is_elastic=True, min_vms=1, max_vms=4, type="standard"),
                samples.group(type="mpi", max_vms=2),
            ]
        ),
    )
    standard, elastic, cluster = get()
    assert isinstance(standard, MachineGroup)
    assert (standard.auto_terminate_ts, standard.threads_per_core) == (None, 1)
    assert isinstance(elastic, ElasticMachineGroup)
    assert elastic.max_machines == 4
    assert isinstance(cluster, MPICluster)
    web.on("GET", "/compute/group/a%2Fb", ok(samples.group(name="a/b")))
    assert machine_groups.get_by_name("a/b").name == "a/b"


def test_mpi_settings(groups: Web) -> None:
    group = MachineGroup("c2-standard-4")
    assert group.get_mpi_config().to_dict() == {
        "version": "4.1.6",
        "options": {"np": 4, "use-hwthread-cpus": True},
    }
    group.set_mpi_config(np=2, mpi_version="1.10.7", use_hwthread_cpus=False)
    assert group.get_mpi_config() == MPIConfig("1.10.7", np=2, use_hwthread_cpus=False)
    own = MPIConfig("4.1.6", np=1)
    group.set_mpi_config(own)
    assert group.get_mpi_config() is own


def test_prices_and_types(web: Web) -> None:
    web.on("GET", "/compute/price", ok({"on_demand_price": 0.3, "preemptible_price": 0.1}))
    assert (estimate_machine_cost("c2-standard-4"), estimate_machine_cost("c2-standard-4", spot=True)) == (0.3, 0.1)
    row = {"machine_type": "c2-standard-4", "num_vcpus": 4, "ram_gb": 16, "price": 0.3, "provider_id": "GCP"}
    web.on("GET", "/pricing/machine-types", ok([row]))
    found = get_available_machine_types("gcp", machine_families=["c2", "c3"], vcpus_range=(2, 8), spot=False)
    assert (found[0].machine_type, found[0]["num_vcpus"], found[0].gpu_name) == ("c2-standard-4", 4, None)
    assert web.requests[-1].query == {
        "provider_id": ["GCP"], "machine_families": ["c2", "c3"], "vcpus_range": ["2", "8"], "spot": ["false"],
    }  # fmt: skip
    with pytest.raises(ValueError, match="vcpus_range"):
        get_available_machine_types(vcpus_range=(8, 2))


def test_both_ends_at_once_are_refused() -> None:
    with pytest.raises(ValueError, match="not both"):
        validation.end(datetime(2030, 1, 1, tzinfo=UTC), 5)
