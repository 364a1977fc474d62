// The agent with real bots: discord.js children, SpikeyBot's kind, and a shell script.
import assert from 'node:assert/strict';
import {existsSync, readFileSync} from 'node:fs';
import {test} from 'node:test';
import {alive, serve, until} from './harness.js';

const four = '[shards]\ncount = 4\n';

/** Four agents with discord.js bots, all running and answering. */
async function fleet(t, settings = four, options = {}) {
  const server = await serve(t, settings);
  const configs = await server.register(4);
  const agents = configs.map((config) => server.agent([config], 'discord-bot.js', options));
  await server.running(4);
  await server.answering(4);
  return {server, agents, configs};
}

test('discord.js children under four agents use their ShardClientUtil as under ShardingManager', async (t) => {
  const {server} = await fleet(t);
  const ask = async (script) => {
    const [line] = await server.evaluate(script, ['--shard', '1']);
    return line.error ?? line.result;
  };
  assert.deepEqual(await ask('this.shard.broadcastEval((c) => c.shard.ids[0])'), [0, 1, 2, 3]);
  assert.deepEqual(await ask('this.shard.broadcastEval((c, {add}) => c.shard.ids[0] + add, {context: {add: 10}})'), [10, 11, 12, 13]);
  assert.equal(await ask('this.shard.broadcastEval((c) => c.shard.ids[0], {shard: 2})'), 2);
  assert.deepEqual(await ask('this.shard.broadcastEval(() => undefined)'), [null, null, null, null]);
  assert.deepEqual(await ask('this.shard.fetchClientValues("favourites.colour")'), ['blue0', 'blue1', 'blue2', 'blue3']);
  assert.equal(await ask('this.shard.fetchClientValues("favourites.colour", 3)'), 'blue3');
  assert.deepEqual(await ask('this.shard.fetchClientValues("guilds.cache.size")'), [0, 0, 0, 0]);
  assert.deepEqual(await ask('[this.shard.count, this.options.shards]'), [4, [1]]);

  const error = (script) => ask(`${script}.then(() => "no error", ({name, message, stack}) => ({name, message, stack}))`);
  const thrown = await error('this.shard.broadcastEval((c) => { if (c.shard.ids[0] === 2) throw new RangeError("two"); })');
  assert.equal(thrown.name, 'RangeError');
  assert.equal(thrown.message, 'two');
  assert.match(thrown.stack, /^RangeError: two\n.*at /s);
  const nowhere = await error('this.shard.broadcastEval(() => 1, {shard: 9})');
  assert.equal(nowhere.message, 'Shard 9 could not be found.');
  assert.match(nowhere.name, /ShardingShardNotFound/);
  assert.equal((await error('this.shard.fetchClientValues("nothing.at.all")')).name, 'TypeError');

  // Equal scripts at once: each runs in each bot, and each requester gets an answer.
  const many = await ask('Promise.all([1, 2, 3].map(() => this.shard.broadcastEval((c) => ++c.counter > 0)))');
  assert.deepEqual(many, Array(3).fill(Array(4).fill(true)));
  await until('each of the three to have run in each bot', async () =>
    (await server.evaluate('this.counter')).every((line) => line.result === 3));
  const both = await Promise.all([server.evaluate('++this.counter'), server.evaluate('++this.counter')]);
  assert.deepEqual(both.flat().map((line) => line.result).sort(), [4, 4, 4, 4, 5, 5, 5, 5]);
});

test('what discord.js says of its login is shown, and respawnAll rolls through the shards', async (t) => {
  const {server} = await fleet(t, four, {env: {BOT_READY: '50'}});
  const ready = () => until('all to be ready', async () => {
    const {shards} = await server.stats();
    return shards.every((shard) => shard.state === 'running' && shard.stats.bot?.ready) && shards;
  });
  const before = await ready();
  await server.evaluate('this.emit("shardDisconnect", {}, 2)', ['--shard', '2']);
  await until('shard 2 to be offline at Discord', async () =>
    (await server.stats()).shards.find((shard) => shard.goalShardId === 2).state === 'disconnected');
  await server.evaluate('this.emit("shardResume", 2, 0)', ['--shard', '2']);
  await ready();

  await server.evaluate('this.shard.respawnAll({shardDelay: 1000, respawnDelay: 0, timeout: 20000})', ['--shard', '0']);
  const after = await until('all to have other processes', async () => {
    const shards = await ready();
    return shards.every((shard, i) => shard.stats.bot.pid !== before[i].stats.bot.pid) && shards;
  });
  assert.equal(server.bots().length, 8);
  const order = server.bots().slice(4).map((entry) => entry.id);
  assert.deepEqual(order, ['0', '1', '2', '3']);
  const starts = after.sort((a, b) => a.goalShardId - b.goalShardId).map((shard) => shard.stats.startTime);
  for (let i = 1; i < 4; ++i) assert.ok(starts[i] - starts[i - 1] >= 500, `${starts}`);
});

