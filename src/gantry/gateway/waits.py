"""What a call may have to wait for before it can be made: it is asked for, and the call begins again when it came."""

from collections.abc import Callable

from gantry.core.errors import GatewayError

Waiting = Callable[[GatewayError | None], None]


class Awaited(Exception):
    """Something that the call needs is not here yet."""

    def __init__(self, what: str, ask: Callable[[Waiting], None]) -> None:
        super().__init__(f"{what} must come first")
        self._ask = ask

    def wait(self, then: Waiting) -> None:
        """Call `then` once it is here, or with the error why it does not come; perhaps before this returns."""
        self._ask(then)
