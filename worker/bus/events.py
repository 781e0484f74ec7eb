"""The event log of runs in Redis: a stream a run, numbered by the writer (design.md invariant 4).

Event n is entry ``n-0`` of ``{prefix}events:{<run id>}``; a companion hash ``...:fence`` holds the attempt that may write (``a``) and
the bytes written since the log was last cut (``b``). Whatever an append has to do happens in one script, one round trip: fence check,
XADD of every event, EXPIRE, PUBLISH.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import redis

from worker.bus.channel import literal
from worker.bus.ports import LogEntry
from worker.config import Config
from worker.engine.errors import RunFenced

#: Bytes of frames that travel with the news; above that, readers fetch them from the log (reliability.md section 1.7).
NEWS_BYTES = 64 * 1024

#: Bounds of one script call, so that a backlog after an outage does not hold up the server.
BATCH_EVENTS = 256
BATCH_BYTES = 1024 * 1024

#: Events that may wait for SQL (journal.py): the log keeps at least these, whatever the settings say.
UNSTORED_EVENTS = 2000

#: Bytes of one run's log; beyond, the events that SQL has make room.
LOG_BYTES = 16 * 1024 * 1024

#: Keys per round trip of a search through all of them.
SCANNED = 1000

#: Entries per round trip when a log is read whole.
PAGE = 500

OPEN = """
local fence = tonumber(redis.call('HGET', KEYS[1], 'a') or '0')
local attempt = tonumber(ARGV[1])
if fence > attempt then return 0 end
redis.call('HSET', KEYS[1], 'a', attempt)
redis.call('EXPIRE', KEYS[1], ARGV[2])
return 1
"""

#: KEYS: stream, fence. ARGV: attempt, first, stored, max events, max bytes, seconds to live, channel, 1 if the last frame is terminal,
#: max bytes of frames in the news, frames. Answers -1 if fenced, else the number of the last event.
APPEND = """
local attempt, first, stored = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local fence = tonumber(redis.call('HGET', KEYS[2], 'a') or '0')
if fence > attempt then return -1 end
if fence < attempt then
  -- The log was lost, or was left by an attempt that this one never saw: it starts anew. HSET comes first because a full
  -- server refuses a script at its first write only, and only if that one needs memory.
  redis.call('HSET', KEYS[2], 'a', attempt, 'b', 0)
  redis.call('EXPIRE', KEYS[2], ARGV[6])
  redis.call('DEL', KEYS[1])
