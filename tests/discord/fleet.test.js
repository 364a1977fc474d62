// A fleet of small bots that ask before they log in, under real agents and a real server, at a stand-in for Discord that does its worst:
// however sessions are lost, no login comes too early, none is over the day's budget, and no shard is logged in twice.
import assert from 'node:assert/strict';
import path from 'node:path';
import {test} from 'node:test';
import {writeFileSync} from 'node:fs';
import {COMMANDS, environment} from './bots.js';
import {StandIn} from './stand-in.js';
import {Server, until} from '../e2e/harness.js';

const AGENTS = 3;
const IDS = 8; // of each agent's one process
const COUNT = AGENTS * IDS;
const BUCKETS = 8;
const FAULTS = 12;
const PATIENCE = 300_000;

/** What can happen to some shards' sessions. */
const FAULT = [
  (discord, shards) => discord.invalidate({shards}), // op 9
  (discord, shards) => discord.invalidate({shards, resumable: true}),
  (discord, shards) => discord.drop({shards}),
  (discord, shards) => discord.drop({shards, sessions: true}),
  (discord, shards) => discord.drop({shards, code: 4000}),
  (discord, shards) => discord.reconnect({shards}), // op 7
];

const all = Array.from({length: COUNT}, (_, id) => id);
const some = () => all.filter(() => Math.random() < 0.2);

function asItShouldBe(discord) {
  const {too_early: early, over_budget: over, doubles} = discord.counts;
  assert.deepEqual({early, over, doubles}, {early: 0, over: 0, doubles: 0}, JSON.stringify(discord.counts));
}

test('every login of a fleet is asked for, whatever becomes of its sessions, its server and its bots', async (t) => {
  const discord = await new StandIn({maxConcurrency: BUCKETS, guilds: COUNT}).listen();
  discord.setMaxListeners(0); // waits that were given up
  t.after(() => discord.close());
  const server = new Server();
  t.after(() => server.cleanup());
  const token = path.join(server.folder, 'token');
  writeFileSync(token, 'the token\n', {mode: 0o600});
  server.configure(`[shards]\ncount = ${COUNT}\ntoken_file = "${token}"\n[discord]\napi_base = "${discord.api}"\n[limits]\nconn_count = 1000\n[heartbeat]\ninterval = "1s"\n`);
  await server.start();
  await until('the limits', async () => (await server.stats()).identify?.max_concurrency === BUCKETS);
  const {DISCORD_API, DISCORD_GATEWAY} = environment(discord, 0, 1);
  for (const config of await server.register(AGENTS)) {
    server.agent([config], COMMANDS.light, {flags: ['--token-file', token, '--shards-per-process', String(IDS), '--restart-delay', '100ms'], env: {DISCORD_API, DISCORD_GATEWAY}});
  }
  await discord.untilReady(all, COUNT, PATIENCE);
  assert.equal(discord.counts.identifies, COUNT);
  asItShouldBe(discord);

  for (let i = 0; i < FAULTS; ++i) {
    FAULT[i % FAULT.length](discord, some());
    if (i % 6 === 2) {
      const pid = (await server.stats()).shards[0].stats?.bot?.pid ?? -1;
      if (pid > 0) process.kill(pid, 'SIGKILL');
    }
    if (i % 6 === 5) {
      await server.end('SIGKILL');
      await server.start();
    }
    // Some have come back; the next fault may meet the others on their way.
    const before = discord.counts.identifies;
    await Promise.race([discord.until(({counts}) => counts.identifies > before + 3, 5000, 'logins').catch(() => {}), discord.untilReady(all, COUNT, PATIENCE)]);
  }
  await discord.untilReady(all, COUNT, PATIENCE);
  asItShouldBe(discord);
  await until('the same number of logins left', async () => (await server.stats()).identify?.remaining === discord.startLimit().remaining, PATIENCE);
});
