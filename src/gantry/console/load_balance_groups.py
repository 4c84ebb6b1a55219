"""Load balance groups as a resource of their own, in Respan's words. They are parts of the routing rules.

Law: as `console/routing.py`'s: a change of a group is a version of the rules. What a body says of a group is refused in
the body's own words; a credential is named and never given, for the rules hold no secret.
"""

import re
import secrets
from typing import Any, Final

import msgspec
from fastapi import Request, Response
from msgspec import UNSET, Struct, UnsetType

from gantry.console.access import Caller, State, guarded_router
from gantry.console.request_logs import json_answer, read_bounded
from gantry.console.routing import MANAGERS, READERS, answer_change, tagged
from gantry.console.rules_change import Checked, Hand, change_rules
from gantry.console.rules_item import GroupItem, group_item
from gantry.console.shapes import shaped
from gantry.console.state import ConsoleState
from gantry.core.errors import InvalidRequest, NotFound
from gantry.core.routing_document import (
    Document,
    RulesRefused,
    RulesWorld,
    changed,
    find_group,
    read_rules,
    with_group,
    without_group,
)
from gantry.store.control import Change, ControlStore
from gantry.store.routing_rules import current_rules

_LARGEST_BODY: Final = 64 * 1024
_MEMBER: Final = re.compile(r"^members\b")

router = guarded_router("routing")


class GroupForm(Struct, frozen=True, forbid_unknown_fields=True):
    """A request's body; what is left out stays, and null clears."""

    group_id: str | UnsetType | None = UNSET
    name: str | UnsetType | None = UNSET
    strategy: str | UnsetType | None = UNSET
    affinity: str | UnsetType | None = UNSET
    models: list[dict[str, Any]] | UnsetType = UNSET
    warnings: Any = UNSET  # of our answers, so that one can be changed and sent back


@router.get("/api/load-balance-groups", dependencies=[READERS])
@shaped(answers=list[GroupItem])
async def list_groups(state: State, caller: Caller) -> Response:
    """List the load balance groups."""
    return json_answer([group_item(group) for group in (await _rules(state, caller)).get("groups", ())])


@router.post("/api/load-balance-groups", dependencies=[MANAGERS])
@shaped(takes=GroupForm, answers=GroupItem, also=201)
async def put_group(request: Request, state: State, caller: Caller) -> Response:
    """Make a group, or change the one of this group_id: what is left out stays. Without an id it is given one."""
    return await _put(request, state, caller, None)


@router.get("/api/load-balance-groups/{group_id}", dependencies=[READERS])
@shaped(answers=GroupItem)
async def show_group(group_id: str, state: State, caller: Caller) -> Response:
    """Show a group."""
    return json_answer(group_item(_known(await _rules(state, caller), group_id)))


@router.patch("/api/load-balance-groups/{group_id}", dependencies=[MANAGERS])
@shaped(takes=GroupForm, answers=GroupItem)
async def change_group(group_id: str, request: Request, state: State, caller: Caller) -> Response:
    """Change a group: what is left out stays, and null clears. Its models are given all or none."""
    return await _put(request, state, caller, group_id)


@router.delete("/api/load-balance-groups/{group_id}", dependencies=[MANAGERS], status_code=204)
@shaped()
async def delete_group(group_id: str, request: Request, state: State, caller: Caller) -> Response:
    """Remove a group. Calls that ask for it are refused."""

    def edit(document: Document) -> Document:
        _known(document, group_id)
        return without_group(document, group_id)

    def remove(change: Change, world: RulesWorld, hand: Hand) -> Checked:
        return change_rules(change, caller.organization_id, world, hand, edit)

    def answer(checked: Checked) -> Response:
        return tagged(Response(status_code=204), checked)

    return await answer_change(request, state, caller, remove, note=f"without {group_id}", answer=answer)


async def _put(request: Request, state: ConsoleState, caller: Caller, group_id: str | None) -> Response:
    """Store what a body says of a group, which is a known one where the path names it."""
    form = await _read_form(request)
    if group_id is not None and form.group_id not in (UNSET, group_id):
        raise InvalidRequest(
            f"A group keeps its group_id, {group_id}: callers name it in their calls.", param="group_id"
        )
    said = _said(form)
    wanted = group_id or form.group_id or secrets.token_hex(16)
    is_new = False

    def edit(document: Document) -> Document:
        nonlocal is_new
        known = find_group(document, wanted) if group_id is None else _known(document, wanted)
        is_new = known is None
        group = changed(known or {"id": wanted}, said)
        _check(group)
        return with_group(document, group)

    def put(change: Change, world: RulesWorld, hand: Hand) -> Checked:
        return change_rules(change, caller.organization_id, world, hand, edit)

    def answer(checked: Checked) -> Response:
        made = json_answer(group_item(_known(checked.written.document, wanted), checked.warnings))
        made.status_code = 201 if is_new else 200
        return tagged(made, checked)

    return await answer_change(request, state, caller, put, note=f"the group {wanted}", answer=answer)


def _said(form: GroupForm) -> dict[str, Any]:
    """Return what a body says of a group, as members of a document; None clears. Raises InvalidRequest."""
    said: dict[str, Any] = {
        name: getattr(form, name) or None
        for name in ("name", "strategy", "affinity")
        if getattr(form, name) is not UNSET
    }
    if form.models is not UNSET:
        said["members"] = [_member(number, model) for number, model in enumerate(form.models)]
    return said


def _member(number: int, model: dict[str, Any]) -> dict[str, Any]:
    if model.get("credentials"):
        raise InvalidRequest(
            "A group holds no secrets: store the credential, and name it as `credential`. `gantry providers list` and "
            "GET /api/credentials/ have the names.",
            param=f"models[{number}].credentials",
        )
    weight = model.get("weight")
    if isinstance(weight, int | float) and weight < 0:
        raise InvalidRequest(
            "Weight has to be greater than 0, or 0 for a model that is to get no calls.",
            param=f"models[{number}].weight",
        )
    return {name: value for name, value in model.items() if value is not None}


def _check(group: Document) -> None:
    """Check a group by itself. Raises InvalidRequest, in the words of its body."""
    try:
        read_rules({"groups": [group]})
    except RulesRefused as error:
        place = error.place.removeprefix("groups[0]").removeprefix(".")
        place = "group_id" if place == "id" else _MEMBER.sub("models", place)
        reason = error.reason.replace("`members`", "`models`")
        raise InvalidRequest(f"{place}: {reason}." if place else f"{reason}.", param=place or None) from None


def _known(document: Document, group_id: str) -> Document:
    """Return a group of a document. Raises NotFound."""
    group = find_group(document, group_id)
    if group is None:
        raise NotFound(f"Load balance group not found: {group_id}.")
    return group


async def _rules(state: ConsoleState, caller: Caller) -> Document:
    def find(control: ControlStore) -> Document:
        with control.reading() as connection:
            return current_rules(connection, caller.organization_id).document

    return await state.ask_control(find)


async def _read_form(request: Request) -> GroupForm:
    body = await read_bounded(request, _LARGEST_BODY)
    try:
        return msgspec.json.decode(body, type=GroupForm)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidRequest(f"The body does not describe a load balance group: {error}.") from None
