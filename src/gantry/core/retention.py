"""How long logs are kept, and how much of them: one value for each organization, kept as one setting.

Law: what was counted is never forgotten with a log: sums, customers and the ledger stay, and so does a log that is
pinned.
"""

from typing import Annotated, Final

from msgspec import Meta, Struct

from gantry.core.vocabulary import Environment

SETTING: Final = "retention"
DAY: Final = 86_400_000_000_000

Days = Annotated[int, Meta(ge=1, le=36_500)]
Bytes = Annotated[int, Meta(ge=1_000_000, le=10**18)]


class Retention(Struct, frozen=True, kw_only=True):
    """None: without end. `body_days` is for what was said, `test_days` for the test environment (None: as `days`)."""

    days: Days | None = None
    body_days: Days | None = None
    test_days: Days | None = None
    max_bytes: Bytes | None = None

    def kept_since(self, environment: Environment, now: int) -> int | None:
        """Return from when on logs are kept; None where all are."""
        days = self.test_days if environment is Environment.TEST and self.test_days is not None else self.days
        return None if days is None else now - days * DAY

    def said_since(self, now: int) -> int | None:
        """Return from when on what was said is kept."""
        return None if self.body_days is None else now - self.body_days * DAY


FOR_EVER: Final = Retention()