end
local newest = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)
local last = 0
if newest[1] then last = tonumber(string.match(newest[1][1], '^%d+')) end
if last < first - 1 and stored < first - 1 then return last end
local added, size = {}, 0
for i = 10, #ARGV do
  local number = first + i - 10
  if number > last then
    local id = string.format('%.0f-0', number)
    if i == #ARGV and ARGV[8] == '1' then
      redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[4], id, 'e', ARGV[i], 't', '1')
    else
      redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[4], id, 'e', ARGV[i])
    end
    added[#added + 1] = ARGV[i]
    size = size + #ARGV[i]
  end
end
if redis.call('HINCRBY', KEYS[2], 'b', size) > tonumber(ARGV[5]) and stored > 0 then
  -- The newest event stays, so that the log knows its last number.
  redis.call('XTRIM', KEYS[1], 'MINID', string.format('%.0f-0', math.min(stored + 1, first + #ARGV - 10)))
  redis.call('HSET', KEYS[2], 'b', size)
end
redis.call('EXPIRE', KEYS[2], ARGV[6])
redis.call('EXPIRE', KEYS[1], ARGV[6])
if #added == 0 then return last end
last = first + #ARGV - 10
local news = string.format('%.0f %.0f %s', last - #added + 1, last, ARGV[8]) .. '\\n'
if size <= tonumber(ARGV[9]) then news = news .. table.concat(added, '\\n') end
redis.call('PUBLISH', ARGV[7], news)
return last
"""


class EventLog:
    """The log of every run; see ``ports.EventLogPort``. All methods raise ``redis.RedisError`` while Redis is away."""

    def __init__(self, client: redis.Redis, config: Config) -> None:
        self._client = client
        self._prefix = config.redis_prefix
        self._max_events = max(config.event_log_max_events, UNSTORED_EVENTS)
        self._ttl_s = max(int(config.event_log_ttl_s), 1)
        # A node may be silent for as long as a run may take; only then does the time for late readers begin.
        self._running_ttl_s = self._ttl_s + int(config.limits.workflow_max_execution_time)
        self._open = client.register_script(OPEN)
        self._append = client.register_script(APPEND)

    def open(self, run_id: str, attempt: int, after: int = 0) -> list[LogEntry]:
        if not self._open(keys=[self._fence(run_id)], args=[attempt, self._running_ttl_s]):
            raise RunFenced
        entries: list[LogEntry] = []
        while page := self.read(run_id, entries[-1].number if entries else after, PAGE):
            entries += page
        return entries

    def append(self, run_id: str, attempt: int, first: int, frames: Sequence[bytes], *, stored: int = 0, is_terminal: bool = False) -> int:
        last = first - 1
        end = first + len(frames)
        for number, batch in batches(first, frames):
            ends = is_terminal and number + len(batch) == end
            last = self._append_batch(run_id, attempt, number, batch, stored, ends)
            if last < number:
                break
        return last

    def _append_batch(self, run_id: str, attempt: int, first: int, batch: Sequence[bytes], stored: int, ends: bool) -> int:
        ttl_s = self._ttl_s if ends else self._running_ttl_s
        bounds = [self._max_events, LOG_BYTES, ttl_s]
        header: list[str | bytes | int] = [attempt, first, stored, *bounds, self._channel(run_id), int(ends), NEWS_BYTES]
        last: Any = self._append(keys=[self._stream(run_id), self._fence(run_id)], args=[*header, *batch])
        if last < 0:
            raise RunFenced
        return int(last)

    def read(self, run_id: str, after: int, count: int) -> list[LogEntry]:
        entries: Any = self._client.xrange(self._stream(run_id), min=f"{after + 1}-0", max="+", count=count)
        return [LogEntry(int(id.partition(b"-")[0]), fields[b"e"], b"t" in fields) for id, fields in entries]

    def run_ids(self) -> Iterator[str]:
        """The runs that have a log now, in no order, some perhaps twice; a pass costs a round trip for every thousand keys."""
        start = len(self._stream("")) - 1
        for key in self._client.scan_iter(match=literal(self._stream(""))[:-1] + "*}", count=SCANNED):
            yield key[start:-1].decode()

    def holder(self, run_id: str) -> int:
        """The attempt that may write the log; 0: any."""
        return int(self._client.hget(self._fence(run_id), "a") or 0)

    def _stream(self, run_id: str) -> str:
        # The braces keep both keys of a run in one slot of a cluster.
        return f"{self._prefix}events:{{{run_id}}}"

    def _fence(self, run_id: str) -> str:
        return f"{self._stream(run_id)}:fence"

    def _channel(self, run_id: str) -> str:
        return f"{news_channel(self._prefix)}{run_id}"


def news_channel(prefix: str) -> str:
    """What the names of all news channels begin with; the run id follows."""
    return f"{prefix}news:"


def batches(first: int, frames: Sequence[bytes]) -> Iterator[tuple[int, list[bytes]]]:
    """Frames in pieces within the bounds of one script call, each with the number of its first event."""
    batch: list[bytes] = []
    size = 0
    for number, frame in enumerate(frames, first):
        if batch and (len(batch) == BATCH_EVENTS or size + len(frame) > BATCH_BYTES):
            yield number - len(batch), batch
            batch, size = [], 0
        batch.append(frame)
        size += len(frame)
    if batch:
        yield first + len(frames) - len(batch), batch
