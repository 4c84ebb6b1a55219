"""The custom models as the meter knows them: read from the control store, and again when they may have changed.

Law: a call is priced by what the configuration was when it was routed, or by something newer; that a database is away
makes no price wrong, for before the first reading nothing is metered, and after it the last one stays. For one thread.
"""

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from gantry.clerk.complaint import Complaint
from gantry.core.custom_model import CustomModel
from gantry.core.model_ref import parse_model_ref
from gantry.store.control import ControlStore, version_of
from gantry.store.custom_models import custom_models_of
from gantry.store.database import StoreUnavailable
from gantry.store.providers import custom_providers_of

LOOK_EVERY: Final = 1.0  # seconds between two looks at the version, for what does not say by which it was routed

logger = logging.getLogger(__name__)


class CustomPrices:
    """The custom models of all organizations, by name."""

    def __init__(self, address: str | Path, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._address = address
        self._clock = clock
        self._store: ControlStore | None = None
        self._version = 0
        self._beyond = 0
        self._looked = 0.0
        self._store_is_away = Complaint(logger, "custom models are priced as they were before: %s")
        self._models: dict[tuple[str, str], CustomModel] = {}

    def refresh(self) -> None:
        """Read what has changed, if the last look is long ago. Raises StoreUnavailable the first time."""
        if self._version and self._clock() - self._looked < LOOK_EVERY:
            return
        try:
            self._read()
        except StoreUnavailable as error:
            if not self._version:
                raise
            self._looked = self._clock()
            self._store_is_away.make(error)
        else:
            self._store_is_away.withdraw()

    def find(self, organization_id: str, name: str | None, version: int = 0) -> CustomModel | None:
        """Return the custom model that a caller asked for, as of a configuration version or a later one."""
        if version > max(self._version, self._beyond):
            self._looked = 0.0
            self.refresh()
            if version > self._version:
                self._beyond = version  # routed by a configuration that this store does not know: do not look each time
        return self._models.get((organization_id, name)) if name is not None and self._models else None

    def _read(self) -> None:
        if self._store is None:
            self._store = ControlStore(self._address)
        self._looked = self._clock()
        if self._version and self._store.version() == self._version:
            return
        with self._store.reading() as connection:
            version = version_of(connection)
            models = custom_models_of(connection)
            providers = custom_providers_of(connection)
        prefixes: dict[str, set[str]] = {}
        for provider in providers:
            prefixes.setdefault(provider.organization_id, set()).add(provider.id)
        # A name that begins with a provider's means that provider, though it was the model's before the provider came.
        named = [m for m in models if parse_model_ref(m.name, prefixes.get(m.organization_id, ())).prefix is None]
        self._models = {(model.organization_id, model.name): model for model in named}
        self._version = version
