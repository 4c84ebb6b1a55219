"""The session: who is signed in here, signing in and out, and claiming an instance that is nobody's yet.

Law: what anybody may send is checked to come from no other site, and says no more to a stranger than that they are one.
"""

from typing import Final

from fastapi import Request, Response
from msgspec import UNSET, Struct, UnsetType

from gantry import __version__
from gantry.console.access import PUBLIC, SIGNED_IN, Caller, State, guarded_router, signed_in_by
from gantry.console.forms import answer_item, form_refused, read_form
from gantry.console.shapes import shaped
from gantry.console.sign_in import By, begin, begin_session_of, check_password, end_in, succeed
from gantry.console.state import ConsoleState, act_as
from gantry.core.audit_entry import Actor, Author
from gantry.core.errors import Forbidden, InvalidRequest, NotFound
from gantry.core.person_form import FormRefused, read_email, read_name
from gantry.core.person_form import check_password as check_new_password
from gantry.core.role import SCOPES, Role
from gantry.core.sign_in_tokens import csrf_token, is_same, setup_token
from gantry.core.vocabulary import SCOPE_NAMES
from gantry.settings import SignUp
from gantry.store.control import ControlStore, default_organization
from gantry.store.organizations import OrganizationRefused, rename_organization
from gantry.store.people import (
    Membership,
    Person,
    add_member,
    add_person,
    is_claimed,
    memberships_of,
)
from gantry.store.sessions import Session, SignedIn, end_session, end_sessions, find_session, move_session

_CLAIMED: Final = "This Gantry has an owner already. Sign in, or ask to be invited."

router = guarded_router("session")


class IdentityProviderItem(Struct, frozen=True):
    id: str
    name: str


class PersonItem(Struct, frozen=True):
    id: str
    email: str
    name: str
    has_password: bool


class OrganizationName(Struct, frozen=True):
    id: str
    name: str


class OwnOrganization(Struct, frozen=True):
    id: str
    name: str
    role: Role


class SessionItem(Struct, frozen=True, kw_only=True):
    """`state` is unclaimed while nobody can sign in: then `claim` makes the first person. `csrf` goes along with what
    changes something, as the header `x-gantry-csrf`.
    """

    state: str
    sign_up: SignUp
    identity_providers: list[IdentityProviderItem]
    person: PersonItem | None = None
    organization: OrganizationName | None = None
    role: Role | None = None
    scopes: list[str] = []
    organizations: list[OwnOrganization] = []
    csrf: str | None = None
    version: str = __version__


class SignInForm(Struct, frozen=True, forbid_unknown_fields=True):
    email: str
    password: str


class SwitchForm(Struct, frozen=True, forbid_unknown_fields=True):
    organization_id: str


class ClaimForm(Struct, frozen=True, forbid_unknown_fields=True):
    token: str
    email: str
    name: str
    password: str
    organization: str | UnsetType = UNSET  # what the first organization is to be called


@router.get("/api/session", dependencies=[PUBLIC])
@shaped(answers=SessionItem)
async def show_session(request: Request, state: State) -> Response:
    """Say who is signed in, and what a page needs to know before anybody is."""
    signed_in = await signed_in_by(request, state)
    return answer_item(await session_item(state, signed_in))


@router.post("/api/session", dependencies=[PUBLIC])
@shaped(takes=SignInForm, answers=SessionItem)
async def sign_in(request: Request, state: State) -> Response:
    """Sign in by e-mail address and password."""
    state.entrance.check_site(request)
    form = await read_form(request, SignInForm)
    person, failed = await check_password(state, request, form.email, form.password)
    return await answer_signed_in(state, request, person, By.PASSWORD, failed=failed)


@router.patch("/api/session", dependencies=[SIGNED_IN])
@shaped(takes=SwitchForm, answers=SessionItem)
async def switch_organization(request: Request, state: State, caller: Caller) -> Response:
    """Go on in another organization of one's own."""
    form = await read_form(request, SwitchForm)
    session = session_of(caller)

    def move(control: ControlStore) -> SignedIn | None:
        with control.noting() as connection:
            if not any(one.organization_id == form.organization_id for one in memberships_of(connection, caller.id)):
                return None
            move_session(connection, session, form.organization_id)
            return find_session(connection, session.digest, state.clock())

    moved = await state.ask_control(move)
    if moved is None:
        raise NotFound("You belong to no organization with that id.")
    return answer_item(await session_item(state, moved))


