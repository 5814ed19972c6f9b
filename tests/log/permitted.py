"""What a machine permits tests to do: mount a file system that only they see, and watch a process of their own.

A container may forbid either to whoever is in it. That is no want of a program, which is what a skip tells of.
"""

from __future__ import annotations

import functools
import shutil
import subprocess
from collections.abc import Callable, Sequence


@functools.cache
def mounting() -> list[str] | None:
    """Return the command that runs another one with mounts of its own, None if there is none."""
    for command in (["unshare", "--mount"], ["unshare", "--mount", "--user", "--map-root-user"]):
        if _works([*command, "mount", "-t", "tmpfs", "none", "/tmp"]):
            return command
    return None


def may_mount() -> bool:
    """Return whether it can be mounted; file systems cannot be mounted here, not even by `unshare --mount`."""
    return mounting() is not None or not (shutil.which("unshare") and shutil.which("mount"))


@functools.cache
def may_watch() -> bool:
    """Return whether it can be watched; processes cannot be watched here, not even one's own by `strace`."""
    return shutil.which("strace") is None or _works(["strace", "-f", "-o", "/dev/null", "true"])


def _works(command: Sequence[str]) -> bool:
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


PERMITTED: dict[str, Callable[[], bool]] = {"mounts": may_mount, "strace": may_watch}
"""What says whether tests with a marker can run; its second clause says why not."""
