"""As `test_growth`, of webhooks: a delivery costs the same however many there were before."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

from skylift import trigger, webhook_keeping
from skylift.models.webhooks import SignatureKind, WebhookCreate
from skylift.retention import retention
from skylift.settings import Settings
from skylift.store import webhooks
from skylift.webhooks.deliveries import Delivery
from skylift.webhooks.signatures import sign
from tests.store.growth import World, check
from tests.support.installation import START
from tests.support.plans import explained


def test_a_delivery(world: World) -> None:
    place, deployment = world.place, world.deployments[0]
    made = webhook_keeping.create(place.parts, WebhookCreate(name="growing", deployment_id=deployment.id))
    body = json.dumps({"command": "true"}).encode()
    delivery = Delivery(body, sign(SignatureKind.HMAC, made.secret, body, now=place.clock.at))
    for _ in range(2):
        with explained(place.store) as plans:
            trigger.trigger(place.parts, made.id, delivery)
        check(plans, 10)


def test_a_page_of_deliveries(world: World) -> None:
    """Of one among fifty that are as busy the newest of all may be gone through; of a quiet one only its own are."""
    with explained(world.place.store) as plans, world.place.store.reading() as tx:
        assert len(webhooks.deliveries_of(tx, UUID(int=7), 50)) == 50
    check(plans, 50 * 60)
    with explained(world.place.store) as plans, world.place.store.reading() as tx:
        assert webhooks.deliveries_of(tx, UUID(int=1_000), 50) == []
    check(plans, 5)


def test_retention_reads_what_goes(world: World) -> None:
    oldest = START - timedelta(days=2, seconds=20_000)
    age = START - (oldest + timedelta(seconds=30))
    parts = replace(world.place.parts, settings=Settings(retention_deliveries=age))
    with explained(world.place.store) as plans:
        assert 5 <= retention(parts).deliveries <= 40
    check(plans, 100)
