-- Removes a log, its place in the due index and the claim on it.
-- KEYS: log, due index, claims.
-- ARGV: conversation.
redis.call('UNLINK', KEYS[1])
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('HDEL', KEYS[3], ARGV[1])
return 0
