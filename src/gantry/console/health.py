"""What anybody may ask: is the console up, and what can it do."""

import msgspec
from fastapi import Request, Response
from msgspec import Struct

from gantry.console.access import PUBLIC, guarded_router
from gantry.console.openapi import describe
from gantry.console.shapes import shaped

router = guarded_router("health")


class Health(Struct, frozen=True):
    message: str


@router.get("/api/health-check", dependencies=[PUBLIC])
@shaped(answers=Health)
async def show_health() -> dict[str, str]:
    """Say that the console answers. Whether the gateway is ready is at `/readyz`."""
    return {"message": "The console is up."}


@router.get("/api/openapi.json", dependencies=[PUBLIC], include_in_schema=False)
async def show_openapi(request: Request) -> Response:
    return Response(msgspec.json.encode(describe(request.app)), media_type="application/json")
