"""The one tree of exceptions. The branch says whose fault it is, the leaf what happened.

GatewayError                     never raised itself
├── CallerError                  the caller can mend it
│   ├── InvalidRequest           400  malformed or contradictory
│   │   └── NotSpoken            400  the model's provider has no such operation
│   ├── Unauthenticated          401  no key, unknown key, expired, revoked
│   ├── CreditsExhausted         402  no credits are left to pay for the call
│   ├── Forbidden                403  the key may not do this
│   ├── NotFound                 404  no such path, model or resource
│   ├── MethodNotAllowed         405
│   ├── RequestTimeout           408  the request did not arrive in time
│   ├── OutOfDate                412  made from what somebody has changed since
│   ├── PayloadTooLarge          413
│   ├── UnsupportedMedia         415  a body of another type than the path takes
│   ├── HeadersTooLarge          431
│   └── LimitReached             429
├── UpstreamFault                the provider did it
│   ├── UpstreamUnreachable      502  no connection
│   ├── UpstreamBroke            502  unreadable or cut answer
│   └── UpstreamTimeout          504  too slow
└── OwnFault                     we did it
    ├── InternalError            500
    ├── LoopFound                508  the request came back to where it was sent on
    ├── NoCredential             503  nothing configured that could serve the call
    ├── Overloaded               503  bytes held, journal full
    └── Draining                 503  shutting down

A dialect encodes any of them into the shape its SDKs understand. `message` is written for the person who reads it: what
was wrong, where, what to do. It never holds a secret.
"""

from enum import StrEnum
from typing import ClassVar


class Fault(StrEnum):
    CALLER = "caller"
    UPSTREAM = "upstream"
    GATEWAY = "gateway"


class GatewayError(Exception):
    """Base of all errors a caller may see; `param` names the offending field, `retry_after` is in seconds."""

    status: ClassVar[int] = 500
    fault: ClassVar[Fault] = Fault.GATEWAY
    kind: ClassVar[str] = "internal_error"

    def __init__(self, message: str, *, param: str | None = None, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.retry_after = retry_after


class CallerError(GatewayError):
    status = 400
    fault = Fault.CALLER
    kind = "invalid_request_error"


class InvalidRequest(CallerError):
    pass


class NotSpoken(InvalidRequest):
    """The model's provider has no such operation in any format that the caller's can be turned into."""


class Unauthenticated(CallerError):
    status = 401
    kind = "authentication_error"


class CreditsExhausted(CallerError):
    status = 402
    kind = "insufficient_credits"


class Forbidden(CallerError):
    status = 403
    kind = "permission_error"


class NotFound(CallerError):
    status = 404
    kind = "not_found_error"


class MethodNotAllowed(CallerError):
    status = 405
    kind = "method_not_allowed"


class RequestTimeout(CallerError):
    status = 408
    kind = "request_timeout"


class OutOfDate(CallerError):
    status = 412
    kind = "out_of_date"


class PayloadTooLarge(CallerError):
    status = 413
    kind = "payload_too_large"


class UnsupportedMedia(CallerError):
    status = 415
    kind = "unsupported_media_type"


class HeadersTooLarge(CallerError):
    status = 431
    kind = "headers_too_large"


class LimitReached(CallerError):
    status = 429
    kind = "rate_limit_error"


class UpstreamFault(GatewayError):
    status = 502
    fault = Fault.UPSTREAM
    kind = "upstream_error"


class UpstreamUnreachable(UpstreamFault):
    kind = "upstream_unreachable"


class UpstreamBroke(UpstreamFault):
    kind = "upstream_broke"


class UpstreamTimeout(UpstreamFault):
    status = 504
    kind = "upstream_timeout"


class OwnFault(GatewayError):
    kind = "internal_error"


class InternalError(OwnFault):
    pass


class LoopFound(OwnFault):
    status = 508
    kind = "loop_detected"


class NoCredential(OwnFault):
    status = 503
    kind = "no_credential"


class Overloaded(OwnFault):
    status = 503
    kind = "overloaded"


class Draining(OwnFault):
    status = 503
    kind = "draining"
