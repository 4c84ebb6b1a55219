"""What customers may spend, as rows beside the counters: there may be a million, so no snapshot has them.

Looking up takes no lock. A process remembers the bytes of a row with what they mean; as long as the row has the same
bytes, it means the same, and half a change has others.
"""

from typing import Final

from gantry.board.rows import RowFile, Segment, Table
from gantry.core.limits import CustomerTerms
from gantry.core.periods import Period

_MOST_REMEMBERED: Final = 16_384
_DURATIONS: Final = tuple(Period)
_BUDGET, _DURATION, _TOTAL, _RATE, _START, _END, _MANAGED = (1 << bit for bit in range(7))  # of a row's second word
_DURATION_SHIFT: Final = 8
_LARGEST: Final = (1 << 63) - 1

_Known = tuple[Segment, int, bytes, CustomerTerms]


class CustomerRows:
    """For one thread of each process."""

    __slots__ = ("_file", "_memo")

    def __init__(self, file: RowFile) -> None:
        self._file = file
        self._memo: dict[bytes, _Known] = {}

    def find(self, key: bytes) -> CustomerTerms | None:
        known = self._memo.get(key)
        if known is not None and known[0].bytes_at(known[1]) == known[2]:
            return known[3]
        with self._file.locked():
            found = self._file.find(Table.CUSTOMERS, key)
            return None if found is None else self._read(key, *found)

    def put(self, key: bytes, terms: CustomerTerms, *, only_unmanaged: bool = False) -> bool:
        known = self._memo.get(key)
        if known is not None and known[3] == terms and known[0].bytes_at(known[1]) == known[2]:
            return True
        with self._file.locked():
            found = self._file.find(Table.CUSTOMERS, key)
            before = None if found is None else self._read(key, *found)
            if only_unmanaged and before is not None and before.managed:
                return before == terms
            found = found or self._file.take(Table.CUSTOMERS, key, _is_free)
            if found is None:
                return False
            segment, index = found
            segment.words[index] = 0
            for place, number in enumerate(_numbers(terms), index + 1):
                segment.words[place] = number
            segment.words[index] = self._file.next_stamp()
            segment.name(index, key)
        return True

    def forget(self, key: bytes) -> bool:
        with self._file.locked():
            found = self._file.find(Table.CUSTOMERS, key)
            if found is None:
                return False
            found[0].free(found[1])
        return True

    def _read(self, key: bytes, segment: Segment, index: int) -> CustomerTerms | None:
        """Return what stands in a row, and remember it; None where somebody was killed while writing it."""
        if segment.words[index] == 0:
            return None
        terms = _terms(segment.words[index + 1 : index + segment.width].tolist())
        if len(self._memo) >= _MOST_REMEMBERED:
            self._memo.clear()
        self._memo[key] = segment, index, segment.bytes_at(index), terms
        return terms


def _is_free(segment: Segment, index: int) -> bool:
    return segment.words[index] == 0


def _numbers(terms: CustomerTerms) -> tuple[int, ...]:
    duration = terms.budget_duration
    said = (
        (_BUDGET if terms.period_budget is not None else 0)
        | (_TOTAL if terms.total_budget is not None else 0)
        | (_RATE if terms.rate_limit is not None else 0)
        | (_START if terms.period_start is not None else 0)
        | (_END if terms.period_end is not None else 0)
        | (_MANAGED if terms.managed else 0)
        | (0 if duration is None else _DURATION | _DURATIONS.index(duration) << _DURATION_SHIFT)
    )
    return (
        said,
        _bounded(terms.period_budget),
        _bounded(terms.total_budget),
        _bounded(terms.rate_limit),
        terms.markup_ppm,
        _bounded(terms.period_start),
        _bounded(terms.period_end),
    )


def _terms(numbers: list[int]) -> CustomerTerms:
    said, budget, total, rate, markup_ppm, start, end = numbers
    return CustomerTerms(
        period_budget=budget if said & _BUDGET else None,
        budget_duration=_DURATIONS[said >> _DURATION_SHIFT] if said & _DURATION else None,
        total_budget=total if said & _TOTAL else None,
        rate_limit=rate if said & _RATE else None,
        markup_ppm=markup_ppm,
        period_start=start if said & _START else None,
        period_end=end if said & _END else None,
        managed=bool(said & _MANAGED),
    )


def _bounded(number: int | None) -> int:
    return 0 if number is None else max(-_LARGEST, min(number, _LARGEST))
