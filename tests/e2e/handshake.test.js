// Authentication: the authorization header, replays, limits, proxies, replaced connections, and the master's proof.
import assert from 'node:assert/strict';
import {createSign, createVerify, generateKeyPairSync} from 'node:crypto';
import {test} from 'node:test';
import {keys, next, request, serve, until} from './harness.js';
import {authorization} from './shard.js';

const handshakeUrl = '/socket.io/master/?EIO=4&transport=polling';
const generous = '[limits]\nconn_count = 1000\n';

function handshake(server, header, options = {}) {
  return request(server.port, handshakeUrl, {...options, headers: {...options.headers, ...(header && {authorization: header})}});
}

test('a good header opens a session, once', async (t) => {
  const server = await serve(t, generous);
  const [config] = await server.register(1);
  const header = authorization(config);
  const first = await handshake(server, header);
  assert.equal(first.status, 200);
  assert.deepEqual(Object.keys(JSON.parse(first.body.slice(1))), ['sid', 'upgrades', 'pingInterval', 'pingTimeout', 'maxPayload']);
  assert.equal(first.headers['access-control-allow-origin'], undefined, 'CORS is off');
  const again = await handshake(server, header);
  assert.equal(again.status, 403);
  assert.deepEqual(JSON.parse(again.body), {code: 4, message: 'Forbidden'});
  // The same signature in another encoding is the same signature.
  const [name, signature, time] = header.split(',');
  for (const spelling of [signature.replace(/=+$/, ''), signature + '=', `${signature}\n`]) {
    assert.notEqual((await handshake(server, `${name},${encodeURI(spelling)},${time}`)).status, 200);
  }
});

test('a used header is never good again: not after a restart, however it ended, nor as another process or with other limits', async (t) => {
  const server = await serve(t, generous);
  const [config] = await server.register(1);
  const now = Date.now();
  const used = [];
  const use = async (time) => {
    const header = authorization(config, time);
    assert.equal((await handshake(server, header)).status, 200, 'a header that was not used is good, whichever way the clock went');
    used.push(header);
  };
  const refused = async () => {
    for (const header of used) {
      assert.equal((await handshake(server, header)).status, 403);
      const other = await request(server.port, `${handshakeUrl}&process=7`, {headers: {authorization: header}});
      assert.equal(other.status, 403, 'the number of the process is not signed');
    }
  };
  await use(now + 250_000); // a clock that is ahead
  await use(now - 100_000); // and is set back
  await use(now);
  for (const signal of ['SIGKILL', 'SIGTERM', 'SIGKILL']) {
    await refused();
    await server.end(signal);
    await server.start();
    await refused();
    await use(now + used.length);
  }
  // The window moves on, or is enlarged: headers that left it count as used nevertheless.
  server.settings = `${generous}[shards]\ntimestamp_precision = "30s"\n`;
  await server.end();
  await server.start();
  await use(Date.now());
  server.settings = `${generous}[shards]\ntimestamp_precision = "1h"\n`;
  await server.end();
  await server.start();
  await refused();
  assert.match(server.log, /came twice/);
});

test('shards that all come back at once after a crash are all let in, by unmodified clients', async (t) => {
  const server = await serve(t, `${generous}[shards]\ncount = 40\n`);
  const configs = await server.register(40);
  for (const config of configs) server.shard(config);
  await server.running(40);
  await server.end('SIGKILL');
  await server.start();
  const begun = Date.now();
  await server.running(40);
  t.diagnostic(`back after ${Date.now() - begun} ms`);
  assert.doesNotMatch(server.log, /came twice/);
});

