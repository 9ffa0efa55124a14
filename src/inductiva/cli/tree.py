"""The command tree as data: what exists, where its code is, and the line that `--help` shows.

A command's module is imported when the command is used, so that `inductiva --help` stays quick.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Leaf:
    """A command: `target` is `module:attribute` below `inductiva.cli.commands`, `help` its one line."""

    target: str
    help: str
    alias: str | None = None


@dataclass(frozen=True, slots=True)
class Branch:
    """A group of commands."""

    help: str
    children: dict[str, Leaf | Branch]


ROOT = Branch(
    "Run simulations as durable tasks.",
    {
        "auth": Branch(
            "Log in to a server and out of it.",
            {
                "login": Leaf("auth:login", "Store an API key, after asking the server whether it is good."),
                "logout": Leaf("auth:logout", "Forget the stored API key."),
                "whoami": Leaf("auth:whoami", "Show which server and which account commands talk to."),
            },
        ),
        "completion": Leaf("completion:completion", "Print a script that completes commands in a shell."),
        "logs": Leaf("logs:logs", "Show what a task prints, as it prints it, until it ends."),
        "resources": Branch(
            "Machine groups: what there is, what runs, what it costs.",
            {
                "available": Leaf("machine_types:available", "List the machine types that can be started."),
                "cost": Leaf("machine_types:cost", "Show what machines of a type cost an hour."),
                "info": Leaf("resources:info", "Show the machines of a machine group."),
                "list": Leaf("resources:list_groups", "List the active machine groups.", alias="ls"),
                "start": Leaf("resources:start", "Register a machine group and start it."),
                "terminate": Leaf("resources:terminate", "Terminate machine groups."),
            },
        ),
        "server": Branch(
            "The server on this machine that commands and scripts start when they need it.",
            {
                "env": Leaf("server:env", "Print shell commands that point other programs at this server."),
                "fsck": Leaf("server:fsck", "Check that the server's data is whole and consistent."),
                "logs": Leaf("server:logs", "Show what the server says."),
                "restart": Leaf("server:restart", "Stop the server and start it again."),
                "start": Leaf("server:start", "Start the server, unless it runs."),
                "status": Leaf("server:status", "Show whether the server runs, and where."),
                "stop": Leaf("server:stop", "Stop the server; running simulations go on."),
            },
        ),
        "simulators": Branch(
            "Simulators: what can be run.",
            {
                "install": Leaf("simulators:install", "Provide a simulator on this machine."),
                "list": Leaf("simulators:list_simulators", "List simulators and their versions.", alias="ls"),
            },
        ),
        "tasks": Branch(
            "Tasks: list, inspect, download, kill.",
            {
                "download": Leaf("downloads:download", "Download outputs or inputs of tasks."),
                "info": Leaf("tasks:info", "Show the report of a task: timeline, data, cost."),
                "kill": Leaf("kill:kill", "Kill tasks."),
                "last-modified-file": Leaf("live:last_modified_file", "Show which file a task wrote last, and when."),
                "list": Leaf("tasks:list_tasks", "List tasks, newest first.", alias="ls"),
                "list-files": Leaf("live:list_files", "Show the files in a task's working directory."),
                "metadata": Branch(
                    "Read and change the metadata of a task.",
                    {
                        "get": Leaf("metadata:get", "Show the metadata of a task."),
                        "set": Leaf("metadata:set_", "Set metadata of a task; other keys stay."),
                        "unset": Leaf("metadata:unset", "Remove metadata of a task."),
                    },
                ),
                "tail": Leaf("live:tail", "Show the last lines of files of a task."),
                "top": Leaf("live:top", "Show the processes of the machine that runs a task."),
            },
        ),
        "user": Branch(
            "The account.",
            {"info": Leaf("user:info", "Show the account, its costs and its quotas.")},
        ),
        "version": Leaf("version:version", "Print the version."),
    },
)
