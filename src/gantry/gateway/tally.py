"""What the board counts of attempts: those that failed, why there was another one, and the cooldowns that began.

Law: numbers of the whole machine, with no name of a model or deployment in them: callers write those.
"""

from typing import Final

from gantry.board.board import Slot, Word
from gantry.core.vocabulary import Outcome
from gantry.routing.itinerary import StepKind

_WORD_OF: Final = {
    StepKind.ROTATION: Word.ROTATIONS,
    StepKind.FALLBACK: Word.FALLBACKS,
    StepKind.RETRY: Word.RETRIES,
    StepKind.HEDGE: Word.HEDGES,
}
_FAILED: Final = (Outcome.UPSTREAM_ERROR, Outcome.UPSTREAM_UNREACHABLE, Outcome.UPSTREAM_BROKE, Outcome.TIMEOUT)


def count_failure(slot: Slot, outcome: Outcome, *, cools: bool) -> None:
    """Count an attempt that may have failed, and with it a cooldown that began."""
    if outcome in _FAILED:
        slot.add(Word.ATTEMPTS_FAILED)
    if cools:
        slot.add(Word.COOLDOWNS)


def count_step(slot: Slot, kind: StepKind, outcome: Outcome) -> None:
    """Count an attempt that is over by why it was made."""
    word = _WORD_OF.get(kind)
    if word is not None:
        slot.add(word)
    if kind is StepKind.HEDGE and outcome is Outcome.SUCCESS:
        slot.add(Word.HEDGES_WON)