test('bad headers are all refused alike, before a session exists', async (t) => {
  const server = await serve(t, generous);
  const [config] = await server.register(1);
  const other = generateKeyPairSync('rsa', {modulusLength: 2048}).privateKey.export({type: 'pkcs8', format: 'pem'});
  const now = Date.now();
  const wrongText = createSign('RSA-SHA256').update(`abd${now}`).sign(config.privKey, 'base64');
  const bad = {
    'none': undefined,
    'empty parts': ',,',
    'two parts': `${config.id},xyz`,
    'a name that is none': authorization(config, now, 'ABC'),
    'an unknown name': authorization(config, now, 'zzz'),
    'another key': authorization({...config, privKey: other}),
    'a signature over another text': `${config.id},${wrongText},${now}`,
    'a time too old': authorization(config, now - 301_000),
    'a time too new': authorization(config, now + 3_600_000),
    'a time that is none': authorization(config, 'noon'),
    'more parts': authorization(config) + ',x',
    'parts in another order': authorization(config, now).split(',').reverse().join(','),
    'two parts exchanged': `${authorization(config, now).split(',')[1]},${config.id},${now}`,
    'the end cut off': authorization(config, now).slice(0, -1),
    'the beginning cut off': authorization(config, now).slice(1),
    'the signature cut off': authorization(config, now).replace(/.{20},/, ','),
    'a very long one': `${config.id},${'A'.repeat(9000)},${now}`,
  };
  for (const [what, header] of Object.entries(bad)) {
    const answer = await handshake(server, header);
    assert.equal(answer.status, 403, what);
    assert.deepEqual(JSON.parse(answer.body), {code: 4, message: 'Forbidden'}, what);
  }
  assert.equal((await server.stats()).clients, 0);
  assert.equal((await handshake(server, authorization(config, Date.now() - 200_000))).status, 200, 'within timestamp_precision');
});

test('websockets are refused before the upgrade, too', async (t) => {
  const server = await serve(t, generous);
  const answer = await request(server.port, '/socket.io/?EIO=4&transport=websocket', {
    headers: {'connection': 'Upgrade', 'upgrade': 'websocket', 'sec-websocket-version': '13', 'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ=='},
  });
  assert.equal(answer.status, 403);
});

test('too many failed attempts from one address are answered 429, other addresses and shards are not held up', async (t) => {
  const server = await serve(t, '[limits]\nconn_count = 3\nconn_time = "1h"\n');
  const [config, second] = await server.register(2);
  for (let i = 0; i < 3; ++i) assert.equal((await handshake(server, 'bad')).status, 403);
  const refused = await handshake(server, authorization(config));
  assert.equal(refused.status, 429);
  assert.equal(refused.headers['retry-after'], '3600');
  assert.equal(JSON.parse(refused.body).code, 4);
  assert.equal((await handshake(server, authorization(second), {localAddress: '127.0.0.2'})).status, 200);
});

test('one shard that connects again and again is held up, its neighbours are not', async (t) => {
  const server = await serve(t, '[limits]\nconn_count = 3\nconn_time = "1h"\n');
  const configs = await server.register(20);
  for (let i = 0; i < 3; ++i) assert.equal((await handshake(server, authorization(configs[0], Date.now() + i))).status, 200);
  assert.equal((await handshake(server, authorization(configs[0], Date.now() + 9))).status, 429);
  for (const config of configs.slice(1)) assert.equal((await handshake(server, authorization(config))).status, 200);
});

test('X-Forwarded-For counts only from trusted proxies', async (t) => {
  const server = await serve(t, '[server]\ntrusted_proxies = ["127.0.0.2"]\n[limits]\nconn_count = 2\nconn_time = "1h"\n');
  const from = (localAddress, forwarded) => handshake(server, 'bad', {localAddress, headers: {'x-forwarded-for': forwarded}});
  for (let i = 0; i < 2; ++i) assert.equal((await from('127.0.0.2', '198.51.100.1')).status, 403);
  assert.equal((await from('127.0.0.2', '198.51.100.1')).status, 429);
  assert.equal((await from('127.0.0.2', '198.51.100.2')).status, 403, 'another client behind the proxy');
  assert.equal((await from('127.0.0.2', '9.9.9.9, 198.51.100.1')).status, 429, 'the left entry is a claim');
  for (let i = 0; i < 2; ++i) assert.equal((await from('127.0.0.3', `198.51.100.${i + 10}`)).status, 403);
  assert.equal((await from('127.0.0.3', '198.51.100.99')).status, 429, 'not a proxy of ours');
});

