// The registry: import of an installation of the original master, and revocation of shards.
import assert from 'node:assert/strict';
import {generateKeyPairSync} from 'node:crypto';
import {mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import path from 'node:path';
import {test} from 'node:test';
import {protocol, keys, next, request, serve, until} from './harness.js';
import {authorization} from './shard.js';

const settings = (count) => `[shards]\ncount = ${count}\n[limits]\nconn_count = 1000\n`;

test('an existing installation moves over, keys, registry and history, and its shards notice nothing', async (t) => {
  const server = await serve(t, settings(1));
  const {publicKey, privateKey} = keys();
  const master = generateKeyPairSync('rsa', {modulusLength: 4096, publicKeyEncoding: {type: 'spki', format: 'pem'}, privateKeyEncoding: {type: 'pkcs8', format: 'pem'}});
  const file = (name, content) => {
    writeFileSync(`${server.folder}/${name}`, content);
    return `${server.folder}/${name}`;
  };
  const now = Date.now();
  const known = {abc: {id: 'abc', key: publicKey, isMaster: false, lastSeen: now - 60_000, createdTime: 1500000000000, goalShardId: 0, goalShardCount: 1, currentShardId: 0, currentShardCount: 1}};
  const status = (ago, ping) => ({id: 'abc', timestamp: now - ago, goalShardId: 0, goalShardCount: 1, currentShardId: 0, currentShardCount: 1, ping, messageCountTotal: 5});
  const history = {abc: [status(48 * 3600e3, 1), status(7200e3, 2), status(7200e3, 3), status(3600e3, 4)], zzz: [status(1000, 5)]};
  const args = ['shards', 'import', file('knownShards.json', JSON.stringify(known)), '--history', file('shardStatsHistory.json', JSON.stringify(history)),
    '--master-key', file('old.priv', master.privateKey)];
  const {code, stdout, stderr} = await server.tool(args);
  assert.equal(code, 0, stderr);
  assert.equal(stdout, 'imported 1, already known 0\nhistory: 3 statuses, 1 too old, 1 of unknown shards\nthe master\'s key pair is the imported one\n');
  assert.equal(statSync(`${server.folder}/state/shardMaster.priv`).mode & 0o777, 0o600);
  assert.equal(readFileSync(`${server.folder}/state/shardMaster.pub`, 'utf8').trim(), master.publicKey.trim());

  const shard = server.shard({
    host: {protocol, host: '127.0.0.1', port: server.port, path: '/socket.io/'},
    pubKey: publicKey, privKey: privateKey, masterPubKey: master.publicKey, id: 'abc', signAlgorithm: 'RSA-SHA256',
  });
  await server.running(1);
  await until('the shard to know its master', () => shard.verified);
  const samples = async () => JSON.parse((await server.tool(['stats', '--history', '--since', '20h', '--json'])).stdout).abc;
  assert.deepEqual((await samples()).slice(0, 3).map((sample) => sample.ping), [2, 3, 4]);
  await server.end('SIGKILL');
  await server.start();
  assert.deepEqual((await samples()).slice(0, 3).map((sample) => sample.ping), [2, 3, 4]);
  await server.running(1);

  // A repeated import changes nothing; another key would lock out the shards, and is refused unless forced.
  assert.equal((await server.tool(args)).code, 0);
  const other = generateKeyPairSync('rsa', {modulusLength: 2048, publicKeyEncoding: {type: 'spki', format: 'pem'}, privateKeyEncoding: {type: 'pkcs8', format: 'pem'}});
  const with_ = (more) => server.tool(['shards', 'import', args[2], '--master-key', file('other.priv', other.privateKey), ...more]);
  const refused = await with_([]);
  assert.equal(refused.code, 77);
  assert.match(refused.stderr, /1 shards are known already, .*; --force does it all the same/);
  assert.equal((await with_(['--force'])).code, 0);
  assert.equal(readFileSync(`${server.folder}/state/shardMaster.pub`, 'utf8').trim(), other.publicKey.trim());
});

test('an import does not mind the configs that the server has made meanwhile, and waits for its start', async (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), 'smaster-import-'));
  t.after(() => rmSync(folder, {recursive: true, force: true}));
  const file = (name, content) => {
    writeFileSync(`${folder}/${name}`, content);
    return `${folder}/${name}`;
  };
  const pair = () => generateKeyPairSync('rsa', {modulusLength: 2048, publicKeyEncoding: {type: 'spki', format: 'pem'}, privateKeyEncoding: {type: 'pkcs8', format: 'pem'}});
  const {publicKey} = keys();
  const known = file('known.json', JSON.stringify(Object.fromEntries(['abc', 'abd'].map((id) => [id, {id, key: publicKey, lastSeen: Date.now()}]))));
  const args = ['shards', 'import', known, '--master-key', file('old.priv', pair().privateKey)];
  const server = await serve(t, '[shards]\ncount = 2\nauto_generate = true\n');
  const configs = () => readdirSync(`${server.state}/shards`).filter((name) => name.endsWith('.json'));
  await until('two configs', async () => (await server.stats()).known === 2);
  assert.equal(configs().length, 2);
  await server.end();
  const imported = server.tool(args); // before the server is there
  await server.start();
  const {code, stdout, stderr} = await imported;
  assert.equal(code, 0, stderr);
  assert.match(stdout, /^imported 2, already known 0\nthe master's key pair is the imported one\nrevoked, since .* never used: [a-z]{3} [a-z]{3}\n$/);
  assert.deepEqual(configs(), []);
  assert.deepEqual((await server.tool(['shards', 'list'])).stdout.trim().split('\n').sort(), ['abc', 'abd']);
  // One that was handed out may be in use: it is not revoked without a word.
  assert.equal((await server.tool(['genconfig', '--out', folder])).code, 0);
  assert.equal((await server.tool([...args.slice(0, 4), file('other.priv', pair().privateKey)])).code, 77);
});

