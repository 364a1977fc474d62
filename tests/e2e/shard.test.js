// smaster shard: one shard in detail, as one looks at it at night.
import assert from 'node:assert/strict';
import {test} from 'node:test';
import {serve, until} from './harness.js';

test('a shard is shown by its id or name: an agent\'s, a plain one, one that has left', async (t) => {
  const server = await serve(t, '[shards]\ncount = 2\n[heartbeat]\ninterval = "500ms"\n');
  const [first, second] = await server.register(2);
  server.agent([first], 'spikey-bot.js');
  const plain = server.shard(second);
  await server.running(2);
  const idOf = async ({id}) => (await server.stats()).shards.find((row) => row.id === id).goalShardId;
  const [agents, plains] = [await idOf(first), await idOf(second)];
  const show = async (...args) => (await server.tool(['shard', ...args])).stdout;

  const bot = await until('its bot', () => server.bots()[0]);
  await until('the bot\'s report', async () => new RegExp(`bot +running, process ${bot.pid}, started \\d+ s ago`).test(await show(`${agents}`)));
  const page = await show(`${agents}`);
  assert.match(page, new RegExp(`^shard ${agents} \\(${first.id}\\): running\n  goal +${agents} of 2\n  runs +${agents} of 2\n  at +127.0.0.1, agent \\d`));
  assert.match(page, /\n {2}seen +\d+ s ago\n/);
  assert.match(page, /\n {2}CPU +(\d+ % of a core|-)\n {2}host CPU +\d+ %.*\n {2}memory .*\n {2}ping .*\n {2}messages /);
  assert.match(page, new RegExp(`\n  try +smaster eval --shard ${agents} SCRIPT\n  try +smaster respawn --shard ${agents}\n(  event +\\d{4}-.*\n)+$`));
  assert.equal((await show(first.id)).split('\n')[0], page.split('\n')[0]);

  assert.match(await show(`${plains}`), /bot +no agent reports about it\n/);
  plain.socket.disconnect();
  await until('it to be gone', async () => /^shard \d \(\w+\): offline\n/.test(await show(second.id)));
  assert.match(await show(second.id), /at +not connected\n[^]*try +look at its host/);

  assert.match(await show(second.id), /\n {2}report +its last one, \d+ s ago: what follows was so then\n {2}bot /);
  assert.doesNotMatch(await show(first.id), /what follows was so then/);

  const {id, state} = JSON.parse(await show(`${agents}`, '--json'));
  assert.deepEqual({id, state}, {id: first.id, state: 'running'});
});

test('a process with several ids is found by each, and shows all that it runs', async (t) => {
  const server = await serve(t, '[shards]\ncount = 2\n');
  server.agent(await server.register(1), 'spikey-bot.js', {flags: ['--shards-per-process', '2']});
  for (const id of ['0', '1']) {
    await until('both ids', async () => /^shard 0,1 \(\w+\): .*\n {2}goal +0,1 of 2\n {2}runs +0,1 of 2\n/.test((await server.tool(['shard', id])).stdout));
  }
});

test('CPU is that of the bot, not of its machine', async (t) => {
  const server = await serve(t, '[shards]\ncount = 2\n');
  const configs = await server.register(2);
  for (const config of configs) server.agent([config], 'spikey-bot.js');
  await server.answering(2);
  // Works half of the time, for as long as the test takes.
  await server.evaluate('setInterval(() => { const end = Date.now() + 500; while (Date.now() < end); }, 1000) && 0', ['--shard', '0']);
  const cpu = async (id) => (await server.stats()).shards.find((row) => row.goalShardId === id).stats.bot.cpu;
  await until('the busy bot to be seen', async () => await cpu(0) > 0.1);
  await until('the idle one to be seen beside it', async () => { const [busy, idle] = [await cpu(0), await cpu(1)]; return busy > 0.1 && idle >= 0 && idle < busy / 2; });
  assert.match((await server.tool(['stats', '--prometheus'])).stdout, /^smaster_shard_bot_cpu_cores\{name="\w+"\} \d/m);
});

test('what is no shard is said so', async (t) => {
  const server = await serve(t, '[shards]\ncount = 1\n');
  for (const [arg, code, words] of [['7', 64, /no shard has the id 7; the goal is 1 shards/], ['zzz', 64, /no shard is named "zzz"/], ['a/b', 64, /no shard id, such as 7/], ['99999999999', 64, /not a shard id/]]) {
    const result = await server.tool(['shard', arg]);
    assert.equal(result.code, code, arg + result.stderr);
    assert.match(result.stderr, words);
  }
});
