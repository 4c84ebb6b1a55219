"""What anybody may ask: is the console up, what can it do, and where is its web UI."""

from fastapi import Request
from fastapi.responses import JSONResponse

from gantry.console.access import PUBLIC, guarded_router
from gantry.core.errors import NotFound

router = guarded_router("health")


@router.get("/api/health-check", dependencies=[PUBLIC])
async def show_health() -> dict[str, str]:
    """Say that the console answers. Whether the gateway is ready is at `/readyz`."""
    return {"message": "The console is up."}


@router.get("/api/openapi.json", dependencies=[PUBLIC], include_in_schema=False)
async def show_openapi(request: Request) -> JSONResponse:
    return JSONResponse(request.app.openapi())


@router.get("/ui", dependencies=[PUBLIC], include_in_schema=False)
@router.get("/ui/{page:path}", dependencies=[PUBLIC], include_in_schema=False)
async def refuse_ui() -> None:
    raise NotFound(
        "The web console comes with a later release. Until then use `gantry logs`, or GET /api/request-logs/list/."
    )
