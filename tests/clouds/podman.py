"""A container engine for tests: Podman, with storage and a socket of its own, for as long as one command runs.

    python -m tests.clouds.podman pytest -m containers

In stages: install what is missing, write the configuration, make the image (once; it is kept in `.containers_cache`),
serve Docker's API on a socket and a small registry, run the command with DOCKER_HOST, stop all.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.clouds import podman_image
from tests.clouds.containers import ROOT
from tests.clouds.registry import Registry

CACHE = ROOT / ".containers_cache"
PROGRAMS = ("podman", "runc", "conmon", "iptables")
PACKAGES = ("podman", "runc", "conmon", "iptables", "netavark", "aardvark-dns", "catatonit")
PATIENCE = 30.0
"""Seconds until the socket must answer."""
# Ulimits: without CAP_SYS_RESOURCE larger values fail. runc, because crun 1.8 refuses hybrid cgroups.
CONTAINERS_CONF = """\
[containers]
default_ulimits = ["nofile=10000:10000", "nproc=30000:30000"]
log_driver = "k8s-file"
[network]
network_backend = "netavark"
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
"""
REGISTRIES_CONF = """\
unqualified-search-registries = []
[[registry]]
location = "{registry}"
insecure = true
"""
POLICY = '{"default": [{"type": "insecureAcceptAnything"}]}'


def missing() -> list[str]:
    return [each for each in PROGRAMS if not shutil.which(each, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")]


def install() -> None:
    """What is missing, from Debian's packages. Ends the program, saying what is needed, where that cannot be done."""
    if not missing():
        return
    if os.geteuid() or not shutil.which("apt-get"):
        sys.exit(f"These tests need {', '.join(missing())}, as root; on Debian: apt-get install {' '.join(PACKAGES)}")
    quiet = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(["apt-get", "-qq", "update"], env=quiet, check=True, stdout=subprocess.DEVNULL)
    command = ["apt-get", "-qq", "install", "--no-install-recommends", *PACKAGES]
    subprocess.run(command, env=quiet, check=True, stdout=subprocess.DEVNULL)


class Podman:
    """The program with our own configuration. `run` is a short path: sockets have a limit of 108 characters."""

    def __init__(self, run: Path, registry: str) -> None:
        """`registry`: host and port of one that is spoken to without TLS, as Docker does with 127.0.0.0/8."""
        self.run = run
        (run / "containers.conf").write_text(CONTAINERS_CONF)
        (run / "registries.conf").write_text(REGISTRIES_CONF.format(registry=registry))
        (run / "policy.json").write_text(POLICY)
        self.environment = os.environ | {
            "CONTAINERS_CONF": str(run / "containers.conf"),
            "CONTAINERS_REGISTRIES_CONF": str(run / "registries.conf"),
            "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin",
        }

    @property
    def command(self) -> list[str]:
        return ["podman", "--root", f"{CACHE}/storage", "--runroot", f"{CACHE}/state", "--tmpdir", f"{CACHE}/tmp"]

    @property
    def url(self) -> str:
        return f"unix://{self.run / 'engine.sock'}"

    def make_image(self) -> None:
        """Once for each state of what it is made from."""
        made = CACHE / "image"
        if made.exists() and made.read_text() == podman_image.fingerprint():
            return
        changes = [f"--change=ENV {name}={value}" for name, value in podman_image.SETTINGS.items()]
        with tempfile.TemporaryFile(dir=CACHE) as file:
            podman_image.write_image(file)
            file.seek(0)
            command = [*self.command, "import", "--quiet", *changes, "-", podman_image.IMAGE]
            subprocess.run(command, env=self.environment, check=True, stdin=file, stdout=subprocess.DEVNULL)
        made.write_text(podman_image.fingerprint())

    @contextmanager
    def serving(self) -> Iterator[str]:
        """Docker's API; gives the socket's URL, and leaves no container."""
        command = [*self.command, "system", "service", "--time", "0", self.url]
        with (CACHE / "engine.log").open("wb") as log:
            # In a folder of its own: its watchers leave files (`oom`) where they run.
            process = subprocess.Popen(command, env=self.environment, cwd=self.run, stdout=log, stderr=log)
        try:
            self._await(process)
            yield self.url
        finally:
            for clean in (["rm", "--all", "--force", "--volumes", "--time", "0"], ["network", "prune", "--force"]):
                subprocess.run([*self.command, *clean], env=self.environment, check=False, stdout=subprocess.DEVNULL)
            process.terminate()
            process.wait(PATIENCE)

    def _await(self, process: subprocess.Popen[bytes]) -> None:
        until = time.monotonic() + PATIENCE
        while process.poll() is None and time.monotonic() < until:
            with socket.socket(socket.AF_UNIX) as probe:
                if probe.connect_ex(self.url.removeprefix("unix://")) == 0:
                    return
            time.sleep(0.05)
        sys.exit(f"The container engine did not start; see {CACHE / 'engine.log'}")


def main(command: Sequence[str], environment: Mapping[str, str] = os.environ) -> int:
    """Run the command beside the engine; its exit code."""
    install()
    CACHE.mkdir(exist_ok=True)
    with (CACHE / "lock").open("w") as lock, tempfile.TemporaryDirectory(prefix="podman-", dir="/tmp") as run:
        fcntl.flock(lock, fcntl.LOCK_EX)  # one at a time: at its end everything there is removed
        with Registry() as registry:
            podman = Podman(Path(run), registry.host)
            podman.make_image()
            with podman.serving() as url:
                told = {"DOCKER_HOST": url, "TEST_REGISTRY": registry.host, "TEST_IMAGE": podman_image.IMAGE}
                return subprocess.run(command, env={**environment, **told}, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
