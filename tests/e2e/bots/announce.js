// The first step of every bot in the tests: appends to BOT_LOG that it runs as this shard, and whether an earlier bot
// with the same id is still alive, which must never happen.
import {appendFileSync, existsSync, readFileSync} from 'node:fs';

/** Whether a process runs; a zombie does not. */
export function alive(pid) {
  try {
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

export function announce() {
  const log = process.env.BOT_LOG;
  const {SHARD_ID, SHARD_COUNT, SHARDING_NAME} = process.env;
  const lines = existsSync(log) ? readFileSync(log, 'utf8').trim().split('\n').filter(Boolean).map(JSON.parse) : [];
  const twice = lines.filter((line) => line.id === SHARD_ID && line.count === SHARD_COUNT && line.pid !== process.pid && alive(line.pid));
  appendFileSync(log, JSON.stringify({id: SHARD_ID, count: SHARD_COUNT, name: SHARDING_NAME, pid: process.pid, twice: twice.map((line) => line.pid)}) + '\n');
}
