// A fleet of small bots that request permits, under real agents and two real servers on an etcd, at a stand-in for
// Discord that injects every kind of failure. Whatever sessions are lost and processes killed, no login may come too
// early or exceed the day's budget, and no shard may be logged in twice. SMASTER_FLEET=whole: 3 hosts × 64 bots, 1,000
// faults, 20 kills of the leader; takes a quarter of an hour.
import assert from 'node:assert/strict';
import path from 'node:path';
import {test} from 'node:test';
import {mkdtempSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {COMMANDS, environment} from './bots.js';
import {StandIn} from './stand-in.js';
import {cluster} from '../e2e/cluster.js';
import {until} from '../e2e/harness.js';

const WHOLE = process.env.SMASTER_FLEET === 'whole';
const HOSTS = 3;
const PROCESSES = WHOLE ? 8 : 2; // of each host
const IDS = WHOLE ? 8 : 4; // of each process
const COUNT = HOSTS * PROCESSES * IDS;
const BUCKETS = WHOLE ? 64 : 8;
const FAULTS = WHOLE ? 1000 : 12;
const KILLS = WHOLE ? 20 : 2; // of the leader
const SHARE = WHOLE ? 0.05 : 0.2; // of the shards that a fault meets
const PATIENCE = 600_000;

/** Faults that affect some shards' sessions. */
const FAULT = [
  (discord, shards) => discord.invalidate({shards}), // op 9
  (discord, shards) => discord.invalidate({shards, resumable: true}),
  (discord, shards) => discord.drop({shards}),
  (discord, shards) => discord.drop({shards, sessions: true}),
  (discord, shards) => discord.drop({shards, code: 4000}),
  (discord, shards) => discord.reconnect({shards}), // op 7
];

const all = Array.from({length: COUNT}, (_, id) => id);
const some = () => all.filter(() => Math.random() < SHARE);

function asItShouldBe(discord) {
  const {too_early: early, over_budget: over, doubles} = discord.counts;
  assert.deepEqual({early, over, doubles}, {early: 0, over: 0, doubles: 0}, JSON.stringify([discord.counts, ...discord.early]));
}

test('every login of a fleet is asked for, whatever becomes of its sessions, its leaders and its bots', async (t) => {
  const discord = await new StandIn({maxConcurrency: BUCKETS, guilds: COUNT, total: 20_000}).listen();
  discord.setMaxListeners(0); // waits that were given up
  t.after(() => discord.close());
  discord.early = [];
  discord.on('event', (event) => event.event === 'too_early' && discord.early.push(event));
  const folder = mkdtempSync(path.join(tmpdir(), 'smaster-fleet-'));
  t.after(() => rmSync(folder, {recursive: true}));
  const token = path.join(folder, 'token');
  writeFileSync(token, 'the token\n', {mode: 0o600});
  const fleet = await cluster(t, 2, {
    settings: `[shards]\ncount = ${COUNT}\ntoken_file = "${token}"\n[discord]\napi_base = "${discord.api}"\n[limits]\nconn_count = 10000\n[heartbeat]\ninterval = "1s"\n`,
  });
  const leader = () => fleet.leader();
  await until('the limits', async () => (await (await leader()).stats()).identify?.max_concurrency === BUCKETS);
  const {DISCORD_API, DISCORD_GATEWAY} = environment(discord, 0, 1);
  for (const config of await fleet.register(HOSTS)) {
    fleet.servers[0].agent([config], COMMANDS.light, {
      flags: ['--token-file', token, '--processes', String(PROCESSES), '--shards-per-process', String(IDS), '--restart-delay', '100ms'], env: {DISCORD_API, DISCORD_GATEWAY},
    });
  }
  await discord.untilReady(all, COUNT, PATIENCE);
  assert.equal(discord.counts.identifies, COUNT);
  asItShouldBe(discord);

  for (let i = 0; i < FAULTS; ++i) {
    FAULT[i % FAULT.length](discord, some());
    if (i % 6 === 2) {
      const shards = (await (await leader()).stats()).shards.filter(({stats}) => stats?.bot?.pid > 0);
      if (shards.length > 0) process.kill(shards[i % shards.length].stats.bot.pid, 'SIGKILL');
    }
    if (i % Math.floor(FAULTS / KILLS) === Math.floor(FAULTS / KILLS) - 1) {
      const dead = await leader();
      await dead.end('SIGKILL');
      await fleet.leader(dead);
      await dead.start();
    }
    // Some have reconnected; the next fault may hit others while they reconnect.
    const before = discord.counts.identifies;
    await Promise.race([discord.until(({counts}) => counts.identifies > before + 3, 5000, 'logins').catch(() => {}), discord.untilReady(all, COUNT, PATIENCE)]);
    asItShouldBe(discord);
  }
  await discord.untilReady(all, COUNT, PATIENCE);
  asItShouldBe(discord);
  await until('the same number of logins left', async () => (await (await leader()).stats()).identify?.remaining === discord.startLimit().remaining);
});
