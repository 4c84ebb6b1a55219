"""An organization's routing rules: shown, changed, and rolled back; and their versions.

Law: a change takes the scope `manage`. Its answer comes when the workers of this machine route by it, or says by
`x-gantry-live: no` that they do not yet. Whoever says all of the rules anew says which version they are made from.
"""

import re
from collections.abc import Callable
from typing import Annotated, Any, Final

import msgspec
from fastapi import Request, Response
from msgspec import UNSET, Struct, UnsetType

from gantry.console.access import Caller, State, guarded_router, requires
from gantry.console.live import tell_when_live
from gantry.console.request_logs import json_answer, read_bounded
from gantry.console.rules_change import Checked, Hand, change_rules, check_rules, known_version, roll_back_rules
from gantry.console.rules_item import RulesDiff, RulesItem, RulesVersionItem, diff_of, rules_item, version_item
from gantry.console.shapes import shaped
from gantry.console.state import ConsoleState
from gantry.core.errors import InvalidRequest
from gantry.core.routing_document import MOST_TYPED, Document, RulesWorld, changed
from gantry.core.vocabulary import Scope
from gantry.providers.rules_world import catalogue_world
from gantry.providers.spec import load_catalog
from gantry.store.control import Change, ControlStore
from gantry.store.routing_rules import RulesVersion, WrittenRules, current_rules, rules_before, rules_versions

READERS: Final = requires(Scope.READ)
MANAGERS: Final = requires(Scope.MANAGE)
_LARGEST_BODY: Final = MOST_TYPED + 64 * 1024  # a document, with a note beside it
_TAG: Final = re.compile(r'(?:W/)?"(\d{1,18})"')

router = guarded_router("routing")

Act = Callable[[Change, RulesWorld, Hand], Checked]


class RulesForm(Struct, frozen=True, forbid_unknown_fields=True):
    """A request's body."""

    document: Document | UnsetType = UNSET
    version: Annotated[int, msgspec.Meta(ge=0)] | UnsetType = UNSET
    note: str | None = None
    # Of our answers, so that one can be changed and sent back.
    author: Any = UNSET
    created_at: Any = UNSET
    managed_by: Any = UNSET
    warnings: Any = UNSET


@router.get("/api/routing", dependencies=[READERS])
@shaped(answers=RulesItem)
async def show_rules(state: State, caller: Caller) -> Response:
    """Show the routing rules that hold: the document, its version, and what it names in vain."""

    def find(control: ControlStore) -> Checked:
        with control.reading() as connection:
            current = current_rules(connection, caller.organization_id)
            return check_rules(connection, caller.organization_id, _world(), current)

    return rules_answer(await state.ask_control(find))


@router.put("/api/routing", dependencies=[MANAGERS])
@shaped(takes=RulesForm, answers=RulesItem)
async def replace_rules(request: Request, state: State, caller: Caller) -> Response:
    """Say all of the rules anew. The version they are made from is given, in the body or as If-Match; `*` is any."""
    form = await _read_form(request)
    document = _document_of(form)
    if form.version is UNSET and "if-match" not in request.headers:
        raise InvalidRequest(
            "version is missing: give the one that these rules are made from, here or as If-Match (`*` for whichever).",
            param="version",
        )

    def replace(change: Change, world: RulesWorld, hand: Hand) -> Checked:
        return change_rules(change, caller.organization_id, world, hand, lambda _: document)

    return await answer_change(request, state, caller, replace, note=form.note, version=form.version)


@router.patch("/api/routing", dependencies=[MANAGERS])
@shaped(takes=RulesForm, answers=RulesItem)
async def change_some_rules(request: Request, state: State, caller: Caller) -> Response:
    """Change members of the document: what is left out stays, and null clears."""
    form = await _read_form(request)
    members = _document_of(form)

    def patch(change: Change, world: RulesWorld, hand: Hand) -> Checked:
        return change_rules(change, caller.organization_id, world, hand, lambda known: changed(known, members))

    return await answer_change(request, state, caller, patch, note=form.note, version=form.version)