test('files that are none of these are refused, and change nothing', async (t) => {
  const server = await serve(t, settings(1));
  await server.register(1);
  const before = readFileSync(`${server.folder}/state/shardMaster.priv`, 'utf8');
  for (const [flag, text] of [['--history', '[]'], ['--history', '{"aaa":[1]}'], ['--history', '{'], ['--history', '{"aaa":{}}'], ['--master-key', 'nonsense'], ['--master-key', '']]) {
    writeFileSync(`${server.folder}/x`, text);
    const {code} = await server.tool(['shards', 'import', '-', flag, `${server.folder}/x`], {input: '{}'});
    assert.equal(code, 65, `${flag} ${text}`);
  }
  assert.equal(readFileSync(`${server.folder}/state/shardMaster.priv`, 'utf8'), before);
});

test('rm revokes: the program exits, the connection closes at once, the id goes to a spare, and nobody gets in again', async (t) => {
  const server = await serve(t, settings(2));
  const configs = await server.register(3);
  const shards = configs.map((config) => server.shard(config));
  await server.running(2);
  const victim = shards.find((shard) => shard.bot);
  const {id} = victim.bot;
  victim.closed = true; // nothing starts it again
  const gone = next(victim.socket, 'disconnect');
  const {code, stdout} = await server.tool(['shards', 'rm', '--yes', victim.config.id]);
  assert.equal(code, 0);
  assert.equal(stdout, `revoked ${victim.config.id}\n`);
  await gone;
  assert.equal(victim.exits, 1);
  await server.running(2);
  assert.equal(shards.filter((shard) => shard !== victim && shard.bot?.id === id).length, 1);

  const knock = () => request(server.port, '/socket.io/?EIO=4&transport=polling', {headers: {authorization: authorization(victim.config)}});
  assert.equal((await knock()).status, 403);
  const names = async () => (await server.tool(['shards', 'list'])).stdout.trim().split('\n');
  assert.deepEqual(await names(), configs.map((config) => config.id).filter((name) => name !== victim.config.id));
  await server.end('SIGKILL');
  await server.start();
  assert.equal((await names()).length, 2);
  assert.equal((await knock()).status, 403);
  assert.doesNotMatch(JSON.stringify(JSON.parse((await server.tool(['stats', '--history', '--json'])).stdout)), new RegExp(`"${victim.config.id}"`));

  const unknown = await server.tool(['shards', 'rm', victim.config.id]);
  assert.equal(unknown.code, 64);
  assert.match(unknown.stderr, /no shard is named .*; nobody was revoked/);
  assert.equal((await server.tool(['shards', 'rm', 'A&b'])).code, 64);
});

test('shards that come and go while others are revoked are told the right ids', async (t) => {
  const server = await serve(t, settings(10));
  const configs = await server.register(30);
  const shards = configs.map((config) => server.shard(config));
  await server.running(10);
  for (let round = 0; round < 5; ++round) {
    const some = shards.filter((shard) => !shard.closed).slice(0, 4);
    for (const shard of some) shard.closed = true;
    const {code, stderr} = await server.tool(['shards', 'rm', '--yes', ...some.map((shard) => shard.config.id)]);
    assert.equal(code, 0, stderr);
    shards.at(-1 - round).socket.disconnect();
    shards.at(-1 - round).connect();
  }
  const stats = await server.running(10);
  assert.equal(stats.known, 10);
  await until('all ids once', () => new Set(shards.filter((shard) => !shard.closed && shard.bot).map((shard) => shard.bot.id)).size === 10);
});
