"""The health of deployments: shown, and reset. It is that of the machine whose console is asked.

Law: an organization sees and resets the deployments of its own credentials. The file is opened for each question, for
the supervisor makes it anew at its start. Resetting takes the scope `manage`, and holds from the next call on.
"""

from typing import Final

import msgspec
from fastapi import Request, Response
from msgspec import Struct

from gantry.board.health import opened_health
from gantry.console.access import Caller, State, guarded_router, requires
from gantry.console.deployments import DeploymentItem, KnownDeployment, deployment_item, known_deployments, read_clocks
from gantry.console.request_logs import json_answer, read_bounded
from gantry.console.shapes import shaped
from gantry.console.state import ConsoleState
from gantry.core.errors import InvalidRequest, NotFound
from gantry.core.vocabulary import Scope
from gantry.store.control import ControlStore
from gantry.store.credentials import Credential, credentials_of

_READERS: Final = requires(Scope.READ)
_MANAGERS: Final = requires(Scope.MANAGE)
_LARGEST_BODY: Final = 4096

router = guarded_router("health")


class ResetItem(Struct, frozen=True):
    """The deployments that are well again."""

    reset: list[str]


class ResetForm(Struct, frozen=True, forbid_unknown_fields=True):
    """A request's body: which deployments, by their name, their credential's as PROVIDER/NAME, or all."""

    deployment: str | None = None
    all: bool = False


@router.get("/api/health/deployments", dependencies=[_READERS])
@shaped(answers=list[DeploymentItem])
async def list_deployments(state: State, caller: Caller) -> Response:
    """List the deployments that anything is known of; whoever is not here is well."""
    known = await state.ask_control(lambda control: _known(state, control, caller))
    return json_answer([deployment_item(one) for one in known])


@router.post("/api/health/deployments/reset", dependencies=[_MANAGERS])
@shaped(takes=ResetForm, answers=ResetItem)
async def reset_deployments(request: Request, state: State, caller: Caller) -> Response:
    """Forget what is known of a deployment, of all of a credential, or of all: it is well again."""
    form = _read_form(await read_bounded(request, _LARGEST_BODY))

    def reset(control: ControlStore) -> list[str]:
        meant = [one for one in _known(state, control, caller) if form.all or one.is_meant(form.deployment or "")]
        return [one.name for one in meant if _forget(state, one)]

    names = await state.ask_control(reset)
    if not names and not form.all:
        raise NotFound(f"Nothing is known of the deployment {form.deployment}: it is well, or not named so.")
    return json_answer(ResetItem(names))


def _known(state: ConsoleState, control: ControlStore, caller: Caller) -> list[KnownDeployment]:
    if state.health is None:
        return []
    with control.reading() as connection:
        own: list[Credential] = credentials_of(connection, caller.organization_id)
    with opened_health(state.health) as book:
        return [] if book is None else list(known_deployments(book, own, read_clocks()))


def _forget(state: ConsoleState, known: KnownDeployment) -> bool:
    if state.health is None:
        return False
    with opened_health(state.health) as book:
        return book is not None and book.reset(known.board_id) > 0


def _read_form(body: bytes) -> ResetForm:
    try:
        form = msgspec.json.decode(body, type=ResetForm)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidRequest(f"The body does not say what to reset: {error}.") from None
    if form.all == (form.deployment is not None):
        raise InvalidRequest(
            'Say which deployment, {"deployment": "PROVIDER/NAME/MODEL"} or of a whole credential "PROVIDER/NAME"; or '
            '{"all": true}.',
            param="deployment",
        )
    return form
