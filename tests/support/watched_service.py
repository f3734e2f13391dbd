"""`skylift` whose API's answers are looked at; a JSON report of that is left where WATCHED_REPORT says.

With WATCHED_PER_REQUEST its API is only ever invoked per request, as on a function platform; its timer goes on.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from unittest.mock import patch

from skylift.api import create_app
from skylift.cli import main as command_line
from skylift.parts import Parts
from skylift_functions.local import service
from tests.support.answers import PerRequest, Report, Watched


def main() -> None:
    report = Report()

    def watched(parts: Parts, **options: Any) -> Any:
        app = create_app(parts, **options)
        return Watched(PerRequest(app) if "WATCHED_PER_REQUEST" in os.environ else app, report)

    try:
        with patch.object(service, "create_app", watched):
            command_line()
    finally:
        Path(os.environ["WATCHED_REPORT"]).write_text(report.as_json())
