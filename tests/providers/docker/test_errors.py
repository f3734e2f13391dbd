"""Every answer of engines and registries that is known, in their own words, and what it becomes."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from skylift.provider import BusyError, OutOfCapacity, ProviderError, Rejected, Throttled, Unreachable
from skylift_docker.errors import RULES, classify, is_conflict, is_missing, is_running, to_error

ANSWERS: list[tuple[int | None, str, type[ProviderError], str]] = [
    (None, "toomanyrequests: You have reached your pull rate limit.", Throttled, "registry_credentials"),
    (429, "too many requests", Throttled, "registry_credentials"),
    (429, "slow down", Throttled, "concurrency"),
    (500, "mkdir /var/lib/docker/overlay2/1-init: no space left on device", OutOfCapacity, "prune"),
    (500, "fork/exec /usr/bin/runc: resource temporarily unavailable", OutOfCapacity, "concurrency"),
    (500, "OCI runtime create failed: cannot allocate memory: unknown", OutOfCapacity, "concurrency"),
    (
        500,
        "could not find an available, non-overlapping IPv4 address pool among the defaults to assign to the network",
        OutOfCapacity,
        "network",
    ),
    (500, "all predefined address pools have been fully subnetted", OutOfCapacity, "network"),
    (500, "Bind for 0.0.0.0:80 failed: port is already allocated", OutOfCapacity, "port"),
    (403, "authorization denied by plugin opa: no", Rejected, "docker.md"),
    (403, "<html>Request forbidden by administrative rules</html>", Rejected, "docker.md"),
    (403, "nothing is said", Rejected, "docker.md"),
    (
        404,
        "pull access denied for no/such, repository does not exist or may require 'docker login'",
        Rejected,
        "registry_credentials",
    ),
    (None, "unauthorized: authentication required", Rejected, "registry_credentials"),
    (500, "Head https://ghcr.io/v2/a/b/manifests/1: denied: denied", Rejected, "registry_credentials"),
    (404, "manifest for alpine:none not found: manifest unknown: manifest unknown", Rejected, "image"),
    (None, "initializing source docker://h/x:1: reading manifest 1 in h/x: manifest unknown", Rejected, "image"),
    (404, "No such image: x:1", Rejected, "image"),
    (404, "no such image: localhost/no/such:1: image not known", Rejected, "image"),
    (
        404,
        "no matching manifest for linux/arm64/v8 in the manifest list entries",
        Rejected,
        "platform",
    ),
    (
        404,
        "image with reference x was found but does not match the specified platform: wanted linux/arm64",
        Rejected,
        "platform",
    ),
    (400, "invalid reference format", Rejected, "full"),
    (
        500,
        'short-name "x" did not resolve to an alias and no unqualified-search registries are defined',
        Rejected,
        "full",
    ),
    (400, 'OCI runtime create failed: exec: "x": executable file not found in $PATH: unknown', Rejected, "command"),
    (
        500,
        'runc create failed: unable to start container process: exec: "/x": stat /x: no such file or directory',
        Rejected,
        "command",
    ),
    (400, 'failed to create task: exec: "/x": permission denied: unknown', Rejected, "command"),
    (400, "exec /x: exec format error", Rejected, "platform"),
    (404, "network nowhere not found", Rejected, "network"),
    (500, "unable to find network with name or ID nowhere: network not found", Rejected, "network"),
    (500, 'could not select device driver "" with capabilities: [[gpu]]', Rejected, "NVIDIA"),
    (400, "range of CPUs is from 0.01 to 2.00, as there are only 2 CPUs available", Rejected, "cpus"),
    (400, "Minimum memory limit allowed is 6MB", Rejected, "mem_limit"),
    (400, "Minimum memoryswap limit should be larger than memory limit, see usage", Rejected, "mem_limit"),
    (400, "invalid mount config for type bind: bind source path does not exist: /no", Rejected, "volumes"),
    (500, "statfs /no/such: no such file or directory", Rejected, "volumes"),
    (500, "container rootfs is marked read-only", Rejected, "runner"),
    (400, "unable to find user nobody2: no matching entries in passwd file", Rejected, "user"),
    (409, 'Conflict. The container name "/x" is already in use by container 1', Rejected, "name"),
    (
        500,
        "Get https://registry-1.docker.io/v2/: dial tcp: lookup registry-1.docker.io: no such host",
        Unreachable,
        "registry",
    ),
    (None, "pinging container registry h: dial tcp 127.0.0.1:1: connect: connection refused", Unreachable, "registry"),
    (None, "tls: failed to verify certificate: x509: certificate signed by unknown authority", Unreachable, "registry"),
    (500, "net/http: request canceled while waiting for connection", Unreachable, "registry"),
    (400, "something that nobody has seen", Rejected, "words"),
    (409, "something that nobody has seen", Rejected, "words"),
    (500, "something that nobody has seen", Unreachable, "log"),
    (503, "upstream is away", Unreachable, "log"),
]


@pytest.mark.parametrize(("status", "words", "kind", "remedy"), ANSWERS)
def test_known_answers(status: int | None, words: str, kind: type[ProviderError], remedy: str) -> None:
    error = classify(status, words)
    assert type(error) is kind
    assert words in str(error)
    assert remedy in (error.remedy or "")
    if isinstance(error, BusyError):
        assert error.retry_after


def test_every_rule_is_held_by_an_answer() -> None:
    for rule in RULES:
        assert any(classify(status, words).remedy == rule.remedy for status, words, *_ in ANSWERS), rule.message


def answered(status: int, words: str) -> Exception:
    error = Exception(words)
    error.response = SimpleNamespace(status_code=status, text=words, reason="")  # type: ignore[attr-defined]
    return error


def test_what_is_no_answer_means_that_nobody_is_there() -> None:
    error = to_error(ConnectionRefusedError("refused"))
    assert isinstance(error, Unreachable)
    assert error.remedy
    known = Rejected("as it was")
    assert to_error(known) is known
    assert isinstance(to_error(answered(400, "bad")), Rejected)


def test_docker_and_podman_say_the_same_with_other_numbers() -> None:
    assert is_conflict(answered(409, 'Conflict. The container name "/x" is already in use by container "1".'))
    assert is_conflict(answered(500, 'creating container storage: the container name "x" is already in use by 0a9f'))
    assert not is_conflict(answered(500, "no space left on device"))
    assert is_running(answered(409, "cannot remove a running container 1: Stop the container before"))
    assert is_running(answered(500, "cannot remove container 1 as it is running: container state improper"))
    assert is_missing(answered(404, "No such container: 1"))
    assert not is_missing(ConnectionError())
