"""Organizations of a person: listed, added, renamed."""

from fastapi import Request, Response
from msgspec import Struct

from gantry.console.access import SIGNED_IN, Caller, State, guarded_router, requires
from gantry.console.forms import answer_item, read_form
from gantry.console.session import OrganizationName, OwnOrganization
from gantry.console.shapes import shaped
from gantry.core.errors import Forbidden, InvalidRequest, NotFound
from gantry.core.role import Role
from gantry.core.vocabulary import Scope
from gantry.settings import SignUp
from gantry.store.control import ControlStore, default_organization
from gantry.store.organizations import Organization, OrganizationRefused, add_organization, rename_organization
from gantry.store.people import Membership, add_member, find_member, memberships_of, person_of_id

router = guarded_router("organizations")


class OrganizationForm(Struct, frozen=True, forbid_unknown_fields=True):
    name: str


@router.get("/api/organizations", dependencies=[SIGNED_IN])
@shaped(answers=list[OwnOrganization])
async def list_organizations(state: State, caller: Caller) -> Response:
    """List the organizations that one belongs to, by name. PATCH /api/session goes on in another."""

    def read(control: ControlStore) -> list[Membership]:
        with control.reading() as connection:
            return memberships_of(connection, caller.id)

    found = await state.ask_control(read)
    return answer_item([OwnOrganization(one.organization_id, one.organization_name, one.role) for one in found])


@router.post("/api/organizations", dependencies=[SIGNED_IN], status_code=201)
@shaped(takes=OrganizationForm, answers=OwnOrganization)
async def add_one(request: Request, state: State, caller: Caller) -> Response:
    """Add an organization of one's own. Where sign-up is not open, that is for owners of the first one."""
    form = await read_form(request, OrganizationForm)

    def add(control: ControlStore) -> Organization:
        with control.changing() as change:
            first = find_member(change.connection, default_organization(change.connection), caller.id)
            if state.entrance.sign_up is not SignUp.OPEN and (first is None or first.role is not Role.OWNER):
                raise Forbidden("Organizations are added by owners of the first one, or by `gantry organizations add`.")
            person = person_of_id(change.connection, caller.id)
            if person is None:
                raise NotFound("You were removed just now.")
            organization = add_organization(change, form.name)
            add_member(change, organization.id, person, Role.OWNER)
            return organization

    try:
        made = await state.ask_control(add)
    except OrganizationRefused as error:
        raise InvalidRequest(f"`name`: {error}.", param="name") from None
    return answer_item(OwnOrganization(made.id, made.name, Role.OWNER), 201)


@router.patch("/api/organizations/current", dependencies=[requires(Scope.TEAM)])
@shaped(takes=OrganizationForm, answers=OrganizationName)
async def rename_current(request: Request, state: State, caller: Caller) -> Response:
    """Give the caller's organization another name."""
    form = await read_form(request, OrganizationForm)

    def rename(control: ControlStore) -> None:
        with control.changing() as change:
            rename_organization(change, caller.organization_id, form.name)

    try:
        await state.ask_control(rename)
    except OrganizationRefused as error:
        raise InvalidRequest(f"`name`: {error}.", param="name") from None
    return answer_item(OrganizationName(caller.organization_id, form.name))
