"""What the shared counters' server is asked, as one Lua script for each operation: all or none, there as here.

Law: pure. A script does nothing when it is late: a server that stood still reads what was sent long ago when it goes
on, and nobody waits for that any more. So a call that was not answered in time is not counted either.

Windows are named by whoever calls, for a call counts in the window that it began in. Whatever compares moments of
several machines, buckets and leases, goes by the server's clock. Numbers of Lua are exact up to 2^53, so buckets go by
microseconds; counts are added by the server itself, in 64 bits, and compared exactly up to 9 million dollars. A count
that has no room for more stays at the most: an error in the middle would leave what a script did before it, and whoever
asks again would do it again.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from gantry.core.limits import Counted, CounterKind, CounterTerms, LimitUnit, marked_up
from gantry.core.periods import ALWAYS, Window, window_at

PREFIX: Final = "{gantry}:"  # the braces keep all of it in one slot of a cluster, as scripts need
MADE: Final = PREFIX + "made"  # when the counters were made; another one says that the server has lost them
FILLED: Final = PREFIX + "filled"  # the same, once the store's sums were added
FILLER: Final = PREFIX + "filler"  # the clerk that adds them now
FILLING: Final = PREFIX + "filling"  # a hash: what counters have of the sums so far
SUMMED: Final = PREFIX + "summed"  # a hash: the last note of each clerk whose rows were in those sums
APPLIED: Final = PREFIX + "applied"  # a hash: how far each clerk's notes are added
LATE, HELD, REFUSED, DONE, LOST = b"late", b"held", b"refused", b"done", b"lost"
_KEPT_MS: Final = 86_400_000  # after a window's end, for the clerk
_LONGEST_MS: Final = 400 * 86_400_000
_MS: Final = 1_000_000
_MOST: Final = (1 << 63) - 1

_BEGIN: Final = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
if now > tonumber(ARGV[1]) then return {'late', now} end
local made = redis.call('GET', KEYS[1])
if not made then
  made = string.format('%.0f', now)
  redis.call('SET', KEYS[1], made)
end
local MINUTE, HOUR = 60000000, 3600000000
local function divide(number, by)
  local whole = math.floor(number / by)
  local rest = number - whole * by
  if rest < 0 then return whole - 1, rest + by end
  if rest >= by then return whole + 1, rest - by end
  return whole, rest
end
local function bucket(key)
  local got = redis.call('HMGET', key, 'full', 'rest', 'capacity')
  local full, rest = tonumber(got[1] or 0), tonumber(got[2] or 0)
  if full < now then full, rest = now, 0 end
  return full, rest, tonumber(got[3] or 0)
end
local function missing(full, rest, capacity)
  local whole, part = divide((full - now) * capacity + rest, MINUTE)
  if part > 0 then return whole + 1 end
  return whole
end
local function pour(key, full, rest, capacity, amount, blocks)
  local whole, part = divide(rest + amount * MINUTE, capacity)
  local after = full + whole
  if not blocks then
    local most = math.max(full, now + MINUTE)
    if after >= most then after, part = most, 0 end
  end
  if after > now + HOUR then after, part = now + HOUR, 0 end
  redis.call('HSET', key, 'full', string.format('%.0f', after), 'rest', string.format('%.0f', part),
    'capacity', string.format('%.0f', capacity))
  redis.call('PEXPIRE', key, 2 * HOUR / 1000)
end
local function under_way(key)
  redis.call('ZREMRANGEBYSCORE', key, '-inf', now / 1000)
  return redis.call('ZCARD', key)
end
local function add(key, amount)
  local after = redis.pcall('INCRBY', key, amount)
  if type(after) == 'table' then
    after = 9223372036854775807
    redis.call('SET', key, '9223372036854775807', 'KEEPTTL')
  elseif after < 0 then
    after = 0
    redis.call('SET', key, '0', 'KEEPTTL')
  end
  return after
end
"""

