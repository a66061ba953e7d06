-- Reads a part of a log, bounded by bytes: LRANGE alone would answer 1 GB to a caller who asks for 10,000 long events.
-- KEYS: log.
-- ARGV: how many elements to leave out, the most elements, the bytes after which no more are added.
local at, limit, max_bytes = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local found, bytes = {}, 0
while #found < limit do
  local want = math.min(16, limit - #found)
  local page = redis.call('LRANGE', KEYS[1], at, at + want - 1)
  for _, element in ipairs(page) do
    found[#found + 1] = element
    bytes = bytes + #element
    if bytes >= max_bytes then
      return found
    end
  end
  if #page < want then
    return found
  end
  at = at + want
end
return found
