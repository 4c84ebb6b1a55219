"""What the recorder has stored, added up by provider and model for `/metrics`.

Law: it costs a look-up and a few additions for each record, and holds up none. A name that callers may have made up has
no figures of its own: a model gets them with its first call that succeeded, while there is room.
"""

import logging
import time
from bisect import bisect_right
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from gantry.board.model_figures import BOUNDS_NS, Durations, ModelFigures, write_figures
from gantry.clerk.complaint import Complaint
from gantry.core.request_log import RequestLog
from gantry.core.vocabulary import LogMethod, Outcome

MOST: Final = 500  # models, of all organizations together
OTHER: Final = "other"
_EVERY: Final = 2.0  # seconds
_INFERENCE, _SUCCESS = LogMethod.INFERENCE, Outcome.SUCCESS

_Lasted = tuple[ModelFigures, list[int], list[int]]  # with latencies and times to the first token

logger = logging.getLogger(__name__)


class Tally:
    """For the recorder's thread."""

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.monotonic, most: int = MOST) -> None:
        self._path = path
        self._clock = clock
        self._most = most
        self._models: dict[tuple[str, str, str], ModelFigures] = {}
        self._others: dict[str, ModelFigures] = {}
        self._changed = True  # what another clerk left ends with it
        self._written = 0.0
        self._unwritten = Complaint(logger, "figures for /metrics cannot be written: %s")

    def add(self, logs: Iterable[RequestLog]) -> None:
        """Count calls that went through the gateway."""
        lasted: dict[int, _Lasted] = {}
        for log in logs:
            if log.log_method is _INFERENCE:
                figures = self._figures_of(log)
                found = lasted.get(id(figures))
                if found is None:
                    found = lasted[id(figures)] = figures, [], []
                _, latencies, firsts = found
                _count(log, figures, latencies, firsts)
        for figures, latencies, firsts in lasted.values():
            _add_durations(figures.latency, latencies)
            _add_durations(figures.time_to_first_token, firsts)
            self._changed = True

    def write_if_due(self) -> None:
        """Tell what changed, now and then. A disk without room costs the charts their newest points."""
        now = self._clock()
        if not self._changed or now - self._written < _EVERY:
            return
        self._written, self._changed = now, False
        by_organization: dict[str, list[ModelFigures]] = {}
        for (organization_id, _, _), figures in self._models.items():
            by_organization.setdefault(organization_id, []).append(figures)
        for organization_id, figures in self._others.items():
            by_organization.setdefault(organization_id, []).append(figures)
        try:
            write_figures(self._path, by_organization)
        except OSError as error:
            self._unwritten.make(error)
        else:
            self._unwritten.withdraw()

    def _figures_of(self, log: RequestLog) -> ModelFigures:
        key = (log.organization_id, log.provider_id or "", log.model or "")
        figures = self._models.get(key)
        if figures is not None:
            return figures
        if log.outcome is _SUCCESS and len(self._models) < self._most:
            figures = self._models[key] = ModelFigures(key[1], key[2])
            return figures
        figures = self._others.get(log.organization_id)
        if figures is None:
            figures = self._others[log.organization_id] = ModelFigures("", OTHER)
        return figures


def _count(log: RequestLog, figures: ModelFigures, latencies: list[int], firsts: list[int]) -> None:
    outcome, usage = log.outcome._value_, log.usage
    figures.outcomes[outcome] = figures.outcomes.get(outcome, 0) + 1
    figures.cost += log.cost or 0
    tokens = figures.tokens
    tokens[0] += usage.input_tokens or 0
    tokens[1] += usage.cached_input_tokens or 0
    tokens[2] += usage.output_tokens or 0
    tokens[3] += usage.reasoning_tokens or 0
    latency, first = log.latency, log.time_to_first_token
    if latency is not None:
        latencies.append(latency)
    if first is not None:
        firsts.append(first)


def _add_durations(durations: Durations, some: list[int]) -> None:
    """Add durations in order: to look for the bound of each takes four times as long."""
    some.sort()
    start = 0
    for place, bound in enumerate(BOUNDS_NS):
        end = bisect_right(some, bound, start)
        durations.counts[place] += end - start
        start = end
    durations.counts[-1] += len(some) - start
    durations.total += sum(some)