test('the master proves itself with a signature made within the last seconds', async (t) => {
  const server = await serve(t, generous);
  const [config] = await server.register(1);
  const shard = server.shard(config);
  const [signature, text] = await next(shard.socket, 'masterVerification');
  assert.match(text, /^Look at me, I'm the captain now\. \d{13}$/);
  assert.ok(Math.abs(Date.now() - Number(text.split(' ').pop())) < 60_000);
  assert.ok(createVerify('RSA-SHA256').update(text).verify(config.masterPubKey, signature, 'base64'));
  assert.ok(shard.verified);
});

test('shards that connect together share one signature', async (t) => {
  const server = await serve(t, generous);
  const configs = await server.register(30);
  const texts = await Promise.all(configs.map(async (config) => (await next(server.shard(config).socket, 'masterVerification'))[1]));
  assert.ok(new Set(texts).size <= 10, `${new Set(texts).size} signatures for 30 shards`);
});

test('a shard that connects again replaces its old connection at once', async (t) => {
  const server = await serve(t, generous);
  const [config] = await server.register(1);
  const old = server.shard(config, {socket: {reconnection: false}});
  await server.running(1);
  const gone = next(old.socket, 'disconnect');
  const fresh = server.shard(config);
  await gone;
  await until('the new one to run', () => fresh.bot);
  const stats = await server.running(1);
  assert.equal(stats.clients, 1);
  assert.equal(fresh.bot.id, 0);
});

test('a second master shard is refused while one is live, the same one may come back', async (t) => {
  const server = await serve(t, generous);
  const [first, second] = await server.register(2, {prefix: 'm', master: true});
  const master = server.shard(first, {socket: {reconnection: false}});
  await next(master.socket, 'update');
  assert.equal(master.updates[0].master, true);
  assert.ok(master.updates[0].id >= 1000, 'its id is not one of Discord\'s');
  assert.equal((await handshake(server, authorization(second))).status, 403);
  const again = server.shard(first);
  await next(again.socket, 'update');
  again.close();
  await until('the seat to be free', async () => (await handshake(server, authorization(second))).status === 200);
});

test('the transports a shard may use: polling, websocket, upgrading', async (t) => {
  const server = await serve(t, generous + '[shards]\ncount = 3\n');
  const configs = await server.register(3);
  const transports = [['polling'], ['websocket'], ['polling', 'websocket']];
  const shards = configs.map((config, i) => server.shard(config, {socket: {transports: transports[i]}}));
  await server.running(3);
  assert.deepEqual(shards.map((shard) => shard.bot.id).sort(), [0, 1, 2]);
  const {stdout} = await server.tool(['eval', '--json', 'this.id']);
  assert.deepEqual(JSON.parse(stdout).map((line) => line.result), [0, 1, 2]);
});

test('anything outside the prefix is 501, health is ok', async (t) => {
  const server = await serve(t);
  assert.equal((await request(server.port, '/')).status, 501);
  assert.equal((await request(server.port, '/anything?x=1', {method: 'POST', body: 'x'})).status, 501);
  assert.equal((await request(server.port, '/healthz')).status, 200);
  const metrics = await request(server.port, '/metrics');
  assert.match(metrics.body, /^smaster_shards_goal 1$/m);
});

test('a key pair made by keygen is one that Node reads', async (t) => {
  const server = await serve(t);
  const {publicKey, privateKey} = keys();
  assert.ok(publicKey && privateKey);
  const made = await server.tool(['keygen', '--out', `${server.folder}/k`, '--bits', '2048']);
  assert.equal(made.code, 0, made.stderr);
  const [priv, pub] = made.stdout.trim().split('\n');
  const {readFileSync, statSync} = await import('node:fs');
  const signature = createSign('RSA-SHA256').update('x').sign(readFileSync(priv, 'utf8'), 'base64');
  assert.ok(createVerify('RSA-SHA256').update('x').verify(readFileSync(pub, 'utf8'), signature, 'base64'));
  assert.equal(statSync(priv).mode & 0o777, 0o600);
  assert.equal(statSync(`${server.folder}/k`).mode & 0o777, 0o700);
  const again = await server.tool(['keygen', '--out', `${server.folder}/k`, '--bits', '2048']);
  assert.equal(again.code, 73);
  assert.match(again.stderr, /exists/);
  assert.equal((await server.tool(['keygen', '--out', `${server.folder}/k`, '--bits', '2048', '--force'])).code, 0);
});
