"""What is known of deployments, with the names that people know them by; for the API and the command line.

Law: the board knows a deployment by its credential's id, the store knows whose that is and its name. The board's times
are of the machine's monotonic clock; people are shown when that is.
"""

import time
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from msgspec import Struct

from gantry.board.health import HealthBook
from gantry.core.standing import Standing
from gantry.dialects.custom_card import iso_time
from gantry.routing.cooldown import Condition, condition
from gantry.store.credentials import Credential

_ALL: Final = 1000
_MS: Final = 1_000_000


class Moment(NamedTuple):
    """Now, by both clocks."""

    clock: int  # ms of the machine's monotonic clock
    epoch: int  # ns since the epoch


class KnownDeployment(Struct, frozen=True):
    """A deployment that something is known of. `credential` is None where it was removed since."""

    board_id: str
    model: str
    credential: Credential | None
    standing: Standing
    condition: Condition
    until: int | None  # ns since the epoch; while it is cooling

    @property
    def name(self) -> str:
        """The words that mean this deployment."""
        one = self.credential
        return self.board_id if one is None else f"{one.provider_id}/{one.name}/{self.model}".rstrip("/")

    def is_meant(self, text: str) -> bool:
        """Say whether it goes by these words: its name, or its credential's, or its provider's."""
        one = self.credential
        if one is None:
            return text == self.board_id
        return text in (self.name, f"{one.provider_id}/{one.name}", one.id, one.provider_id)


def read_clocks() -> Moment:
    return Moment(int(time.monotonic() * 1000), time.time_ns())


def known_deployments(
    book: HealthBook, credentials: Iterable[Credential], now: Moment, *, removed: bool = False
) -> Iterator[KnownDeployment]:
    """Yield what is known of the deployments of these credentials; `removed`: and of those that no credential has."""
    by_id = {credential.id: credential for credential in credentials}
    for board_id, standing in book.all():
        credential_id, _, model = board_id.partition("/")
        credential = by_id.get(credential_id)
        if credential is None and not removed:
            continue
        how = condition(standing, now.clock)
        until = now.epoch + (standing.until - now.clock) * _MS if how is Condition.COOLING else None
        yield KnownDeployment(board_id, model, credential, standing, how, until)


class DeploymentItem(Struct, frozen=True, kw_only=True):
    """A deployment as the API shows it; `failing` is the share of its last calls that failed."""

    deployment: str
    provider_id: str | None
    credential_name: str | None
    model: str | None
    condition: Condition
    until: str | None
    failing: float
    cooldowns: int
    last_status: int | None
    last_failed_at: str | None


def deployment_item(known: KnownDeployment) -> DeploymentItem:
    """Return a deployment as the API shows it."""
    one, standing = known.credential, known.standing
    failed = standing.failed_at != 0
    return DeploymentItem(
        deployment=known.name,
        provider_id=None if one is None else one.provider_id,
        credential_name=None if one is None else one.name,
        model=known.model or None,
        condition=known.condition,
        until=None if known.until is None else iso_time(known.until),
        failing=standing.failing / _ALL,
        cooldowns=standing.cooldowns,
        last_status=standing.status or None,
        last_failed_at=iso_time(standing.failed_at * 1_000 * _MS) if failed else None,
    )
