"""The node as its users may know it, and as whoever runs it does: `gantry status`, over HTTP.

Law: whether all is well is everybody's to read who may read; pids, paths and sizes are the operator's, whose
organization is the first. What is asked waits for the clerk's next turn, so that its lag is of now.
"""

import asyncio
import platform
from typing import Final

from fastapi import Response
from msgspec import Struct

from gantry import __version__
from gantry.console.access import Caller, State, guarded_router, requires
from gantry.console.books_form import is_operators
from gantry.console.node_status import NodeStatus, read_status
from gantry.console.request_logs import json_answer
from gantry.console.shapes import shaped
from gantry.console.state import ConsoleState
from gantry.core.errors import Forbidden, Overloaded
from gantry.core.vocabulary import Scope
from gantry.store.control import ControlStore
from gantry.store.engine_facts import EngineFacts, engine_facts
from gantry.store.logs import LogStore

_READY: Final = "ready"

router = guarded_router("system")


class SystemHealth(Struct, frozen=True, kw_only=True):
    """`clerk_lag` counts the records that are not stored yet; null while nobody has counted."""

    running: bool
    version: str
    workers: int
    workers_ready: int
    calls_under_way: int
    clerk: str
    clerk_lag: int | None
    snapshot_version: int | None
    snapshot_live_version: int | None
    snapshot_age_seconds: float | None
    journal_level: str
    journal_bytes: int
    deployments_cooling: int


class SystemVersions(Struct, frozen=True):
    gantry: str
    python: str
    platform: str


class SystemDatabases(Struct, frozen=True):
    control: EngineFacts
    logs: EngineFacts


class SystemDetails(Struct, frozen=True):
    node: NodeStatus
    versions: SystemVersions
    databases: SystemDatabases


@router.get("/api/system", dependencies=[requires(Scope.READ)])
@shaped(answers=SystemHealth)
async def show_system(state: State) -> Response:
    """Say whether the node is well: its processes, how far the clerk is behind, the snapshot and the journal."""
    node = await _node(state)
    workers, snapshot = node.workers, node.snapshot
    health = SystemHealth(
        running=node.running,
        version=__version__,
        workers=len(workers),
        workers_ready=sum(one.state == _READY for one in workers),
        calls_under_way=sum(one.in_flight for one in workers),
        clerk=node.clerk.state,
        clerk_lag=node.clerk.lag,
        snapshot_version=snapshot.version,
        snapshot_live_version=snapshot.live_version,
        snapshot_age_seconds=snapshot.age_seconds,
        journal_level=node.journal.level,
        journal_bytes=node.journal.bytes,
        deployments_cooling=node.deployments_cooling,
    )
    return json_answer(health)


@router.get("/api/system/details", dependencies=[requires(Scope.MANAGE)])
@shaped(answers=SystemDetails)
async def show_system_details(state: State, caller: Caller) -> Response:
    """Show each process, the versions and the databases. For the operator's organization."""

    def ask(control: ControlStore) -> EngineFacts:
        with control.reading() as connection:
            if not is_operators(connection, caller.organization_id):
                raise Forbidden("What runs on the machine is for the operator's organization, the first one.")
            return engine_facts(connection)

    def ask_logs(logs: LogStore) -> EngineFacts:
        with logs.reading() as connection:
            return engine_facts(connection)

    databases = SystemDatabases(await state.ask_control(ask), await state.ask_logs(ask_logs))
    versions = SystemVersions(__version__, platform.python_version(), platform.platform(terse=True))
    return json_answer(SystemDetails(await _node(state), versions, databases))


async def _node(state: ConsoleState) -> NodeStatus:
    home = state.home
    if home is None:
        raise Overloaded("This console does not know its home.")
    return await asyncio.to_thread(read_status, home, state.outside.environ)