# ARGV: deadline, lease in ms, the call's id; of each counter its kind, amount, capacity, whether it blocks and asks for
# a price ('b', 'u'), and when its window is over in ms.
HOLD: Final = (
    _BEGIN
    + """
local refused, passes, currents = 0, 0, {}
for i = 2, #KEYS do
  local a = 4 + (i - 2) * 5
  local amount, capacity, flags = tonumber(ARGV[a + 1]), tonumber(ARGV[a + 2]), ARGV[a + 3]
  local current, full, rest
  if ARGV[a] == '0' then
    current = redis.call('GET', KEYS[i]) or '0'
  elseif ARGV[a] == '1' then
    full, rest = bucket(KEYS[i])
    current = missing(full, rest, capacity)
  else
    current = under_way(KEYS[i])
  end
  currents[i - 1] = current
  if type(current) == 'number' then currents[i - 1] = string.format('%.0f', current) end
  local count = tonumber(current)
  local over = amount > 0 and count + amount > capacity
  if string.find(flags, 'u') then over = count >= capacity end
  if over and string.find(flags, 'b') and refused == 0 then
    refused = i - 1
    if ARGV[a] == '1' and capacity > 0 and amount <= capacity then
      passes = full - divide((capacity - amount) * MINUTE - rest, capacity)
    end
  end
end
if refused > 0 then return {'refused', now, made, refused, passes, unpack(currents)} end
for i = 2, #KEYS do
  local a = 4 + (i - 2) * 5
  local capacity = tonumber(ARGV[a + 2])
  if ARGV[a] == '0' then
    if add(KEYS[i], ARGV[a + 1]) == tonumber(ARGV[a + 1]) and ARGV[a + 4] ~= '0' then
      redis.call('PEXPIREAT', KEYS[i], ARGV[a + 4])
    end
  elseif ARGV[a] == '1' then
    if capacity > 0 then
      local full, rest = bucket(KEYS[i])
      pour(KEYS[i], full, rest, capacity, tonumber(ARGV[a + 1]), string.find(ARGV[a + 3], 'b'))
    end
  else
    redis.call('ZADD', KEYS[i], now / 1000 + ARGV[2], ARGV[3])
    redis.call('PEXPIRE', KEYS[i], 2 * ARGV[2])
  end
end
return {'held', now, made, 0, 0, unpack(currents)}
"""
)

# ARGV: deadline, `made` of the hold, the call's id; of each counter its kind and the difference. Answers 1 for each
# that was there.
REPLACE: Final = (
    _BEGIN
    + """
if made ~= ARGV[2] then return {'lost', now} end
local found = {}
for i = 2, #KEYS do
  local kind, difference = ARGV[4 + (i - 2) * 2], ARGV[5 + (i - 2) * 2]
  found[i - 1] = redis.call('EXISTS', KEYS[i])
  if kind == '2' then
    redis.call('ZREM', KEYS[i], ARGV[3])
  elseif found[i - 1] == 1 and difference ~= '0' then
    if kind == '0' then
      add(KEYS[i], difference)
    else
      local full, rest, capacity = bucket(KEYS[i])
      if capacity > 0 then pour(KEYS[i], full, rest, capacity, tonumber(difference), true) end
    end
  end
end
return {'done', now, unpack(found)}
"""
)

# ARGV: deadline, lease in ms; of each counter the id of a call under way.
RENEW: Final = (
    _BEGIN
    + """
for i = 2, #KEYS do
  redis.call('ZADD', KEYS[i], 'XX', now / 1000 + ARGV[2], ARGV[i + 1])
  redis.call('PEXPIRE', KEYS[i], 2 * ARGV[2])
end
return {'done', now}
"""
)

# ARGV: deadline, kind, difference, and for how long a count is kept that is made by this, in ms; 0 for ever.
CORRECT: Final = (
    _BEGIN
    + """
if ARGV[2] == '0' then
  local is_new = redis.call('EXISTS', KEYS[2]) == 0
  add(KEYS[2], ARGV[3])
  if is_new and ARGV[4] ~= '0' then redis.call('PEXPIRE', KEYS[2], ARGV[4]) end
elseif ARGV[2] == '1' then
  local full, rest, capacity = bucket(KEYS[2])
  if capacity > 0 then pour(KEYS[2], full, rest, capacity, tonumber(ARGV[3]), true) end
end
return {'done', now}
"""
)

