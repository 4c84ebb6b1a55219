"""When is a change live? Whoever makes one waits until all workers route by it, or is told otherwise."""

import asyncio
import time
from typing import Final

from fastapi import Response

from gantry.board.board import Board
from gantry.board.live import behind, routing_workers

HEADER: Final = "x-gantry-live"
_SECONDS: Final = 3.0
_PAUSE: Final = 0.01


async def tell_when_live(response: Response, board: Board | None, version: int) -> Response:
    """Return the answer to a change, once it is live; `x-gantry-live: no` when that takes longer than a moment."""
    if board is not None:
        response.headers[HEADER] = "yes" if await _is_live(board, version) else "no"
    return response


async def _is_live(board: Board, version: int) -> bool:
    ends = time.monotonic() + _SECONDS
    while behind(routing_workers(board), version):
        if time.monotonic() >= ends:
            return False
        await asyncio.sleep(_PAUSE)
    return True
