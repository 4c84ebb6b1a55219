"""Signing in through an identity provider: there, back again, and who that is here.

Law: a person is known by issuer and subject. An address links nobody but where the provider says that it was verified.
Nobody else verifies one: whoever set a password for it before may be somebody else, and is out with that password when
its owner comes, unless the browser is signed in as that very person.
What must hold between leaving and coming back is in a sealed cookie of ten minutes, which is dropped on coming back;
and where a browser is sent afterwards is a page of ours, whatever anybody asked for.
"""

import secrets
from typing import Final
from urllib.parse import urlencode

import msgspec
from fastapi import Request, Response
from fastapi.responses import RedirectResponse
from msgspec import Struct

from gantry.console.access import PUBLIC, State, guarded_router, signed_in_by
from gantry.console.identity_provider import IdentityProvider, ProviderFailed
from gantry.console.shapes import shaped
from gantry.console.sign_in import By, begin_session_of
from gantry.console.state import ConsoleState
from gantry.core.audit_entry import Actor, Author
from gantry.core.errors import Forbidden, GatewayError, NotFound
from gantry.core.id_token import Claims, TokenRefused
from gantry.core.person_form import FormRefused, read_email, read_name
from gantry.core.sealing import SealBroken
from gantry.core.sign_in_tokens import TOKEN_BYTES, is_same, text_of
from gantry.settings import SignUp
from gantry.store.control import Change, ControlStore, default_organization
from gantry.store.invitations import accept_invitation, invitations_for
from gantry.store.people import (
    Person,
    add_identity,
    add_member,
    add_person,
    drop_password,
    find_member,
    find_person,
    is_claimed,
    memberships_of,
    person_of_identity,
)

_LASTS: Final = 600  # seconds
_PLACE: Final = b"oidc"
_PATH: Final = "/api/session/oidc"
_LONGEST_PATH: Final = 1500  # its cookie is kept by browsers up to 4096 bytes

router = guarded_router("session")


class Journey(Struct, frozen=True, array_like=True):
    """What must hold between leaving for a provider and coming back."""

    provider: str
    state: str
    nonce: str
    verifier: str
    return_to: str
    until: int  # seconds since the epoch


@router.get(f"{_PATH}/{{provider}}/start", dependencies=[PUBLIC], include_in_schema=False)
@shaped()
async def start_oidc(provider: str, state: State, return_to: str = "/") -> Response:
    """Send a browser to an identity provider, from which it comes back to `callback`."""
    known = _known(state, provider)
    journey = Journey(
        provider=provider,
        state=text_of(secrets.token_bytes(TOKEN_BYTES)),
        nonce=text_of(secrets.token_bytes(TOKEN_BYTES)),
        verifier=text_of(secrets.token_bytes(TOKEN_BYTES)),
        return_to=_page(return_to),
        until=state.clock() // 1_000_000_000 + _LASTS,
    )
    try:
        where = await known.authorization_url(
            _redirect_uri(state, provider), journey.state, journey.nonce, journey.verifier
        )
    except ProviderFailed as error:
        return _refused(state, f"{known.settings.name} cannot be asked now: {error}.")
    response = RedirectResponse(where, 303, {"cache-control": "no-store"})
    sealed = state.entrance.sealer.seal(msgspec.json.encode(journey), _PLACE)
    response.set_cookie(
        _cookie(state),
        text_of(sealed),
        max_age=_LASTS,
        path="/",
        secure=state.entrance.secure,
        httponly=True,
        samesite="lax",
    )
    return response


@router.get(f"{_PATH}/{{provider}}/callback", dependencies=[PUBLIC], include_in_schema=False)
@shaped()
async def finish_oidc(request: Request, provider: str, state: State) -> Response:
    """Sign in whoever comes back from an identity provider."""
    known = _known(state, provider)
    journey = _journey(request, state)
    query = request.query_params
    if journey is None or journey.provider != provider or not is_same(query.get("state", ""), journey.state):
        return _refused(state, "This sign-in was not begun here, or took too long. Try again.")
    if "code" not in query:
        return _refused(state, f"{known.settings.name} did not sign you in.")
    try:
        claims = await known.claims_of(query["code"], _redirect_uri(state, provider), journey.nonce, journey.verifier)
        before = await signed_in_by(request, state)
        own = None if before is None else before.person.id
        person = await state.ask_control(lambda control: _person_of(control, state, known, claims, own))
        token, _ = await begin_session_of(state, request, person, By.IDENTITY_PROVIDER)
    except (ProviderFailed, TokenRefused) as error:
        return _refused(state, f"{known.settings.name} did not sign you in: {error}.")
    except GatewayError as error:
        return _refused(state, error.message)
    response = _sent(state, journey.return_to)
    state.entrance.set_cookie(response, token)
    return response


