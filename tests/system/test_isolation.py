"""What a simulation can see and do on the machine that runs it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.system.harness import Platform

from inductiva.protocol.status import TaskStatusCode as S


def said(platform: Platform, group: str, script: str) -> str:
    task = platform.submit(group, ["bash run.sh"], {"run.sh": script})
    platform.wait(task, S.SUCCESS)
    return platform.output(task)["stdout.txt"].decode()


def test_no_key_and_no_token_is_visible(platform: Platform, group: str) -> None:
    text = said(
        platform, group, "env; cat /proc/*/environ 2>/dev/null | tr '\\0' '\\n'; cat /proc/*/cmdline | tr '\\0' ' '\n"
    )
    machine = next(iter(platform.layout.machines.glob("*/machine.json"))).read_text()
    token = machine.split('"token":"')[1].split('"')[0]
    assert platform.key not in text
    assert token not in text
    assert "INDUCTIVA_API_KEY" not in text


def test_the_platforms_own_files_and_other_tasks_are_out_of_sight(platform: Platform, group: str) -> None:
    secrets = f"{platform.data_dir} {platform.layout.server} {platform.layout.api_key}"
    script = f"ls {secrets} 2>&1; cat {platform.layout.api_key} 2>&1; ls /workdir; ls /workdir/output\n"
    text = said(platform, group, script)
    assert platform.key not in text
    assert "machines" not in text, "the data directory cannot be listed"
    assert "inductiva.db" not in text
    assert "output" in text


@pytest.mark.skipif(os.geteuid() != 0, reason="only root could read /etc/shadow anyway: run the tests as root")
def test_secrets_of_the_host_are_out_of_sight_and_its_programs_read_only(platform: Platform, group: str) -> None:
    script = "cat /etc/shadow && echo LEAK; touch /usr/bin/planted && echo PLANTED; ls /root /home 2>/dev/null; id -u\n"
    text = said(platform, group, script + "true\n")
    assert "LEAK" not in text
    assert "PLANTED" not in text
    assert not Path("/usr/bin/planted").exists()


def test_other_processes_are_out_of_sight(platform: Platform, group: str) -> None:
    text = said(platform, group, "ls -d /proc/[0-9]* | wc -l; ps -e 2>/dev/null | grep -c python\ntrue\n")
    numbers = [int(line) for line in text.splitlines() if line.strip().isdigit()]
    assert numbers[0] < 10


def test_a_task_starts_with_a_clean_tmp(platform: Platform, group: str) -> None:
    said(platform, group, "echo secret > /tmp/left-behind\n")
    assert "secret" not in said(platform, group, "cat /tmp/left-behind 2>/dev/null\ntrue\n")
