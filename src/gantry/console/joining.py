"""How somebody new comes in: by signing up, by an invitation; and how a lost password is replaced, by a link.

Law: a link's token is all that its page needs, and good for one use. An invitation is for one address: who accepts it
in the name of somebody known here proves to be them, by their session or their password.
"""

from typing import Final

from fastapi import Request, Response
from msgspec import Struct

from gantry.console.access import PUBLIC, State, guarded_router, identify, signed_in_by
from gantry.console.forms import answer_item, form_refused, read_form
from gantry.console.session import SessionItem, answer_signed_in, new_person
from gantry.console.shapes import shaped
from gantry.console.sign_in import By, begin, check_password, succeed
from gantry.console.state import ConsoleState
from gantry.core.audit_entry import Actor, Author
from gantry.core.errors import Forbidden, InvalidRequest, NotFound
from gantry.core.log_item import iso_of
from gantry.core.person_form import FormRefused
from gantry.core.person_form import check_password as check_new_password
from gantry.core.role import Role
from gantry.core.sign_in_tokens import invitation_digest, is_same, read_reset, reset_token
from gantry.settings import SignUp
from gantry.store import Connection
from gantry.store.control import ControlStore
from gantry.store.invitations import Invitation, accept_invitation, find_invitation
from gantry.store.organizations import OrganizationRefused, add_organization
from gantry.store.people import (
    Person,
    PersonExists,
    add_member,
    add_person,
    find_member,
    find_person,
    is_claimed,
    password_of,
    person_of_id,
    set_password,
)
from gantry.store.sessions import end_sessions

_GONE: Final = "This invitation was used, taken back, or is too old. Ask for another one."
_DEAD_LINK: Final = "This link was used, or is too old. Ask for another one: `gantry people reset-password EMAIL`."

router = guarded_router("session")


class SignUpForm(Struct, frozen=True, forbid_unknown_fields=True):
    email: str
    name: str
    password: str
    organization: str


class InvitationShown(Struct, frozen=True, kw_only=True):
    """`known`: there is a person with that address, who accepts with the password they have, or signed in."""

    email: str
    role: Role
    organization: str
    invited_by: str
    expires_at: str
    known: bool


class AcceptForm(Struct, frozen=True, forbid_unknown_fields=True):
    """`name` and `password` are for who is not signed in; the name for who is new."""

    token: str
    name: str = ""
    password: str = ""


class ResetForm(Struct, frozen=True, forbid_unknown_fields=True):
    token: str
    password: str


@router.post("/api/session/sign-up", dependencies=[PUBLIC])
@shaped(takes=SignUpForm, answers=SessionItem)
async def sign_up(request: Request, state: State) -> Response:
    """Become a person with an organization of one's own, where sign-up is open."""
    state.entrance.check_site(request)
    form = await read_form(request, SignUpForm)
    if state.entrance.sign_up is not SignUp.OPEN:
        raise Forbidden("Sign-up is not open here. Ask to be invited.")
    await begin(state, request)  # each counts, whatever comes of it
    email, name, password = await new_person(state, form.email, form.name, form.password)

    def store(control: ControlStore) -> tuple[Person, str]:
        with control.acting_as(Author(Actor.PERSON, "", email)).changing() as change:
            if not is_claimed(change.connection):
                raise Forbidden("This Gantry is nobody's yet: claim it first, by the link that its start showed.")
            organization = add_organization(change, form.organization)
            person = add_person(change, email, name, password)
            add_member(change, organization.id, person, Role.OWNER)
            return person, organization.id

    try:
        person, organization_id = await state.ask_control(store)
    except PersonExists as error:
        raise InvalidRequest(f"`email`: {error}.", param="email") from None
    except OrganizationRefused as error:
        raise InvalidRequest(f"`organization`: {error}.", param="organization") from None
    return await answer_signed_in(state, request, person, By.SIGN_UP, organization_id=organization_id)