test('kill -9 of a bot, an agent and the server in turn heals, and no id runs twice', async (t) => {
  const {server, agents} = await fleet(t, `${four}[heartbeat]\ninterval = "300ms"\nassume_dead_after = "30s"\n`);
  const shard = async (id) => (await server.stats()).shards.find((row) => row.goalShardId === id);

  await until('all bots to run', () => server.bots().length === 4);
  const first = server.bots().find((entry) => entry.id === '0').pid;
  process.kill(first, 'SIGKILL');
  await until('the bot of shard 0 to be back', async () => {
    const {state, stats} = await shard(0);
    return server.bots().length === 5 && state === 'running' && stats.bot.deaths === 1 && stats.bot.lastExit === 'signal 9';
  });
  assert.match((await server.tool(['stats'])).stdout, /DEATHS/);

  const agent = agents[1];
  const names = server.bots();
  const old = names.filter((entry) => entry.name === agent.configs[0].id).at(-1);
  await agent.end('SIGKILL');
  agent.start();
  await until('the killed agent\'s bot to be gone', () => !alive(old.pid));
  await until('the new agent\'s bot to run', async () => server.bots().length === 6 && (await server.stats()).configured === 4);
  await server.answering(4);

  await server.end('SIGKILL');
  assert.ok(server.bots().filter(({pid}) => alive(pid)).length === 4, 'bots go on without their master');
  const pids = server.bots().filter(({pid}) => alive(pid)).map(({pid}) => pid).sort();
  await server.start();
  await server.running(4);
  assert.deepEqual(server.bots().filter(({pid}) => alive(pid)).map(({pid}) => pid).sort(), pids, 'no bot was restarted for it');
  const [{result, error}] = await server.evaluate('this.shard.broadcastEval((c) => c.shard.ids[0])', ['--shard', '3']);
  assert.deepEqual(result ?? error, [0, 1, 2, 3]);
});

test('a stopped agent takes its bot with it, and everything that the bot started', async (t) => {
  const server = await serve(t, '[shards]\ncount = 1\n');
  const [config] = await server.register(1);
  const silent = [new URL('bots/silent-bot.sh', import.meta.url).pathname];
  for (const signal of ['SIGTERM', 'SIGKILL']) {
    const agent = server.agent([config], silent);
    await server.running(1);
    const {pid} = await until('the bot to run', () => server.bots().findLast((entry) => alive(entry.pid)));
    const child = Number(readFileSync(`${server.botLog}.child`, 'utf8'));
    assert.ok(alive(child));
    assert.deepEqual(await server.evaluate('1'), [{shard: 0, name: config.id, error: {name: 'Error', message: 'not supported by this bot', stack: 'Error: not supported by this bot'}}]);
    const {stats} = (await server.stats()).shards[0];
    assert.ok(stats.memRSS > 100_000, `${stats.memRSS} bytes`);
    assert.ok(stats.cpuLoad.length > 0 && stats.cpus.length === stats.cpuLoad.length);
    await agent.end(signal);
    await until(`the bot to be gone after ${signal}`, () => !alive(pid) && !alive(child));
    await until('the server to have noticed', async () => (await server.stats()).current === 0);
  }
});

test('one agent runs several configs, marks their output, and ends with all its bots', async (t) => {
  const server = await serve(t, '[shards]\ncount = 3\n');
  const configs = await server.register(3);
  const agent = server.agent(configs, ['/bin/sh', '-c', 'echo "I am $SHARD_ID"; printf no-newline; exec "$0" "$@"', process.execPath, new URL('bots/discord-bot.js', import.meta.url).pathname],
    {flags: ['--prefix']});
  await server.running(3);
  await server.answering(3);
  for (const {id, name} of server.bots()) assert.match(agent.output, new RegExp(`^\\[${name} ${id}\\] I am ${id}$`, 'm'));
  assert.deepEqual((await server.evaluate('this.shard.broadcastEval((c) => c.shard.ids[0])', ['--shard', '2']))[0].result, [0, 1, 2]);
  const pids = server.bots().map(({pid}) => pid);
  assert.equal(await agent.end('SIGTERM'), 0);
  assert.deepEqual(pids.filter(alive), []);
  assert.match(agent.output, /^\[\w+ \d\] no-newline$/m, 'a last line without its end is not lost');
});

