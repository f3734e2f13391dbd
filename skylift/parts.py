"""The parts that every verb works on."""

from __future__ import annotations

from dataclasses import dataclass

from skylift.registry import Providers
from skylift.security.sealing import Sealer
from skylift.settings import Settings
from skylift.store import Store, api_keys
from skylift.wakeups import Wakeups


@dataclass(frozen=True, slots=True)
class Parts:
    """One installation: its database (which has its clock and its wakeups), its providers, its keys."""

    settings: Settings
    store: Store
    providers: Providers
    sealer: Sealer

    @property
    def asks_for_keys(self) -> bool:
        """Whether there is a key at all, expired or not: from the first one on, nobody gets in without."""
        return bool(self.settings.api_key) or api_keys.are_there(self.store)

    @classmethod
    def embedded(cls, settings: Settings | None = None, *, wakeups: Wakeups | None = None) -> Parts:
        """The parts as the settings describe them, the database brought up to date."""
        settings = settings or Settings()
        providers = Providers(managed=settings.managed_provider)
        if not settings.database_url:
            settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        store = Store(settings.database, wakeups=wakeups)
        store.ensure_current()
        return cls(settings, store, providers, Sealer.from_settings(settings))