@router.delete("/api/session", dependencies=[SIGNED_IN], status_code=204)
@shaped()
async def sign_out(request: Request, state: State, caller: Caller) -> Response:
    """Sign out here; with `?everywhere=true`, in all browsers."""
    session = session_of(caller)
    everywhere = request.query_params.get("everywhere") == "true"

    def end(control: ControlStore) -> None:
        with control.noting() as connection:
            if everywhere:
                end_sessions(connection, caller.id)
            else:
                end_session(connection, caller.id, session.id)

    await state.ask_control(end)
    return end_in(state, Response(status_code=204))


@router.post("/api/session/claim", dependencies=[PUBLIC])
@shaped(takes=ClaimForm, answers=SessionItem)
async def claim(request: Request, state: State) -> Response:
    """Become the first owner, by the token that the start of Gantry showed, or `gantry console link` shows."""
    state.entrance.check_site(request)
    form = await read_form(request, ClaimForm)
    attempt = await begin(state, request)

    def right_token(control: ControlStore) -> str | None:
        with control.reading() as connection:
            return None if is_claimed(connection) else setup_token(state.entrance.key, default_organization(connection))

    right = await state.ask_control(right_token)
    if right is None:
        raise Forbidden(_CLAIMED)
    if not is_same(form.token, right):
        raise Forbidden("The setup token is wrong. `gantry console link` shows the link anew.", param="token")
    await succeed(state, attempt)
    email, name, password = await new_person(state, form.email, form.name, form.password)

    def store(control: ControlStore) -> Person | None:
        with control.acting_as(Author(Actor.PERSON, "", email)).changing() as change:
            if is_claimed(change.connection):
                return None
            organization_id = default_organization(change.connection)
            if form.organization is not UNSET and form.organization:
                rename_organization(change, organization_id, form.organization)
            person = add_person(change, email, name, password)
            add_member(change, organization_id, person, Role.OWNER)
            return person

    try:
        person = await state.ask_control(store)
    except OrganizationRefused as error:
        raise InvalidRequest(f"`organization`: {error}.", param="organization") from None
    if person is None:
        raise Forbidden(_CLAIMED)
    return await answer_signed_in(state, request, person, By.SETUP_TOKEN)


async def new_person(state: ConsoleState, email: str, name: str, password: str) -> tuple[str, str, str]:
    """Return the address, the name and the password's hash of somebody new. Raises InvalidRequest."""
    try:
        email, name = read_email(email), read_name(name)
        check_new_password(password, email)
    except FormRefused as error:
        raise form_refused(error) from None
    return email, name, await state.entrance.passwords.hash(password)


async def answer_signed_in(
    state: ConsoleState,
    request: Request,
    person: Person,
    by: By,
    *,
    organization_id: str | None = None,
    failed: int = 0,
) -> Response:
    """Begin a session, and answer what `GET /api/session` will say of it."""
    act_as(Author(Actor.PERSON, person.id, person.email))
    token, session = await begin_session_of(state, request, person, by, organization_id=organization_id, failed=failed)

    def look_up(control: ControlStore) -> SignedIn | None:
        with control.reading() as connection:
            return find_session(connection, session.digest, state.clock())

    response = answer_item(await session_item(state, await state.ask_control(look_up)))
    state.entrance.set_cookie(response, token)
    return response


async def session_item(state: ConsoleState, signed_in: SignedIn | None) -> SessionItem:
    def look_up(control: ControlStore) -> tuple[bool, list[Membership]]:
        with control.reading() as connection:
            return is_claimed(connection), memberships_of(connection, signed_in.person.id) if signed_in else []

    claimed, memberships = await state.ask_control(look_up)
    providers = [IdentityProviderItem(name, one.settings.name) for name, one in state.entrance.providers.items()]
    if signed_in is None:
        return SessionItem(
            state="signed_out" if claimed else "unclaimed",
            sign_up=state.entrance.sign_up,
            identity_providers=providers,
        )
    person = signed_in.person
    return SessionItem(
        state="signed_in",
        sign_up=state.entrance.sign_up,
        identity_providers=providers,
        person=PersonItem(person.id, person.email, person.name, person.has_password),
        organization=OrganizationName(signed_in.session.organization_id, signed_in.organization_name),
        role=signed_in.role,
        scopes=[name for name, scope in SCOPE_NAMES.items() if scope in SCOPES[signed_in.role]],
        organizations=[OwnOrganization(one.organization_id, one.organization_name, one.role) for one in memberships],
        csrf=csrf_token(state.entrance.key, signed_in.session.digest),
    )


def session_of(caller: Caller) -> Session:
    """Return the session of somebody whom only a session lets in."""
    assert caller.session is not None
    return caller.session
