"""What the engine's answers mean: a table of status and words to one of the port's errors.

Docker tells by its status codes, Podman answers most things with 500: so words decide first. They are those of moby,
containerd, runc, Podman and the registries.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from skylift.provider import BusyError, OutOfCapacity, ProviderError, Rejected, Throttled, Unreachable

RETRY_AFTER = 15.0
REGISTRY_PAUSE = 60.0


@dataclass(frozen=True, slots=True)
class Rule:
    words: str
    """A pattern, found anywhere in what the engine says, whatever the case."""
    kind: type[ProviderError]
    message: str
    remedy: str


RULES = (
    Rule(
        r"toomanyrequests|pull rate limit|too many requests",
        Throttled,
        "The image's registry, or a proxy before the engine, limits how often it may be asked",
        "Sign in with 'registry_credentials', keep a copy of the image in a registry of your own, or set "
        "image_pull_policy to IfNotPresent",
    ),
    Rule(
        r"no space left on device|disk quota exceeded",
        OutOfCapacity,
        "The engine's disk is full",
        "Remove what is not needed: docker system prune",
    ),
    Rule(
        r"cannot allocate memory|not enough memory|resource temporarily unavailable|too many open files",
        OutOfCapacity,
        "The engine's machine has no room for another container just now",
        "Lower the pool's concurrency limit, or raise the machine's limits",
    ),
    Rule(
        r"non-overlapping IPv4|address pools have been fully subnetted|no available (IPv4|subnet)|could not find free",
        OutOfCapacity,
        "The engine has no address left in its networks",
        "Remove networks that nobody uses (docker network prune), or widen default-address-pools",
    ),
    Rule(
        r"port is already allocated|address already in use",
        OutOfCapacity,
        "A port of the engine's machine is taken by another container or program",
        "Publish no fixed port, or set the pool's concurrency limit to 1",
    ),
    Rule(
        r"authorization denied|access denied by|forbidden by",
        Rejected,
        "A plugin or proxy before the engine does not allow this call",
        "Allow the calls that docs/providers/docker.md lists",
    ),
    Rule(
        r"pull access denied|access to the resource is denied|unauthorized|authentication required|no basic auth|"
        r"incorrect username or password|invalid username/password|(?<!permission )denied: ",
        Rejected,
        "The registry does not give out the image: it is not there, or not for us",
        "Correct 'image', or set 'registry_credentials'",
    ),
    Rule(
        r"no matching manifest for|does not match the (specified|detected|expected) platform|no image found in .*index",
        Rejected,
        "The image is not made for this machine's platform",
        "Choose another image, or set 'platform' to one that the image has and the machine can run",
    ),
    Rule(
        r"manifest unknown|manifest for .* not found|name unknown|repository .*not found|no such image|"
        r"image not known|reading manifest .*: (manifest )?(unknown|not found)|failed to resolve reference .*not found",
        Rejected,
        "The image is not there",
        "Correct 'image', push it to its registry, or build it on the engine's machine",
    ),
    Rule(
        r"invalid reference format|invalid tag format|short-name .*did not resolve|unsupported.*digest|"
        r"repository name must be lowercase",
        Rejected,
        "The image's name cannot be understood",
        "Give 'image' in full: registry/repository:tag",
    ),
    Rule(
        r"exec format error",
        Rejected,
        "The command, or the image, is made for another kind of processor",
        "Choose an image for this machine's platform, or begin a script with #!/bin/sh",
    ),
    Rule(
        r"executable file not found|exec: .*: (no such file|stat )|command that was not found|"
        r"starting container process caused|exec: .*permission denied|unable to start container process: exec",
        Rejected,
        "The image has no such command",
        "Correct 'command' or 'entrypoint'; the runner needs a Python in the image, which 'python' names",
    ),
    Rule(
        r"no such network|network .*(not found|does not exist)|unable to find network",
        Rejected,
        "The engine has no such network",
        "Make it (docker network create), or correct 'networks'",
    ),
    Rule(
        r"could not select device driver|nvidia|CDI device|unresolvable CDI",
        Rejected,
        "The engine cannot give GPUs to containers",
        "Install the NVIDIA container toolkit on its machine, or leave 'gpus' empty",
    ),
    Rule(
        r"range of CPUs is from|CPUs? .*available|cpu cgroup|cpuset",
        Rejected,
        "The machine has not that many CPUs",
        "Lower 'cpus'",
    ),
    Rule(
        r"minimum memory|memory limit .*(lower|less|smaller)|memoryswap|memory\+swap|swap limit",
        Rejected,
        "The engine does not take these limits of memory",
        "Correct 'mem_limit' and 'memswap_limit' (with a memory limit, and not below it)",
    ),
    Rule(
        r"bind source path does not exist|invalid (volume|mount|bind)|error mounting|mounts denied|"
        r"statfs .*no such file|invalid mode|mount path must be absolute|no such volume",
        Rejected,
        "Something cannot be mounted into the container",
        "See that the paths of 'volumes', 'secrets' and 'pool_secret' are on the engine's machine",
    ),
    Rule(
        r"rootfs is marked read-only|read-only file system",
        Rejected,
        "A secret variable needs a file in the container, and its file system is read-only",
        "Run the command under the runner, mount a file by 'secrets', or leave out read_only",
    ),
    Rule(
        r"unable to find user|no matching entries in passwd",
        Rejected,
        "The image has no such user",
        "Correct 'user', or give it as a number",
    ),
    Rule(
        r"container name .*already in use|name is already in use",
        Rejected,
        "The container's name is another's",
        "See whose container it is, and remove or rename it",
    ),
    Rule(
        r"dial tcp|no such host|connection refused|i/o timeout|TLS handshake|x509|server gave HTTP response|"
        r"net/http: |context deadline exceeded|EOF$|connection reset",
        Unreachable,
        "The engine cannot reach the image's registry",
        "See that the engine's machine reaches the registry, and that the registry's name in 'image' is right",
    ),
)


def classify(status: int | None, words: str) -> ProviderError:
    """`status`: of the HTTP answer; None: what a pull said in its stream, or the shape of an exception."""
    for rule in RULES:
        if re.search(rule.words, words, re.IGNORECASE):
            return made(rule.kind, f"{rule.message} ({words.strip()})", rule.remedy)
    if status == 429:
        return made(Throttled, f"The engine is asked too often ({words})", "Lower the pool's concurrency limit")
    if status in (401, 403):
        remedy = "Allow the calls that docs/providers/docker.md lists"
        return Rejected(f"We may not call the container engine ({status}: {words})", remedy=remedy)
    if status is not None and status < 500:
        return Rejected(
            f"The container engine refuses this ({status}: {words})",
            remedy="Correct the job variables that these words are about",
        )
    return Unreachable(
        f"The container engine failed ({status or 'no status'}: {words})", remedy="See the engine's own log"
    )


def made(kind: type[ProviderError], message: str, remedy: str) -> ProviderError:
    if issubclass(kind, BusyError):
        return kind(message, retry_after=REGISTRY_PAUSE if kind is Throttled else RETRY_AFTER, remedy=remedy)
    return kind(message, remedy=remedy)


def to_error(error: Exception) -> ProviderError:
    """Of anything that a call raises. What is no answer of the engine's means that it is not to be reached."""
    if isinstance(error, ProviderError):
        return error
    status, words = answer_of(error)
    if words is not None:
        return classify(status, words)
    return Unreachable(
        f"The container engine does not answer ({type(error).__name__}: {error})",
        remedy="See that it runs, that DOCKER_HOST names it, and that the service's user may use its socket",
    )


def answer_of(error: Exception) -> tuple[int | None, str | None]:
    """The status and the words of an engine's answer; None, None where there was none."""
    response = getattr(error, "response", None)
    if response is None:
        return None, None
    return response.status_code, str(getattr(error, "explanation", None) or response.text or response.reason)


def is_missing(error: Exception) -> bool:
    """Whether the engine says that it has no such container, image or network."""
    return answer_of(error)[0] == 404


def is_conflict(error: Exception) -> bool:
    """Whether the engine says that a name is taken: 409 of Docker, 500 of Podman."""
    status, words = answer_of(error)
    return status in (409, 500) and bool(re.search(r"name .*already in use", words or ""))


def is_running(error: Exception) -> bool:
    """Whether the engine will not remove a container because it runs, or is about to end."""
    status, words = answer_of(error)
    pattern = r"running|container state improper|is paused|removal of container .* already in progress"
    return status in (409, 500) and bool(re.search(pattern, words or "", re.IGNORECASE))
