"""What cannot be recorded whole: its frames move to `rejected/`, and a minimal row takes its place (law 5).

Law: nothing here can fail for what a caller sent. A minimal row holds identity, outcome and times, no content and no
number a caller chose. What its worker counted of a call is what it cost: the board has that, and the money was spent.

A rejected file is frames in the journal's own format with the file's name as their place, so that
`gantry.journal.segments` reads it back.
"""

import hashlib
import os
import re
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import assert_never

import msgspec

from gantry.clerk.charge import NO_CHARGE, charge_credits, charge_held
from gantry.clerk.join import Call, Unreadable, frames_of
from gantry.core.request_log import RequestLog
from gantry.core.usage import NO_USAGE
from gantry.core.vocabulary import Environment, LogMethod, Outcome
from gantry.journal.frames import FrameKind, LogPosted, encode_payload
from gantry.journal.segments import encode_frame, mark_of, scan_frames

SUFFIX = ".frames"
_REASON_CHARACTERS = 200
_ESCAPES = re.compile(rb'(?:\\u[0-9A-Fa-f]{4})+|\\["\\/]')  # of JSON, that a name may have

Origin = Call | LogPosted | Unreadable  # what a row is made of


class RejectedFrames:
    """The `rejected/` folder of a home. Keeping the same frames twice is keeping them once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, origin: Origin) -> None:
        """Write the frames of what is rejected to a file, which is on the disk when this returns. Raises OSError."""
        name = name_of(origin)
        mark = mark_of(name, 0)
        self._folder.mkdir(mode=0o700, exist_ok=True)
        aside = self._folder / f".{name}"
        fd = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(fd, "wb") as file:
            file.writelines(encode_frame(kind, payload, mark) for kind, payload in _frames(origin))
            file.flush()
            os.fsync(file.fileno())
        aside.rename(self._folder / f"{name}{SUFFIX}")

    def that_name(self, organization_id: str, customer: str) -> Iterator[Path]:
        """Yield the files that name a customer, of this organization or of nobody known, however JSON spells it."""
        named = customer.encode("utf-8", "surrogatepass")
        for path in self._folder.glob(f"*{SUFFIX}"):
            data = path.read_bytes()
            if _owner_of(data, path.stem) in ("", organization_id) and (
                named in data or named in _ESCAPES.sub(_unescaped, data)
            ):
                yield path


def name_of(origin: Origin) -> str:
    """Return the name under which the frames are kept. Ids that a client may have chosen never become file names."""
    match origin:
        case Call():
            return _digest(origin.incarnation, origin.log_id)
        case LogPosted():
            return _digest(origin.organization_id, origin.log_id)
        case Unreadable():
            return _digest(origin.incarnation, str(origin.frame.place))
        case _:
            assert_never(origin)


def kind_of(error: BaseException) -> str:
    """Return what an error is and where it arose, without its text, which may quote what a caller said."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return type(error).__name__ + where


def minimal_row(origin: Origin, reason: str, now: int) -> RequestLog | None:
    """Return the row that stands for what is rejected; None when the call has, or will have, a row without it."""
    explanation = (
        f"this record could not be kept whole: {reason[:_REASON_CHARACTERS]}. "
        f"What it was made of is in rejected/{name_of(origin)}{SUFFIX}"
    )
    match origin:
        case Call():
            return _of_call(origin, explanation)
        case LogPosted():
            return _of_posted(origin, explanation)
        case Unreadable():
            return _of_unreadable(origin, explanation, now)
        case _:
            assert_never(origin)


def _frames(origin: Origin) -> Sequence[tuple[int, bytes]]:
    match origin:
        case Call():
            return frames_of(origin)
        case LogPosted():
            return [(FrameKind.LOG_POSTED, encode_payload(origin))]
        case Unreadable():
            return [(origin.frame.kind, origin.frame.payload)]
        case _:
            assert_never(origin)


