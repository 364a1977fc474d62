// Attacks by shards, which have a key and can send anything.
import assert from 'node:assert/strict';
import {readFileSync} from 'node:fs';
import {test} from 'node:test';
import {authorization, frame, next, Raw, request, serve, until, upgrade} from './harness.js';

const sanitized = Boolean(process.env.SMASTER_SANITIZED);

/** A server, and a function that opens raw websockets as one of its shards; a later one replaces an earlier one. */
async function withShard(t) {
  const server = await serve(t, '[limits]\nconn_count = 10000\n[heartbeat]\ninterval = "1h"\n');
  const [config] = await server.register(1);
  let time = Date.now();
  const open = async () => {
    const raw = await Raw.open(server.port);
    raw.send(upgrade('/socket.io/master/?EIO=4&transport=websocket', `Authorization: ${authorization(config, ++time)}\r\n`));
    await raw.gets(/"maxPayload":\d+\}/);
    return raw;
  };
  return {server, open};
}

/** The code of the close frame (unmasked, without a reason) at the end of a websocket's data. */
async function closedBy(raw) {
  const [, high, low] = await raw.gets(/\x88\x02([^])([^])$/);
  raw.close();
  return high.charCodeAt(0) << 8 | low.charCodeAt(0);
}

const code = (number) => Buffer.from([number >> 8, number & 255]);

test('close codes that mean nothing are protocol errors, those that mean something come back', async (t) => {
  const {open} = await withShard(t);
  for (const sent of [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 5001, 32768, 65535]) {
    const raw = await open();
    assert.equal(await closedBy(raw.send(frame(8, code(sent)))), 1002, `${sent}`);
  }
  for (const sent of [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 3000, 3999, 4000, 4999]) {
    const raw = await open();
    assert.equal(await closedBy(raw.send(frame(8, code(sent)))), sent, `${sent}`);
  }
});

test('frames that RFC 6455 forbids end the websocket with the code for it', async (t) => {
  const {open} = await withShard(t);
  for (const [what, bytes, expected] of [
    ['a close frame of one byte', frame(8, 'x'), 1002],
    ['a close reason that is no UTF-8', frame(8, Buffer.concat([code(1000), Buffer.from([0xff])])), 1002],
    ['a frame without a mask', frame(1, '40', {masked: false}), 1002],
    ['the first reserved bit', frame(1, '40', {reserved: 4}), 1002],
    ['the last reserved bit', frame(1, '40', {reserved: 1}), 1002],
    ['an unknown opcode', frame(3, '40'), 1002],
    ['an unknown control opcode', frame(11, ''), 1002],
    ['a ping in fragments', frame(9, '', {fin: false}), 1002],
    ['a ping of 126 bytes', frame(9, 'x'.repeat(126)), 1002],
    ['a continuation of nothing', frame(0, '40'), 1002],
    ['a message inside another', Buffer.concat([frame(1, '4', {fin: false}), frame(1, '0')]), 1002],
    ['text that is no UTF-8', frame(1, Buffer.from([0x34, 0xc0, 0x80])), 1007],
    ['a message that is too long', frame(1, '4' + 'x'.repeat(1_000_000)), 1009],
    ['base64 that is none', frame(1, 'b!'), 1000],
    ['base64 without its end', frame(1, 'bAQ'), 1000],
    ['binary as text that belongs to no packet', Buffer.concat([frame(1, '40'), frame(1, 'bAQ==')]), 1000],
  ]) {
    const raw = await open();
    assert.equal(await closedBy(raw.send(bytes)), expected, what);
  }
});

// Other attacks of shards are in tests/e2e: races (revoked while they connect, queues filled by evals, respawnAll,
// keys), connections (files, attachments), sql, files and update (what they may write), handshake (used headers).

/** The server's peak memory, in MiB. */
const peak = ({process: {pid}}) => Number(readFileSync(`/proc/${pid}/status`, 'utf8').match(/^VmHWM:\s+(\d+)/m)[1]) >> 10;

