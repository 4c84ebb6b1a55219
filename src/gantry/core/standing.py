"""How a deployment stands: what the workers of one machine have learned of it from the calls that went through it.

All numbers are whole, so that they fit the board: times are milliseconds of the machine's monotonic clock.
"""

from typing import Final, NamedTuple


class Standing(NamedTuple):
    """A deployment that nobody has complained of has none of this."""

    failing: int = 0  # thousandths: a moving average over its last calls, 1000 when all failed
    cooldowns: int = 0  # in a row, without a success between them
    since: int = 0  # when the first of them began; 0 when it is not cooling
    until: int = 0  # when it may be tried again
    status: int = 0  # of its last failure; 0 when there was no answer
    failed_at: int = 0  # seconds since the epoch, of its last failure
    probed: int = 0  # when a call was last sent to see whether it is well again


UNTOUCHED: Final = Standing()
