"""A Postgres of our own for tests: made from the installed programs, on a free port, gone when the tests are."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

PROGRAMS = ("initdb", "pg_ctl", "postgres")

FAST = ["fsync=off", "full_page_writes=off", "autovacuum=off", "shared_buffers=32MB", "max_connections=60"]
"""Settings for tests that never cut the power."""


def programs() -> Path | None:
    """Return the folder of the newest installed Postgres that has everything a server needs, None if there is none."""
    found = shutil.which("pg_config")
    folders = [Path(subprocess.check_output([found, "--bindir"], text=True).strip())] if found else []
    debian = Path("/usr/lib/postgresql").glob("*/bin")
    folders += sorted(debian, key=lambda f: int(f.parent.name) if f.parent.name.isdigit() else 0, reverse=True)
    return next((f for f in folders if all((f / p).exists() for p in PROGRAMS)), None)


class Cluster:
    """One server with its data in a folder of its own.

    Parameters
    ----------
    bin_
        Folder of its programs.
    settings
        Its configuration, as ``name=value``.
    """

    def __init__(self, bin_: Path, settings: Sequence[str] = FAST) -> None:
        self._bin = bin_
        self._settings = settings
        # Not below pytest's folder: that is closed to the account that the server runs as.
        self.folder = Path(tempfile.mkdtemp(prefix="adjudge-postgres-"))
        if os.geteuid() == 0:  # the server refuses to run as root
            shutil.chown(self.folder, "postgres", "postgres")
        self._run("initdb", "-D", self._data, "-U", "adjudge", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
        self.port = _free_port()

    @property
    def url(self) -> str:
        """How it is reached."""
        return f"postgresql://adjudge@127.0.0.1:{self.port}/postgres"

    @property
    def _data(self) -> str:
        return str(self.folder / "data")

    def start(self) -> None:
        """Start the server and wait until it answers."""
        where = [f"port={self.port}", "listen_addresses=127.0.0.1", f"unix_socket_directories={self.folder}"]
        options = " ".join(f"-c {line}" for line in [*where, *self._settings])
        self._run("pg_ctl", "-D", self._data, "-l", str(self.folder / "server.log"), "-w", "-o", options, "start")

    def stop(self, mode: str = "immediate") -> None:
        """Stop the server; ``immediate`` is how it looks to its clients when it crashes."""
        self._run("pg_ctl", "-D", self._data, "-w", "-m", mode, "stop")

    def remove(self) -> None:
        """Stop the server if it runs, and remove its data."""
        if (self.folder / "data" / "postmaster.pid").exists():
            self.stop()
        shutil.rmtree(self.folder)

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self._bin / program), *arguments]
        if os.geteuid() == 0:
            command = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", *command]
        # Its output goes to a file: the server inherits it, and a pipe would stay open as long as it runs.
        with (self.folder / "tools.log").open("a") as output:
            done = subprocess.run(command, stdout=output, stderr=output, cwd=self.folder, check=False)
        if done.returncode:
            message = f"{program} failed:\n{(self.folder / 'tools.log').read_text()[-2000:]}"
            raise RuntimeError(message)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
