/**
 * The operations that must be atomic in Redis, in Lua. A topic whose messages are retained has three keys in one
 * hash slot:
 *
 * | Key    | What it is                                                                               |
 * | ------ | ---------------------------------------------------------------------------------------- |
 * | `log`  | a stream: the id of an entry is its number and the time in ms; fields `id`, `message`    |
 * | `meta` | a hash: `epoch`, `last` (the last number), `size` (the cost of `log`), `head` (a time    |
 * |        | that no entry is older than)                                                             |
 * | `ids`  | a set: the ids of the messages in `log`                                                  |
 *
 * Each of them may be evicted by itself, and `log` and `ids` expire before `meta`.
 */

import { MESSAGE_COST } from "../topics/fan_out/message_cost.ts";

/** How long the epoch of a topic is remembered after its last message, in milliseconds. */
const REMEMBER_MS = 24 * 60 * 60 * 1000;

/** The common beginning. `ARGV[1]` is an unused epoch, `ARGV[2]` the window in ms. */
const OPEN = `
local log, meta, ids = KEYS[1], KEYS[2], KEYS[3]
local window = tonumber(ARGV[2])
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local epoch, last, size, head = unpack(redis.call('HMGET', meta, 'epoch', 'last', 'size', 'head'))
last, size, head = tonumber(last) or 0, tonumber(size) or 0, tonumber(head) or now
local is_new = not epoch
if is_new then
  redis.call('DEL', log, ids)
  epoch = ARGV[1]
elseif redis.call('EXISTS', log) == 0 then
  size, head = 0, now
end
`;

/**
 * Appends a message, unless its id is known, and publishes it.
 *
 * `KEYS[4]` is the channel, `ARGV[3]` the largest size of the topic in bytes, `ARGV[4]` the command to publish
 * with, `ARGV[5]` the id, and `ARGV[6]` the message.
 *
 * Commands that fail if memory is short come first, so that either all or nothing is done.
 */
export const APPEND: string = `${OPEN}
local room, publish, id, message = tonumber(ARGV[3]), ARGV[4], ARGV[5], ARGV[6]
if redis.call('SISMEMBER', ids, id) == 1 then return 0 end
last = last + 1
redis.call('XADD', log, string.format('%.0f-%.0f', last, now), 'id', id, 'message', message)
redis.call('SADD', ids, id)
size = size + #message + ${MESSAGE_COST}
while size > room or head < now - window do
  local first = redis.call('XRANGE', log, '-', '+', 'COUNT', 1)[1]
  if not first then
    size, head = 0, now
    break
  end
  head = tonumber(string.match(first[1], '%d+$'))
  if size <= room and head >= now - window then break end
  redis.call('XDEL', log, first[1])
  redis.call('SREM', ids, first[2][2])
  size = size - #first[2][4] - ${MESSAGE_COST}
end
redis.call('HSET', meta, 'epoch', epoch, 'last', last, 'size', size, 'head', head)
redis.call('PEXPIRE', meta, window + ${REMEMBER_MS})
redis.call('PEXPIRE', log, window)
redis.call('PEXPIRE', ids, window)
redis.call(publish, KEYS[4], string.format('%s %.0f\\n', epoch, last) .. message)
return 1
`;

/**
 * Reads the messages after a number, or all if the number is of another epoch or past the last one. Returns the
 * epoch, the last number, the time, and the entries, some of which may be older than the window.
 *
 * `ARGV[3]` is the epoch of the number `ARGV[4]`; for the epoch `?`, no message is read. `ARGV[5]` limits the
 * total size of the messages in bytes: the last ones are returned.
 */
export const READ: string = `${OPEN}
if is_new then redis.call('HSET', meta, 'epoch', epoch, 'last', 0, 'size', 0, 'head', now) end
redis.call('PEXPIRE', meta, window + ${REMEMBER_MS})
local entries = {}
if ARGV[3] ~= '?' then
  local number = tonumber(ARGV[4])
  if ARGV[3] ~= epoch or number > last then number = 0 end
  entries = redis.call('XRANGE', log, string.format('%.0f', number + 1), '+')
  local left, first = tonumber(ARGV[5]), #entries + 1
  while first > 1 do
    left = left - #entries[first - 1][2][4] - ${MESSAGE_COST}
    if left < 0 then break end
    first = first - 1
  end
  if first > 1 then
    local all = entries
    entries = {}
    for i = first, #all do entries[i - first + 1] = all[i] end
  end
end
return { epoch, last, now, entries }
`;
