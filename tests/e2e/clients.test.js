// The clients of packaging/clients, with which a bot speaks to its agent: in bots without a library, and beside discord.js.
import assert from 'node:assert/strict';
import {readFileSync, writeFileSync} from 'node:fs';
import path from 'node:path';
import {test} from 'node:test';
import {StandIn} from '../discord/stand-in.js';
import {alive, serve, until} from './harness.js';

const clients = new URL('../../packaging/clients', import.meta.url).pathname;

test('the clients in Python and JavaScript do what the channel can', async (t) => {
  const server = await serve(t, '[shards]\ncount = 2\n');
  const configs = await server.register(2);
  const python = server.agent([configs[0]], ['python3', `${clients}/python/bot.py`]);
  server.agent([configs[1]], [process.execPath, `${clients}/node/bot.js`]);
  const rows = await until('both to be ready', async () => {
    const {shards} = await server.stats();
    return shards.every((shard) => shard.stats?.bot?.ready && shard.stats.ping === 42) && shards;
  });
  assert.ok(rows.every((row) => row.stats.memRSS > 1e6 && row.stats.messageCountTotal > 0));
  const py = rows.find((row) => row.id === configs[0].id).goalShardId;
  const js = 1 - py;
  const languages = await server.evaluate('bot.language');
  assert.deepEqual(languages.map((line) => [line.shard, line.result]).sort(), [[py, 'Python'], [js, 'JavaScript']].sort());
  const ask = async (script, shard = py) => {
    const [line] = await server.evaluate(script, ['--shard', `${shard}`]);
    return line.error ? line.error.message : line.result;
  };
  assert.deepEqual([...await ask('bot.channel.eval("bot.count")')], [2, 2]);
  assert.equal(await ask(`bot.channel.eval("bot.language", shard=${js})`), 'JavaScript');
  assert.deepEqual((await ask('bot.channel.fetch("language")')).sort(), ['JavaScript', 'Python']);
  assert.equal(await ask('bot.nothing'), "'Bot' object has no attribute 'nothing'");
  assert.match(await ask('bot.channel.request(1, shard=99)'), /no shard of the goal/);
  assert.deepEqual(await ask(`bot.channel.request("x", shard=${py})`), {'you said': 'x', 'you are': py, 'I am': py});
  assert.equal(await ask('object()'), 'Object of type object is not JSON serializable');
  assert.equal(await ask('"\\U0001F600"'), '\u{1F600}');
  assert.equal(await ask('__import__("subprocess").run(["printenv", "NODE_CHANNEL_FD"]).returncode'), 1, 'its children have no channel');
  for (const [script, result] of [
    ['bot.channel.eval("bot.count")', [2, 2]],
    [`bot.channel.eval("bot.language", {shard: ${py}})`, 'Python'],
    ['bot.channel.fetch("language").then((all) => all.sort())', ['JavaScript', 'Python']],
    [`bot.channel.request("x", {shard: ${js}})`, {'you said': 'x', 'you are': js, 'I am': js}],
    ['bot.channel.request("x").then((all) => all.map(({shard, result}) => [shard, result["you are"]]))', [[py, js]]],
    ['bot.channel.send("hello")', 1],
    ['bot.channel.sql("SELECT 1 AS one")', [{one: 1}]],
    ['bot.channel.sql("SELECT nonsense").catch(({message}) => /nonsense/.test(message))', true],
    ['bot.nothing.at.all', "Cannot read properties of undefined (reading 'at')"],
    ['(() => { throw null; })()', 'null was thrown'],
    ['10n', 'Do not know how to serialize a BigInt'],
    ['bot.channel.shards', [js]],
  ]) assert.deepEqual(await ask(script, js), result, script);
  await until('the message', () => python.output.includes(`shard ${js} says 'hello'`));
  const pid = rows.find((row) => row.id === configs[0].id).stats.bot.pid;
  await python.end('SIGTERM');
  assert.match(python.output, /the Python bot ends/);
  assert.ok(!alive(pid));
});

