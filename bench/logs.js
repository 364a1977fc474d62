#!/usr/bin/env node
// What it costs the server to pass on the bots' output: simulated agents that send new lines while somebody follows, as
// real ones do, and one follower. Prints the server's CPU time with and without the follower, and the delay of lines.
// Exits with 1 if a limit is exceeded. `SMASTER_BIN=build/release/bin bench/logs.js [--agents 1000] [--lines 2000]
// [--seconds 20] [--limit 5]`; --lines: of all agents in a second; --limit: percent of a core.
import assert from 'node:assert/strict';
import {spawn} from 'node:child_process';
import path from 'node:path';
import {createInterface} from 'node:readline';
import {parseArgs} from 'node:util';
import {bin} from '../tests/e2e/harness.js';
import {LightShard} from './load/light_shard.js';
import {load, percentile, until} from './load/server.js';

const {values} = parseArgs({options: {
  agents: {type: 'string', default: '1000'}, lines: {type: 'string', default: '2000'}, seconds: {type: 'string', default: '20'}, limit: {type: 'string', default: '5'},
}});
const [agents, rate, seconds, limit] = [values.agents, values.lines, values.seconds, values.limit].map(Number);

/** An agent as far as its bot's output goes: a line now and then, sent in batches while the server asks for them. */
class LogAgent extends LightShard {
  constructor(config, pause) {
    super(config, {auth: {agent: 'bench', processes: 1, shardsPerProcess: 1, host: 'bench', instance: config.id, boot: 'boot', machine: 'bench'}});
    this.lines = [];
    this.newest = 0;
    this.timer = setTimeout(() => {
      this.print();
      this.timer = setInterval(() => this.print(), pause);
    }, Math.random() * pause);
  }

  print() {
    ++this.newest;
    if (Date.now() > (this.until ?? 0)) return;
    this.lines.push([Date.now(), 1, `line ${this.newest} of shard ${this.goal.id}: a message was sent in guild 81384788765712384`]);
    this.batch ??= setTimeout(() => {
      this.batch = undefined;
      this.sent = Date.now();
      this.send(`42["logLines",${JSON.stringify({ring: this.config.id, next: this.newest, lines: this.lines.splice(0)})}]`);
    }, Math.max(0, (this.sent ?? 0) + this.every - Date.now()));
  }

  event(ackId, name, ...args) {
    if (name === 'masterVerification') return this.status(); // what it runs: only then an agent is told its id
    if (name !== 'logs') return super.event(ackId, name, ...args);
    const [{follow, every}] = args;
    if (follow !== undefined) this.until = Date.now() + follow;
    this.every = every ?? 200;
    if (ackId) this.send(`43${ackId}${JSON.stringify([null, {ring: this.config.id, next: this.newest, lines: []}])}`);
  }

  stop() {
    super.stop();
    clearInterval(this.timer);
    clearTimeout(this.batch);
  }
}

const server = await load(`[shards]\ncount = ${agents}\n[limits]\nconn_count = 1000000\n[heartbeat]\nupdate_style = "push"\ninterval = "30s"\n`);
const configs = await server.configs(agents);
const shards = configs.map((config) => new LogAgent(config, 1000 * agents / rate));
await until('all agents', async () => (await server.stats()).current === agents);
await until('their ids', () => shards.every(({goal}) => goal.id >= 0));

/** The server's CPU time in percent of a core. */
async function cpu() {
  const [before, begin] = [server.cpu, performance.now()];
  await new Promise((resolve) => setTimeout(resolve, 1000 * seconds));
  return 100_000 * (server.cpu - before) / (performance.now() - begin);
}

await new Promise((resolve) => setTimeout(resolve, 3000)); // after the storm of connections
const alone = await cpu();
let received = 0;
let delays = [];
const follower = spawn(path.join(bin, 'smaster'), ['logs', '--follow', '--json'], {env: {...process.env, SMASTER_SOCKET: server.socket}});
createInterface({input: follower.stdout}).on('line', (line) => {
  ++received;
  delays.push(Date.now() - JSON.parse(line).time);
});
await until('lines', () => received > 0);
await new Promise((resolve) => setTimeout(resolve, 2000));
received = 0;
delays = [];
const followed = await cpu();
const lines = received / seconds;
follower.kill();

console.log(`${agents} agents, ${rate} lines/s: ${lines.toFixed(0)} lines/s arrive, ${percentile(delays, 0.5)} ms late (median), ${percentile(delays, 0.99)} ms (99 %)`);
console.log(`server: ${alone.toFixed(1)} % of a core without a follower, ${followed.toFixed(1)} % with one; memory ${Math.round(server.rss / 1024)} MB`);
for (const shard of shards) shard.stop();
await server.end('SIGTERM');
assert.ok(lines > 0.9 * rate, 'lines are missing');
assert.ok(followed <= limit, `more than ${limit} % of a core`);
process.exit(0);
