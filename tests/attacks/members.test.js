// Attacks by members (other servers of a cluster) and impostors. They reach the shard port, have seen other members'
// proofs, and may have the master's key. The server must keep serving its shards and operators.
import assert from 'node:assert/strict';
import {randomBytes, sign} from 'node:crypto';
import {readFileSync} from 'node:fs';
import net from 'node:net';
import {test} from 'node:test';
import {cluster} from '../e2e/cluster.js';
import {tls} from '../e2e/harness.js';
import {exchange, keys, Raw, request, until} from './harness.js';

const sanitized = Boolean(process.env.SMASTER_SANITIZED);
const promptly = sanitized ? 20_000 : 8_000;
const settings = '[shards]\ncount = 1\n[heartbeat]\ninterval = "500ms"\n[limits]\nconn_count = 100000\n';

const peak = ({process: {pid}}) => Number(readFileSync(`/proc/${pid}/status`, 'utf8').match(/^VmHWM:\s+(\d+)/m)[1]) >> 10;
/** The id of a server's run, for which proofs are valid. */
const instanceOf = async (server) => (await request(server.port, '/readyz')).headers['x-smaster-instance'];

/** Two servers; one leads and has a shard. `serves` asserts that both still answer soon. */
async function members(t, count = 2) {
  const servers = await cluster(t, count, {settings});
  const [config] = await servers.register(1);
  const leader = await servers.leader();
  const standby = servers.servers.find((server) => server !== leader);
  leader.shard({...config, host: {...config.host[0], port: leader.port}});
  await leader.running(1);
  const name = (server) => `m${servers.servers.indexOf(server)}`;
  const proof = async (server, {to = name(server), instance, time = Date.now(), nonce = randomBytes(16).toString('hex'), key = servers.privateKey} = {}) =>
    `${time},${nonce},${sign('sha256', `smaster control ${to} ${instance ?? await instanceOf(server)} ${time} ${nonce}`, key).toString('base64')}`;
  const serves = async () => {
    const begin = performance.now();
    for (const server of servers.servers) {
      assert.equal(server.process.exitCode ?? server.process.signalCode, null, server.log);
      assert.equal((await request(server.port, '/healthz')).status, 200);
    }
    assert.deepEqual((await leader.evaluate('1')).map(({result}) => result), [1]);
    assert.equal((await leader.stats()).configured, 1);
    const took = performance.now() - begin;
    assert.ok(took < promptly, `it took ${took} ms`);
  };
  return {servers, leader, standby, name, proof, serves};
}

const asks = (authorization, {target = '/control', method = 'GET', headers = ''} = {}) =>
  `${method} ${target} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: smaster-control\r\nAuthorization: ${authorization}\r\n${headers}\r\n`;

/** The status of the answer to a request. */
async function statusOf(server, bytes) {
  const raw = await Raw.open(server.port);
  const [, status] = await raw.send(bytes).gets(/^HTTP\/1\.1 (\d+) /);
  raw.close();
  return Number(status);
}

/** A connection to a server's control API, like another server's. */
async function linked(server, proof) {
  const raw = await Raw.open(server.port);
  await raw.send(asks(await proof(server))).gets(/^HTTP\/1\.1 101 [^]*?\r\n\r\n/);
  raw.received = Buffer.alloc(0);
  return raw;
}

