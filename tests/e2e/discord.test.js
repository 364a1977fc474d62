// Discord's recommendations and limits, from a local server that simulates it.
import assert from 'node:assert/strict';
import {mkdtempSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import path from 'node:path';
import {test} from 'node:test';
import {discord, gateway} from './discord.js';
import {serve, until} from './harness.js';

/** A server that asks this simulated Discord. */
async function asking(t, answer, {shards = 'count = "auto"', more = '', trusted = true} = {}) {
  const folder = mkdtempSync(path.join(tmpdir(), 'smaster-discord-'));
  t.after(() => rmSync(folder, {recursive: true, force: true}));
  writeFileSync(path.join(folder, 'token'), 'sesame\n', {mode: 0o600});
  const api = await discord(t, folder, answer);
  const ca = trusted ? `ca_file = "${api.ca}"\n` : '';
  const server = await serve(t, `[shards]\n${shards}\nlogin_patience = "1s"\ntoken_file = "${folder}/token"\n[discord]\napi_base = "${api.base}"\n${ca}${more}`);
  return {server, api};
}

test('with count = "auto" the goal is what Discord recommends', async (t) => {
  const {server, api} = await asking(t, () => ({body: gateway(3, {max_concurrency: 16})}));
  await until('the goal', async () => (await server.stats()).goal === 3);
  assert.deepEqual(api.requests.map(({url, authorization}) => [url, authorization]), [['/api/v10/gateway/bot', 'Bot sesame']]);
  const {identify} = await server.stats();
  assert.equal(identify.max_concurrency, 16);
  assert.equal(identify.remaining, 1000);
  assert.equal(identify.reserve, 20);
  assert.ok(identify.reset_in_ms > 14_000_000);
  assert.doesNotMatch(server.log, /sesame/);
  assert.match((await server.tool(['stats'])).stdout, /1000 logins are left \(16 at a time\), more in 3 h 59 min/);
});

test('bots start no faster than Discord allows, and stats show who waits', async (t) => {
  const {server} = await asking(t, () => ({body: gateway(9, {max_concurrency: 2})}), {shards: 'count = 4'});
  await until('the limits', async () => (await server.stats()).identify?.max_concurrency === 2);
  const configs = await server.register(4);
  const begun = Date.now();
  const started = new Map();
  const shards = configs.map((config) => {
    const shard = server.shard(config);
    shard.socket.on('update', ({id}) => started.has(id) || started.set(id, Date.now() - begun));
    return shard;
  });
  const {shards: rows, identify} = await until('somebody to wait', async () => {
    const stats = await server.stats();
    return stats.identify?.waiting > 0 && stats;
  });
  assert.ok(rows.some((row) => row.state === 'queued'));
  // A bot whose login is not reported may take `login_patience`, 15 s, and the next bot follows 5 s later.
  assert.ok(identify.next_in_ms <= 20_000 && identify.all_started_in_ms <= 40_000, JSON.stringify(identify));
  assert.match((await server.tool(['stats'])).stdout, /\d wait to log in, the next in \d+ s, all have by \d+ s from now/);
  await server.running(4);
  const times = [...started].sort((a, b) => a[0] - b[0]).map(([, at]) => at);
  assert.deepEqual([...started.keys()].sort(), [0, 1, 2, 3]);
  // Five seconds, minus the messages' different delays on a busy machine.
  assert.ok(times[2] - times[0] >= 4000 && times[3] - times[1] >= 4000, `${times}`);
  // A shard that reconnects with a running bot does not log in.
  shards[0].socket.disconnect().connect();
  await until('it to be back', async () => (await server.stats()).configured === 4 && (await server.stats()).identify.waiting === 0);
});

test('a bot whose turn comes later than assume_dead_after starts then', async (t) => {
  const {server} = await asking(t, () => ({body: gateway(9)}), {shards: 'count = 3', more: '[heartbeat]\ninterval = "300ms"\nrequest_reboot_after = "3s"\nexpect_reboot_after = "4s"\nassume_dead_after = "5s"\n'});
  await until('the limits', async () => (await server.stats()).identify?.max_concurrency === 1);
  // These bots neither ask nor report: the last one's turn comes 11 s after the first one's.
  const agents = (await server.register(3)).map((config) => server.agent([config], ['/bin/sh', '-c', 'exec sleep 100000'], {flags: ['--no-hooks']}));
  await server.running(3);
  for (const {log} of agents) assert.equal(log.match(/starting the bot/g).length, 1, log);
});

test('respawns wait for their turn as well', async (t) => {
  const {server} = await asking(t, () => ({body: gateway(9, {max_concurrency: 1})}), {shards: 'count = 2'});
  await until('the limits', async () => (await server.stats()).identify?.max_concurrency === 1);
  const shards = (await server.register(2)).map((config) => server.shard(config));
  await server.running(2);
  const respawned = [];
  for (const shard of shards) shard.socket.on('respawn', (delay) => respawned.push({delay, at: Date.now()}));
  const {code, stderr} = await server.tool(['respawn', '--wait', '--delay', '0s']);
  assert.equal(code, 0, stderr);
  assert.deepEqual(respawned.map(({delay}) => delay), [0, 0]);
  assert.ok(respawned[1].at - respawned[0].at >= 4000, JSON.stringify(respawned));
  assert.equal((await server.stats()).identify.remaining, 996);
});

test('starts wait where only the reserve is left', async (t) => {
  const {server} = await asking(t, () => ({body: gateway(1, {remaining: 20, reset_after: 3_600_000})}));
  await until('the goal', async () => (await server.stats()).goal === 1);
  const [config] = await server.register(1);
  server.shard(config);
  const {identify} = await until('it to wait', async () => {
    const stats = await server.stats();
    return stats.identify?.waiting === 1 && stats;
  });
  assert.ok(identify.next_in_ms > 3_500_000);
  assert.match((await server.tool(['stats'])).stdout, /1 wait to log in until Discord allows more, in 5\d min.*: 20 logins are left, 20 of them are reserved \(discord\.identify_reserve\), and the next process needs 1/);
});

test('a wrong token is said to be so, and not tried again before a reload', async (t) => {
  const {server, api} = await asking(t, (request, count) => count === 1 ? {status: 401, body: {message: '401: Unauthorized', code: 0}} : {body: gateway(2)});
  await until('the log to say so', () => /the bot's token is wrong \(401\)/.test(server.log));
  assert.equal((await server.stats()).goal, -1);
  assert.equal(api.requests.length, 1);
  server.process.kill('SIGHUP');
  await until('the goal', async () => (await server.stats()).goal === 2);
});

test('a 429 is obeyed; a broken answer and a 500 are tried again', async (t) => {
  const {server, api} = await asking(t, (request, count) => count === 1 ? {status: 429, headers: {'retry-after': '1'}, body: {retry_after: 1}} : {body: gateway(5)});
  await until('the goal', async () => (await server.stats()).goal === 5);
  assert.ok(api.requests[1].at - api.requests[0].at >= 1000);
  const other = await asking(t, (request, count) => count === 1 ? {status: 500, body: {}} : count === 2 ? {body: {shards: 'many'}} : {body: gateway(6)});
  await until('two failures', () => /Discord answers HTTP 500; asking again in 5s/.test(other.server.log));
});

test('a certificate that nobody vouches for is not believed', async (t) => {
  const {server, api} = await asking(t, () => ({body: gateway(2)}), {trusted: false});
  await until('the log to say so', () => /certificate is not trusted.*asking again in 5s/.test(server.log));
  assert.equal(api.requests.length, 0);
  assert.equal((await server.stats()).goal, -1);
});

test('an agent asks before it starts a bot again that died', async (t) => {
  const {server} = await asking(t, () => ({body: gateway(9, {max_concurrency: 1})}), {shards: 'count = 1'});
  await until('the limits', async () => (await server.stats()).identify?.max_concurrency === 1);
  const agent = server.agent(await server.register(1), 'spikey-bot.js');
  await server.running(1);
  const {remaining} = (await server.stats()).identify;
  const {pid} = await until('its bot', () => server.bots()[0]);
  process.kill(pid, 'SIGKILL');
  await agent.says(/asks the master when the bot may log in again/);
  await until('the bot to run again', () => server.bots().length === 2);
  await until('the login to count', async () => (await server.stats()).identify.remaining === remaining - 1);
});
