"""The catalogue of models as the console holds it: compiled when first asked for, and anew each day.

Law: it is asked for in a thread. Until the clerk has compiled the prices it has none, and is not kept.
"""

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from gantry.core.custom_provider import CustomProvider
from gantry.prices.folder import PricesDamaged
from gantry.prices.rates import Rates
from gantry.prices.sealed_table import TableDamaged
from gantry.providers.model_catalogue import Catalogue, compile_catalogue
from gantry.providers.model_facts import load_facts
from gantry.providers.provider_choice import spec_of
from gantry.providers.spec import ProviderSpec, load_catalog
from gantry.store.database import Clock

_DAY_NS: Final = 86_400_000_000_000

logger = logging.getLogger(__name__)


class ModelBook:
    """One instance for all threads of the console."""

    def __init__(self, rates: Callable[[], Rates | None], clock: Clock) -> None:
        """`rates` reads the compiled prices; None while there are none."""
        self._read_rates: Final = rates
        self._clock: Final = clock
        self._lock: Final = threading.Lock()
        self._specs: Mapping[str, ProviderSpec] = {}
        self._kept: Catalogue | None = None
        self._day = 0

    @property
    def specs(self) -> Mapping[str, ProviderSpec]:
        """The providers of the catalogue, once `read` was called."""
        return self._specs

    def read(self, customs: Sequence[CustomProvider] = ()) -> Catalogue:
        """Return the catalogue; `customs` are providers whose names it is to know too."""
        now = self._clock()
        with self._lock:
            if not self._specs:
                self._specs = load_catalog()
            catalogue = self._kept
            if catalogue is None or self._day != now // _DAY_NS:
                rates = self.rates()
                catalogue = compile_catalogue(self._specs, load_facts(), rates, now)
                if rates is not None:
                    self._kept, self._day = catalogue, now // _DAY_NS
        if not customs:
            return catalogue
        own = {custom.id: spec_of(custom) for custom in customs}
        return Catalogue({**own, **self._specs}, catalogue.models)

    def forget(self) -> None:
        """Compile anew when it is next asked for: prices have changed."""
        with self._lock:
            self._kept = None

    def rates(self) -> Rates | None:
        """Return the prices as they are now; None while there are none."""
        try:
            return self._read_rates()
        except (TableDamaged, PricesDamaged, OSError) as error:
            logger.warning("the compiled prices cannot be used, so models have none: %s", error)
            return None
