"""What the shim's words mean: a table of step and error number to one of the port's errors."""

from __future__ import annotations

import errno
import os

from skylift.provider import OutOfCapacity, ProviderError, Rejected, Unreachable

BUSY = frozenset([errno.EAGAIN, errno.ENOMEM, errno.ENFILE, errno.EMFILE])
FULL = frozenset([errno.ENOSPC, errno.EDQUOT])
RETRY_AFTER = 15.0

REMEDIES = {
    ("exec", errno.ENOENT): (
        "The command {command!r} was not found.",
        "Install it on the service's machine, give its full path, or add its folder to PATH in 'env'.",
    ),
    ("exec", errno.EACCES): (
        "The command {command!r} may not be executed.",
        "Make the file executable for the service's user (chmod +x).",
    ),
    ("exec", errno.ENOEXEC): (
        "The command {command!r} is not a program that this machine can run.",
        "Begin a script with a line such as #!/bin/sh, or name its interpreter in the command.",
    ),
    ("exec", errno.E2BIG): (
        "The command and its environment are too long for this machine.",
        "Pass large values in a file instead of 'command' or 'env'.",
    ),
    ("chdir", errno.ENOENT): (
        "The working directory {working_dir!r} does not exist.",
        "Create it on the service's machine, or correct 'working_dir'.",
    ),
    ("chdir", errno.ENOTDIR): (
        "The working directory {working_dir!r} is not a directory.",
        "Correct 'working_dir'.",
    ),
    ("chdir", errno.EACCES): (
        "The working directory {working_dir!r} may not be entered.",
        "Give the service's user access to it, or correct 'working_dir'.",
    ),
}


def to_error(step: str, number: int, command: str, working_dir: str) -> ProviderError:
    """`step`: what failed: spawn, fork, setup, chdir or exec; state: the attempt's own folder."""
    if (step, number) in REMEDIES:
        message, remedy = REMEDIES[step, number]
        return Rejected(message.format(command=command, working_dir=working_dir), remedy=remedy)
    told = os.strerror(number)
    if number in BUSY:
        return OutOfCapacity(
            f"This machine has no room for another process just now ({told}).",
            retry_after=RETRY_AFTER,
            remedy="Lower the pool's concurrency limit, or raise the limits of the service's user.",
        )
    if number in FULL:
        return OutOfCapacity(
            f"The disk that holds the process pool's state is full ({told}).",
            retry_after=RETRY_AFTER,
            remedy="Free some space under SKYLIFT_HOME.",
        )
    if step in ("exec", "chdir"):
        return Rejected(
            f"The command {command!r} could not be started in {working_dir!r}: {told}.",
            remedy="Correct 'command' or 'working_dir'.",
        )
    return Unreachable(
        f"The process could not be started ({step}: {told}).",
        remedy="See that the service's user may write to SKYLIFT_HOME and start processes.",
    )
