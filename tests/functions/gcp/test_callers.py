"""Only the invoker gets in, with a token for this very function; and Google's signature is looked at where nobody else
has done so."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

import pytest

from skylift_cloud_run.credentials import ENDPOINT
from skylift_functions.gcp import callers
from skylift_functions.gcp.callers import Certificates, IntruderError, StrangerError, check
from tests.clouds.google_tasks import LocalGoogleCloud
from tests.clouds.google_tokens import KEY_ID, Tokens, without_signature

INVOKER, URL = "invoker@acme.iam.gserviceaccount.com", "https://dispatch"
CHECKED = {"SKYLIFT_INVOKER": INVOKER, "SKYLIFT_IAM_CHECKED": "true"}
UNCHECKED = {"SKYLIFT_INVOKER": INVOKER}


@pytest.fixture(scope="module")
def cloud() -> Iterator[LocalGoogleCloud]:
    with LocalGoogleCloud() as made:
        before = os.environ.get(ENDPOINT)
        os.environ[ENDPOINT] = made.url
        yield made
        os.environ.pop(ENDPOINT) if before is None else os.environ.update({ENDPOINT: before})


@pytest.fixture(autouse=True)
def certificates(cloud: LocalGoogleCloud, monkeypatch: pytest.MonkeyPatch) -> Certificates:
    fresh = Certificates()
    monkeypatch.setattr(callers, "certificates", fresh)
    return fresh


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def test_the_invoker_gets_in(cloud: LocalGoogleCloud) -> None:
    token = cloud.signing.token(INVOKER, URL)
    check(bearer(token), UNCHECKED, URL)
    check(bearer(token), CHECKED, URL)
    check(bearer(without_signature(token)), CHECKED, URL)


@pytest.mark.parametrize(
    "headers", [{}, bearer(""), bearer("a.b.c"), bearer("W10.W10.x"), {"Authorization": "Basic a.b.c"}]
)
@pytest.mark.parametrize("env", [CHECKED, UNCHECKED])
def test_without_a_token_nobody_gets_in(headers: dict[str, str], env: dict[str, str]) -> None:
    with pytest.raises(StrangerError):
        check(headers, env, URL)


def test_a_signature_that_is_not_there_is_no_signature(cloud: LocalGoogleCloud) -> None:
    with pytest.raises(StrangerError):
        check(bearer(without_signature(cloud.signing.token(INVOKER, URL))), UNCHECKED, URL)


def test_somebody_elses_signature_does_not_count() -> None:
    with pytest.raises(StrangerError):
        check(bearer(Tokens(1).token(INVOKER, URL)), UNCHECKED, URL)


@pytest.mark.parametrize("env", [CHECKED, UNCHECKED])
@pytest.mark.parametrize(
    ("email", "audience", "claims", "error"),
    [
        ("eve@acme.iam.gserviceaccount.com", URL, {}, IntruderError),
        (INVOKER, "https://observe", {}, IntruderError),
        (INVOKER, URL, {"email_verified": False}, IntruderError),
        (INVOKER, URL, {"iss": "https://evil.example"}, StrangerError),
        (INVOKER, URL, {"exp": int(time.time()) - 60}, StrangerError),
    ],
)
def test_others_do_not_get_in(
    cloud: LocalGoogleCloud,
    env: dict[str, str],
    email: str,
    audience: str,
    claims: dict[str, object],
    error: type[StrangerError],
) -> None:
    with pytest.raises(error):
        check(bearer(cloud.signing.token(email, audience, **claims)), env, URL)


def test_where_no_invoker_is_set_nobody_gets_in(cloud: LocalGoogleCloud) -> None:
    with pytest.raises(IntruderError):
        check(bearer(cloud.signing.token("", URL)), {"SKYLIFT_IAM_CHECKED": "true"}, URL)


def test_certificates_are_asked_for_once_and_anew_for_a_new_key(certificates: Certificates) -> None:
    first = certificates.all(key=KEY_ID)
    assert certificates.all(key=KEY_ID) is first
    assert certificates.all(key="new") is not first