# ARGV: deadline; of each counter its kind and capacity.
READ: Final = (
    _BEGIN
    + """
local counts = {}
for i = 2, #KEYS do
  local kind, capacity = ARGV[2 + (i - 2) * 2], tonumber(ARGV[3 + (i - 2) * 2])
  if kind == '0' then
    counts[i - 1] = redis.call('GET', KEYS[i]) or '0'
  elseif kind == '1' then
    local full, rest = bucket(KEYS[i])
    counts[i - 1] = string.format('%.0f', missing(full, rest, capacity))
  else
    counts[i - 1] = string.format('%.0f', under_way(KEYS[i]))
  end
end
return {'done', now, made, unpack(counts)}
"""
)

# KEYS: made, filled, applied, summed. ARGV: deadline, a clerk.
STAND: Final = (
    _BEGIN
    + """
return {'done', now, made, redis.call('GET', KEYS[2]) == made and 1 or 0,
  redis.call('HGET', KEYS[3], ARGV[2]) or '0', redis.call('HGET', KEYS[4], ARGV[2]) or '0'}
"""
)

# KEYS: made, filled, filler. ARGV: deadline, a clerk, for how long it may be silent in ms. Answers whether it may fill.
BEGIN_FILL: Final = (
    _BEGIN
    + """
if redis.call('GET', KEYS[2]) == made then return {'done', now, made, 0} end
local filler = redis.call('GET', KEYS[3])
if filler and filler ~= ARGV[2] then return {'done', now, made, 0} end
redis.call('SET', KEYS[3], ARGV[2], 'PX', ARGV[3])
return {'done', now, made, 1}
"""
)

# KEYS: made, filler, filling, counters. ARGV: deadline, a clerk, its ms, `made`; of each counter what the sums have,
# and when its window is over in ms. What another clerk has added of other sums is replaced.
FILL: Final = (
    _BEGIN
    + """
if made ~= ARGV[4] or redis.call('GET', KEYS[2]) ~= ARGV[2] then return {'lost', now} end
redis.call('PEXPIRE', KEYS[2], ARGV[3])
local changed = 0
for i = 4, #KEYS do
  local amount, ends = ARGV[5 + (i - 4) * 2], ARGV[6 + (i - 4) * 2]
  local before = redis.call('HGET', KEYS[3], KEYS[i]) or '0'
  if before ~= amount then
    if before ~= '0' then redis.call('DECRBY', KEYS[i], before) end
    add(KEYS[i], amount)
    redis.call('HSET', KEYS[3], KEYS[i], amount)
    changed = changed + 1
  end
  if ends ~= '0' then redis.call('PEXPIREAT', KEYS[i], ends) end
end
return {'done', now, changed}
"""
)

# KEYS: made, filler, filling, filled, summed. ARGV: deadline, a clerk, `made`; clerks and their last notes.
END_FILL: Final = (
    _BEGIN
    + """
if made ~= ARGV[3] or redis.call('GET', KEYS[2]) ~= ARGV[2] then return {'lost', now} end
redis.call('DEL', KEYS[2], KEYS[3], KEYS[5])
for i = 4, #ARGV, 2 do redis.call('HSET', KEYS[5], ARGV[i], ARGV[i + 1]) end
redis.call('SET', KEYS[4], made)
return {'done', now}
"""
)

