"""Whoever a route acts for: an API key, or a person who is signed in. What routes need of either has one form.

Law: a person is bound by no key's limits and to no key's logs; what they may do is what their role says, now.
"""

from typing import Final

from msgspec import Struct

from gantry.core.audit_entry import Actor, Author
from gantry.core.role import SCOPES, Role
from gantry.core.vocabulary import Scope
from gantry.store.key_rights import KeyPolicy
from gantry.store.keys import ApiKey
from gantry.store.sessions import Session, SignedIn

# Who belongs to the organization is an administrator's to say; a key that may says no more.
_ROLE_OF_KEYS: Final = Role.ADMIN


class Caller(Struct, frozen=True, kw_only=True):
    """`line` is the key and those it replaced, `bounds` are the keys on whose limits its calls count; both are empty
    for a person. `session` is there for a person only.
    """

    actor: Actor
    id: str
    organization_id: str
    name: str
    policy: KeyPolicy
    role: Role
    line: tuple[str, ...] = ()
    bounds: tuple[str, ...] = ()
    session: Session | None = None

    @property
    def author(self) -> Author:
        return Author(self.actor, self.id, self.name)

    def may(self, scope: Scope) -> bool:
        return scope in self.policy.scopes


def caller_by_key(key: ApiKey) -> Caller:
    return Caller(
        actor=Actor.API_KEY,
        id=key.id,
        organization_id=key.organization_id,
        name=key.name,
        policy=key.policy,
        role=_ROLE_OF_KEYS,
        line=key.line,
        bounds=key.bounds,
    )


def caller_by_session(signed_in: SignedIn) -> Caller:
    return Caller(
        actor=Actor.PERSON,
        id=signed_in.person.id,
        organization_id=signed_in.session.organization_id,
        name=signed_in.person.email,
        policy=KeyPolicy(scopes=SCOPES[signed_in.role]),
        role=signed_in.role,
        session=signed_in.session,
    )
