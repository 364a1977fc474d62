// Connections and descriptors: strangers, idle operators and stalled readers have limited shares, and do not delay
// others.
import assert from 'node:assert/strict';
import {readFileSync, readdirSync, readlinkSync, writeFileSync} from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import {mkdtempSync, rmSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {test} from 'node:test';
import {WebSocket} from 'ws';
import {Server, bin, next, protocol, request, run, serve, tls, until} from './harness.js';
import {authorization} from './shard.js';

/** Maximum wait of an operator or a shard during a flood: much less than the timeouts of the flooding clients. */
const promptly = process.env.SMASTER_SANITIZED ? 20_000 : 8_000;

/** A server with this limit of descriptors. */
async function limited(t, descriptors, settings) {
  const server = new Server(settings);
  t.after(() => server.cleanup());
  server.wrapper = ['prlimit', `--nofile=${descriptors}:${descriptors}`];
  return server.start();
}

/** Connections that send nothing, or only `hello`; dropped ones reconnect. From several addresses, if given. */
class Silent {
  constructor(t, where, count, {hello, again = true, reads = true, addresses = 0} = {}) {
    Object.assign(this, {where, hello, again, reads, addresses, next: 0});
    this.sockets = new Set();
    this.dropped = 0;
    t.after(() => this.stop());
    for (let i = 0; i < count; i++) this.#connect();
  }

  #connect() {
    const socket = net.connect({...this.where, ...this.addresses && {localAddress: `127.0.1.${1 + this.next++ % this.addresses}`}});
    this.sockets.add(socket);
    if (!this.reads) socket.pause();
    else socket.resume();
    if (this.hello) socket.write(this.hello);
    socket.on('error', () => {});
    socket.on('close', () => {
      this.sockets.delete(socket);
      ++this.dropped;
      if (this.again) setTimeout(() => this.again && this.#connect(), 20);
    });
  }

  stop() {
    this.again = false;
    for (const socket of this.sockets) socket.destroy();
  }
}

/** Duration of a call, in ms. */
async function timed(act) {
  const begin = performance.now();
  await act();
  return performance.now() - begin;
}

const descriptorsOf = (server) => readdirSync(`/proc/${server.process.pid}/fd`);
/** Number of open files of the server below a folder. */
const openBelow = (server, folder) => descriptorsOf(server).filter((fd) => {
  try {
    return readlinkSync(`/proc/${server.process.pid}/fd/${fd}`).startsWith(`${folder}/`);
  } catch {
    return false;
  }
}).length;

test('600 silent strangers under a limit of 300 descriptors: operators are answered, a shard joins, and the log says it once', async (t) => {
  const server = await limited(t, 300, '[shards]\ncount = 2\n[limits]\nconn_count = 1000\n');
  const [first, second] = await server.register(2);
  const early = server.shard(first);
  await server.running(1);
  const strangers = new Silent(t, {port: server.port, host: '127.0.0.1'}, 600, {addresses: 20});
  await until('strangers to be dropped', () => strangers.dropped > 300);
  for (let i = 0; i < 3; i++) assert.ok(await timed(() => server.stats()) < promptly, 'stats');
  assert.ok(await timed(() => request(server.port, '/healthz')) < promptly, 'healthz');
  assert.ok(await timed(async () => {
    server.shard(second);
    await server.running(2);
  }) < promptly, 'joining');
  assert.ok(early.socket.connected);
  assert.ok(descriptorsOf(server).length < 300);
  const {connections_trouble: trouble} = await server.stats();
  assert.match(trouble, /connections that are silent or unfinished.*300 descriptors.*LimitNOFILE/);
  assert.match((await server.tool(['stats'])).stdout, /silent or unfinished/);
  const {body} = await request(server.port, '/metrics');
  assert.match(body, /^smaster_connections_full\{share="strangers"\} 1$/m);
  assert.match(body, /^smaster_connections_refused_total\{share="strangers"\} [1-9]/m);
  assert.match(body, /^smaster_connections\{share="shards"\} 2$/m);
  assert.equal(server.log.match(/silent or unfinished/g).length, 1);
  strangers.stop();
  await until('the end of it to be said', () => server.log.includes('there is room for strangers again'));
  assert.equal((await server.stats()).connections_trouble, undefined);
});

test('shards that are connected leave a place for strangers, and those that are too many are refused with a reason', async (t) => {
  const server = await limited(t, 64, '[shards]\ncount = 60\n[limits]\nconn_count = 10000\n[heartbeat]\ninterval = "5s"\n');
  for (const config of await server.register(60)) server.shard(config, {socket: {transports: ['websocket']}});
  await until('some shards to be refused', () => /no room for more shards.*64 descriptors.*LimitNOFILE/.test(server.log));
  const {current} = await server.stats();
  assert.ok(current > 10 && current < 40, `${current} shards are connected`);
  await until('another to be served', () => request(server.port, '/healthz').then(({status}) => status === 200, () => false));
});

test('silent connections to the control socket do not shut operators out', async (t) => {
  const server = await limited(t, 300, '[shards]\ncount = 1\n');
  const idle = new Silent(t, {path: server.socket}, 300);
  await until('some to be dropped', () => idle.dropped > 100);
  for (let i = 0; i < 3; i++) assert.ok(await timed(() => server.stats()) < promptly);
  assert.equal((await request(server.port, '/healthz')).status, 200);
  assert.match(server.log, /too many connections to the control socket/);
});

test('neither silent connections nor those that do not read shut operators out of the dashboard', async (t) => {
  const server = await serve(t, '[shards]\ncount = 1\n[dashboard]\nlisten = 0\n');
  const [, url] = await until('the dashboard to listen', () => server.log.match(/the dashboard is on (\S+)/));
  const where = {port: Number(new URL(url).port), host: '127.0.0.1'};
  const fleet = async () => assert.equal((await fetch(new URL('/api/fleet', url))).status, 200);
  const idle = new Silent(t, where, 400);
  await until('some to be dropped', () => idle.dropped > 0);
  for (let i = 0; i < 3; i++) assert.ok(await timed(fleet) < promptly, 'beside silent ones');
  idle.stop();
  const readers = new Silent(t, where, 400, {hello: 'GET /api/events HTTP/1.1\r\nHost: localhost\r\n\r\n', reads: false, again: false});
  await until('events to be followed', async () => /share="dashboard"\} (2\d\d)/.test((await request(server.port, '/metrics')).body));
  for (let i = 0; i < 3; i++) assert.ok(await timed(fleet) < promptly, 'beside those that do not read');
  readers.stop();
});

