"""What a person is in an organization, what that lets them do, and who may make whom what. Pure.

Law: nobody gives more than they have, and owners are made and unmade by owners alone.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from gantry.core.vocabulary import Scope


class Role(StrEnum):
    """In the order of what they may do, the least first."""

    VIEWER = "viewer"
    MEMBER = "member"
    ADMIN = "admin"
    OWNER = "owner"


_EVERYTHING: Final = Scope(sum(Scope))

SCOPES: Final[Mapping[Role, Scope]] = {
    Role.VIEWER: Scope.READ,
    Role.MEMBER: Scope.READ | Scope.INFERENCE | Scope.OWN_LOGS | Scope.NATIVE | Scope.INGEST,
    Role.ADMIN: _EVERYTHING,
    Role.OWNER: _EVERYTHING,
}

_RANK: Final[Mapping[Role, int]] = {role: rank for rank, role in enumerate(Role)}


def may_give(giver: Role, role: Role) -> bool:
    """Say whether somebody may make others this, and take it from those who are."""
    return _RANK[role] <= _RANK[giver]
