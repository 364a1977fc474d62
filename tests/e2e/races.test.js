// Races: shards revoked while they connect, queues that overflow during an eval, keys changed twice at once. The server
// must keep running, whatever the order.
import assert from 'node:assert/strict';
import {createSign, generateKeyPairSync} from 'node:crypto';
import {readFileSync, writeFileSync} from 'node:fs';
import http from 'node:http';
import {test} from 'node:test';
import WebSocket from 'ws';
import {names, request, serve, tls, until} from './harness.js';

const settings = '[limits]\nconn_count = 1000000\n';

// Small keys: many headers are signed here.
const {publicKey, privateKey} = generateKeyPairSync('rsa', {
  modulusLength: 2048,
  publicKeyEncoding: {type: 'spki', format: 'pem'},
  privateKeyEncoding: {type: 'pkcs8', format: 'pem'},
});
let lastTime = 0;

/** The header of one handshake; no two are alike. */
function authorization(name) {
  lastTime = Math.max(lastTime + 1, Date.now());
  return `${name},${createSign('RSA-SHA256').update(`${name}${lastTime}`).sign(privateKey, 'base64')},${lastTime}`;
}

/** A request to the control API. */
function control(server, method, target, body) {
  return new Promise((resolve, reject) => {
    const req = http.request({socketPath: server.socket, method, path: target, agent: false}, (res) => {
      let text = '';
      res.on('data', (data) => text += data);
      res.on('end', () => resolve({status: res.statusCode, body: text}));
    });
    req.on('error', reject);
    req.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

async function register(server, list, isMaster = false) {
  const known = Object.fromEntries(list.map((name) => [name, {id: name, key: publicKey, isMaster}]));
  const {status, body} = await control(server, 'POST', '/v1/shards/import', known);
  assert.equal(status, 200, body);
}

/** A shard's raw websocket. `ended` resolves at its end, however it began. */
function connect(server, name, {query = '', header = authorization(name)} = {}) {
  const socket = new WebSocket(`${tls ? 'wss' : 'ws'}://127.0.0.1:${server.port}/socket.io/?EIO=4&transport=websocket${query}`,
    {headers: {authorization: header}, ca: tls && readFileSync(tls.ca)});
  socket.frames = [];
  socket.on('message', (data, binary) => socket.frames.push(binary ? data : data.toString()));
  socket.on('error', () => {});
  socket.on('open', () => socket.send('40')); // Socket.IO's CONNECT: now it takes the shard's place
  socket.ended = new Promise((resolve) => socket.on('close', resolve));
  return socket;
}

test('shards that are revoked while they connect are refused or closed, and the server goes on', async (t) => {
  const server = await serve(t, settings);
  const all = names(300);
  for (let round = 0; round < 16; ++round) {
    await register(server, all);
    const headers = all.map(authorization);
    let open = 0;
    const sockets = all.map((name, i) => {
      const socket = connect(server, name, {header: headers[i], query: i % 3 === 0 ? '&process=1' : ''});
      socket.on('open', () => ++open);
      return socket;
    });
    await until('some to be connected', () => open >= round * 18);
    const {status, body} = await control(server, 'DELETE', `/v1/shards?${all.map((name) => `name=${name}`).join('&')}`);
    assert.equal(status, 200, body);
    await Promise.all(sockets.map((socket) => socket.ended));
    assert.deepEqual((await server.stats()).shards, [], 'a revoked shard or process is back');
  }
  await server.end('SIGTERM');
  await server.start();
  assert.deepEqual((await server.stats()).shards, [], 'a revoked shard or process is back after a restart');
});

test('of two master shards at once one stays', async (t) => {
  const server = await serve(t, settings);
  await register(server, ['abc', 'abd'], true);
  for (let round = 0; round < 8; ++round) {
    const sockets = ['abc', 'abd'].map((name) => connect(server, name));
    const ended = sockets.map((socket) => socket.ended.then(() => socket));
    const loser = await Promise.race(ended);
    const winner = sockets.find((socket) => socket !== loser);
    await until('the other to be connected', () => winner.frames.length > 0);
    winner.close();
    await winner.ended;
    await until('nobody to be connected', async () => (await server.stats()).clients === 0);
  }
});

test('a shard on polling that reads nothing is cut when evals fill its queue, and the server goes on', async (t) => {
  const server = await serve(t, `[shards]\ncount = 1\n${settings}`);
  await register(server, ['abc']);
  const session = `/socket.io/?EIO=4&transport=polling`;
  const handshake = await request(server.port, session, {headers: {authorization: authorization('abc')}});
  const {sid} = JSON.parse(handshake.body.slice(1));
  const target = `${session}&sid=${sid}`;
  assert.equal((await request(server.port, target, {method: 'POST', body: '40'})).status, 200);
  let heard = '';
  await until('its id', async () => (heard += (await request(server.port, target)).body).includes('"update",{"id":0'));
  const script = `/* ${'x'.repeat(950_000)} */ 1`;
  const answers = await Promise.all(Array.from({length: 75}, () => control(server, 'POST', '/v1/eval', {script})));
  assert.match(server.log, /disconnected: client reads too slowly/);
  for (const {status, body} of answers) {
    assert.equal(status, 200);
    assert.match(body, /"missing":true.*(disconnected before it answered|not connected)/);
  }
  await until('it to be gone', async () => !(await server.stats()).shards[0].connected);
});

test('a shard that asks for a file right after connecting gets it', async (t) => {
  const server = await serve(t, settings);
  server.configure(`[server]\nproject_dir = "${server.folder}"\n${settings}`);
  await server.end();
  await server.start();
  writeFileSync(`${server.folder}/f`, 'content');
  await register(server, ['abc']);
  for (let round = 0; round < 5; ++round) {
    const socket = connect(server, 'abc');
    socket.on('open', () => socket.send('420["getFile","f"]'));
    const write = await until('the file', () => socket.frames.find((frame) => String(frame).includes('"writeFile"')));
    assert.match(write, /^451-\d+\["writeFile",/);
    await until('its content', () => socket.frames.some((frame) => Buffer.isBuffer(frame) && frame.toString() === 'content'));
    socket.send(`43${write.match(/^451-(\d+)/)[1]}[null]`);
    await until('the answer', () => socket.frames.includes('430[null]'));
    socket.close();
    await socket.ended;
  }
});

test('a shard may ask for one respawnAll at a time', async (t) => {
  const server = await serve(t, `[shards]\ncount = 2\n${settings}`);
  const configs = await server.register(2);
  const shards = configs.map((config) => server.shard(config));
  await server.running(2);
  const ask = (shard) => shard.socket.timeout(60_000).emitWithAck('respawnAll', {shardDelay: 3_600_000});
  await ask(shards[0]);
  const {message} = await ask(shards[0]);
  assert.match(message, /the respawnAll that shard aaa asked for before is under way/);
  await until('the log to say so', () => /respawnAll that shard aaa asked for before is under way/.test(server.log));
});

test('a rotation that is finished twice at once is finished once, and the key file is whole', async (t) => {
  const server = await serve(t, settings);
  await register(server, ['abc']);
  const begun = await Promise.all([{}, {}].map((body) => control(server, 'POST', '/v1/keys/rotation', body)));
  assert.deepEqual(begun.map(({status}) => status).sort(), [200, 403], JSON.stringify(begun));
  const others = control(server, 'POST', '/v1/genconfig', {count: 3, inline: true}); // the pool has something to do
  const finished = await Promise.all([1, 2, 3, 4].map(() => control(server, 'POST', '/v1/keys/rotation', {finish: true, force: true})));
  assert.equal(finished.filter(({status}) => status === 200).length, 1, JSON.stringify(finished));
  assert.match(readFileSync(`${server.state}/shardMaster.priv`, 'utf8'), /^-----BEGIN PRIVATE KEY-----\n[^]+-----END PRIVATE KEY-----\n$/);
  await others;
  await server.end();
  await server.start();
});