test('a proof is good once, for one run of one server, on one path, and in one form', async (t) => {
  const {leader, standby, name, proof, serves} = await members(t);
  const good = await proof(leader);
  const [time, nonce, signature] = good.split(',');
  const wrong = {
    'another server\'s': await proof(standby),
    'for another\'s name': await proof(leader, {to: name(standby)}),
    'for another\'s run': await proof(leader, {instance: await instanceOf(standby)}),
    'for no run': await proof(leader, {instance: 'x'}),
    'of another key': await proof(leader, {key: keys().privateKey}),
    'of an hour ago': await proof(leader, {time: Date.now() - 3_600_000}),
    'of the next hour': await proof(leader, {time: Date.now() + 3_600_000}),
    'of never': await proof(leader, {time: '1e999'}),
    'of a negative time': await proof(leader, {time: -Date.now()}),
    'of too large a time': await proof(leader, {time: '9223372036854775807'}),
    'with a long nonce': await proof(leader, {nonce: 'a'.repeat(65)}),
    'with a nonce that moves the parts': await proof(leader, {nonce: 'a,b'}),
    'of two parts': `${time},${signature}`,
    'of four parts': `${good},x`,
    'with another nonce': `${time},${nonce}0,${signature}`,
    'with no nonce': `${time},,${signature}`,
    'with half a signature': good.slice(0, -200),
    'with a long signature': `${good}${'A'.repeat(4000)}`,
    'with a signature that is no base64': `${time},${nonce},!${signature.slice(1)}`,
    'of nothing': '',
  };
  for (const [what, header] of Object.entries(wrong)) assert.equal(await statusOf(leader, asks(header)), 501, what);
  for (const change of [{target: '/control/'}, {target: '/control?x'}, {target: '//control'}, {target: '/CONTROL'}, {target: '/%63ontrol'}, {target: '/v1/stats'}, {method: 'POST'}, {method: 'HEAD'}]) {
    assert.notEqual(await statusOf(leader, asks(good, change)), 101, JSON.stringify(change));
  }
  // All at the same time: their signatures are checked concurrently.
  const fresh = await proof(leader);
  const statuses = await Promise.all(Array.from({length: 12}, () => statusOf(leader, asks(fresh))));
  assert.equal(statuses.filter((status) => status === 101).length, 1, statuses.join());
  assert.equal(await statusOf(standby, asks(fresh)), 501, 'at another server');
  // The same proof in another encoding is the same proof.
  for (const again of [fresh, `${fresh}=`, fresh.replace(/=+$/, ''), ` ${fresh} `, `+${fresh}`, `0${fresh}`]) assert.equal(await statusOf(leader, asks(again)), 501, again.slice(0, 20));
  await serves();
  await leader.end('SIGKILL');
  await leader.start();
  for (const old of [good, fresh]) assert.equal(await statusOf(leader, asks(old)), 501, 'after a restart');
  assert.match(leader.log, /somebody wants to use the control API as another server/);
});

test('wrong proofs in number, and requests that are slow or too large, hold up nobody', async (t) => {
  const {leader, proof, serves} = await members(t);
  const before = peak(leader);
  const slow = [];
  t.after(() => slow.forEach((raw) => raw.close()));
  const header = asks(await proof(leader));
  for (let i = 0; i < 200; ++i) slow.push((await Raw.open(leader.port)).send(header.slice(0, 1 + i * 4 % header.length)));
  await serves();
  const bad = await proof(leader, {key: keys().privateKey});
  let over = false;
  const flood = Promise.all(Array.from({length: 8}, async (_, n) => {
    for (let i = 0; i < 40; ++i) await exchange(leader.port, asks(bad.replace(',', `,${n}x${i}`), {headers: 'Connection: close\r\n'})).catch(() => {});
  })).finally(() => over = true);
  do await serves(); while (!over);
  await flood;
  for (const [what, bytes, status] of [
    ['a long proof', asks('x'.repeat(100_000)), 431],
    ['many headers', asks('x', {headers: 'X: y\r\n'.repeat(20_000)}), 431],
    ['two protocols', asks('x').replace('smaster-control', 'smaster-control, websocket'), 501],
  ]) assert.equal(await statusOf(leader, bytes), status, what);
  // Data after an upgrade request is not part of HTTP (RFC 9110, 7.8), whoever sends it.
  assert.equal(await statusOf(leader, asks(await proof(leader)) + 'GET /v1/stats HTTP/1.1\r\nHost: x\r\n\r\n'), 400);
  (await linked(leader, proof)).close();
  await serves();
  assert.ok(peak(leader) - before < 64 + (sanitized ? 600 : 0));
});