# KEYS: made, filled, applied, counters. ARGV: deadline, a clerk, `made`, the place that this brings it to; of each
# counter its kind, difference, and for how long it is kept in ms.
APPLY: Final = (
    _BEGIN
    + """
if made ~= ARGV[3] or redis.call('GET', KEYS[2]) ~= made then return {'lost', now} end
if tonumber(redis.call('HGET', KEYS[3], ARGV[2]) or '0') >= tonumber(ARGV[4]) then return {'done', now} end
for i = 4, #KEYS do
  local a = 5 + (i - 4) * 3
  if ARGV[a] == '0' then
    local is_new = redis.call('EXISTS', KEYS[i]) == 0
    add(KEYS[i], ARGV[a + 1])
    if is_new and ARGV[a + 2] ~= '0' then redis.call('PEXPIRE', KEYS[i], ARGV[a + 2]) end
  else
    local full, rest, capacity = bucket(KEYS[i])
    if capacity > 0 then pour(KEYS[i], full, rest, capacity, tonumber(ARGV[a + 1]), true) end
  end
end
redis.call('HSET', KEYS[3], ARGV[2], ARGV[4])
return {'done', now}
"""
)

Question = tuple[list[str], list[str | int]]  # keys, and arguments behind the deadline


def window_of(term: CounterTerms, now: int) -> Window:
    return window_at(term.period, now, term.anchor) if term.kind is CounterKind.WINDOW else ALWAYS


def name_of(key: bytes, kind: int, unit: str, window: int) -> str:
    """Return under which name the server has a counter in a window."""
    return f"{PREFIX}{kind}:{unit}:{key.hex()}:{window}"


def amount_of(term: CounterTerms, cost: int | None, tokens: int) -> int:
    """Return what a counter counts of a call."""
    if term.unit is LimitUnit.COST:
        return marked_up(cost or 0, term.markup_ppm)
    return tokens if term.unit is LimitUnit.TOKENS else 1


def ask_hold(
    terms: Sequence[CounterTerms], windows: Sequence[Window], cost: int | None, tokens: int, lease: int, call: str
) -> Question:
    keys: list[str] = [MADE]
    arguments: list[str | int] = [lease, call]
    for term, window in zip(terms, windows, strict=True):
        keys.append(name_of(term.key, term.kind, term.unit, window.number))
        unknown = "u" if cost is None and term.unit is LimitUnit.COST else ""
        flags = ("b" if term.blocks else "") + unknown
        arguments += [int(term.kind), amount_of(term, cost, tokens), term.capacity, flags, expires_at(window)]
    return keys, arguments


def ask_replace(terms: Sequence[CounterTerms], names: Sequence[str], differences: Sequence[int]) -> Question:
    arguments: list[str | int] = []
    for term, difference in zip(terms, differences, strict=True):
        arguments += [int(term.kind), _bounded(difference)]
    return [MADE, *names], arguments


def ask_correct(counted: Counted, amount: int) -> Question:
    name = name_of(counted.key, counted.kind, counted.unit, counted.window)
    return [MADE, name], [int(counted.kind), _bounded(amount), _LONGEST_MS if counted.window else 0]


def ask_read(terms: Sequence[CounterTerms], now: int) -> Question:
    keys: list[str] = [MADE]
    arguments: list[str | int] = []
    for term in terms:
        keys.append(name_of(term.key, term.kind, term.unit, window_of(term, now).number))
        arguments += [int(term.kind), term.capacity]
    return keys, arguments


def ask_apply(moved: Iterable[tuple[Counted, int]]) -> Question:
    keys: list[str] = [MADE, FILLED, APPLIED]
    arguments: list[str | int] = []
    for counted, amount in moved:
        names, about = ask_correct(counted, amount)
        keys += names[1:]
        arguments += about
    return keys, arguments


def ask_fill(amounts: Iterable[tuple[CounterTerms, int]], now: int) -> Question:
    keys: list[str] = [MADE, FILLER, FILLING]
    arguments: list[str | int] = []
    for term, amount in amounts:
        window = window_of(term, now)
        keys.append(name_of(term.key, term.kind, term.unit, window.number))
        arguments += [_bounded(amount), expires_at(window)]
    return keys, arguments


def expires_at(window: Window) -> int:
    """Return when the server may forget a window's count, in ms since the epoch; 0 for never."""
    return 0 if window.end is None else window.end // _MS + _KEPT_MS


def _bounded(amount: int) -> int:
    """Return an amount as the server can add it."""
    return max(-_MOST, min(amount, _MOST))
