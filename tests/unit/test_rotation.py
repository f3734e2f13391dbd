"""Secrets are sealed anew with the newest key, and the old one is not needed any more."""

from __future__ import annotations

import stat
import threading
import time
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import Boolean, insert

from skylift.errors import ConflictError
from skylift.parts import Parts
from skylift.registry import Providers
from skylift.security import rotation
from skylift.security.rotation import rotate
from skylift.security.sealing import Sealer, SealError
from skylift.settings import Settings
from skylift.store import Store, Tx
from skylift.store.tables import attempts, block_documents, ended_attempts, webhooks

OLD, NEW = (Fernet.generate_key().decode() for _ in range(2))


@pytest.fixture
def home(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path, secret_key=None)


def parts(store: Store, sealer: Sealer, settings: Settings) -> Parts:
    return Parts(settings, store, Providers(), sealer)


def keep(store: Store, sealer: Sealer, count: int = 3) -> None:
    """Blocks, a webhook, a live attempt, and ended ones with and without something left to clean up."""

    def work(tx: Tx) -> None:
        for number in range(count):
            block = {"id": uuid4(), "block_type_id": uuid4(), "block_schema_id": uuid4(), "name": str(number)}
            times = {"created": tx.now, "updated": tx.now, "is_anonymous": False}
            tx.run(insert(block_documents).values(**block, **times, data=sealer.seal({"secret": number})))
        common = {"work_pool_id": uuid4(), "provider_type": "t", "request": sealer.seal({"env": 1}), "output_offset": 0}
        hook = {"id": uuid4(), "created": tx.now, "updated": tx.now, "name": "hook", "deployment_id": uuid4()}
        hook |= {"kind": "hmac", "replay_window": 300, "active": True, "secrets": sealer.seal(["secret", "old"])}
        tx.run(insert(webhooks).values(**hook))
        live = {"work_queue_id": uuid4(), "phase": "launched", "claimed_at": tx.now, "lease_owner": uuid4()}
        live |= {"lease_until": tx.now, "look_at": tx.now, "launch_calls": 1}
        tx.run(insert(attempts).values(_filled(attempts, common | live)))
        for due in (tx.now, None):
            tx.run(
                insert(ended_attempts).values(_filled(ended_attempts, common | {"ended_at": tx.now, "cleanup_at": due}))
            )

    store.transaction(work)


def _filled(table: Any, values: dict[str, Any]) -> dict[str, Any]:
    ids: dict[str, UUID | bool] = {"id": uuid4(), "flow_run_id": uuid4()}
    return ids | {each.name: False for each in table.c if isinstance(each.type, Boolean)} | values


def opened(store: Store, sealer: Sealer) -> list[Any]:
    """What is sealed and still read. Raises `SealError`."""
    with store.reading() as tx:
        sealed = [row.data for row in tx.all(block_documents.select().order_by(block_documents.c.name))]
        sealed += [row.secrets for row in tx.all(webhooks.select())]
        sealed += [row.request for row in tx.all(attempts.select())]
        sealed += [
            row.request for row in tx.all(ended_attempts.select().where(ended_attempts.c.cleanup_at.is_not(None)))
        ]
    return [sealer.open(each) for each in sealed]


def test_keys_of_the_environment(store: Store, home: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rotation, "BATCH", 2)
    keep(store, Sealer(OLD))
    before = opened(store, Sealer(OLD))
    both = parts(store, Sealer(NEW, OLD), home)
    assert rotate(both, dry_run=True).resealed == 6
    done = rotate(both)
    assert (done.resealed, done.current, done.complete, done.keys, done.key_file) == (6, 0, True, 2, False)
    again = rotate(both)
    assert (again.resealed, again.current) == (0, 6)
    assert opened(store, Sealer(NEW)) == before
    with pytest.raises(SealError):
        opened(store, Sealer(OLD))


def test_the_key_file(store: Store, home: Settings) -> None:
    """A server that runs meanwhile goes on with the new key by itself."""
    running, mine = Sealer.from_settings(home), Sealer.from_settings(home)
    keep(store, running)
    path = home.home / "secret.key"
    old, before = path.read_text(), opened(store, running)
    assert rotate(parts(store, mine, home), dry_run=True).resealed == 6
    assert path.read_text() == old
    done = rotate(parts(store, mine, home), settle=0)
    assert (done.resealed, done.current, done.complete, done.keys, done.key_file) == (6, 0, True, 1, True)
    assert path.read_text() != old
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert opened(store, running) == opened(store, Sealer.from_settings(home)) == before
    assert Sealer(path.read_text()).open(running.seal(1)) == 1
    with pytest.raises(SealError):
        opened(store, Sealer(old))


def test_what_is_interrupted_is_gone_on_with(store: Store, home: Settings) -> None:
    sealer = Sealer.from_settings(home)
    keep(store, sealer)
    path = home.home / "secret.key"
    assert not rotate(parts(store, sealer, home), until=time.monotonic(), settle=0).complete
    newest, _old = path.read_text().split()
    assert opened(store, Sealer.from_settings(home))  # both keys open what is there
    assert rotate(parts(store, sealer, home), settle=0).complete
    assert path.read_text() == newest  # and no third one was made


def test_what_is_sealed_meanwhile_is_not_lost(store: Store, home: Settings) -> None:
    """Values that others seal and store while the key changes all open with the one that is left."""
    writer, stop = Sealer.from_settings(home), threading.Event()

    def write() -> None:
        while not stop.is_set():
            keep_one(store, writer)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        for _ in range(2):
            rotate(parts(store, Sealer.from_settings(home), home), settle=0.5)
    finally:
        stop.set()
        thread.join()
    assert opened(store, Sealer.from_settings(home))


def keep_one(store: Store, sealer: Sealer) -> None:
    def work(tx: Tx) -> None:
        block = {"id": uuid4(), "block_type_id": uuid4(), "block_schema_id": uuid4(), "name": str(uuid4())}
        times = {"created": tx.now, "updated": tx.now, "is_anonymous": False}
        tx.run(insert(block_documents).values(**block, **times, data=sealer.seal({})))

    store.transaction(work)


def test_one_at_a_time(store: Store, home: Settings) -> None:
    sealer = Sealer.from_settings(home)
    assert sealer.file
    with sealer.file.changing(), pytest.raises(ConflictError, match="already"):
        rotate(parts(store, sealer, home))


def test_what_no_key_opens_is_named(store: Store, home: Settings) -> None:
    keep(store, Sealer(OLD), count=1)
    [row] = _blocks(store)
    done = rotate(parts(store, Sealer(NEW), home))
    with store.reading() as tx:
        hook = tx.one(webhooks.select())
    assert hook
    assert (done.resealed, done.unreadable) == (0, [row.id, hook.id])
    assert _blocks(store) == [row]


def _blocks(store: Store) -> list[Any]:
    with store.reading() as tx:
        return tx.all(block_documents.select())


@pytest.mark.parametrize("keys", ["no key", "", f"{OLD},short"], ids=["no key", "empty", "one of two"])
def test_a_key_that_is_none(keys: str, tmp_path: Path) -> None:
    with pytest.raises(SealError, match="holds no Fernet key") as refused:
        Sealer(*keys.split(","))
    assert "short" not in str(refused.value)
