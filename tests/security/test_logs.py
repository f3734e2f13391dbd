"""The service's own log: what requests, names and errors hold begins no line of its own there."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator

import pytest

from skylift.errors import SkyliftError
from skylift.log_lines import BELOW, LineFormatter
from skylift.replies import of_error
from tests.api.making import Api

FORGED = "\n2026-03-01 12:00:00,000 ERROR skylift: all keys were revoked\x1b[2J\x9b31m\u2028\u202e\r"


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """What reaches the log, in the form of `skylift serve`."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(LineFormatter("%(levelname)s %(name)s: %(message)s"))
    logger = logging.getLogger("skylift")
    logger.addHandler(handler)
    yield stream
    logger.removeHandler(handler)


def _lines(written: io.StringIO) -> list[str]:
    """Those that look like lines of their own."""
    text = written.getvalue()
    assert not [c for c in text if not (c.isprintable() or c == "\n")]
    return [line for line in text.splitlines() if not line.startswith(BELOW)]


def test_a_name_in_a_message(written: io.StringIO) -> None:
    logging.getLogger("skylift.x").warning("Pool %s is gone", FORGED)
    assert _lines(written) == ["WARNING skylift.x: Pool "]


def test_a_traceback_with_somebodys_words(written: io.StringIO) -> None:
    try:
        raise SkyliftError(FORGED)
    except SkyliftError as error:
        of_error(error, f"GET /{FORGED}")
    assert [line.partition(" GET ")[0] for line in _lines(written)] == ["ERROR skylift.replies:"]
    assert "Traceback" in written.getvalue()


def test_a_path_of_a_request(api: Api, written: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("skylift.api.flows.flows.by_name", lambda tx, name: 1 / 0)
    assert api.http.get("flows/name/x%0a2026-03-01%20ERROR%20forged%1b[2J").status_code == 500
    [line] = _lines(written)
    assert line.startswith("ERROR skylift.replies: GET /api/flows/name/x")