test('a member that was let in and sends garbage, nothing, or questions without end is a guest like others', async (t) => {
  const {leader, standby, proof, serves} = await members(t);
  const before = peak(leader);
  const open = [];
  t.after(() => open.forEach((raw) => raw.close()));
  for (const [what, bytes, status] of [
    ['no HTTP', '\0\xff\r\n\r\n', 400],
    ['a TLS greeting', '\x16\x03\x01\x02\x00\r\n\r\n', 400],
    ['another upgrade', asks('x'), 404],
    ['no such path', 'GET /v1/../v1/stats HTTP/1.1\r\nHost: x\r\n\r\n', 404],
    ['a body that is none', 'POST /v1/eval HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n\0\0\0\0\0', 400],
  ]) {
    const raw = await linked(leader, proof);
    open.push(raw);
    const [, got] = await raw.send(Buffer.from(bytes, 'latin1')).gets(/^HTTP\/1\.1 (\d+) /);
    assert.ok(Number(got) === status || (Number(got) >= 400 && Number(got) < 502), `${what}: ${got}`);
  }
  const endless = await linked(leader, proof);
  const pour = setInterval(() => endless.socket.writableLength < 1e6 && endless.socket.write('x'.repeat(4096)), 1);
  await endless.end();
  clearInterval(pour);
  // Half-open connections: no data, half a request, or an answer that is not read.
  for (let i = 0; i < 24; ++i) {
    const raw = await linked(leader, proof);
    open.push(raw);
    if (i % 3 === 1) raw.send('GET /v1/stats HTTP/1.1\r\n');
    if (i % 3 === 2) {
      raw.socket.pause();
      raw.send('GET /v1/stats HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(2000));
    }
    if (i % 8 === 0) await serves();
  }
  await serves();
  // Another server's tools are still served.
  const begin = performance.now();
  assert.equal((await standby.stats()).configured, 1);
  assert.ok(performance.now() - begin < promptly);
  assert.ok(peak(leader) - before < 96 + (sanitized ? 600 : 0), `${peak(leader) - before} MiB`);
});

/** A server that handles every connection with `act`. */
async function impostor(t, act) {
  const sockets = new Set();
  const server = net.createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {}).on('close', () => sockets.delete(socket));
    act(socket);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return server.address().port;
}

test('what answers in the leader\'s place, and is not it, costs the others a bounded wait', {skip: tls ? 'it would need a certificate' : false}, async (t) => {
  const {servers, leader, standby, serves} = await members(t);
  const front = servers.fronts[servers.servers.indexOf(leader)];
  const before = peak(standby);
  const ready = (headers = 'X-Smaster-Instance: x\r\n') => `HTTP/1.1 200 OK\r\nContent-Length: 0\r\n${headers}\r\n`;
  const pour = (socket, bytes) => {
    const more = () => {
      while (!socket.destroyed && socket.writableLength < 1e6) socket.write(bytes);
    };
    socket.on('drain', more);
    more();
  };
  const then = (answer) => (socket) => {
    let asked = 0;
    socket.on('data', (data) => {
      if (!data.includes('\r\n\r\n')) return;
      if (++asked === 1) socket.write(ready());
      else if (asked === 2) answer(socket);
    });
  };
  const upgraded = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: smaster-control\r\n\r\n';
  for (const [what, act] of Object.entries({
    'hangs up': (socket) => socket.destroy(),
    'says nothing': (socket) => socket.resume(),
    'says garbage': (socket) => socket.resume().end(randomBytes(4096)),
    'names no run': (socket) => socket.resume().write(ready('')),
    'has headers without end': (socket) => pour(socket.resume(), `HTTP/1.1 200 OK\r\n${'X: y\r\n'.repeat(1000)}`),
    'has a body without end': (socket) => {
      socket.resume().write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-Smaster-Instance: x\r\n\r\n');
      pour(socket, `1000\r\n${'x'.repeat(4096)}\r\n`);
    },
    'has a run\'s name without end': (socket) => socket.resume().write(ready(`X-Smaster-Instance: ${'x'.repeat(100_000)}\r\n`)),
    'refuses': then((socket) => socket.end('HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n')),
    'takes the proof and hangs up': then((socket) => socket.end(upgraded)),
    'takes the proof and says nothing more': then((socket) => socket.write(upgraded)),
    'takes the proof and says garbage': then((socket) => {
      socket.write(upgraded);
      socket.end(randomBytes(1 << 16));
    }),
  })) {
    front.target = await impostor(t, act);
    const begin = performance.now();
    const {code, stderr, stdout} = await standby.tool(['stats', '--json', '--timeout', '5s']);
    const took = performance.now() - begin;
    assert.ok([69, 75].includes(code), `${what}: ${code} ${stdout.slice(0, 200)} ${stderr}`);
    // eslint-disable-next-line no-control-regex
    assert.doesNotMatch(stderr, /[\x00-\x09\x0b-\x1f\x7f-\x9f]/);
    assert.ok(took < 5_000 + promptly, `${what}: ${took} ms`);
    await serves();
  }
  assert.ok(peak(standby) - before < 64 + (sanitized ? 600 : 0), `${peak(standby) - before} MiB`);
  front.target = leader.port;
  await until('it to be asked again', async () => (await standby.tool(['stats', '--json', '--timeout', '10s'])).code === 0);
});
