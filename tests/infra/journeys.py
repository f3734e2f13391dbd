"""What a person types, from an empty cloud to a run that is Completed, and back: the same in every cloud."""

from __future__ import annotations

import json
import shlex
import sys
import textwrap
from collections.abc import Callable, Mapping, Sequence
from itertools import takewhile
from typing import Any

from tests.clients.conftest import ROOT
from tests.support.desk import Desk
from tests.support.docker import DockerEngine, Tools
from tests.support.terminal import typed

PREFECT = ROOT / ".venv-prefect" / "bin" / "prefect"
POOL = "my-pool"


def creating(type_: str) -> tuple[str, ...]:
    """As it is typed for `skylift` and for `prefect` alike."""
    return ("work-pool", "create", "--type", type_, "--provision-infra", POOL)


def there_and_back(
    desk: Desk,
    create: Sequence[str],
    everything: Callable[[], object],
    *,
    planned: int,
    says: Sequence[str],
    while_there: Callable[[dict[str, Any], dict[str, Any], str], None],
) -> None:
    """Plan, make with a first run, look, check, plan again, remove. `while_there` gets the plan, the pool and all that
    was said."""
    empty = everything()
    plan = json.loads(desk.skylift(*create, "--dry-run", "-o", "json"))
    assert plan["changes"] == planned
    assert everything() == empty
    said = desk.skylift(*create, "--yes", "--canary")
    for line in (
        f"Provisioning infrastructure for your work pool {POOL} will require:",
        "Infrastructure successfully provisioned!",
        "COMPLETED",
        f"Created work pool '{POOL}'",
        *says,
    ):
        assert line.lower() in said.lower(), said
    pool = desk.pool(POOL)
    assert pool["status"] == "READY"
    while_there(plan, pool, said)
    assert "there" in desk.skylift("work-pool", "infra", POOL)
    findings = json.loads(desk.skylift("work-pool", "check", POOL, "-o", "json"))
    assert not [each for each in findings if each["verdict"] == "failed"], findings
    nothing_planned(desk)
    desk.skylift("work-pool", "destroy-infra", POOL, "--yes")
    assert everything() == empty


def nothing_planned(desk: Desk, pool: str = POOL) -> None:
    again = json.loads(desk.skylift("work-pool", "provision-infra", pool, "--dry-run", "-o", "json"))
    assert again["changes"] == 0


def commands_of_the_page(
    desk: Desk, cloud: str, everything: Callable[[], object], more_answers: Mapping[str, str]
) -> None:
    """docs/provision/<cloud>.md, in the order of the page; the first one asks, and is refused once."""
    page = (ROOT / "docs" / "provision" / f"{cloud}.md").read_text(encoding="utf-8")
    first, *lines = [line.removeprefix("$ skylift ") for line in page.splitlines() if line.startswith("$ skylift ")]
    assert len(lines) > 6
    before = everything()
    command = [sys.executable, "-m", "skylift", *shlex.split(first)]
    code, said = typed(command, desk.env, {"provisioning? [y/N]": "n"})
    assert code == 0, said
    assert not desk.api.post("work_pools/filter", json={}).json()
    assert everything() == before
    code, said = typed(command, desk.env, {"provisioning? [y/N]": "y", **more_answers})
    assert code == 0, said
    assert "Provisioning Infrastructure" in said
    for line in lines:
        desk.skylift(*shlex.split(line))


def prefect_makes_a_pool_and_runs_in_it(desk: Desk, create: Sequence[str]) -> dict[str, Any]:
    """With Prefect's own command line and nothing of ours. The pool."""
    said = desk.types(str(PREFECT), "--no-prompt", *create)
    assert f"Created work pool '{POOL}'" in said, said
    assert "failed" not in said.lower(), said
    pool = desk.pool(POOL)
    flow = desk.api.post("flows/", json={"name": "hello"}).json()
    body = {"name": "first", "flow_id": flow["id"], "work_pool_name": POOL, "engine": "command"}
    desk.api.post("deployments/", json=body | {"job_variables": {"command": "echo hello"}}).raise_for_status()
    said = desk.types(str(PREFECT), "--no-prompt", "deployment", "run", "hello/first", "--watch")
    assert "Completed" in said, said
    return pool


def registry_is_handed_over(desk: Desk, tools: Tools, create: Sequence[str], username: str) -> str:
    """On request docker is logged in and Prefect told; then the script that was printed builds, pushes and deploys. The
    password that docker was given."""
    assert not tools.docker_calls()
    said = desk.skylift(*create, "--docker-login", "--yes")
    host = said.partition("Images for this pool go to ")[2].partition("/")[0].split()[0]
    (call,) = tools.docker_calls()
    assert call["argv"] == ["login", "--username", username, "--password-stdin", host]
    password = str(call["stdin"])
    assert password
    assert password not in said
    namespace = said.partition("PREFECT_DEFAULT_DOCKER_BUILD_NAMESPACE=")[2].split()[0]
    assert namespace in desk.types("prefect", "config", "view")
    script = desk.folder / "hello.py"
    after = said.partition("runs it in this pool:\n")[2].splitlines()
    script.write_text(textwrap.dedent("\n".join(takewhile(lambda line: not line or line.startswith(" "), after))))
    with DockerEngine() as engine:
        done = desk.types(str(PREFECT.parent / "python"), str(script), more={"DOCKER_HOST": engine.host})
    deployment = desk.api.get("deployments/name/hello/first").json()
    image = deployment["job_variables"]["image"]
    assert image.startswith(f"{namespace}/"), done
    assert engine.pushed == [image]
    assert engine.platforms == {image: "linux/amd64"}
    assert "hello.py" in engine.built[image]
    assert deployment["work_pool_name"] == POOL
    again = ("work-pool", "provision-infra", POOL, "--yes", "--docker-login")
    refused = desk.skylift(*again, code=1, more={"DOCKER_SAYS": "Error: denied by the registry"})
    assert "denied by the registry" in refused
    assert "The infrastructure is there" in refused
    desk.skylift("work-pool", "destroy-infra", POOL, "--yes")
    return password
