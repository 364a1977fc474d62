// The log: one line per event, as text, JSON or for the journal; its level at run time; and the limit per kind of
// event.
import assert from 'node:assert/strict';
import {spawn} from 'node:child_process';
import {closeSync, fstatSync, openSync, readFileSync} from 'node:fs';
import path from 'node:path';
import {test} from 'node:test';
import {bin, request, serve, until} from './harness.js';

const settings = (more = '') => `[shards]\ncount = 1\n[limits]\nconn_count = 10000\n${more}`;

test('JSON lines carry the event, the shard, its id and its address', async (t) => {
  const server = await serve(t, settings('[log]\nformat = "json"\n'));
  const [config] = await server.register(1);
  const shard = server.shard(config);
  await server.running(1);
  shard.socket.disconnect();
  await until('the disconnection', () => server.log.includes('"event":"disconnected"'));
  const lines = server.log.trim().split('\n').map((line) => JSON.parse(line));
  for (const line of lines) {
    assert.match(line.time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    assert.ok(['info', 'warning', 'error'].includes(line.level));
    assert.ok(line.message.length > 0);
  }
  const {time, message, ...fields} = lines.find((line) => line.event === 'disconnected');
  assert.deepEqual(fields, {level: 'info', event: 'disconnected', shard: config.id, id: 0, address: '127.0.0.1'});
  assert.match(message, /^shard aaa disconnected: .* \(address 127\.0\.0\.1\)$/);
  assert.ok(Date.parse(time) <= Date.now());
});

test('whatever somebody sends, an event is one line', async (t) => {
  const server = await serve(t, settings());
  const [config] = await server.register(1);
  const shard = server.shard(config);
  await server.running(1);
  shard.socket.emit('x\n2026-01-01 error forged\u001b[31m', 1);
  await until('the warning', () => server.log.includes('which this server does not know'));
  assert.match(server.log, /sent the event "x\\n2026-01-01 error forged\?\[31m"/);
  assert.ok(server.log.trim().split('\n').every((line) => /^\d{4}-\d\d-\d\dT[\d:.+]+ \w+ /.test(line)));
});

test('no byte of an event forges a field, a line or a command to the terminal, in either format', async (t) => {
  const names = ['x\u001f,"event":"forged"}\n{"level":"info"', 'y\u009b2J\u202e\u2028z', 'cut'.padEnd(63, 'q') + 'ü'];
  for (const format of ['json', 'text']) {
    const server = await serve(t, settings(`[log]\nformat = "${format}"\n`));
    const [config] = await server.register(1);
    const shard = server.shard(config);
    await server.running(1);
    for (const name of names) shard.socket.emit(name, 1);
    await until('the warnings', () => server.log.match(/which this server does not know/g)?.length === names.length);
    // eslint-disable-next-line no-control-regex
    assert.doesNotMatch(server.log, /[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2028\u2066-\u2069]/);
    if (format === 'text') continue;
    const lines = server.log.trim().split('\n').map((line) => JSON.parse(line));
    assert.equal(lines.filter((line) => line.event === 'forged').length, 0);
    const unknown = lines.filter((line) => line.event === 'unknown_event');
    assert.deepEqual(unknown.slice(0, 2).map((line) => line.message.match(/"([^]*)"/)[1]), names.slice(0, 2), 'and what was sent is there as it was');
  }
});

test('the level changes at run time, with the settings, and by flag', async (t) => {
  const server = await serve(t, settings());
  const level = async () => (await server.tool(['log-level'])).stdout.trim();
  assert.equal(await level(), 'info');
  const [config] = await server.register(1);
  assert.equal((await server.tool(['log-level', 'error'])).code, 0);
  assert.equal(await level(), 'error');
  const before = server.log;
  const shard = server.shard(config);
  await server.running(1);
  assert.equal(server.log, before);
  assert.equal((await server.tool(['log-level', 'debug'])).code, 0);
  shard.socket.disconnect();
  await until('lines again', () => server.log.length > before.length);
  assert.equal((await server.tool(['log-level', 'loud'])).code, 64);
  server.configure(settings('[log]\nlevel = "warn"\n'));
  await until('the setting', async () => await level() === 'warn');
  await server.end();
  server.configure(settings());
  const flagged = await serve(t, settings(), ['--log-level', 'debug', '--log-format', 'json']);
  assert.equal((await flagged.tool(['log-level'])).stdout.trim(), 'debug');
  assert.ok(flagged.log.startsWith('{"time":'));
});

test('in the journal lines have a priority and no time', async (t) => {
  const server = await serve(t, settings());
  await server.end();
  const file = path.join(server.folder, 'journal');
  const fd = openSync(file, 'a');
  const {dev, ino} = fstatSync(fd);
  const child = spawn(path.join(bin, 'smaster'), ['serve', '--config', `${server.folder}/smaster.toml`, '--socket', server.socket],
    {stdio: ['ignore', 'ignore', fd], env: {...process.env, JOURNAL_STREAM: `${dev}:${ino}`}});
  t.after(() => child.kill('SIGKILL'));
  closeSync(fd);
  const [, port] = await until('it to listen', () => readFileSync(file, 'utf8').match(/^<6>listening on \S+ port (\d+)/m));
  await request(port, '/socket.io/?EIO=4&transport=polling');
  await until('a warning', () => readFileSync(file, 'utf8').match(/^<4>handshake refused/m));
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  assert.equal(await gone, 0);
});

test('of a thousand equal events a hundred are written, and how many more there were', async (t) => {
  const server = await serve(t, settings('[log]\nformat = "json"\n'));
  for (let i = 0; i < 1000; ++i) await request(server.port, '/socket.io/?EIO=4&transport=polling');
  const refusals = () => server.log.split('\n').filter((line) => line.includes('"event":"handshake_refused"')).length;
  assert.equal(refusals(), 100);
  const [, count] = await until('the sum', () => server.log.match(/(\d+) more lines like the last of \\"handshake_refused\\" within 10 s were held back/));
  assert.equal(Number(count), 900);
});
