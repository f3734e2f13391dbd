"""A client of the API over a fresh database."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI

from skylift.api import create_app
from skylift.parts import Parts
from skylift.registry import Providers
from skylift.security.sealing import Sealer
from skylift.settings import Settings
from skylift.store import Store
from tests.api.making import Api, api_of

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # starlette would rather have another HTTP library
    from fastapi.testclient import TestClient


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Override in a module to serve with other settings."""
    return Settings(home=tmp_path)


@pytest.fixture
def parts(store: Store, settings: Settings) -> Parts:
    """An installation over each kind of database in turn."""
    return Parts(settings, store, Providers(), Sealer.from_settings(settings))


@pytest.fixture
def app(parts: Parts) -> FastAPI:
    return create_app(parts)


@pytest.fixture
def client(app: FastAPI) -> Iterator[TestClient]:
    """Paths are relative to `/api/`; faults of the server come back as answers."""
    with TestClient(app, base_url="http://skylift/api/", raise_server_exceptions=False) as opened:
        yield opened


@pytest.fixture
def api(store_url: str) -> Iterator[Api]:
    """An API with shorthands, a clock that stands still and a cloud in memory."""
    yield from api_of(store_url)