def _of_call(call: Call, explanation: str) -> RequestLog:
    opened, closed = call.opened, call.closed
    started_at = opened.started_at if opened else closed.ended_at if closed else 0
    note = (closed.settled if closed else None) or (opened.hold if opened else None)
    usage, charge = (NO_USAGE, NO_CHARGE) if note is None else charge_held(note)
    charged, markup_ppm = charge_credits(note, charge)
    return RequestLog(
        log_id=call.log_id,
        organization_id=opened.organization_id if opened else "",
        key_id=opened.key_id if opened else None,
        environment=_environment(opened.environment if opened else ""),
        log_method=LogMethod.INFERENCE,
        operation=opened.operation if opened else "",
        dialect=opened.dialect if opened else "",
        outcome=_outcome(closed.outcome if closed else ""),
        status_code=closed.status if closed else 0,
        error_message=explanation,
        started_at=started_at,
        ended_at=closed.ended_at if closed else started_at,
        stream=opened.stream if opened else False,
        usage=usage,
        cost=charge.cost,
        price_missing=charge.price_missing,
        price_source=charge.price_source,
        charged=charged,
        markup_ppm=markup_ppm,
        content_truncated=True,
    )


def _of_posted(frame: LogPosted, explanation: str) -> RequestLog:
    return RequestLog(
        log_id=frame.log_id,
        organization_id=frame.organization_id,
        key_id=frame.key_id,
        environment=_environment(frame.environment),
        log_method=LogMethod.LOGGING_API,
        outcome=Outcome.LOGGED,
        status_code=0,
        error_message=explanation,
        started_at=frame.received_at,
        ended_at=frame.received_at,
        content_truncated=True,
    )


def _of_unreadable(unreadable: Unreadable, explanation: str, now: int) -> RequestLog | None:
    """A part or a close alone makes no row: its call was opened, and ends as crashed at the latest."""
    raw = unreadable.frame
    if raw.kind not in (FrameKind.CALL_OPENED, FrameKind.LOG_POSTED):
        return None
    log_id, organization_id = _identity(raw.payload)
    return RequestLog(
        log_id=log_id or name_of(unreadable),
        organization_id=organization_id,
        key_id=None,
        environment=Environment.PROD,
        log_method=LogMethod.LOGGING_API if raw.kind == FrameKind.LOG_POSTED else LogMethod.INFERENCE,
        outcome=Outcome.GATEWAY_ERROR,
        status_code=0,
        error_message=explanation,
        started_at=now,
        ended_at=now,
        content_truncated=True,
    )


def _owner_of(data: bytes, name: str) -> str:
    """Return the organization that a file of frames is of; "" where the first of them does not say it."""
    frames, _ = scan_frames(data, mark_of(name, 0), 0, 1)
    if not frames or frames[0].kind not in (FrameKind.CALL_OPENED, FrameKind.LOG_POSTED):
        return ""
    return _identity(frames[0].payload)[1]


def _unescaped(found: re.Match[bytes]) -> bytes:
    text = found[0]
    if not text.startswith(b"\\u"):
        return text[1:]
    units = bytes.fromhex(text.replace(b"\\u", b"").decode())
    return units.decode("utf-16-be", "surrogatepass").encode("utf-8", "surrogatepass")


def _identity(payload: bytes) -> tuple[str, str]:
    """Return the log id and the organization of a payload of which perhaps only the beginning makes sense."""
    try:
        match msgspec.msgpack.decode(payload):
            case [str(log_id), str(organization_id), *_]:
                return log_id, organization_id
    except (msgspec.DecodeError, UnicodeDecodeError):
        pass
    return "", ""


def _digest(*words: str) -> str:
    return hashlib.sha256("/".join(words).encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _environment(text: str) -> Environment:
    try:
        return Environment(text)
    except ValueError:
        return Environment.PROD


def _outcome(text: str) -> Outcome:
    try:
        return Outcome(text)
    except ValueError:
        return Outcome.GATEWAY_ERROR
