// What Discord allows changes while the fleet runs: a new day begins, max_concurrency falls, bots log in by themselves.
import assert from 'node:assert/strict';
import path from 'node:path';
import {test} from 'node:test';
import {writeFileSync} from 'node:fs';
import {COMMANDS, environment} from './bots.js';
import {standIn} from './stand-in.js';
import {Server, until} from '../e2e/harness.js';

const PATIENCE = 180_000;
const ids = (count) => Array.from({length: count}, (_, id) => id);

/** A server, and an agent with `count` bots that have logged in. */
async function fleet(t, discord, count, {command = COMMANDS.light, flags = [], settings = ''} = {}) {
  const server = new Server();
  t.after(() => server.cleanup());
  const token = path.join(server.folder, 'token');
  writeFileSync(token, 'the token\n', {mode: 0o600});
  server.configure(`[shards]\ncount = ${count}\ntoken_file = "${token}"\n[limits]\nconn_count = 1000\n[heartbeat]\ninterval = "1s"\n[discord]\napi_base = "${discord.api}"\n${settings}`);
  await server.start();
  await until('the limits', async () => (await server.stats()).identify?.remaining !== undefined);
  const {DISCORD_API, DISCORD_GATEWAY} = environment(discord, 0, 1);
  const configs = await server.register(count);
  server.agent(configs, command, {flags: ['--token-file', token, '--restart-delay', '100ms', ...flags], env: {DISCORD_API, DISCORD_GATEWAY}});
  await discord.untilReady(ids(count), count, PATIENCE);
  return server;
}

test('when a new period begins its logins are counted, and the reserve is kept', async (t) => {
  const discord = await standIn(t, {guilds: 4, maxConcurrency: 4, total: 12, resetAfter: 20_000});
  const server = await fleet(t, discord, 4, {settings: 'identify_reserve = 2\n'});
  const identify = async () => (await server.stats()).identify;
  discord.options.resetAfter = 86_400_000; // of the next period
  await until('the new period', async () => (await identify()).reset_in_ms > 3_600_000 && (await identify()).remaining === 12);
  for (const left of [8, 4]) {
    discord.invalidate({shards: ids(4)});
    await until('all to log in again', async () => discord.remaining === left);
    await discord.untilReady(ids(4), 4, PATIENCE);
    await until('them to be counted', async () => (await identify()).remaining === left);
  }
  discord.invalidate({shards: ids(4)});
  await until('the reserve', async () => discord.remaining === 2 && (await identify()).waiting === 2);
  assert.match((await server.tool(['stats'])).stdout, /2 wait to log in until Discord allows more, in 23 h.*: 2 logins are left, 2 of them are reserved/);
  assert.equal(discord.counts.over_budget, 0);
  assert.equal(discord.counts.too_early, 0);
});

test('when max_concurrency falls, refused logins slow the queue down, and Discord is asked', async (t) => {
  const discord = await standIn(t, {guilds: 8, maxConcurrency: 16});
  const server = await fleet(t, discord, 8);
  discord.options.maxConcurrency = 1;
  const before = discord.counts.identifies;
  discord.invalidate({shards: ids(8)});
  await discord.untilReady(ids(8), 8, PATIENCE);
  const {identifies, too_early: early} = discord.counts;
  // Eight at once, of which seven are refused; those log in one by one. Without that it would be 8 + 7 + … + 1.
  assert.ok(identifies - before <= 17 && early <= 9, JSON.stringify(discord.counts));
  assert.match(server.log, /Discord refuses logins in their turn, so its max_concurrency may have fallen/);
  await until('Discord to be asked', async () => (await server.stats()).identify.max_concurrency === 1 && / 1 at a time/.test(server.log));
});

test('a bot that cannot ask and logs in by itself is counted, because Discord is asked; its lost connection is said', async (t) => {
  const discord = await standIn(t, {guilds: 4});
  const server = await fleet(t, discord, 1, {command: COMMANDS['discord.js'], flags: ['--no-hooks'], settings: '[heartbeat]\ngateway_patience = "5s"\n'});
  discord.invalidate({shards: [0]});
  await until('the second login', () => discord.counts.identifies === 2);
  await discord.untilReady([0], 1, PATIENCE);
  await until('the true number', async () => (await server.stats()).identify.remaining === 998);
  discord.away({ms: 600_000});
  await until('the loss', async () => (await server.stats()).shards[0].state === 'disconnected');
  await until('its restart', () => /shard aaa \(id 0\) has been disconnected for .*: it is told to restart its bot/.test(server.log));
});
