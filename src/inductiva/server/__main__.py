"""`python -m inductiva.server`: serve, or check what is stored."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from inductiva.protocol.embedded import data_dir
from inductiva.server.config import Config


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m inductiva.server", description="Serve the Inductiva API.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=0, help="port (default: the previous one if free, else any)")
    parser.add_argument("--idle-seconds", type=float, help="end after this long without requests and work")
    parser.add_argument("--lease-seconds", type=float, default=30.0, help="when a silent machine counts as lost")
    parser.add_argument("--heartbeat-seconds", type=float, default=5.0, help="how often machines report")
    _add_data_dir(parser)
    commands = parser.add_subparsers(dest="command", metavar="fsck")
    fsck = commands.add_parser("fsck", help="compare statuses, event logs, objects and directories; exit 1 on findings")
    fsck.add_argument("--json", action="store_true", help="print findings as JSON")
    _add_data_dir(fsck)
    return parser


def _add_data_dir(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data-dir", type=Path, default=argparse.SUPPRESS, help="where everything is stored")


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    config = Config(
        data_dir=getattr(options, "data_dir", None) or data_dir(),
        host=options.host,
        port=options.port,
        idle_seconds=options.idle_seconds,
        lease_seconds=options.lease_seconds,
        heartbeat_seconds=options.heartbeat_seconds,
    )
    if options.command == "fsck":
        from inductiva.server.services.fsck import report

        return report(config, as_json=options.json)
    from inductiva.server.process import serve

    return serve(config)


if __name__ == "__main__":
    sys.exit(main())
