"""Functions whose database is Aurora DSQL: from a cluster without a table to runs that have completed."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.clouds.aws_backends import KEYS, REGION, Backend
from tests.clouds.dsql import LocalDsql
from tests.clouds.dsql_tokens import clients
from tests.conftest import Databases
from tests.functions.aws.world import open_world

HOST = f"abcdefghijklmnopqrstuvwxyz.dsql.{REGION}.on.aws"


@pytest.mark.long
@pytest.mark.timeout(400)
def test_an_empty_cluster_gets_tables_by_the_first_tick_and_runs_complete(
    ministack: Backend, databases: Databases, tmp_path: Path
) -> None:
    """The functions sign in as their role, know the cluster by its certificate, and lose one commit in twenty."""
    known = clients(HOST, REGION, {KEYS["aws_access_key_id"]: KEYS["aws_secret_access_key"]}, tmp_path)
    chance = random.Random(7)
    with databases.unmigrated("postgres") as url, LocalDsql(url, known) as dsql:
        address, env = f"dsql://admin@{HOST}:{dsql.port}/postgres", {"PGHOSTADDR": "127.0.0.1"}
        env["AWS_CA_BUNDLE"] = str(known.authorities)
        with open_world(ministack, url, tmp_path, functions_url=address, env=env) as world:
            assert world.tick() == "ok"
            dsql.loses = lambda: chance.random() < 0.05
            world.pool()
            world.deployment("commands", slots=5)
            world.function_deployment()
            sender, caller = world.webhook(), world.caller()
            world.connect_queues()
            assert len({sender.deliver(1), sender.deliver(2), caller.start(1), caller.start(2)}) == 4
            world.ticking(10, lambda: world.completed() == 10 and not world.leftovers(), 200)
            world.check(10)
        told = [each.code for each in dsql.refusals]
        print(f"{told.count('40001')} transactions lost; {dsql.catalogue} changes of the catalogue")
        assert dsql.refused() == []
