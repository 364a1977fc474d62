#!/bin/sh
# A bot in a language that knows nothing of the channel, with a child of its own, in a session of its own.
setsid sleep 100000 &
echo "$!" > "$BOT_LOG.child"
echo "{\"id\":\"$SHARD_ID\",\"count\":\"$SHARD_COUNT\",\"name\":\"$SHARDING_NAME\",\"pid\":$$,\"twice\":[]}" >> "$BOT_LOG"
exec sleep 100000