@router.get("/api/session/invitation", dependencies=[PUBLIC])
@shaped(answers=InvitationShown)
async def show_invitation(request: Request, state: State, token: str = "") -> Response:
    """Show whom a link invites to what."""

    def read(control: ControlStore) -> tuple[Invitation | None, bool]:
        with control.reading() as connection:
            found = find_invitation(connection, invitation_digest(state.entrance.key, token), state.clock())
            return found, found is not None and find_person(connection, found.email) is not None

    found, known = await state.ask_control(read)
    if found is None:
        raise NotFound(_GONE)
    return answer_item(
        InvitationShown(
            email=found.email,
            role=found.role,
            organization=found.organization_name,
            invited_by=found.invited_by,
            expires_at=iso_of(found.expires_at),
            known=known,
        )
    )


@router.post("/api/session/invitation", dependencies=[PUBLIC])
@shaped(takes=AcceptForm, answers=SessionItem)
async def accept(request: Request, state: State) -> Response:
    """Accept an invitation, and be signed in to the organization."""
    state.entrance.check_site(request)
    form = await read_form(request, AcceptForm)
    if state.entrance.sign_up is SignUp.CLOSED:
        raise Forbidden("Sign-up is closed here: people are added by `gantry people add`.")
    digest = invitation_digest(state.entrance.key, form.token)

    def read(control: ControlStore) -> tuple[Invitation | None, Person | None]:
        with control.reading() as connection:
            found = find_invitation(connection, digest, state.clock())
            return found, None if found is None else find_person(connection, found.email)

    found, person = await state.ask_control(read)
    if found is None:
        raise NotFound(_GONE)
    name = password = ""
    if person is None:
        _, name, password = await new_person(state, found.email, form.name, form.password)
    else:
        await _prove(state, request, person, form.password)

    def store(control: ControlStore) -> Person:
        with control.acting_as(Author(Actor.PERSON, "" if person is None else person.id, found.email)).changing() as (
            change
        ):
            if not accept_invitation(change, found):
                raise NotFound(_GONE)
            accepting = person or add_person(change, found.email, name, password)
            if find_member(change.connection, found.organization_id, accepting.id) is None:
                add_member(change, found.organization_id, accepting, found.role)
            return accepting

    try:
        accepted = await state.ask_control(store)
    except PersonExists:
        raise InvalidRequest("Somebody signed up with that address just now. Try again.") from None
    return await answer_signed_in(state, request, accepted, By.INVITATION, organization_id=found.organization_id)


@router.post("/api/session/reset", dependencies=[PUBLIC])
@shaped(takes=ResetForm, answers=SessionItem)
async def reset_password(request: Request, state: State) -> Response:
    """Set a password by a link of `gantry people`, and be signed in. All other sessions end."""
    state.entrance.check_site(request)
    form = await read_form(request, ResetForm)
    attempt = await begin(state, request)
    reset = read_reset(form.token)

    def whose(connection: Connection) -> Person:
        if reset is not None and reset.until > state.clock() and "\0" not in reset.person_id:
            person = person_of_id(connection, reset.person_id)
            right = reset_token(state.entrance.key, reset, password_of(connection, reset.person_id))
            if person is not None and person.disabled_at is None and is_same(form.token, right):
                return person
        raise Forbidden(_DEAD_LINK, param="token")

    def read(control: ControlStore) -> Person:
        with control.reading() as connection:
            return whose(connection)

    person = await state.ask_control(read)
    await succeed(state, attempt)
    try:
        check_new_password(form.password, person.email)
    except FormRefused as error:
        raise form_refused(error) from None
    password = await state.entrance.passwords.hash(form.password)

    def store(control: ControlStore) -> None:
        with control.acting_as(Author(Actor.PERSON, person.id, person.email)).changing() as change:
            whose(change.connection)  # once more: somebody may have used the link meanwhile
            set_password(change, person, password)
            end_sessions(change.connection, person.id)

    await state.ask_control(store)
    return await answer_signed_in(state, request, person, By.RESET_LINK)


async def _prove(state: ConsoleState, request: Request, person: Person, password: str) -> None:
    """Raise unless whoever asks is this person, by their session or by their password."""
    signed_in = await signed_in_by(request, state)
    if signed_in is None:
        await check_password(state, request, person.email, password)
        return
    await identify(request, state)  # what a session does needs the token of our pages
    if signed_in.person.id != person.id:
        raise Forbidden(f"You are signed in as {signed_in.person.email}; this invitation is for {person.email}.")
