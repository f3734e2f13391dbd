"""From a timer's tick to Completed, through functions under AWS's own runtime client and tasks that really run."""

from __future__ import annotations

from pathlib import Path

from tests.functions.aws.test_cold_start import HEAVY
from tests.functions.aws.world import World

PROBE = """
import sys
from skylift_functions.aws import dispatch

def handler(event, context):
    answer = dispatch.handler(event, context)
    open({listing!r}, "w").write(" ".join(sys.modules))
    return answer
"""


def test_scheduled_runs_start_at_their_second_and_complete(world: World, tmp_path: Path) -> None:
    """Bare commands, and a Python function whose runner speaks to the API; on the way, what dispatch had to import."""
    listing = tmp_path / "modules"
    (tmp_path / "probe.py").write_text(PROBE.format(listing=str(listing)))
    sandbox = world.functions["dispatch"].sandboxes[0]
    sandbox.handler, sandbox.env = "probe.handler", {**sandbox.env, "PYTHONPATH": str(tmp_path)}
    world.pool()
    world.deployment("commands", slots=5)
    world.function_deployment()
    world.connect_queues()
    world.ticking(3600, lambda: world.completed() == 6 and not world.leftovers(), 60)  # one tick
    world.check(6)
    assert len(world.functions["dispatch"].metric("DueToLaunch")) == 6
    assert sum(world.functions["dispatch"].metric("Launches")) == 6
    assert set(listing.read_text().split()) & set(HEAVY) == {"botocore.session", "botocore.client"}