/** The attacker, an agent whose bot answers requests, and a shard that must not be affected. */
async function three(t) {
  const server = await serve(t, '[shards]\ncount = 3\n[limits]\nconn_count = 1000\n');
  const [first, second, third] = await server.register(3);
  const attacker = server.shard(first, {socket: {transports: ['websocket']}});
  attacker.onEval = () => {};
  const agent = server.agent([second], 'spikey-bot.js');
  const bystander = server.shard(third, {socket: {transports: ['websocket']}});
  await server.running(3);
  const asked = (await server.stats()).shards.find(({id}) => id === second.id).goalShardId;
  await until('its bot to answer', async () => (await server.evaluate('1', ['--shard', `${asked}`]))[0].result === 1);
  // From now on its bot reads nothing, and so answers nothing.
  const [bot] = server.bots();
  process.kill(bot.pid, 'SIGSTOP');
  return {server, attacker, agent, asked, bystander};
}

for (const [what, ask] of [
  ['evals', (socket, text, then) => socket.emit('broadcastEval', text, then)],
  ['evals of all, of which one fails at once', (socket, text, then) => socket.emit('broadcastEval', text, {all: true}, then)],
  ['evals of one shard', (socket, text, then, to) => socket.emit('broadcastEval', text, {shard: to}, then)],
  ['values', (socket, text, then) => socket.emit('fetchClientValues', text, then)],
  ['requests to other bots that are good for an hour', (socket, text, then, to) => socket.emit('sendMessage', {shard: to}, text, 3_600_000, then)],
]) {
  test(`what a shard has others asked for is bounded: ${what}`, async (t) => {
    const {server, attacker, agent, asked, bystander} = await three(t);
    const before = peak(server);
    const refused = [];
    const sent = 300;
    const text = 'x'.repeat(900_000);
    for (let i = 0; i < sent; ++i) {
      ask(attacker.socket, text, (error) => error && refused.push(error.message ?? error), asked);
      if (i % 20 === 0) await until('it to be sent', () => attacker.socket.io.engine.writeBuffer.length < 5);
    }
    const most = before + 96 + (sanitized ? 600 : 0);
    await until('those that are too many to be refused', () => {
      assert.ok(peak(server) < most, `it holds ${peak(server) - before} MiB for one shard, and has refused ${refused.length}`);
      // On a slow machine some have had their time before others come.
      return refused.length > sent / 2 && refused.some((why) => /too much|too many|at most 1,024 bytes/.test(why));
    });
    assert.deepEqual((await server.evaluate('this.id', ['--shard', `${bystander.goal.id}`])).map(({result}) => result), [bystander.goal.id]);
    for (const shard of [attacker, bystander]) assert.ok(shard.socket.connected, server.log);
    assert.doesNotMatch(agent.log, /connection to the master was lost/);
    assert.ok(peak(server) < most, `${peak(server) - before} MiB`);
  });
}

