"""Signing in: what must be true, what it costs to be wrong, and the session that begins.

Law: nobody learns whether an address is known here: a wrong one is answered as a wrong password is, and as late. So
the audit log hears of a failure when the answer is on its way. A session that begins takes the place of the one that
the browser had.
"""

import secrets
from collections.abc import Sequence
from enum import StrEnum
from ipaddress import ip_address, ip_network
from typing import Final

from fastapi import Request, Response
from msgspec import Struct

from gantry.console.access import signed_in_by
from gantry.console.entrance import address_of
from gantry.console.state import ConsoleState
from gantry.core.audit_entry import Actor, AuditAction, Author
from gantry.core.errors import Forbidden, LimitReached, Unauthenticated
from gantry.core.ids import ENTROPY_BITS, format_id
from gantry.core.person_form import LONGEST_PASSWORD, FormRefused, read_email
from gantry.core.sign_in_tokens import TOKEN_BYTES, session_digest, text_of
from gantry.store.control import ControlStore
from gantry.store.failed_sign_ins import Subject, begin_attempt, failures_of, take_back, wait_of
from gantry.store.people import (
    Person,
    find_person,
    memberships_of,
    note_failed_sign_in,
    note_seen,
    password_of,
    rehash_password,
)
from gantry.store.sessions import LONGEST, Session, begin_session, end_session

_WRONG: Final = "The e-mail address or the password is wrong."
_SECOND: Final = 1_000_000_000
# A name is soon free again, or strangers could keep its owner out.
_OF_NAME: Final = (5, 60)
_OF_ADDRESS: Final = (20, 900)


class By(StrEnum):
    """What somebody came in by, as the audit log says it."""

    SETUP_TOKEN = "setup token"
    PASSWORD = "password"
    IDENTITY_PROVIDER = "identity provider"
    SIGN_UP = "sign-up"
    INVITATION = "invitation"
    RESET_LINK = "reset link"


class Attempt(Struct, frozen=True):
    """What is counted as failed until it succeeds; `failed` is what failed in its name before."""

    name: str
    rows: Sequence[int]
    failed: int


async def begin(state: ConsoleState, request: Request, email: str | None = None) -> Attempt:
    """Count an attempt. Raises LimitReached when too many failed just now, by this name or from this address.

    Without a name, as where a link's token is shown, only the address counts: what is one name for all, anybody could
    hold shut.
    """
    name = "" if email is None else f"name {email}"
    subjects = [] if email is None else [Subject(name, *_OF_NAME)]
    if address := address_of(request):
        subjects.append(Subject(f"address {_network_of(address)}", *_OF_ADDRESS))
    now = state.clock()

    def count(control: ControlStore) -> tuple[int, Attempt]:
        with control.noting() as connection:
            wait = wait_of(connection, subjects, now)
            failed = failures_of(connection, name, now)
            return wait, Attempt(name, [] if wait else begin_attempt(connection, subjects, now), failed)

    wait, attempt = await state.ask_control(count)
    if wait:
        seconds = -(-wait // _SECOND)
        raise LimitReached(f"Too many attempts failed. Wait for {seconds} s.", retry_after=seconds)
    return attempt


async def succeed(state: ConsoleState, attempt: Attempt) -> None:
    def forget(control: ControlStore) -> None:
        with control.noting() as connection:
            take_back(connection, attempt.rows, attempt.name)

    await state.ask_control(forget)


async def check_password(state: ConsoleState, request: Request, text: str, password: str) -> tuple[Person, int]:
    """Return the person with this address and password, and how many attempts failed before.

    Raises Unauthenticated and LimitReached.
    """
    try:
        email = read_email(text)
    except FormRefused:
        email = "nobody"
    attempt = await begin(state, request, email)

    def look_up(control: ControlStore) -> tuple[Person | None, str | None]:
        with control.reading() as connection:
            person = find_person(connection, email)
            return person, None if person is None else password_of(connection, person.id)

    person, stored = await state.ask_control(look_up)
    right = await state.entrance.passwords.is_right(stored, password[: LONGEST_PASSWORD + 1])
    if person is None or stored is None or not right or person.disabled_at is not None:
        if person is not None:
            _note_failed(state, request, person, attempt.failed + 1)
        raise Unauthenticated(_WRONG)
    await succeed(state, attempt)
    if state.entrance.passwords.is_of_old(stored):
        anew = await state.entrance.passwords.hash(password)

        def keep(control: ControlStore) -> None:
            with control.noting() as connection:
                rehash_password(connection, person.id, stored, anew)

        await state.ask_control(keep)
    return person, attempt.failed


def _note_failed(state: ConsoleState, request: Request, person: Person, failed: int) -> None:
    """Put a failure down, unless so many did lately that the name waits: then strangers would fill the log."""
    if failed > _OF_NAME[0]:
        return
    address = address_of(request)

    def note(control: ControlStore) -> None:
        with control.auditing() as change:
            note_failed_sign_in(change, person, address, failed)

    state.tell_control(note)


async def begin_session_of(
    state: ConsoleState,
    request: Request,
    person: Person,
    by: By,
    *,
    organization_id: str | None = None,
    failed: int = 0,
) -> tuple[str, Session]:
    """Begin a session of a person, in an organization or the first of theirs; return its token and what is stored.

    `failed` attempts were made before. Raises Forbidden for who belongs nowhere.
    """
    token = text_of(secrets.token_bytes(TOKEN_BYTES))
    before = await signed_in_by(request, state)
    now = state.clock()

    def store(control: ControlStore) -> Session | None:
        with control.acting_as(Author(Actor.PERSON, person.id, person.email)).auditing() as change:
            connection = change.connection
            where = [one.organization_id for one in memberships_of(connection, person.id)]
            if organization_id is not None:
                where = [one for one in where if one == organization_id]
            if not where:
                return None
            session = Session(
                id=format_id(now // 1_000_000, secrets.randbits(ENTROPY_BITS)),
                digest=session_digest(state.entrance.key, token),
                organization_id=where[0],
                person_id=person.id,
                created_at=now,
                seen_at=now,
                expires_at=now + LONGEST,
                address=address_of(request),
                user_agent=request.headers.get("user-agent", ""),
            )
            if before is not None:
                end_session(connection, before.person.id, before.session.id)
            begin_session(connection, session)
            note_seen(connection, person.id, now)
            change.note(
                session.organization_id,
                AuditAction.PERSON_SIGNED_IN,
                person.email,
                by=by,
                address=session.address,
                failed=failed,
            )
            return session

    session = await state.ask_control(store)
    if session is None:
        raise Forbidden("You belong to no organization here. Ask to be invited.")
    return token, session


def end_in(state: ConsoleState, response: Response) -> Response:
    """Let the browser forget its session, too."""
    state.entrance.drop_cookie(response)
    return response


def _network_of(address: str) -> str:
    """Return what counts as one address: of IPv6, whoever has one has the 2^64 beside it."""
    try:
        known = ip_address(address)
    except ValueError:
        return address
    return address if known.version == 4 else str(ip_network(f"{known}/64", strict=False))