def _person_of(
    control: ControlStore, state: ConsoleState, provider: IdentityProvider, claims: Claims, own: str | None
) -> Person:
    """Return who that is here, adding who may be; `own` is whom the browser is signed in as. Raises Forbidden."""
    settings = provider.settings
    email = _verified_email(claims)
    domain = "" if email is None else email.rpartition("@")[2]
    if settings.allowed_domains and domain not in settings.allowed_domains:
        raise Forbidden(f"{settings.name} says nothing of an address that may sign in here.")
    with control.acting_as(Author(Actor.PERSON, "", email or claims.sub)).changing() as change:
        known = person_of_identity(change.connection, settings.issuer, claims.sub)
        if known is None:
            if not is_claimed(change.connection):
                raise Forbidden("This Gantry is nobody's yet: claim it first, by the link that its start showed.")
            if email is None:
                raise Forbidden(f"{settings.name} does not say that your e-mail address was verified.")
            known = _let_in(change, state, provider, email, claims.name)
            add_identity(change, known, settings.issuer, claims.sub)
            if known.has_password and known.id != own:
                drop_password(change, known)
        if known.disabled_at is not None:
            raise Forbidden("You may not sign in here any more.")
        return known


def _let_in(change: Change, state: ConsoleState, provider: IdentityProvider, email: str, name: str | None) -> Person:
    """Return the person with a verified address, who may be new: invited, or of a domain that belongs here."""
    settings = provider.settings
    person = find_person(change.connection, email)
    invited = invitations_for(change.connection, email, state.clock())
    if state.entrance.sign_up is SignUp.CLOSED:
        invited = []
    if person is None and not invited and not settings.allowed_domains:
        raise Forbidden(f"Nobody invited {email} here. Ask to be invited.")
    if person is None:
        try:
            called = read_name(name or "")
        except FormRefused:
            called = email.partition("@")[0]
        person = add_person(change, email, called, None)
    for one in invited:
        joins = find_member(change.connection, one.organization_id, person.id) is None
        if accept_invitation(change, one) and joins:
            add_member(change, one.organization_id, person, one.role)
    if settings.allowed_domains and not memberships_of(change.connection, person.id):
        add_member(change, default_organization(change.connection), person, settings.default_role)
    return person


def _verified_email(claims: Claims) -> str | None:
    if claims.email is None or claims.email_verified is not True:
        return None
    try:
        return read_email(claims.email)
    except FormRefused:
        return None


def _journey(request: Request, state: ConsoleState) -> Journey | None:
    """Return what the sealed cookie says; None where there is none that holds."""
    try:
        sealed = state.entrance.unsealed(request.cookies.get(_cookie(state), ""), _PLACE)
        journey = msgspec.json.decode(sealed, type=Journey)
    except (SealBroken, ValueError):
        return None
    return journey if journey.until > state.clock() // 1_000_000_000 else None


def _known(state: ConsoleState, provider: str) -> IdentityProvider:
    known = state.entrance.providers.get(provider)
    if known is None:
        raise NotFound("There is no identity provider of that name.")
    return known


def _redirect_uri(state: ConsoleState, provider: str) -> str:
    if state.entrance.url is None:
        raise NotFound("Where browsers find us is not known: set public_url.")
    return f"{state.entrance.url}{_PATH}/{provider}/callback"


def _page(return_to: str) -> str:
    """Return the page of ours that is meant; the first one for anything else."""
    plain = return_to.isascii() and return_to.isprintable() and "\\" not in return_to and len(return_to) < _LONGEST_PATH
    return f"/ui{return_to}" if plain and return_to.startswith("/") and not return_to.startswith("//") else "/ui"


def _refused(state: ConsoleState, message: str) -> Response:
    return _sent(state, "/ui/sign-in?" + urlencode({"error": message}))


def _sent(state: ConsoleState, page: str) -> Response:
    response = RedirectResponse(page, 303, {"cache-control": "no-store"})
    response.delete_cookie(_cookie(state), path="/", secure=state.entrance.secure, httponly=True, samesite="lax")
    return response


def _cookie(state: ConsoleState) -> str:
    return "__Host-gantry_oidc" if state.entrance.secure else "gantry_oidc"
