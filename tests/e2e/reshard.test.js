// Changes of the shard count, several ids in one process, bots that fail repeatedly.
import assert from 'node:assert/strict';
import {test} from 'node:test';
import {serve, until} from './harness.js';


const ids = (stats) => stats.shards.filter((shard) => !shard.isMaster && shard.goalShardId >= 0);
const lines = (text) => text.trim().split('\n').map((line) => JSON.parse(line));

test('rolling goes from two to three shards, and the goal outlives the server', async (t) => {
  const server = await serve(t, '[shards]\ncount = 2\n');
  const configs = await server.register(3);
  configs.slice(0, 2).forEach((config) => server.shard(config));
  await server.running(2);
  const dry = lines((await server.tool(['reshard', '3', '--strategy', 'rolling', '--dry-run', '--json'])).stdout);
  assert.deepEqual(dry.map((line) => Object.keys(line)[0]), ['plan']);
  assert.equal(dry[0].plan.moves.length, 2);
  assert.equal(dry[0].plan.up_in_the_end, 2);
  assert.equal((await server.stats()).goal, 2);
  server.shard(configs[2]);
  await until('the spare', async () => (await server.stats()).current === 3);
  const done = await server.tool(['reshard', '3', '--strategy', 'rolling', '--wait']);
  assert.equal(done.code, 0, done.stderr);
  assert.match(done.stdout, /^from 2 to 3 shards, rolling: 3 logins/);
  assert.match(done.stdout, /3 of 3 up, 0 starting/);
  assert.deepEqual(ids(await server.stats()).map((shard) => shard.currentShardCount), [3, 3, 3]);
  await server.end();
  await server.start();
  await server.running(3);
  assert.equal((await server.stats()).goal, 3);
});

test('blue/green needs spares, and stops the old ones when the new ones are up', async (t) => {
  const server = await serve(t, '[shards]\ncount = 1\n');
  const configs = await server.register(3);
  const old = server.shard(configs[0]);
  await server.running(1);
  const refused = await server.tool(['reshard', '2', '--strategy', 'blue-green']);
  assert.equal(refused.code, 64);
  assert.match(refused.stderr, /there is room for 0/);
  configs.slice(1).forEach((config) => server.shard(config));
  await until('the spares', async () => (await server.stats()).current === 3);
  const done = await server.tool(['reshard', '2', '--strategy', 'blue-green', '--wait']);
  assert.equal(done.code, 0, done.stderr);
  assert.equal(old.updates.at(-1).id, -1);
  assert.ok(old.updates.every((update) => update.count !== 2), 'the old one never had the new count');
});

test('an agent with two processes of two ids each: SHARDS, evals once a process, a lost id moves', async (t) => {
  const server = await serve(t, '[shards]\ncount = 4\n');
  const [config] = await server.register(1);
  const agent = server.agent([config], 'spikey-bot.js', {flags: ['--processes', '2', '--shards-per-process', '2', '--host', 'fra1']});
  const stats = await server.running(4);
  const rows = stats.shards.filter((shard) => !shard.isMaster);
  assert.deepEqual(rows.map((row) => [row.id, row.goalShardIds, row.host, row.capacity]),
    [[config.id, [0, 1], 'fra1', 2], [`${config.id}-1`, [2, 3], 'fra1', 2]]);
  const answered = await until('the bots to answer', async () => {
    const {stdout, code} = await server.tool(['eval', 'process.env.SHARDS + "/" + process.env.SHARD_COUNT', '--json']);
    return code === 0 && stdout;
  });
  assert.match(answered, /"shards":\[0,1\].*"\[0,1\]\/4"/);
  assert.match(answered, /"shards":\[2,3\].*"\[2,3\]\/4"/);
  assert.equal(await agent.end(), 0);
});

test('a bot that fails again and again is parked, shown, and let go by respawn', async (t) => {
  const server = await serve(t, '[shards]\ncount = 1\n');
  const [config] = await server.register(1);
  server.agent([config], ['/bin/sh', '-c', 'exit 3'], {flags: ['--restart-delay', '20ms', '--restart-delay-max', '40ms']});
  const parked = await until('it to be parked', async () => (await server.stats()).shards.find((shard) => shard.state === 'parked'));
  assert.ok(parked.parkedUntil > Date.now() + 30_000);
  assert.match(server.log, /fails again and again, at last with .*3.*: it is parked for 1m; "smaster respawn --shard 0" lets it try now/);
  const {deaths} = parked.stats.bot;
  assert.equal((await server.tool(['respawn', '--shard', '0'])).code, 0);
  await until('it to try again', async () => (await server.stats()).shards[0].stats.bot.deaths > deaths);
  assert.ok(Date.now() < parked.parkedUntil, 'it was let go before its time');
});
