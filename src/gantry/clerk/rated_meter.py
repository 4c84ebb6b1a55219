"""The meter with what it prices by: its rates, and the custom models where there may be some."""

from gantry.clerk.charge import find_rate
from gantry.clerk.custom_prices import CustomPrices
from gantry.clerk.meter import meter_call, meter_posted
from gantry.core.request_log import RequestLog
from gantry.journal.frames import CallClosed, CallOpened, LogPosted
from gantry.prices.rates import Rates


class RatedMeter:
    """Makes request logs, for one thread."""

    def __init__(self, rates: Rates, customs: CustomPrices | None = None) -> None:
        self.rates = rates
        self._customs = customs

    def call(self, opened: CallOpened, request: bytes, response: bytes, closed: CallClosed) -> RequestLog:
        custom, note = None, closed.cache
        if self._customs is not None:
            asked = closed.turned_to or opened.requested_model
            if note is not None and note.hit:
                asked = note.asked_model
            custom = self._customs.find(opened.organization_id, asked, opened.snapshot_version)
        return meter_call(opened, request, response, closed, self.rates, custom)

    def posted(self, frame: LogPosted) -> RequestLog:
        customs = self._customs
        find = None if customs is None else lambda name: customs.find(frame.organization_id, name)
        return meter_posted(frame, self.rates, find)

    def is_priced(self, log: RequestLog) -> bool:
        """Say whether a log's model has a price above 0."""
        rate = find_rate(self.rates, log.provider_id, (log.model,), log.started_at, None)
        return rate is not None and bool(rate.prices.input or rate.prices.output)
