-- Writes a record if it is as expected, and replaces its place in its owner's listings.
-- KEYS: record, the owner's newest version, the owner's listings, those of them that will expire.
-- ARGV: expected version or '', now, value, expiry or '', for how long Redis keeps it (ms) or '', listing or '',
--       the lowest version to give.
-- Returns the new version, or 0: conflict.
local expected, now, value, expires_at, keep_ms, listing, lowest = unpack(ARGV)

-- A few listings of records that Redis has forgotten meanwhile: more than one, so that they go faster than they come.
for _, gone in ipairs(redis.call('ZRANGEBYSCORE', KEYS[4], '-inf', now, 'LIMIT', 0, 4)) do
  redis.call('ZREM', KEYS[3], gone)
  redis.call('ZREM', KEYS[4], gone)
end

local stored = redis.call('HMGET', KEYS[1], 'version', 'expires_at', 'listing')
local live = stored[1] or ''
if stored[2] and tonumber(stored[2]) <= tonumber(now) then
  live = ''
end
if live ~= expected then
  return 0
end
if stored[3] then
  redis.call('ZREM', KEYS[3], stored[3])
  redis.call('ZREM', KEYS[4], stored[3])
end

local version = math.max(tonumber(redis.call('GET', KEYS[2]) or '0') + 1, tonumber(lowest))
local text = string.format('%.0f', version)
redis.call('SET', KEYS[2], text)
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'version', text, 'value', value)
if expires_at ~= '' then
  redis.call('HSET', KEYS[1], 'expires_at', expires_at)
end
if listing ~= '' then
  redis.call('HSET', KEYS[1], 'listing', listing)
  redis.call('ZADD', KEYS[3], 0, listing)
  redis.call('ZREM', KEYS[4], listing)
end
if keep_ms ~= '' then
  redis.call('PEXPIRE', KEYS[1], keep_ms)
  if listing ~= '' then
    redis.call('ZADD', KEYS[4], tonumber(now) + tonumber(keep_ms), listing)
  end
end
return version
