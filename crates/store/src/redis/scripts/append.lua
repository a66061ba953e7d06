-- Appends one event to a log, places the conversation in the due index, and ends the claim on it.
-- KEYS: log, due index, claims.
-- ARGV: conversation, seq, `at` of the event before (8 bytes), the element to append, due time or '', fence.
-- The fence is '' for nobody's claim, '0' for anybody's, or the number of the one claim that is let through.
-- Returns 0: stored, 1: conflict, 2: fenced.
local conversation, seq, previous_at, element, due, fence = unpack(ARGV)
local head = redis.call('LLEN', KEYS[1])
if head + 1 ~= tonumber(seq) then
  return 1
end
if head > 0 and string.sub(redis.call('LINDEX', KEYS[1], -1), 1, 8) ~= previous_at then
  return 1
end
if fence ~= '' then
  local claim = redis.call('HGET', KEYS[3], conversation)
  if claim and claim ~= fence then
    return 2
  end
end
redis.call('RPUSH', KEYS[1], element)
if due == '' then
  redis.call('ZREM', KEYS[2], conversation)
else
  redis.call('ZADD', KEYS[2], due, conversation)
end
redis.call('HDEL', KEYS[3], conversation)
return 0
