-- Takes from a bucket that refills steadily. 60,000 units are one of what is reserved, so that each millisecond brings
-- exactly `per_minute` units.
-- KEYS: bucket.
-- ARGV: amount, per minute, burst, what the owner of the quota says is left or '', now, how far clocks may differ (ms).
-- Returns how many milliseconds to wait.
local amount, rate, burst = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local remaining, now, skew = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local full = burst * 60000
local level, at = full, now

local stored = redis.call('HMGET', KEYS[1], 'units', 'at')
if stored[1] then
  local before = tonumber(stored[2])
  -- A clock that was once wrong by an hour would stop the refill for an hour.
  local set_back = before > now + skew
  at = set_back and now or math.max(before, now)
  level = math.min(tonumber(stored[1]) + math.max(at - before, 0) * rate, full)
end
if remaining then
  level = math.min(level, remaining * 60000)
end
local units = math.min(level - amount * 60000, full)

redis.call('HSET', KEYS[1], 'units', string.format('%.0f', units), 'at', string.format('%.0f', at))
-- Full again, it is as if it had never been. 2^50 ms are 35,000 years.
local full_in = at + math.ceil((full - units) / rate) - now
redis.call('PEXPIRE', KEYS[1], string.format('%.0f', math.min(full_in + skew, 2 ^ 50)))
return math.min(math.ceil(math.max(-units, 0) / rate), 2 ^ 53)