test('a shard on polling that reads nothing of what others or it itself have sent to it is cut, and nothing else', async (t) => {
  const server = await serve(t, '[shards]\ncount = 2\n[limits]\nconn_count = 1000\n');
  const [config, other] = await server.register(2);
  const sender = server.shard(other, {socket: {transports: ['websocket']}});
  await until('the sender to have its id', () => sender.goal?.id >= 0);
  let time = Date.now();
  /** A session that polls until it has its id, and never again. */
  const stalled = async () => {
    const handshake = await request(server.port, '/socket.io/?EIO=4&transport=polling', {headers: {authorization: authorization(config, ++time)}});
    const target = `/socket.io/?EIO=4&transport=polling&sid=${JSON.parse(handshake.body.slice(1)).sid}`;
    const post = (body) => request(server.port, target, {method: 'POST', body});
    await post('40');
    let heard = '';
    await until('its id', async () => (heard += (await request(server.port, target)).body).includes('"update",{"id":'));
    return post;
  };
  const gone = () => until('it to be cut', async () => !(await server.stats()).shards.find(({id}) => id === config.id).connected);
  const text = 'x'.repeat(950_000);

  await stalled();
  for (let i = 0; i < 80; ++i) {
    sender.socket.emit('broadcastEval', `1 // ${text}`, () => {});
    if (i % 10 === 0) await until('it to be sent', () => sender.socket.io.engine.writeBuffer.length < 5);
  }
  await gone();

  const post = await stalled();
  for (let i = 0, status = 200; i < 200 && status === 200; ++i) ({status} = await post(`42${i}["sendSQL","SELECT hex(zeroblob(400000)) AS a"]`));
  await gone();

  const last = await stalled();
  for (let i = 0, status = 200; i < 100 && status === 200; ++i) ({status} = await last(`42${i}["fetchClientValues",${JSON.stringify(text)}]`));
  await server.lives();
  assert.ok(sender.socket.connected);
});

test('text with U+0000 in it is refused, not cut there', async (t) => {
  const server = await serve(t, '[shards]\ncount = 1\n[limits]\nconn_count = 1000\n');
  const shard = server.shard((await server.register(1))[0]);
  await server.running(1);
  const ask = (...args) => shard.socket.timeout(60_000).emitWithAck(...args);
  const sql = async (text) => new Promise((resolve) => shard.socket.emit('sendSQL', text, (error, rows) => resolve(error ? error.message ?? error : rows)));
  await sql('CREATE TABLE kept (a)');
  await sql('INSERT INTO kept VALUES (1)');
  assert.match(await sql('DELETE FROM kept\u0000 WHERE a = 2'), /NUL|U\+0000/);
  assert.match(await sql('SELECT 1\u0000'), /NUL|U\+0000/);
  assert.deepEqual(await sql('SELECT COUNT(*) AS n FROM kept'), [{n: 1}]);
  assert.match((await ask('reboot', 'reboot\u0000 master')).message, /is no reboot request/);
  assert.equal(server.process.exitCode, null);
});

test('of forty shards that ask for respawnAll at once a bounded number is heard', async (t) => {
  const count = 40;
  const server = await serve(t, `[shards]\ncount = ${count}\n[limits]\nconn_count = 1000\n`);
  const shards = (await server.register(count)).map((config) => server.shard(config, {socket: {transports: ['websocket']}}));
  await server.running(count);
  const answers = await Promise.all(shards.map((shard) => shard.socket.timeout(60_000).emitWithAck('respawnAll', {shardDelay: 3_600_000})));
  const refused = answers.filter((answer) => answer?.message);
  assert.equal(refused.length, count - 16, JSON.stringify(refused[0]));
  assert.match(refused[0].message, /are under way; ask again/);
});

/** The socket of a shard that has seen the master's proof. `index`: of a process of the shard; `auth`: an agent's words. */
async function connect(server, config, {index = 0, auth} = {}) {
  const shard = server.shard(config, {socket: {
    transports: ['websocket'], forceNew: true, reconnection: false, auth, extraHeaders: {authorization: authorization(config, Date.now() + index)}, query: {process: index},
  }});
  await next(shard.socket, 'masterVerification');
  shard.sendStatus();
  return shard.socket;
}

/** An event's answer, whatever it says. */
const ask = (socket, ...event) => new Promise((resolve) => socket.emit(...event, (...answer) => resolve(answer)));
const SLOW = 'INSERT INTO t WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c';

