// A bot that is refused by Discord, or cannot reach it. The refusal must be detected within seconds, whether the bot's
// process continues or exits at once, and the bot must not be retried automatically if that could only cost logins.
import assert from 'node:assert/strict';
import path from 'node:path';
import {test} from 'node:test';
import {writeFileSync} from 'node:fs';
import {BOTS, COMMANDS, environment} from './bots.js';
import {standIn} from './stand-in.js';
import {Server, request, until} from '../e2e/harness.js';

const PATIENCE = 90_000;

/** A server and an agent with one bot of that kind. */
async function fleet(t, command, discord, heartbeat = '') {
  const server = new Server();
  t.after(() => server.cleanup());
  const token = path.join(server.folder, 'token');
  writeFileSync(token, 'the token\n', {mode: 0o600});
  server.configure(`[shards]\ncount = 1\ntoken_file = "${token}"\n[discord]\napi_base = "${discord.api}"\n[heartbeat]\ninterval = "1s"\n${heartbeat}`);
  await server.start();
  await until('the limits', async () => (await server.stats()).identify?.max_concurrency === 1);
  const {DISCORD_API, DISCORD_GATEWAY} = environment(discord, 0, 1);
  const [config] = await server.register(1);
  server.agent([config], command, {flags: ['--token-file', token, '--restart-delay', '100ms'], env: {DISCORD_API, DISCORD_GATEWAY}});
  server.states = async (state) => until(`the shard to be ${state}`, async () => (await server.stats()).shards[0]?.state === state);
  return server;
}

/** The bot is refused with this code at its first login: reported, stopped, not retried. Then Discord accepts it, and the operator retries it. */
async function isRefused(t, kind, code) {
  const discord = await standIn(t, {guilds: 4});
  discord.refuse({code});
  const server = await fleet(t, COMMANDS[kind], discord);
  const stats = async () => (await server.stats()).shards[0].stats;
  await server.states('refused');
  assert.match(server.log, new RegExp(`Discord refuses the bot of shard aaa \\(id 0\\) with code ${code}`));
  await until('the bot to be stopped', async () => (await stats()).bot.pid === -1);
  // By now the agent would have restarted it several times.
  const stopped = (await stats()).timestamp;
  await until('later statuses', async () => (await stats()).timestamp > stopped + 3000);
  assert.equal(discord.counts.refused, 1);
  assert.equal((await server.stats()).shards[0].state, 'refused');
  // A bot that Discord refuses again is not back, and that is said without waiting for the timeout.
  const {code: ended, stdout} = await server.tool(['respawn', '--shard', '0', '--delay', '0s', '--wait', '--timeout', '10m']);
  assert.equal(ended, 1, stdout);
  assert.match(stdout, new RegExp(`failed: Discord refuses its bot with close code ${code}: `));
  await until('the second refusal', () => discord.counts.refused === 2);
  await server.states('refused');
  discord.refuse({code: null});
  assert.equal((await server.tool(['respawn', '--shard', '0', '--delay', '0s'])).code, 0);
  await discord.untilReady([0], 1, PATIENCE);
  await server.states('running');
  assert.equal(discord.counts.too_early, 0);
  return {discord, server};
}

for (const kind of Object.keys(COMMANDS)) {
  test(`${kind}: a refused login is said, and tried again when the operator says so; a gateway that is away is said`, async (t) => {
    const {discord, server} = await isRefused(t, kind, 4004);
    discord.away({ms: 600_000});
    await server.states('disconnected');
    // The history contains it, too: the refusal with its code, the login, the loss.
    const {aaa} = JSON.parse((await request(server.port, '/api/public/shard-status-history?id=aaa')).body);
    const past = aaa.flatMap(({gateway}) => gateway ?? []);
    const after = (state, from) => past.findIndex((gateway, n) => n >= from && gateway.state === state);
    const refusal = after('refused', 0);
    const login = after('running', refusal);
    assert.equal(past[refusal]?.code, 4004, JSON.stringify(past));
    assert.ok(login > refusal && past[login].logins === 1, JSON.stringify(past));
    assert.ok(after('disconnected', login) > login, JSON.stringify(past));
  });
}

test('intents that are not allowed are said', async (t) => {
  const {server} = await isRefused(t, 'discord.js', 4014);
  assert.match(server.log, /allow them in Discord's developer portal/);
});

test('a bot that never asks to log in is reported, once for each start, and runs on', async (t) => {
  const discord = await standIn(t, {guilds: 4});
  const script = path.join(BOTS, 'idle.js');
  const server = await fleet(t, ['node', script], discord, 'gateway_patience = "2s"\n');
  const said = () => server.log.match(/the bot of shard aaa \(id 0\) has loaded discord\.js \S+ and has not asked to log in for 2s/g)?.length ?? 0;
  await until('the log to say so', () => said() === 1);
  const {timestamp, bot} = (await server.stats()).shards[0].stats;
  await until('later statuses', async () => (await server.stats()).shards[0].stats.timestamp > timestamp + 3000);
  assert.equal(said(), 1);
  assert.equal((await server.stats()).shards[0].stats.bot.pid, bot.pid);
  assert.equal((await server.tool(['respawn', '--shard', '0', '--delay', '0s'])).code, 0);
  await until('the next one to be reported', () => said() === 2);
});
