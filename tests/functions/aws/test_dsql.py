"""Aurora DSQL: tokens that a role signs, and the parts of SQL that it has."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import botocore.auth
import pytest
from policy_sentry.querying.actions import get_action_data
from psycopg import OperationalError
from sqlalchemy import exc, make_url

from skylift_functions.aws import dsql, sdk
from skylift_functions.aws.installation import opened
from tests.clouds.dsql_tokens import signature_of

HOST = "abcdefghijklmnopqrstuvwxyz.dsql.eu-central-1.on.aws"
URL = make_url(f"dsql://admin@{HOST}/postgres")
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
KEY_ID, SECRET, SESSION = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "a-session+token/="


class Clock:
    """The SDK's."""

    at = NOW

    def now(self, *_: object, **__: object) -> datetime:
        return self.at.replace(tzinfo=None)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    """A role's credentials, and a clock that stands still."""
    for name, value in {
        "AWS_ACCESS_KEY_ID": KEY_ID,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_SESSION_TOKEN": SESSION,
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_CA_BUNDLE", raising=False)
    made = Clock()
    monkeypatch.setattr(botocore.auth, "get_current_datetime", made.now)
    for cached in (sdk._client, sdk._session):
        cached.cache_clear()
    yield made
    for cached in (sdk._client, sdk._session):
        cached.cache_clear()


@pytest.mark.parametrize(("user", "action"), [("admin", "DbConnectAdmin"), ("skylift", "DbConnect")])
def test_a_token_is_signed_for_the_cluster_by_the_role_for_a_quarter_of_an_hour(
    clock: Clock, user: str, action: str
) -> None:
    host, _, text = dsql.token(URL.set(username=user)).partition("/?")
    query = dict(parse_qsl(text))
    assert host == HOST
    assert query["Action"] == action
    assert (query["X-Amz-Date"], query["X-Amz-Expires"]) == ("20260301T120000Z", "900")
    assert query["X-Amz-Credential"] == f"{KEY_ID}/20260301/eu-central-1/dsql/aws4_request"
    assert query["X-Amz-Security-Token"] == SESSION
    assert query["X-Amz-Signature"] == signature_of(query, HOST, "eu-central-1", SECRET)
    assert get_action_data("dsql", action)


def test_each_connection_has_a_token_of_its_own_and_knows_the_server_by_its_certificate(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    env = {
        "SKYLIFT_DATABASE_URL": str(URL),
        "SKYLIFT_SECRET_KEY": "x" * 43 + "=",
        "SKYLIFT_API_URL": "http://api",
        **{f"SKYLIFT_QUEUE_{verb}": "http://queue" for verb in ("DISPATCH", "OBSERVE", "SCHEDULE")},
    }
    here = opened(env)
    tried: list[dict[str, Any]] = []

    def connect(*_: object, **options: Any) -> None:
        tried.append(options)
        raise OperationalError("nobody is there")

    engine = here.parts.store.engine
    monkeypatch.setattr(engine.dialect, "connect", connect)
    for minutes in (0, 20):
        clock.at = NOW + timedelta(minutes=minutes)
        with pytest.raises(exc.OperationalError) as raised:
            engine.connect()
        assert "X-Amz" not in str(raised.value)
    assert "X-Amz" not in repr(engine.url)
    first, second = (dict(parse_qsl(each["password"].partition("/?")[2])) for each in tried)
    assert (first["X-Amz-Date"], second["X-Amz-Date"]) == ("20260301T120000Z", "20260301T122000Z")
    for each in tried:
        assert (each["host"], int(each["port"]), each["user"], each["dbname"]) == (HOST, 5432, "admin", "postgres")
        assert each["sslmode"] == "verify-full"
        assert "Amazon Root CA 1" in Path(each["sslrootcert"]).read_text()
    here.parts.store.close()


def test_who_may_vouch_for_servers_is_said_as_to_the_sdk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", "/etc/authorities.pem")
    assert dsql.address(URL).query["sslrootcert"] == "/etc/authorities.pem"


@pytest.mark.parametrize(
    "url",
    [
        "dsql://admin@db.example.com/postgres",
        f"dsql://{HOST}/postgres",
        f"dsql://admin:hunter2@{HOST}/postgres",
        f"dsql://admin@{HOST}/postgres?sslmode=disable",
        f"dsql://admin@{HOST}.example.com/postgres",
    ],
)
def test_another_address_is_refused_and_says_what_is_wanted(url: str) -> None:
    with pytest.raises(dsql.DsqlAddressError, match="dsql://USER@CLUSTER") as raised:
        dsql.address(make_url(url))
    assert "hunter2" not in str(raised.value)
