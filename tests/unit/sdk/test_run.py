"""From `run()` to a submitted task: checks, requests, what is printed."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import pytest
from tests.unit.sdk import samples
from tests.unit.sdk.samples import ID
from tests.unit.sdk.web import DROP, Web, error, ok

import inductiva
from inductiva.api import errors
from inductiva.commands import Command, MPIConfig
from inductiva.resources import MachineGroup, MPICluster
from inductiva.simulators import CustomImage, SplishSplash, versions
from inductiva.tasks import inputs

STATUS = {
    "id": ID,
    "status": "submitted",
    "is_terminated": False,
    "position_in_queue": {"tasks_ahead": 2},
}
IMAGE = "docker://user/image:tag"


@pytest.fixture
def server(web: Web) -> Web:
    web.on("GET", "/simulators/available-images", ok(samples.images()))
    web.on("POST", "/compute/group", ok(samples.group(), 201))
    web.on("POST", "/compute/group/start", ok({}))
    web.on("GET", "/users/quotas", ok({}))
    web.on("POST", "/tasks/submit", ok({"id": ID, "status": "pending-input", "is_terminated": False}, 202))
    web.on("GET", "/storage/signed-urls", ok([f"{web.url}/put"]))
    web.on("PUT", "/put", ok({}))
    web.on("POST", f"/tasks/{ID}/input_uploaded", ok({}))
    web.on("GET", f"/tasks/{ID}/status", ok(STATUS))
    web.on("POST", f"/tasks/{ID}/kill", ok({}))
    return web


@pytest.fixture
def group(server: Web) -> MachineGroup:
    made = MachineGroup("c2-standard-4")
    made.start(verbose=False)
    server.requests.clear()
    return made


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    source = tmp_path / "in put"
    (source / "empty").mkdir(parents=True)
    (source / "config.json").write_text("{}")
    script = source / "run.sh"
    script.write_text("echo hi\n")
    script.chmod(0o755)
    return source


def submitted(web: Web) -> dict[str, Any]:
    body: dict[str, Any] = web.seen("POST", "/tasks/submit")[-1].json
    return body


def commands(web: Web) -> list[str]:
    return [command["cmd"] for command in submitted(web)["extra_params"]["commands"]]


def test_the_whole_way(server: Web, group: MachineGroup, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    simulator = SplishSplash()
    server.requests.clear()
    capsys.readouterr()
    task = simulator.run(input_dir=folder, sim_config_filename="config.json", on=group)
    assert [f"{request.method} {request.path}" for request in server.requests] == [
        "POST /tasks/submit",
        "GET /storage/signed-urls",
        "PUT /put",
        f"POST /tasks/{ID}/input_uploaded",
        f"GET /tasks/{ID}/status",
    ]
    body = submitted(server)
    image = "docker://inductiva/kutu:splishsplash_v2.13.0"
    assert (body["simulator"], body["simulator_name_alias"]) == ("arbitrary_commands", "splishsplash")
    assert (body["resource_pool"], body["container_image"]) == (group.id, image)
    assert body["extra_params"]["sim_dir"] == "sim_dir"
    assert commands(server) == [
        "cp /SPlisHSPlasH_CPU/bin/SPHSimulator .",
        "./SPHSimulator config.json --no-gui --output-dir .",
        "rm SPHSimulator",
    ]
    put = server.seen("PUT", "/put")[0]
    assert put.headers["transfer-encoding"] == "chunked"
    assert "x-api-key" not in put.headers
    with zipfile.ZipFile(io.BytesIO(put.body)) as packed:
        assert packed.namelist() == ["sim_dir/", "sim_dir/config.json", "sim_dir/empty/", "sim_dir/run.sh"]
        assert packed.getinfo("sim_dir/run.sh").external_attr >> 16 & 0o777 == 0o755
    assert server.seen("GET", "/storage/signed-urls")[0].query["paths"] == [f"{ID}/input.zip"]
    said = capsys.readouterr().err
    for words in (
        f"ID:                    {ID}",
        "2.13.0",
        f"Task {ID} submitted to the queue of the Machine Group api-7f3 with c2-standard-4 machines.",
        "Number of tasks ahead in the queue: 2.",
        f"inductiva tasks list --id {ID}\n",
        f"inductiva logs {ID}\n",
        f"inductiva tasks list-files {ID}\n",
        f"inductiva tasks info {ID}\n",
    ):
        assert words in said
    assert repr(task) == f'Task("{ID}", status=submitted)'


def test_each_run_has_a_key_of_its_own(server: Web, group: MachineGroup, folder: Path) -> None:
    for _ in range(2):
        CustomImage(IMAGE).run(folder, ["true"], on=group, verbose=False)
    first, second = (request.headers["idempotency-key"] for request in server.seen("POST", "/tasks/submit"))
    assert first != second


def test_an_answer_with_the_status_saves_a_request(server: Web, group: MachineGroup, folder: Path) -> None:
    server.on("POST", f"/tasks/{ID}/input_uploaded", ok(STATUS))
    CustomImage(IMAGE).run(folder, ["true"], on=group)
    assert server.seen("GET", f"/tasks/{ID}/status") == []


def test_silence_of_one_call(
    server: Web, group: MachineGroup, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    simulator = CustomImage(IMAGE)
    simulator.run(folder, ["true"], on=group, verbose=False)
    assert capsys.readouterr() == ("", "")
    simulator.run(folder, ["true"], on=group)
    assert ID in capsys.readouterr().err


def test_options_travel(server: Web, group: MachineGroup, folder: Path) -> None:
    given: list[str | Command] = [
        "bash run.sh",
        Command("ask", "yes", env={"A": "1"}, mpi_config=MPIConfig("4.1.6", np=2)),
    ]
    CustomImage(IMAGE).run(
        folder,
        given,
        on=group,
        storage_dir="my/dir",
        project="p",
        time_to_live="1h30m",
        resubmit_on_preemption=True,
        remote_assets="other/output.zip",
        on_finish_cleanup="tidy up.sh",
        env={"B": "2"},
        run_subprocess_dir=".",
        save_on_preemption=True,
        verbose=False,
    )
    body = submitted(server)
    assert (body["storage_path_prefix"], body["project"], body["time_to_live_seconds"]) == ("my/dir", "p", 5400)
    assert (body["resubmit_on_preemption"], body["input_resources"]) == (True, ["other/output.zip"])
    extra = body["extra_params"]
    assert (extra["env"], extra["run_subprocess_dir"], extra["save_on_preemption"]) == ({"B": "2"}, ".", True)
    assert commands(server) == ["bash run.sh", "ask", "bash 'tidy up.sh'"]
    assert extra["commands"][1] == {
        "cmd": "ask", "prompts": ["yes"], "env": {"A": "1"},
        "mpi_config": {"version": "4.1.6", "options": {"np": 2}},
    }  # fmt: skip
    assert len(given) == 2, "the list that was given is not changed"
    assert server.seen("GET", "/storage/signed-urls")[0].query["paths"] == [f"my/dir/{ID}/input.zip"]
    assert body["simulator_name_alias"] is None


def test_names_with_spaces_and_other_letters(server: Web, group: MachineGroup, folder: Path) -> None:
    (folder / "größe 水.json").write_text("{}")
    SplishSplash().run(folder, "größe 水.json", on=group, verbose=False)
    assert commands(server)[1] == "./SPHSimulator 'größe 水.json' --no-gui --output-dir ."


def test_surfaces_and_animation(server: Web, group: MachineGroup, folder: Path) -> None:
    SplishSplash().run(
        folder,
        "config.json",
        on=group,
        vtk_to_obj=True,
        vtk_to_obj_vtk_dir="vtk",
        vtk_to_obj_particle_radius=0.025,
        gen_gif=True,
        verbose=False,
    )
    assert commands(server)[3:] == [
        "splashsurf reconstruct 'vtk/PartFluid_{}.vtk' -r=0.025 -l=2.0 -c=1.0 -t=0.6 --subdomain-grid=on "
        "--mesh-cleanup=on --mesh-smoothing-weights=on --mesh-smoothing-iters=25 --normals=on "
        "--normals-smoothing-iters=10 -o 'vtk/PartFluid__surface{}.obj'",
        "python3 /home/scripts/gen_gif.py ./vtk res.gif --cam_pos 4.0 1.0 4.0 --cam_fp 0.0 0.0 0.0",
    ]
    with pytest.raises(ValueError, match="vtk_to_obj_particle_radius"):
        SplishSplash().run(folder, "config.json", on=group, vtk_to_obj=True)


def test_remote_assets_alone(server: Web, group: MachineGroup) -> None:
    CustomImage(IMAGE).run(None, ["true"], on=group, remote_assets=["x/y.dat"], verbose=False)
    with zipfile.ZipFile(io.BytesIO(server.seen("PUT", "/put")[0].body)) as packed:
        assert packed.namelist() == ["sim_dir/"]


def test_a_group_that_is_not_started_is_started(server: Web, folder: Path) -> None:
    group = MachineGroup("c2-standard-4")
    CustomImage(IMAGE).run(folder, ["true"], on=group, verbose=False)
    assert group.started
    assert len(server.seen("POST", "/compute/group/start")) == 1


class TestRefused:
    """Before anything is made on the server."""

    @pytest.fixture(autouse=True)
    def _nothing_was_sent(self, server: Web) -> Any:
        yield
        assert server.seen("POST", "/tasks/submit") == []

    @pytest.mark.parametrize("directory", ["", "missing", "file"])
    def test_no_directory(self, group: MachineGroup, directory: str) -> None:
        Path("file").write_text("")
        with pytest.raises(ValueError, match="input_dir"):
            CustomImage(IMAGE).run(directory, ["true"], on=group)

    def test_no_input_at_all(self, group: MachineGroup) -> None:
        with pytest.raises(ValueError, match="remote_assets"):
            CustomImage(IMAGE).run(None, ["true"], on=group)

    def test_an_empty_directory(self, group: MachineGroup) -> None:
        Path("void").mkdir()
        with pytest.raises(ValueError, match="empty"):
            CustomImage(IMAGE).run("void", ["true"], on=group)

    def test_a_reserved_name(self, group: MachineGroup, folder: Path) -> None:
        (folder / "output.zip").write_text("")
        with pytest.raises(ValueError, match=r"output\.zip"):
            CustomImage(IMAGE).run(folder, ["true"], on=group)

    def test_a_file_that_is_not_there(self, group: MachineGroup, folder: Path) -> None:
        with pytest.raises(FileNotFoundError, match=r"scene\.json"):
            SplishSplash().run(folder, "scene.json", on=group)

    @pytest.mark.parametrize("name", ["empty", "", "../in put/config.json", "/etc/passwd", None])
    def test_what_is_no_file_of_the_directory(self, group: MachineGroup, folder: Path, name: Any) -> None:
        with pytest.raises(ValueError, match="file"):
            SplishSplash().run(folder, name, on=group)

    @pytest.mark.parametrize("command", ["a | b", "", "echo 'open", 3, "x\0y"])
    def test_a_malformed_command(self, group: MachineGroup, folder: Path, command: Any) -> None:
        with pytest.raises(ValueError, match="command"):
            CustomImage(IMAGE).run(folder, [command], on=group)

    @pytest.mark.parametrize("listed", [[], "true", None])
    def test_no_commands(self, group: MachineGroup, folder: Path, listed: Any) -> None:
        with pytest.raises(ValueError, match="commands"):
            CustomImage(IMAGE).run(folder, listed, on=group)

    def test_no_group(self, server: Web, folder: Path) -> None:
        with pytest.raises(ValueError, match="MachineGroup"):
            CustomImage(IMAGE).run(folder, ["true"], on=None)  # type: ignore[arg-type]

    def test_a_group_that_does_not_fit(self, server: Web, folder: Path) -> None:
        server.on("POST", "/compute/group", ok(samples.group(type="mpi", max_vms=2), 201))
        cluster = MPICluster("c2-standard-4")
        with pytest.raises(ValueError, match="does not run on"):
            SplishSplash().run(folder, "config.json", on=cluster)

    @pytest.mark.parametrize("time", ["soon", "0", "-1m", 0, -5, ""])
    def test_a_time_to_live_that_is_none(self, group: MachineGroup, folder: Path, time: Any) -> None:
        with pytest.raises(ValueError, match="time_to_live"):
            CustomImage(IMAGE).run(folder, ["true"], on=group, time_to_live=time)

    def test_what_cannot_travel(self, group: MachineGroup, folder: Path) -> None:
        with pytest.raises(ValueError, match="odd"):
            CustomImage(IMAGE).run(folder, ["true"], on=group, odd=object())  # type: ignore[call-arg]


class TestUpload:
    def test_a_connection_that_drops_is_tried_again(self, server: Web, group: MachineGroup, folder: Path) -> None:
        server.on("PUT", "/put", DROP, ok({}))
        CustomImage(IMAGE).run(folder, ["true"], on=group, verbose=False)
        first, second = server.seen("PUT", "/put")
        assert first.body == second.body
        assert server.seen("POST", f"/tasks/{ID}/kill") == []

    def test_a_refusal_kills_the_task_and_is_told(self, server: Web, group: MachineGroup, folder: Path) -> None:
        server.on("PUT", "/put", error(507, "The disk is full."))
        with pytest.raises(errors.ServiceException, match="disk is full"):
            CustomImage(IMAGE).run(folder, ["true"], on=group, verbose=False)
        assert len(server.seen("POST", f"/tasks/{ID}/kill")) == 1
        assert server.seen("POST", f"/tasks/{ID}/input_uploaded") == []

    def test_a_refused_archive_kills_the_task(self, server: Web, group: MachineGroup, folder: Path) -> None:
        server.on("POST", f"/tasks/{ID}/input_uploaded", error(422, "broken archive"))
        with pytest.raises(errors.UnprocessableEntityException, match="broken archive"):
            CustomImage(IMAGE).run(folder, ["true"], on=group, verbose=False)
        assert len(server.seen("POST", f"/tasks/{ID}/kill")) == 1

    def test_ctrl_c_kills_the_task(
        self, server: Web, group: MachineGroup, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def interrupted(*_: Any, **__: Any) -> int:
            raise KeyboardInterrupt

        monkeypatch.setattr(inputs, "upload", interrupted)
        with pytest.raises(KeyboardInterrupt):
            CustomImage(IMAGE).run(folder, ["true"], on=group, verbose=False)
        assert len(server.seen("POST", f"/tasks/{ID}/kill")) == 1


class TestSimulators:
    def test_versions_are_ordered_as_versions(self, server: Web) -> None:
        server.on("GET", "/simulators/available-images", ok(samples.images(splishsplash=["9.01A", "10.05", "11.01"])))
        assert SplishSplash().version == SplishSplash("latest").version == "11.01"
        assert SplishSplash("9.01A").image_uri == "docker://inductiva/kutu:splishsplash_v9.01A"
        with pytest.raises(ValueError, match=r"9\.01A, 10\.05, 11\.01"):
            SplishSplash("12")

    def test_a_simulator_that_the_server_does_not_have(self, server: Web) -> None:
        server.on("GET", "/simulators/available-images", ok(samples.images(swmm=["5.2.4"])))
        with pytest.raises(ValueError, match="it has swmm"):
            SplishSplash()

    def test_machines_with_gpu_get_the_image_for_them(self, server: Web, folder: Path) -> None:
        gpu = samples.group(gpu_info={"gpu_count": 1, "gpu_name": "L4"}, started=True)
        server.on("POST", "/compute/group", ok(gpu, 201))
        SplishSplash().run(folder, "config.json", on=MachineGroup("g2-standard-4"), verbose=False)
        assert submitted(server)["container_image"].endswith("splishsplash_v2.13.0_gpu")

    @pytest.mark.parametrize("image", ["ubuntu", "", None])
    def test_images_have_a_scheme(self, image: Any) -> None:
        with pytest.raises(ValueError, match="docker://"):
            CustomImage(image)

    def test_the_catalogue_gets_no_key(self, web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("INDUCTIVA_MACHINES_CATALOGUE_API_URL", web.url)
        web.on("GET", "/simulators/available-images", ok(samples.images()))
        assert inductiva.simulators.methods.list_available_images()["production"]["splishsplash"][0] == "2.9.1"
        assert "x-api-key" not in web.requests[0].headers


def test_order_of_versions() -> None:
    given = ["v11-2024", "9.0.0", "8p1r2", "8p4r0", "10.1", "2.13.0", "2.9.1", "2.13.0_gpu"]
    assert versions.plain(given) == ["v11-2024", "2.9.1", "2.13.0", "8p1r2", "8p4r0", "9.0.0", "10.1"]