test('one config in several processes keeps neither others nor operators from writing', async (t) => {
  const server = await serve(t, '[shards]\ncount = 3\n[limits]\nconn_count = 1000\n[database]\nstatement_timeout = "3s"\n');
  const [bad, good] = await server.register(2);
  assert.equal((await server.tool(['sql', 'CREATE TABLE t (x)'])).code, 0);
  const processes = await Promise.all([0, 1, 2].map((index) => connect(server, bad, {index, auth: {agent: '1.0', processes: 8}})));
  const shard = await connect(server, good);
  let refused = 0;
  for (const socket of processes) for (let i = 0; i < 510; ++i) socket.emit('sendSQL', SLOW, (error) => refused += /too many/.test(error?.message));
  await until('some to be refused', () => refused > 0);
  const begun = Date.now();
  assert.equal((await server.tool(['sql', 'INSERT INTO t VALUES (8)'])).code, 0);
  const took = Date.now() - begun;
  assert.ok(took < 10_000, `an operator waited ${took} ms, for more than the statement that ran`);
  const [error] = await ask(shard, 'sendSQL', 'INSERT INTO t VALUES (7)');
  assert.equal(error, null);
});

test('a revoked shard\'s statements are not run, whether they wait or are running', async (t) => {
  const server = await serve(t, '[shards]\ncount = 1\n[limits]\nconn_count = 1000\n[database]\nstatement_timeout = "30s"\n');
  const [config] = await server.register(1);
  await server.tool(['sql', 'CREATE TABLE t (x)']);
  const socket = await connect(server, config);
  socket.emit('sendSQL', SLOW, () => {});
  for (let i = 0; i < 300; ++i) socket.emit('sendSQL', `INSERT INTO t VALUES (${i})`, () => {});
  const [error] = await ask(socket, 'sendSQL', 'SELECT 1');
  assert.equal(error, null, 'all of them have arrived');
  const rows = async () => Number((await server.tool(['sql', 'SELECT count(*) AS n FROM t', '--csv'])).stdout.split(/\r?\n/)[1]);
  let before = -1;
  await until('the slow one to hold up the others', async () => before === (before = await rows()));
  assert.equal((await server.tool(['shards', 'rm', '--yes', config.id])).code, 0);
  // The writer is free at once.
  const begun = Date.now();
  assert.equal((await server.tool(['sql', 'INSERT INTO t VALUES (-1)'])).code, 0);
  assert.ok(Date.now() - begun < 20_000, 'what ran was not ended');
  assert.equal(await rows(), before + 1);
});

test('messages to all are in memory once, and answers to broadcasts are bounded', async (t) => {
  const count = 20;
  const server = await serve(t, `[shards]\ncount = ${count}\n[limits]\nconn_count = 10000\n`);
  const sockets = [];
  for (const config of await server.register(count)) sockets.push(await connect(server, config, {auth: {agent: '1.0', instance: config.id, boot: 'b', machine: 'm'}}));
  await until('all to have their ids', async () => (await server.stats()).configured === count);
  const before = peak(server);
  let gone = 0;
  for (const socket of sockets) socket.on('disconnect', () => ++gone);
  const asker = sockets[0];
  const messages = await Promise.all(Array.from({length: 40}, () => ask(asker, 'sendMessage', 'all', 'x'.repeat(900_000), null)));
  assert.ok(messages.some(([error, sent]) => error === null && sent === count - 1), JSON.stringify(messages[0]));
  for (const [error, sent] of messages) assert.ok(sent === count - 1 || /too much is asked|too many questions/.test(error?.message ?? error), JSON.stringify([error, sent]));
  // All answer much, and one of them never: the others' answers have to wait.
  for (const socket of sockets) socket.off('evalRequest');
  for (const socket of sockets.slice(1, -1)) socket.on('evalRequest', (script, done) => done(null, 'y'.repeat(900_000)));
  const answers = await Promise.all(Array.from({length: 20}, () => ask(asker, 'broadcastEval', '1')));
  assert.ok(answers.some(([error]) => /too large/.test(error?.message ?? error)), JSON.stringify(answers.map(([error]) => error)));
  assert.equal(gone, 0);
  const more = peak(server) - before;
  if (!sanitized) assert.ok(more < 500, `the server took ${more} MiB`);
});