@router.get("/api/routing/versions", dependencies=[READERS])
@shaped(answers=list[RulesVersionItem])
async def list_versions(state: State, caller: Caller) -> Response:
    """List the versions that are kept, the newest first, without their documents."""

    def listed(control: ControlStore) -> list[RulesVersion]:
        with control.reading() as connection:
            return rules_versions(connection, caller.organization_id)

    return json_answer([version_item(version) for version in await state.ask_control(listed)])


@router.get("/api/routing/versions/{version}", dependencies=[READERS])
@shaped(answers=RulesItem)
async def show_version(version: int, state: State, caller: Caller) -> Response:
    """Show one version."""

    def find(control: ControlStore) -> Checked:
        with control.reading() as connection:
            found = known_version(connection, caller.organization_id, version)
            return check_rules(connection, caller.organization_id, _world(), found)

    return rules_answer(await state.ask_control(find))


@router.get("/api/routing/versions/{version}/diff", dependencies=[READERS])
@shaped(answers=RulesDiff)
async def diff_versions(version: int, state: State, caller: Caller, since: int | None = None) -> Response:
    """Show what a version has otherwise than another one: `since`, or else the one before it."""

    def find(control: ControlStore) -> RulesDiff:
        with control.reading() as connection:
            found = known_version(connection, caller.organization_id, version)
            if since is not None:
                return diff_of(known_version(connection, caller.organization_id, since), found)
            first = WrittenRules(organization_id=caller.organization_id)
            return diff_of(next(rules_before(connection, caller.organization_id, version), first), found)

    return json_answer(await state.ask_control(find))


@router.post("/api/routing/rollback", dependencies=[MANAGERS])
@shaped(takes=RulesForm, answers=RulesItem)
async def roll_back(request: Request, state: State, caller: Caller) -> Response:
    """Let an old version hold again: `{"version": 3}`. It becomes the newest one, with the same document."""
    form = await _read_form(request)
    version = form.version
    if version is UNSET:
        raise InvalidRequest("version is missing: which one is to hold again?", param="version")
    wanted: int = version

    def go_back(change: Change, world: RulesWorld, hand: Hand) -> Checked:
        return roll_back_rules(change, caller.organization_id, world, hand, wanted)

    return await answer_change(request, state, caller, go_back, note=form.note)


def rules_answer(checked: Checked) -> Response:
    return tagged(json_answer(rules_item(checked)), checked)


def tagged(answer: Response, checked: Checked) -> Response:
    """Return an answer with the version of the rules as its ETag, for If-Match."""
    answer.headers["etag"] = f'"{checked.written.version}"'
    return answer


async def answer_change(
    request: Request,
    state: ConsoleState,
    caller: Caller,
    act: Act,
    *,
    note: str | None = None,
    version: int | UnsetType = UNSET,
    answer: Callable[[Checked], Response] = rules_answer,
) -> Response:
    """Change the rules by `act`, as one change, and answer when it is live."""
    hand = Hand(author=str(caller.author), note=note or "", expected=_expected(request, version))

    def question(control: ControlStore) -> tuple[Checked, int]:
        world = _world()
        with control.changing() as change:
            return act(change, world, hand), change.version

    checked, changed_in = await state.ask_control(question)
    return await tell_when_live(answer(checked), state.board, changed_in)


def _expected(request: Request, version: int | UnsetType) -> int | None:
    """Return the version that a change was made from; None takes whichever it is. Raises InvalidRequest."""
    tag = request.headers.get("if-match", "*").strip()
    found = _TAG.fullmatch(tag)
    if tag != "*" and found is None:
        raise InvalidRequest('If-Match is the ETag of the rules, as in "7", or `*` for whichever.', param="if-match")
    if found is not None and version not in (UNSET, int(found[1])):
        raise InvalidRequest("version and If-Match name two versions; give one of them.", param="version")
    if found is not None:
        return int(found[1])
    return None if version is UNSET else version


def _document_of(form: RulesForm) -> Document:
    if form.document is UNSET:
        raise InvalidRequest('document is missing: {"document": {"fallback_models": […]}}.', param="document")
    return form.document


async def _read_form(request: Request) -> RulesForm:
    body = await read_bounded(request, _LARGEST_BODY)
    try:
        return msgspec.json.decode(body, type=RulesForm)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidRequest(f"The body does not describe routing rules: {error}.") from None


def _world() -> RulesWorld:
    return catalogue_world(load_catalog().values())
