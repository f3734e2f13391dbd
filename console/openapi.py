"""Writes the API's OpenAPI document beside this file: the console's types are made from it.

python console/openapi.py
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from skylift.api import create_app
from skylift.parts import Parts
from skylift.settings import Settings

TARGET = Path(__file__).with_name("openapi.json")


def main() -> None:
    with tempfile.TemporaryDirectory() as home:
        parts = Parts.embedded(Settings(home=Path(home)))
        TARGET.write_text(json.dumps(create_app(parts).openapi()), encoding="utf-8")
        parts.store.close()


if __name__ == "__main__":
    main()
