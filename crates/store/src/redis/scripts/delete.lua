-- Removes a record and its place in its owner's listings.
-- KEYS: record, the owner's listings, those of them that will expire.
-- ARGV: expected version or '' for any, now.
-- Returns 1: removed, 0: conflict.
local expected, now = ARGV[1], ARGV[2]
local stored = redis.call('HMGET', KEYS[1], 'version', 'expires_at', 'listing')
local live = stored[1] or ''
if stored[2] and tonumber(stored[2]) <= tonumber(now) then
  live = ''
end
if expected ~= '' and live ~= expected then
  return 0
end
redis.call('DEL', KEYS[1])
if stored[3] then
  redis.call('ZREM', KEYS[2], stored[3])
  redis.call('ZREM', KEYS[3], stored[3])
end
return 1