test('beside discord.js the client has messages, requests and SQL, and leaves evals to client.shard', async (t) => {
  const server = await serve(t, '[shards]\ncount = 2\n');
  const configs = await server.register(2);
  for (const config of configs) server.agent([config], 'discord-channel-bot.js');
  await server.running(2);
  await server.answering(2);
  const lines = await server.evaluate('this.smaster.request("x", {shard: 1 - this.smaster.shardId})');
  assert.deepEqual(lines.map(({shard, result}) => [shard, result]).sort(), [[0, {said: 'x', from: 0}], [1, {said: 'x', from: 1}]]);
  assert.deepEqual((await server.evaluate('this.shard.broadcastEval((client) => client.smaster.shardId)')).map(({result}) => result.sort()), [[0, 1], [0, 1]]);
  assert.deepEqual((await server.evaluate('this.smaster.sql("SELECT 1 AS one")')).map(({result}) => result), [[{one: 1}], [{one: 1}]]);
});

/** Bots of both languages that ask before they log in, and write when they may. */
const asking = (told) => ({
  'bot.cjs': [process.execPath, `
    const {appendFileSync} = require('node:fs');
    const {Channel} = require(${JSON.stringify(`${clients}/node`)});
    const channel = new Channel();
    channel.asksBeforeLogins('mine');
    channel.identify(channel.shardId).then((permit) => {
      appendFileSync(${JSON.stringify(told)}, Date.now() + ' ' + (Number(process.hrtime.bigint() / 1000000n) < permit.until) + '\\n');
      permit.sent();
      channel.gateway(channel.shardId, 'ready', {guilds: 3});
    });`],
  'bot.py': ['python3', `
import sys, time
sys.path.insert(0, ${JSON.stringify(`${clients}/python`)})
from smaster_channel import Channel
channel = Channel()
channel.start()
channel.asks_before_logins("mine")
permit = channel.identify(channel.shard_id)
with open(${JSON.stringify(told)}, "a") as told:
    told.write(f"{time.time() * 1000} {str(time.monotonic() * 1000 < permit.until).lower()}\\n")
permit.sent()
channel.gateway(channel.shard_id, "ready", guilds=3)
time.sleep(100000)
`],
});

test('bots that ask with the clients log in one after the other', async (t) => {
  const discord = await new StandIn({}).listen();
  t.after(() => discord.close());
  const server = await serve(t, '');
  const token = path.join(server.folder, 'token');
  writeFileSync(token, 'the token\n', {mode: 0o600});
  server.configure(`[shards]\ncount = 2\ntoken_file = "${token}"\n[discord]\napi_base = "${discord.api}"\n`);
  await server.end();
  await server.start();
  await until('the limits', async () => (await server.stats()).identify);
  const told = path.join(server.folder, 'told');
  const configs = await server.register(2);
  for (const [i, [name, [program, text]]] of Object.entries(asking(told)).entries()) {
    writeFileSync(path.join(server.folder, name), text);
    server.agent([configs[i]], [program, path.join(server.folder, name)]);
  }
  await until('both to be logged in', async () => (await server.stats()).shards.every(({stats}) => stats?.bot?.gateways?.[0]?.state === 'ready'));
  const lines = readFileSync(told, 'utf8').trim().split('\n').map((line) => line.split(' '));
  assert.deepEqual(lines.map(([, intime]) => intime), ['true', 'true']);
  assert.ok(Number(lines[1][0]) - Number(lines[0][0]) >= 4900, `${lines}`);
  for (const {stats} of (await server.stats()).shards) assert.deepEqual([stats.bot.gateways[0].logins, stats.bot.gateways[0].guilds], [1, 3]);
});

test('the types are those of the client for Node.js', () => {
  const types = readFileSync(`${clients}/node/index.d.ts`, 'utf8').split('export class Channel {')[1];
  const code = readFileSync(`${clients}/node/index.js`, 'utf8').split('class Channel {')[1];
  const methods = new Set([...code.matchAll(/^  (?:async )?([a-z]\w*)\(/gm)].map(([, name]) => name));
  assert.deepEqual(new Set([...types.matchAll(/^  ([a-z]\w*)\(/gm)].map(([, name]) => name)), methods);
});