/** A server with a project directory, and its shards. */
async function withProject(t, {count = 1, connected = count, wrap = serve, socket} = {}) {
  const project = mkdtempSync(path.join(tmpdir(), 'smaster-connections-'));
  t.after(() => rmSync(project, {recursive: true, force: true}));
  const server = await wrap(t, `[server]\nproject_dir = "${project}"\n[shards]\ncount = ${count}\n[limits]\nconn_count = 1000\n`);
  const configs = await server.register(count);
  const shards = configs.slice(0, connected).map((config) => server.shard(config, {socket}));
  await server.running(connected);
  return {server, project, configs, shards};
}

test('5,000 files asked for at once: few are open, the rest waits or is refused, and other shards are served', async (t) => {
  const {server, project, shards: [greedy, modest]} = await withProject(t, {count: 2, wrap: (t_, settings) => limited(t_, 300, settings), socket: {transports: ['websocket']}});
  writeFileSync(`${project}/big`, Buffer.alloc(30_000_000));
  writeFileSync(`${project}/small`, 'x');
  let most = 0;
  const refusals = [];
  greedy.onWriteFile = () => {}; // it never says that it has one
  for (let i = 0; i < 5000; i++) greedy.socket.emit('getFile', 'small', (error) => error && refusals.push(error.message));
  await until('what is too much to be refused', () => refusals.length >= 3000);
  assert.match(refusals[0], /too many files are asked for at the same time \(at most 2000 of one shard/);
  // A shard that reads nothing of what it is sent.
  greedy.socket.io.engine.transport.ws._socket.pause();
  const other = server.shard(greedy.config, {socket: {transports: ['websocket']}});
  await next(other.socket, 'connect');
  for (let i = 0; i < 1000; i++) other.socket.emit('getFile', 'big');
  other.socket.io.engine.transport.ws._socket.pause();
  await until('its first file to be open', () => openBelow(server, project) > 0);
  for (let i = 0; i < 20; i++) {
    assert.equal(await modest.socket.timeout(promptly).emitWithAck('getFile', 'small'), null);
    most = Math.max(most, openBelow(server, project));
  }
  assert.ok(most <= 4, `${most} files were open`);
  assert.ok(descriptorsOf(server).length < 100);
  await until('the reader that takes nothing to be disconnected', () => server.log.includes('has taken nothing of a file'));
  await until('its file to be closed', () => openBelow(server, project) === 0);
});

/** A hand-written polling shard that discards what it receives; counts the bytes. */
async function pollingShard(server, config) {
  const {body} = await request(server.port, '/socket.io/?EIO=4&transport=polling', {headers: {authorization: authorization(config)}});
  const target = `/socket.io/?EIO=4&transport=polling&sid=${JSON.parse(body.slice(1)).sid}`;
  const post = (text) => request(server.port, target, {method: 'POST', body: text});
  const poll = () => request(server.port, target, {raw: true});
  await post('40');
  await until('it to be taken for connected', async () => (await poll()).body.includes('"update"'));
  return {post, poll};
}

test('twelve files of 30 MB over polling take little memory and leave the server answering', async (t) => {
  const count = 12;
  const {server, project, configs} = await withProject(t, {connected: 0});
  const size = 30_000_000;
  writeFileSync(`${project}/big`, Buffer.alloc(size, 7));
  const peak = () => Number(readFileSync(`/proc/${server.process.pid}/status`, 'utf8').match(/VmHWM:\s+(\d+)/)[1]) * 1024;
  const shard = await pollingShard(server, configs[0]);
  const before = peak();
  await shard.post(Array(count).fill('42["getFile","big"]').join('\x1e'));
  let slowest = 0;
  let files = 0;
  const watch = (async () => {
    while (files < count) slowest = Math.max(slowest, await timed(() => request(server.port, '/healthz')));
  })();
  while (files < count) {
    const {body} = await shard.poll();
    if (body.length < size) {
      if (body.toString().split('\x1e').includes('2')) await shard.post('3');
      continue;
    }
    const text = body.subarray(body.indexOf('\x1eb') + 1);
    assert.equal(text.length, 1 + size / 3 * 4);
    if (files++ === 0) assert.ok(Buffer.from(text.subarray(1).toString(), 'base64').equals(Buffer.alloc(size, 7)));
  }
  await watch;
  t.diagnostic(`slowest answer ${Math.round(slowest)} ms, ${Math.round((peak() - before) / 1e6)} MB more at its peak`);
  assert.ok(slowest < 2_000, `another request took ${slowest} ms`);
  if (!process.env.SMASTER_SANITIZED) assert.ok(peak() - before < 40e6, `${(peak() - before) / 1e6} MB more at its peak`);
});

test('what the connections of one key hold in unfinished packets is bounded; who goes beyond is disconnected with a reason', async (t) => {
  const server = await serve(t, '[shards]\ncount = 2\n[limits]\nconn_count = 1000\n');
  const [config, {id: otherId}] = await server.register(2);
  const attachments = Array.from({length: 10}, (_, num) => `{"_placeholder":true,"num":${num}}`).join(',');
  const piece = Buffer.alloc(900_000);
  const open = [];
  for (let i = 0; i < 12; i++) {
    const socket = new WebSocket(`${protocol.replace('http', 'ws')}//127.0.0.1:${server.port}/socket.io/?EIO=4&transport=websocket&process=${i}`,
      {headers: {authorization: authorization(config, Date.now() + i)}, ca: tls && readFileSync(tls.ca)});
    t.after(() => socket.terminate());
    await next(socket, 'open');
    open.push(socket);
    socket.on('close', () => open.splice(open.indexOf(socket), 1));
    socket.on('error', () => {});
    socket.on('message', (data) => String(data) === '2' && socket.send('3'));
    socket.send('40');
    socket.send(`4510-["broadcastEval",${attachments}]`);
    for (let n = 0; n < 9; n++) socket.send(piece);
  }
  await until('those that are too many to be disconnected', () => open.length <= 8);
  assert.match(server.log, new RegExp(`shard ${config.id}-\\d+ is disconnected: packets that wait for attachments hold too much`));
  assert.ok(open.length >= 6, 'those within the bound stay');
  const rss = Number(readFileSync(`/proc/${server.process.pid}/status`, 'utf8').match(/VmRSS:\s+(\d+)/)[1]) * 1024;
  if (!process.env.SMASTER_SANITIZED) assert.ok(rss < 200e6, `${rss / 1e6} MB`);
  const other = server.shard({...config, id: otherId});
  await next(other.socket, 'connect');
});
