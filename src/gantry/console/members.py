"""Who belongs to an organization, and who is invited to.

Law: nobody gives or takes a role above their own, and the last owner stays. Whoever loses a role loses with it what
their keys may do, live. An invitation's link is shown once, to who invites; it is mailed too where a mail server is
configured.
"""

import secrets
from typing import Final

from fastapi import Request, Response
from msgspec import Struct

from gantry.console.access import Caller, State, guarded_router, requires
from gantry.console.forms import answer_item, form_refused, read_form
from gantry.console.links import link
from gantry.console.live import tell_when_live
from gantry.console.shapes import shaped
from gantry.core.errors import Forbidden, InvalidRequest, NotFound
from gantry.core.log_item import iso_of
from gantry.core.person_form import FormRefused, read_email
from gantry.core.role import Role, may_give
from gantry.core.sign_in_tokens import TOKEN_BYTES, invitation_digest, text_of
from gantry.core.vocabulary import Scope
from gantry.settings import SignUp
from gantry.store import Connection
from gantry.store.control import ControlStore
from gantry.store.invitations import Invitation, add_invitation, invitations_of, revoke_invitation
from gantry.store.people import (
    LastOwner,
    Member,
    find_member,
    find_person,
    members_of,
    remove_member,
    set_role,
)

_TEAM: Final = requires(Scope.TEAM)

router = guarded_router("members")


class MemberItem(Struct, frozen=True, kw_only=True):
    id: str
    email: str
    name: str
    role: Role
    since: str
    seen_at: str | None
    has_password: bool


class RoleForm(Struct, frozen=True, forbid_unknown_fields=True):
    role: Role


class InvitationForm(Struct, frozen=True, forbid_unknown_fields=True):
    email: str
    role: Role = Role.MEMBER


class InvitationItem(Struct, frozen=True, kw_only=True):
    id: str
    email: str
    role: Role
    invited_by: str
    created_at: str
    expires_at: str


class NewInvitation(InvitationItem, frozen=True, kw_only=True):
    """`token` and `link` are shown only here; `mailed` says whether the mail server took an e-mail with the link."""

    token: str
    link: str | None
    mailed: bool


@router.get("/api/members", dependencies=[_TEAM])
@shaped(answers=list[MemberItem])
async def list_members(state: State, caller: Caller) -> Response:
    """List who belongs to the organization, the oldest member first."""

    def read(control: ControlStore) -> list[Member]:
        with control.reading() as connection:
            return members_of(connection, caller.organization_id)

    return answer_item([_member_item(member) for member in await state.ask_control(read)])


@router.patch("/api/members/{person_id}", dependencies=[_TEAM])
@shaped(takes=RoleForm, answers=MemberItem)
async def change_role(person_id: str, request: Request, state: State, caller: Caller) -> Response:
    """Make a member something else. Keys they made do no more than they may then; open invitations of theirs end."""
    form = await read_form(request, RoleForm)

    def change_it(control: ControlStore) -> tuple[Member, int]:
        with control.changing() as change:
            member = _known(change.connection, caller, person_id)
            if not may_give(caller.role, form.role):
                raise _too_much(caller.role, form.role)
            set_role(change, caller.organization_id, member, form.role)
            return _known(change.connection, caller, person_id, reach=False), change.version

    try:
        member, version = await state.ask_control(change_it)
    except LastOwner as error:
        raise Forbidden(f"{str(error).capitalize()}.", param="role") from None
    return await tell_when_live(answer_item(_member_item(member)), state.board, version)


@router.delete("/api/members/{person_id}", dependencies=[_TEAM], status_code=204)
@shaped()
async def remove_one(person_id: str, state: State, caller: Caller, keep_keys: bool = False) -> Response:
    """Let a member belong no more. Their sessions in the organization end, and the API keys they made are revoked.

    With `?keep_keys=true` the keys stay, for services that call by them; whoever is removed may still know them.
    """

    def remove(control: ControlStore) -> int:
        with control.changing() as change:
            member = _known(change.connection, caller, person_id)
            remove_member(change, caller.organization_id, member, keep_keys=keep_keys)
            return change.version

    try:
        version = await state.ask_control(remove)
    except LastOwner as error:
        raise Forbidden(f"{str(error).capitalize()}.") from None
    return await tell_when_live(Response(status_code=204), state.board, version)


