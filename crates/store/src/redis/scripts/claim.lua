-- Claims those conversations of one bucket that are still due.
-- KEYS: due index, claims.
-- ARGV: now, until, claim, then the conversations.
-- Returns the conversations that were claimed.
local now, till, claim = tonumber(ARGV[1]), ARGV[2], ARGV[3]
local claimed = {}
for i = 4, #ARGV do
  local due = redis.call('ZSCORE', KEYS[1], ARGV[i])
  if due and tonumber(due) <= now then
    redis.call('ZADD', KEYS[1], till, ARGV[i])
    redis.call('HSET', KEYS[2], ARGV[i], claim)
    claimed[#claimed + 1] = ARGV[i]
  end
end
return claimed
