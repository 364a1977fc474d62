// The list of events: what happened and why, who asked for it, kept over restarts, followed as it happens.
import assert from 'node:assert/strict';
import {spawn} from 'node:child_process';
import path from 'node:path';
import {test} from 'node:test';
import {postgres} from './databases.js';
import {bin, serve, until} from './harness.js';

const events = async (server, ...args) => {
  const {code, stdout, stderr} = await server.tool(['events', '--json', '--lines', '1000', ...args]);
  assert.equal(code, 0, stderr);
  return stdout.split('\n').filter(Boolean).map((line) => JSON.parse(line));
};
const kinds = async (server, ...args) => (await events(server, ...args)).map((event) => event.kind);

test('a bot\'s life is told: connected, assigned, started, ready, died with its status, dead', async (t) => {
  const server = await serve(t, '[shards]\ncount = 1\n[heartbeat]\ninterval = "500ms"\nassume_dead_after = "3s"\nrequest_reboot_after = "2s"\nexpect_reboot_after = "2500ms"\n');
  const [config] = await server.register(1);
  const agent = server.agent([config], 'spikey-bot.js', {flags: ['--restart-delay', '100ms']});
  await server.running(1);
  const bot = await until('its bot', () => server.bots()[0]);
  process.kill(bot.pid, 'SIGKILL');
  await until('its death', async () => (await kinds(server)).includes('died'));
  const died = (await events(server, '--kind', 'died'))[0];
  assert.match(died.text, new RegExp(`^the bot of shard ${config.id} died \\(signal 9\\)`));
  assert.deepEqual([died.shard, died.ids, died.severity], [config.id, [0], 'warn']);
  await until('its new start', async () => (await kinds(server, '--kind', 'started')).length >= 1);
  await agent.end('SIGKILL');
  await until('it to be dead', async () => (await kinds(server)).includes('dead'));

  const all = await kinds(server, '--shard', config.id);
  for (const kind of ['connected', 'assigned', 'died', 'started', 'disconnected', 'dead']) assert.ok(all.includes(kind), `${kind}: ${all}`);
  assert.ok(all.indexOf('connected') < all.indexOf('assigned'), `${all}`);
  assert.ok((await kinds(server, '--shard', '0')).includes('died'));
  assert.ok(!(await kinds(server, '--shard', '7')).length);
  assert.match((await events(server, '--kind', 'dead'))[0].text, /\(id 0\) has been gone for 3s: it is dead/);
  assert.match((await server.tool(['events', '--kind', 'dead'])).stdout, /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d {2}dead {9}shard/);
});

