// Planned is not failed: agents that stop cleanly give their ids to spares at once, and drained hosts are emptied and kept empty.
import assert from 'node:assert/strict';
import path from 'node:path';
import {test} from 'node:test';
import {bin, run, serve, until} from './harness.js';

const settings = (count) => `[shards]\ncount = ${count}\n[limits]\nconn_count = 1000\n`;
const on = (stats, host) => stats.shards.filter((row) => row.host === host);
const ids = (rows) => rows.map((row) => row.goalShardId).sort();
const connected = (server, count) => until(`${count} connected`, async () => (await server.stats()).current === count);
const lines = (text) => text.trim().split('\n').map((line) => JSON.parse(line));

/** An agent with so many processes on a host. */
const host = (server, config, label, processes) => server.agent([config], 'discord-bot.js', {flags: ['--processes', `${processes}`, '--host', label]});

test('a spare has the ids of an agent that stops cleanly at once; without one they wait for its return', async (t) => {
  const server = await serve(t, settings(1));
  const [first, second] = await server.register(2);
  const agent = server.agent([first], 'discord-bot.js');
  await server.running(1);
  assert.equal(await agent.end('SIGTERM'), 0);
  await connected(server, 0);
  assert.deepEqual((await server.stats()).shards.map((row) => [row.goalShardId, row.currentShardId, row.left]), [[0, -1, true], [-1, -1, undefined]], 'it may be back soon');
  assert.match((await server.tool(['shard', '0'])).stdout, /try +its agent was stopped, and nothing runs; start it again/);
  agent.start();
  await server.running(1);
  const spare = server.agent([second], 'discord-bot.js');
  await connected(server, 2);
  assert.equal(await agent.end('SIGTERM'), 0);
  const stats = await server.running(1);
  assert.equal(stats.shards.find((row) => row.id === second.id).goalShardId, 0);
  agent.start();
  await connected(server, 2);
  // A crash is none: the id is kept, since its bot might run.
  await spare.end('SIGKILL');
  await connected(server, 1);
  const kept = await until('the row of the lost one', async () => (await server.stats()).shards.find((row) => row.id === second.id && row.state === 'offline'));
  assert.equal(kept.goalShardId, 0);
  server.bots();
});

test("drain moves a host's ids away and keeps it empty over a restart, until undrain", async (t) => {
  const server = await serve(t, settings(2));
  const [first, second] = await server.register(2);
  host(server, first, 'fra1', 2);
  await server.running(2);
  const other = host(server, second, 'ams1', 2);
  await connected(server, 4);

  const dry = await server.tool(['drain', 'fra1', '--dry-run', '--json']);
  assert.equal(dry.code, 0, dry.stderr);
  const [{plan}] = lines(dry.stdout);
  assert.deepEqual([plan.host, plan.stay, plan.logins, plan.up_in_the_end, plan.moves.map((move) => move.host)], ['fra1', 0, 2, 2, ['fra1', 'ams1', 'fra1', 'ams1']]);
  const unasked = await server.tool(['drain', 'fra1']);
  assert.equal(unasked.code, 64);
  assert.match(unasked.stdout, /^away from host fra1: 2 logins, 1\d\.\d s when every start takes 5 s\nAT +NAME +HOST +RUNS +WILL RUN\n/);
  assert.match(unasked.stderr, /nothing was done, .*say --yes.*fra1 gets no shard ids until "smaster undrain fra1"\./);
  const unknown = await server.tool(['drain', 'fra2', '--yes']);
  assert.equal(unknown.code, 64);
  assert.match(unknown.stderr, /no shard is on a host "fra2"; hosts with shards: ams1, fra1/);
  assert.deepEqual(ids(on(await server.stats(), 'fra1')), [0, 1], 'nothing was done');

  const done = await server.tool(['drain', 'fra1', '--yes']);
  assert.equal(done.code, 0, done.stderr);
  assert.match(done.stdout, /0 shard ids still on the host, 0 shards starting/);
  const stats = await server.running(2);
  assert.deepEqual([stats.drained, stats.states.drained, ids(on(stats, 'ams1'))], [['fra1'], 2, [0, 1]]);
  assert.deepEqual(on(stats, 'fra1').map((row) => [row.state, row.drained, row.currentShardId]), [['drained', true, -1], ['drained', true, -1]]);
  assert.match((await server.tool(['stats'])).stdout, /^drained hosts, which get no shard ids until "smaster undrain HOST": fra1$/m);
  const page = (await server.tool(['shard', first.id])).stdout;
  assert.match(page, /shard without an id \(aaa\): drained/);
  assert.match(page, /at +fra1 \(drained\), /);
  assert.match(page, /try +smaster undrain fra1/);

  await server.end();
  await server.start();
  await server.running(2);
  assert.equal(await other.end('SIGTERM'), 0);
  await connected(server, 2);
  assert.deepEqual(ids(on(await server.stats(), 'fra1')), [-1, -1], 'ids that are free do not go there');
  assert.equal((await server.tool(['undrain', 'fra1'])).code, 0);
  assert.deepEqual(ids(on(await server.running(2), 'fra1')), [0, 1]);
  const again = await server.tool(['undrain', 'fra1']);
  assert.equal(again.code, 64);
  assert.match(again.stderr, /host "fra1" is not drained; no host is/);
  server.bots();
});

test('what other hosts have no room for runs on, and is said; on a terminal drain asks', async (t) => {
  const server = await serve(t, settings(2));
  const [first, second] = await server.register(2);
  host(server, first, 'fra1', 2);
  await server.running(2);
  host(server, second, 'ams1', 1);
  await connected(server, 3);
  const onTerminal = (answer) => run('script', ['-qec', `${path.resolve(bin, 'smaster')} drain fra1`, '/dev/null'],
    {input: answer, env: {SMASTER_SOCKET: server.socket, TERM: 'xterm', LC_ALL: 'C.UTF-8'}});
  const no = await onTerminal('n\n');
  assert.equal(no.code, 1);
  assert.match(no.stdout, /nothing was done/);
  assert.equal((await server.stats()).drained, undefined);
  const yes = await onTerminal('y\n');
  assert.equal(yes.code, 1, yes.stdout);
  assert.match(yes.stdout, /1 shard id stays on host fra1: other hosts have no room; start more agents there[^]*Go on\? \[y\/N\][^]*1 shard id stays/);
  const stats = await server.running(2);
  assert.deepEqual([ids(on(stats, 'fra1')), ids(on(stats, 'ams1'))], [[-1, 1], [0]]);
  assert.equal((await server.tool(['drain', 'fra1', '--yes', '--no-wait'])).code, 1);
  const ended = lines((await server.tool(['drain', 'fra1', '--yes', '--json'])).stdout).at(-1);
  assert.deepEqual(ended, {end: {done: false, replaced: false, stay: true}});
  // A host that is drained, too, has room: that is said.
  const last = await server.tool(['drain', 'ams1', '--dry-run']);
  assert.match(last.stdout, /^1 shard id stays on host ams1: other hosts have no room; start more agents there, or "smaster undrain HOST": drained hosts have room \(fra1 for 1\)$/m);
  server.bots();
});
