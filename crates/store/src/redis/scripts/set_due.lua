-- Moves a conversation in the due index, and ends the claim on it, if its log still ends where the caller thinks.
-- KEYS: log, due index, claims.
-- ARGV: conversation, head, due time or '', fence (as in append.lua).
-- Returns 0: stored, 1: conflict, 2: fenced.
local conversation, head, due, fence = unpack(ARGV)
local stored = redis.call('LLEN', KEYS[1])
if stored == 0 or stored ~= tonumber(head) then
  return 1
end
if fence ~= '' then
  local claim = redis.call('HGET', KEYS[3], conversation)
  if claim and claim ~= fence then
    return 2
  end
end
if due == '' then
  redis.call('ZREM', KEYS[2], conversation)
else
  redis.call('ZADD', KEYS[2], due, conversation)
end
redis.call('HDEL', KEYS[3], conversation)
return 0
