"""What people do for themselves: their name, their password, and where they are signed in.

Law: a password that is changed ends all other sessions, whoever has them.
"""

from fastapi import Request, Response
from msgspec import Struct

from gantry.console.access import SIGNED_IN, Caller, State, guarded_router
from gantry.console.forms import answer_item, form_refused, read_form
from gantry.console.session import PersonItem, session_of
from gantry.console.shapes import shaped
from gantry.console.sign_in import begin, succeed
from gantry.console.state import ConsoleState
from gantry.core.errors import Forbidden, NotFound
from gantry.core.log_item import iso_of
from gantry.core.person_form import FormRefused, check_password, read_name
from gantry.store.control import ControlStore
from gantry.store.people import Person, password_of, person_of_id, rename_person, set_password
from gantry.store.sessions import Session, end_session, end_sessions, sessions_of

router = guarded_router("people")


class NameForm(Struct, frozen=True, forbid_unknown_fields=True):
    name: str


class PasswordForm(Struct, frozen=True, forbid_unknown_fields=True):
    """`current` is left out by who has none yet."""

    new: str
    current: str = ""


class SessionEntry(Struct, frozen=True, kw_only=True):
    """A browser that somebody is signed in with; `current` is the one that asks."""

    id: str
    created_at: str
    seen_at: str
    expires_at: str
    address: str
    user_agent: str
    current: bool


@router.get("/api/people/me", dependencies=[SIGNED_IN])
@shaped(answers=PersonItem)
async def show_me(state: State, caller: Caller) -> Response:
    """Show who is signed in."""
    return answer_item(_item(await _me(state, caller)))


@router.patch("/api/people/me", dependencies=[SIGNED_IN])
@shaped(takes=NameForm, answers=PersonItem)
async def rename_me(request: Request, state: State, caller: Caller) -> Response:
    """Be called something else."""
    form = await read_form(request, NameForm)
    try:
        name = read_name(form.name)
    except FormRefused as error:
        raise form_refused(error) from None
    person = await _me(state, caller)

    def rename(control: ControlStore) -> None:
        with control.changing() as change:
            rename_person(change, person, name)

    await state.ask_control(rename)
    return answer_item(_item(await _me(state, caller)))


@router.post("/api/people/me/password", dependencies=[SIGNED_IN], status_code=204)
@shaped(takes=PasswordForm)
async def change_my_password(request: Request, state: State, caller: Caller) -> Response:
    """Set another password. All other sessions end."""
    form = await read_form(request, PasswordForm)
    person, session = await _me(state, caller), session_of(caller)
    attempt = await begin(state, request, person.email)

    def stored(control: ControlStore) -> str | None:
        with control.reading() as connection:
            return password_of(connection, person.id)

    known = await state.ask_control(stored)
    if known is not None and not await state.entrance.passwords.is_right(known, form.current):
        raise Forbidden("The current password is wrong.", param="current")
    await succeed(state, attempt)
    try:
        check_password(form.new, person.email)
    except FormRefused as error:
        raise form_refused(FormRefused("new", str(error))) from None
    password = await state.entrance.passwords.hash(form.new)

    def store(control: ControlStore) -> None:
        with control.changing() as change:
            set_password(change, person, password)
            end_sessions(change.connection, person.id, apart_from=session)

    await state.ask_control(store)
    return Response(status_code=204)


@router.get("/api/people/me/sessions", dependencies=[SIGNED_IN])
@shaped(answers=list[SessionEntry])
async def list_my_sessions(state: State, caller: Caller) -> Response:
    """List where one is signed in, the last used first."""
    own = session_of(caller)

    def read(control: ControlStore) -> list[Session]:
        with control.reading() as connection:
            return sessions_of(connection, caller.id, state.clock())

    return answer_item([_entry(session, own) for session in await state.ask_control(read)])


@router.delete("/api/people/me/sessions/{session_id}", dependencies=[SIGNED_IN], status_code=204)
@shaped()
async def end_my_session(session_id: str, state: State, caller: Caller) -> Response:
    """Sign out another browser."""

    def end(control: ControlStore) -> bool:
        with control.noting() as connection:
            return "\0" not in session_id and end_session(connection, caller.id, session_id)

    if not await state.ask_control(end):
        raise NotFound("Session not found.")
    return Response(status_code=204)


async def _me(state: ConsoleState, caller: Caller) -> Person:
    def read(control: ControlStore) -> Person | None:
        with control.reading() as connection:
            return person_of_id(connection, caller.id)

    person = await state.ask_control(read)
    if person is None:
        raise NotFound("You were removed just now.")
    return person


def _item(person: Person) -> PersonItem:
    return PersonItem(person.id, person.email, person.name, person.has_password)


def _entry(session: Session, own: Session) -> SessionEntry:
    return SessionEntry(
        id=session.id,
        created_at=iso_of(session.created_at),
        seen_at=iso_of(session.seen_at),
        expires_at=iso_of(session.expires_at),
        address=session.address,
        user_agent=session.user_agent,
        current=session.id == own.id,
    )