test('bots send each other messages and requests, by shard, by guild and to all', async (t) => {
  const server = await serve(t, '[shards]\ncount = 4\n');
  const configs = await server.register(4);
  for (const config of configs.slice(0, 3)) server.agent([config], 'spikey-bot.js');
  await server.running(3);
  await server.answering(3);
  const plain = server.shard(configs[3]); // no agent: it cannot be sent messages
  await server.running(4);
  const by = Object.fromEntries(server.bots().map(({id, name}) => [id, name]));
  const ids = Object.keys(by).map(Number).sort();
  const [one, two, three] = ids;
  const ask = async (message) => {
    const [line] = await server.evaluate(`this.ask(${JSON.stringify({_sId: Math.random(), ...message})}).then((ok) => ({ok}), ({message}) => ({error: message}))`, ['--shard', `${one}`]);
    return line.result;
  };
  const received = async (shard) => (await server.evaluate('this.received', ['--shard', `${shard}`]))[0].result;

  assert.deepEqual(await ask({_sRequest: {a: [1]}, _sTo: {shard: two}}), {ok: {echo: {a: [1]}, from: one, by: `${two}`}});
  const guild = String((12345n * 4n + BigInt(three)) << 22n);
  assert.equal((await ask({_sRequest: 'g', _sTo: {guild}})).ok.by, `${three}`);
  assert.deepEqual(await ask({_sRequest: 'fail', _sTo: {shard: two}}), {error: 'no'});
  assert.match((await ask({_sRequest: 'never', _sTo: {shard: two}, _sTimeout: 200})).error, /no answer within 200ms/);
  const all = (await ask({_sRequest: 'all', _sTo: 'all', _sTimeout: 5000})).ok;
  const plainId = [0, 1, 2, 3].find((id) => !ids.includes(id));
  assert.deepEqual(all.map((entry) => [entry.shard, entry.result?.by ?? entry.error]),
    [0, 1, 2, 3].filter((id) => id !== one).map((id) => [id, id === plainId ? 'run by no agent, which this needs' : `${id}`]));
  assert.match((await ask({_sRequest: 1, _sTo: {shard: plainId}})).error, /no agent/);
  assert.match((await ask({_sRequest: 1, _sTo: {shard: 99}})).error, /no shard of the goal/);
  for (const to of [undefined, null, 5, 'everybody', {}, {guild: 'x'}]) assert.match((await ask({_sRequest: 1, _sTo: to})).error, /message is for|no guild id/);

  assert.deepEqual(await ask({_sMessage: 'hi', _sTo: 'all'}), {ok: 2});
  assert.deepEqual(await ask({_sMessage: {n: 1}, _sTo: {shard: three}}), {ok: 1});
  await until('the messages', async () => (await received(three)).length === 2 && (await received(two)).length === 1);
  assert.deepEqual(await received(three), [{data: 'hi', from: one}, {data: {n: 1}, from: one}]);
  assert.deepEqual(await received(one), []);
  assert.deepEqual(plain.updates.at(-1).count, 4);
});

test('a bot that dies again and again is shown, and released by a respawn', async (t) => {
  const server = await serve(t, '[shards]\ncount = 1\n');
  const [config] = await server.register(1);
  server.agent([config], ['/bin/sh', '-c', 'exit 3'], {flags: ['--restart-delay', '500ms']}); // so that it is not parked at once
  const row = await until('it to be shown', async () => {
    const {shards} = await server.stats();
    return shards[0].state === 'crashing' && shards[0];
  });
  assert.equal(row.stats.bot.lastExit, 'exit 3');
  assert.ok(row.stats.bot.deaths >= 3);
  assert.match((await server.tool(['stats'])).stdout, /crashing|parked/);
  assert.match((await server.tool(['stats', '--prometheus'])).stdout, /smaster_shard_bot_crash_loop\{name="\w+"\} 1/);
  assert.match((await server.tool(['stats', '--csv'])).stdout, /,exit 3/);
});

test('when its keeper is killed the bot goes too, with what it had started, before it is started again', async (t) => {
  const server = await serve(t, '[shards]\ncount = 1\n');
  const [config] = await server.register(1);
  server.agent([config], [new URL('bots/silent-bot.sh', import.meta.url).pathname]);
  await server.running(1);
  const {pid} = await until('the bot', () => server.bots()[0]);
  const child = await until('its child', () => existsSync(`${server.botLog}.child`) && Number(readFileSync(`${server.botLog}.child`, 'utf8')));
  const keeper = Number(readFileSync(`/proc/${pid}/stat`, 'utf8').match(/\) \S (\d+)/)[1]);
  process.kill(keeper, 'SIGKILL');
  await until('another bot', () => server.bots().length === 2);
  assert.ok(!alive(pid) && !alive(child));
});