test('who asked is recorded, with the outcome and without results; it outlives a restart', async (t) => {
  const server = await serve(t, '[shards]\ncount = 1\n');
  const [config] = await server.register(1);
  server.agent([config], 'spikey-bot.js');
  await server.running(1);
  const long = `'${'x'.repeat(500)}'.length`;
  await server.tool(['eval', long]);
  await server.tool(['eval', '"top" + "secret"']);
  await server.tool(['sql', 'SELECT 6*7 AS n']);
  await server.tool(['sql', 'SELEKT']);
  await server.tool(['respawn']);
  const me = process.getuid() === 0 ? 'root' : undefined;
  const audit = await events(server, '--audit');
  if (me) assert.ok(audit.filter((event) => ['eval', 'sql', 'respawn'].includes(event.kind)).every((event) => event.by === me), JSON.stringify(audit));
  const text = (kind) => audit.filter((event) => event.kind === kind).map((event) => event.text);
  assert.match(text('eval')[0], /^eval of 'x{199}… \(509 bytes, SHA-256 [0-9a-f]{64}\): 1 answered, 0 failed, 0 missing$/);
  assert.ok(!JSON.stringify(audit).includes('topsecret'));
  assert.match(text('sql')[0], /^SQL: SELECT 6\*7 AS n \(.*\): done$/);
  assert.match(text('sql')[1], /^SQL: SELEKT .*: .*syntax error/);
  assert.match(text('respawn')[0], /^respawn of 1 of 1 shards, ids 0$/);

  const before = await events(server);
  await server.end();
  await server.start();
  const after = await events(server);
  assert.deepEqual(after.slice(0, before.length), before);
  assert.ok(after.slice(before.length).some((event) => event.kind === 'start'));
  await server.tool(['shards', 'rm', config.id, '--yes']);
  const [revoked] = await events(server, '--kind', 'revoked');
  assert.equal(revoked.text, `shard ${config.id} is revoked`);
  if (me) assert.equal(revoked.by, me);
});

test('what bots ask all day is recorded a few times, not each time', async (t) => {
  const server = await serve(t, '[shards]\ncount = 1\n');
  const [config] = await server.register(1);
  const shard = server.shard(config);
  await server.running(1);
  for (let i = 0; i < 10; ++i) await new Promise((done) => shard.socket.emit('sendSQL', `SELECT ${i} AS n`, done));
  const asked = await events(server, '--kind', 'sql');
  assert.deepEqual(asked.map((event) => event.text), ['SQL: SELECT 0 AS n: done', 'SQL: SELECT 1 AS n: done', 'SQL: SELECT 2 AS n: done']);
  assert.equal(asked[0].by, `shard ${config.id} (127.0.0.1)`);
});

test('following shows what happens from now on, as lines and as server-sent events', async (t) => {
  const server = await serve(t, '[shards]\ncount = 1\n');
  const follow = (program, args) => {
    const child = spawn(program, args);
    t.after(() => child.kill());
    const out = {text: ''};
    child.stdout.on('data', (data) => { out.text += data; });
    return out;
  };
  const lines = follow(path.join(bin, 'smaster'), ['events', '--socket', server.socket, '--follow', '--lines', '0', '--kind', 'control', '--json']);
  const sse = follow('curl', ['-sN', '--unix-socket', server.socket, '-H', 'Accept: text/event-stream', 'http://localhost/v1/events?follow=1&limit=0&kind=control']);
  await until('both to hear', async () => {
    await server.tool(['log-level', 'debug']);
    return lines.text.includes('\n') && sse.text.includes('\n\n');
  });
  assert.equal(JSON.parse(lines.text.split('\n')[0]).text, 'log level debug');
  assert.match(sse.text, /^data: \{"id":\d+,.*\}\n\n/);

  await server.end();
  await server.start();
  await until('what happens after a restart', async () => {
    await server.tool(['log-level', 'warn']);
    return lines.text.includes('log level warn');
  });
  const ids = lines.text.trim().split('\n').map((line) => JSON.parse(line).id);
  assert.deepEqual(ids, [...new Set(ids)].sort((a, b) => a - b), 'each once, in order');
});

test('wrong questions are answered in words', async (t) => {
  const server = await serve(t, '');
  for (const [args, words] of [[['--kind', 'nonsense'], /no event is called "nonsense", but \{connected,/], [['--shard', 'a/b'], /no shard id, such as 7/]]) {
    const result = await server.tool(['events', ...args]);
    assert.equal(result.code, 64);
    assert.match(result.stderr, words);
  }
});

test('PostgreSQL keeps them as SQLite does', async (t) => {
  const database = await postgres(t);
  const server = await serve(t, `[shards]\ncount = 1\n[history]\nurl = "${database.url}"\n`);
  const [config] = await server.register(1);
  server.shard(config);
  await server.running(1);
  await server.tool(['sql', 'SELECT 1 AS n']);
  const before = await events(server);
  await server.end();
  await server.start();
  assert.deepEqual((await events(server)).slice(0, before.length), before);
  assert.deepEqual(await kinds(server, '--audit', '--kind', 'sql'), ['sql']);
  const about = await kinds(server, '--shard', '0');
  assert.ok(about.includes('assigned') && !about.includes('sql'), `${about}`);
  assert.equal((await kinds(server, '--shard', config.id, '--kind', 'connected'))[0], 'connected');
  assert.equal((await kinds(server, '--shard', '10')).length, 0);
});
