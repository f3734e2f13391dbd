"""What a person types, from an empty cloud to a run that is Completed, and back: the same in every cloud."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Callable, Sequence
from typing import Any

from tests.clients.conftest import ROOT
from tests.support.desk import Desk
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


def commands_of_the_page(desk: Desk, cloud: str, everything: Callable[[], object]) -> None:
    """docs/provision/<cloud>.md, in the order of the page; the first one asks, and is refused once."""
    page = (ROOT / "docs" / "provision" / f"{cloud}.md").read_text(encoding="utf-8")
    first, *lines = [line.removeprefix("$ skylift ") for line in page.splitlines() if line.startswith("$ skylift ")]
    assert len(lines) > 6
    before = everything()
    command = [sys.executable, "-m", "skylift", *shlex.split(first)]
    code, said = typed(command, desk.env, {"[y/N]": "n"})
    assert code == 0, said
    assert not desk.api.post("work_pools/filter", json={}).json()
    assert everything() == before
    code, said = typed(command, desk.env, {"[y/N]": "y"})
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