@router.get("/api/invitations", dependencies=[_TEAM])
@shaped(answers=list[InvitationItem])
async def list_invitations(state: State, caller: Caller) -> Response:
    """List the invitations that nobody has accepted yet, the newest first."""

    def read(control: ControlStore) -> list[Invitation]:
        with control.reading() as connection:
            return invitations_of(connection, caller.organization_id, state.clock())

    return answer_item([_invitation_item(one) for one in await state.ask_control(read)])


@router.post("/api/invitations", dependencies=[_TEAM], status_code=201)
@shaped(takes=InvitationForm, answers=NewInvitation)
async def invite(request: Request, state: State, caller: Caller) -> Response:
    """Invite somebody by their e-mail address. Only this answer shows the link."""
    form = await read_form(request, InvitationForm)
    if state.entrance.sign_up is SignUp.CLOSED:
        raise Forbidden("Sign-up is closed here: people are added by `gantry people add`.")
    if not may_give(caller.role, form.role):
        raise _too_much(caller.role, form.role)
    try:
        email = read_email(form.email)
    except FormRefused as error:
        raise form_refused(error) from None
    token = text_of(secrets.token_bytes(TOKEN_BYTES))

    def add(control: ControlStore) -> Invitation:
        with control.changing() as change:
            person = find_person(change.connection, email)
            if person is not None and find_member(change.connection, caller.organization_id, person.id) is not None:
                raise InvalidRequest(f"{email} belongs to the organization already.", param="email")
            digest = invitation_digest(state.entrance.key, token)
            return add_invitation(change, caller.organization_id, email, form.role, digest)

    made = await state.ask_control(add)
    where = None if state.entrance.url is None else link(state.entrance.url, "invitation", token)
    item = NewInvitation(
        id=made.id,
        email=made.email,
        role=made.role,
        invited_by=made.invited_by,
        created_at=iso_of(made.created_at),
        expires_at=iso_of(made.expires_at),
        token=token,
        link=where,
        mailed=where is not None and await state.entrance.mail_invitation(made, where),
    )
    return answer_item(item, 201)


@router.delete("/api/invitations/{invitation_id}", dependencies=[_TEAM], status_code=204)
@shaped()
async def revoke(invitation_id: str, state: State, caller: Caller) -> Response:
    """Take an invitation back."""

    def take_back(control: ControlStore) -> bool:
        with control.changing() as change:
            return "\0" not in invitation_id and revoke_invitation(change, caller.organization_id, invitation_id)

    if not await state.ask_control(take_back):
        raise NotFound("Invitation not found.")
    return Response(status_code=204)


def _known(connection: Connection, caller: Caller, person_id: str, *, reach: bool = True) -> Member:
    """Return a member whom the caller may lay hands on. Raises NotFound and Forbidden."""
    member = None if "\0" in person_id else find_member(connection, caller.organization_id, person_id)
    if member is None:
        raise NotFound("Member not found.")
    if reach and not may_give(caller.role, member.role):
        raise _too_much(caller.role, member.role)
    return member


def _too_much(own: Role, role: Role) -> Forbidden:
    return Forbidden(f"As {own} you neither make nor unmake an {role}.", param="role")


def _member_item(member: Member) -> MemberItem:
    person = member.person
    return MemberItem(
        id=person.id,
        email=person.email,
        name=person.name,
        role=member.role,
        since=iso_of(member.since),
        seen_at=None if person.seen_at is None else iso_of(person.seen_at),
        has_password=person.has_password,
    )


def _invitation_item(one: Invitation) -> InvitationItem:
    return InvitationItem(
        id=one.id,
        email=one.email,
        role=one.role,
        invited_by=one.invited_by,
        created_at=iso_of(one.created_at),
        expires_at=iso_of(one.expires_at),
    )
