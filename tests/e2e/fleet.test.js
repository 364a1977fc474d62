// The fleet's operation: ids, heartbeats, goals, restarts, configs, the registry and its history.
import assert from 'node:assert/strict';
import {existsSync, readFileSync, readdirSync, statSync, writeFileSync} from 'node:fs';
import {test} from 'node:test';
import {protocol, keys, names, next, serve, until} from './harness.js';

const settings = (count, more = '') => `[shards]\ncount = ${count}\n[limits]\nconn_count = 1000\n${more}`;
const ids = (shards) => shards.map((shard) => shard.bot?.id).sort((a, b) => a - b);
const upTo = (count) => Array.from({length: count}, (_, i) => i);

test('200 shards get ids 0..199 once each, answer, and survive kill -9 with ids and history', async (t) => {
  const server = await serve(t, settings(200));
  const configs = await server.register(200);
  const shards = configs.map((config) => server.shard(config));
  await server.running(200);
  assert.deepEqual(ids(shards), upTo(200));
  const before = Object.fromEntries(shards.map((shard) => [shard.config.id, shard.bot.id]));

  const answers = (await server.tool(['eval', '--json', 'this.id * 2'])).stdout;
  assert.deepEqual(JSON.parse(answers).map((line) => line.result), upTo(200).map((id) => id * 2));

  const history = async () => {
    const {code, stdout, stderr} = await server.tool(['stats', '--history', '--json', '--timeout', '2m']);
    assert.equal(code, 0, stderr);
    return JSON.parse(stdout);
  };
  const old = await history();
  assert.ok(configs.every(({id}) => old[id].length > 0));
  // Data older than three seconds must be on disk.
  const threshold = Date.now() - 3000;

  await server.end('SIGKILL');
  await server.start();
  await server.running(200);
  assert.deepEqual(Object.fromEntries(shards.map((shard) => [shard.config.id, shard.bot.id])), before);
  const fresh = await history();
  for (const {id} of configs) {
    const kept = new Set(fresh[id].map((sample) => sample.timestamp));
    for (const sample of old[id]) {
      assert.ok(kept.has(sample.timestamp) || sample.timestamp > threshold, `${id} lost a sample of ${sample.timestamp}`);
    }
  }
  // A clean stop loses nothing.
  const last = await history();
  assert.equal(await server.end(), 0);
  for (const shard of shards) shard.close();
  await server.start();
  const all = await history();
  for (const {id} of configs) assert.ok(all[id].length >= last[id].length);
});

test('the update carries the whole config, durations in milliseconds', async (t) => {
  const server = await serve(t, settings(1, '[shards]\nbot_name = "beta"\nnode_args = ["--x"]\nbot_args = ["y"]\n'));
  const [config] = await server.register(1);
  const [update] = await next(server.shard(config).socket, 'update').then(async ([first]) => [first]);
  const {config: told, ...rest} = update;
  assert.deepEqual(rest, {id: update.id, count: update.count, master: false});
  assert.deepEqual(told, {
    botName: 'beta', nodeArgs: ['--x'], botArgs: ['y'],
    heartbeat: {
      updateStyle: 'pull', interval: 500, requestRebootAfter: 120000, expectRebootAfter: 180000,
      assumeDeadAfter: 300000, useMessageStats: true,
    },
  });
});

test('spares are told to run nothing, and take over when the goal grows', async (t) => {
  const server = await serve(t, settings(2));
  const configs = await server.register(3);
  const shards = configs.map((config) => server.shard(config));
  await server.running(2);
  await until('all to be told', () => shards.every((shard) => shard.updates.length > 0));
  const spare = shards.find((shard) => !shard.bot);
  assert.deepEqual([spare.updates.at(-1).id, spare.updates.at(-1).count], [-1, -1]);

  server.configure(settings(3));
  server.process.kill('SIGHUP');
  await server.running(3);
  assert.deepEqual(ids(shards), [0, 1, 2]);
  assert.ok(shards.every((shard) => shard.bot.count === 3));
});

test('a broken edit of the settings is reported with its place and the old ones stay', async (t) => {
  const server = await serve(t, settings(1));
  writeFileSync(`${server.folder}/smaster.toml`, '[shards]\ncount = "many"\n');
  server.process.kill('SIGHUP');
  await until('the complaint', () => /smaster.toml:2:9: shards.count takes .*; the old settings stay/.test(server.log));
  assert.equal((await server.stats()).goal, 1);
});

test('a shard that vanishes and returns keeps its id', async (t) => {
  const server = await serve(t, settings(3));
  const configs = await server.register(4);
  const shards = configs.slice(0, 3).map((config) => server.shard(config));
  await server.running(3);
  const id = shards[1].bot.id;
  shards[1].close();
  await until('it to be gone', async () => (await server.stats()).current === 2);
  server.shard(configs[3]);
  const back = server.shard(configs[1]);
  await until('it to run again', () => back.bot);
  assert.equal(back.bot.id, id);
});

test('a status for another goal is corrected', async (t) => {
  const server = await serve(t, settings(1, '[heartbeat]\ninterval = "1h"\n'));
  const [config] = await server.register(1);
  const shard = server.shard(config);
  await until('it to run', () => shard.bot);
  await server.running(1);
  const told = shard.updates.length;
  shard.goal = {id: 5, count: 9};
  shard.sendStatus();
  await until('the correction', () => shard.updates.length > told);
  assert.deepEqual([shard.updates.at(-1).id, shard.updates.at(-1).count], [0, 1]);
});

test('statuses of any shape do no harm and cost nobody the connection', async (t) => {
  const server = await serve(t, settings(1));
  const [config] = await server.register(1);
  const shard = server.shard(config);
  await server.running(1);
  for (const junk of [null, 5, 'x', [], {}, {ping: 'fast', cpus: 5, cpuLoad: {}}, {goalShardId: 1e300}, Buffer.from('x')]) {
    shard.socket.emit('status', junk);
  }
  shard.socket.emit('status');
  shard.socket.emit('no such event', 1, () => {});
  shard.sendStatus();
  await server.running(1);
  assert.equal(shard.socket.connected, true);
});

test('heartbeats are asked for evenly over the interval', async (t) => {
  const server = await serve(t, settings(10, '[heartbeat]\ninterval = "2s"\n'));
  const configs = await server.register(10);
  const shards = configs.map((config) => server.shard(config));
  await server.running(10);
  const from = shards.map((shard) => shard.updates.length);
  const times = [];
  for (const shard of shards) shard.socket.on('update', () => times.push(Date.now()));
  await until('everyone to be asked three times', () => shards.every((shard, i) => shard.updates.length >= from[i] + 3));
  const gaps = times.slice(1).map((time, i) => time - times[i]);
  // Ten shards in 2 s are one every 200 ms; together they would come within a few milliseconds.
  assert.ok(gaps.filter((gap) => gap > 50).length > gaps.length / 2, `gaps: ${gaps}`);
});

test('missing configs are generated up to the goal, and no master\'s', async (t) => {
  const server = await serve(t, settings(2, '[shards]\nauto_generate = true\n'));
  const folder = `${server.folder}/state/shards`;
  const files = await until('two configs', () => existsSync(folder) && readdirSync(folder).filter((f) => f.endsWith('.json')).length === 2 && readdirSync(folder));
  await until('both to be registered', async () => (await server.stats()).known === 2);
  assert.equal(statSync(folder).mode & 0o777, 0o700);
  for (const file of files) {
    assert.equal(statSync(`${folder}/${file}`).mode & 0o777, 0o600);
    const config = JSON.parse(readFileSync(`${folder}/${file}`, 'utf8'));
    assert.match(file, new RegExp(`^shard_${config.id}_config.json$`));
    assert.match(config.id, /^[a-z]{3}$/);
    assert.deepEqual(config.host, {protocol: protocol, host: '127.0.0.1', port: server.port, path: '/socket.io/'});
    assert.equal(config.signAlgorithm, 'RSA-SHA256');
    assert.equal(config.masterPubKey, readFileSync(`${server.folder}/state/shardMaster.pub`, 'utf8'));
    assert.ok(config.privKey.startsWith('-----BEGIN PRIVATE KEY-----') && config.pubKey.startsWith('-----BEGIN PUBLIC KEY-----'));
  }
  const shards = files.map((file) => server.shard(JSON.parse(readFileSync(`${folder}/${file}`, 'utf8'))));
  await server.running(2);
  assert.ok(shards.every((shard) => shard.verified));
  assert.equal((await server.stats()).shards.length, 2, 'exactly those that were missing');
  // The private keys are in the config files alone.
  const database = ['', '-wal'].map((end) => `${server.folder}/state/smaster.db${end}`).filter(existsSync);
  for (const file of database) assert.ok(!readFileSync(file, 'latin1').includes('PRIVATE KEY'));
});

test('genconfig writes to the state folder, to a folder, or to stdout', async (t) => {
  const server = await serve(t, settings(1));
  const plain = await server.tool(['genconfig']);
  assert.equal(plain.code, 0, plain.stderr);
  assert.match(plain.stdout, new RegExp(`^${server.folder}/state/shards/shard_[a-z]{3}_config.json\n$`));

  const folder = await server.tool(['genconfig', '--count', '2', '--out', `${server.folder}/mine`]);
  const paths = folder.stdout.trim().split('\n');
  assert.equal(paths.length, 2);
  for (const path of paths) assert.equal(statSync(path).mode & 0o777, 0o600);

  const text = await server.tool(['genconfig', '--master', '--out', '-']);
  const config = JSON.parse(text.stdout);
  const row = JSON.parse((await server.tool(['shards', 'show', config.id])).stdout);
  assert.equal(row.isMaster, true);
  assert.equal(row.key, config.pubKey);
  assert.ok(!existsSync(`${server.folder}/state/shards/shard_${config.id}_config.json`));
  assert.equal((await server.tool(['shards', 'list'])).stdout.trim().split('\n').length, 4);

  const asJson = await server.tool(['genconfig', '--json']);
  assert.deepEqual(Object.keys(JSON.parse(asJson.stdout)[0]), ['name', 'path']);
  assert.equal((await server.tool(['genconfig', '--count', '0'])).code, 64);
});

test('an existing registry is imported, all of it or nothing', async (t) => {
  const server = await serve(t, settings(5));
  const key = keys().publicKey;
  const row = (id, more) => ({id, key, isMaster: false, lastSeen: 1700000000000, goalShardId: -1, goalShardCount: -1, ...more});
  const known = {aaa: row('aaa', {goalShardId: 3, goalShardCount: 5}), bbb: row('bbb', {stats: {ping: 1}, unknownField: [1]}), mas: row('mas', {isMaster: true})};
  const good = await server.tool(['shards', 'import', '-'], {input: JSON.stringify(known)});
  assert.equal(good.stdout, 'imported 3, already known 0\n');
  const again = await server.tool(['shards', 'import', '-'], {input: JSON.stringify(known)});
  assert.equal(again.stdout, 'imported 0, already known 3\n');
  const shown = JSON.parse((await server.tool(['shards', 'show', 'aaa'])).stdout);
  assert.deepEqual([shown.goalShardId, shown.goalShardCount, shown.lastSeen], [3, 5, 1700000000000]);

  for (const [what, broken] of Object.entries({
    'no JSON': '{"aaa":', 'no object': '[1]', 'a bad name': {A: row('A')}, 'a bad key': {ccc: row('ccc', {key: 'x'})},
    'an id of another': {ccc: row('ddd')}, 'a row that is none': {ccc: 5},
    'a known name with another key': {ccc: row('ccc'), aaa: row('aaa', {key: (await server.tool(['genconfig', '--out', '-'])).stdout && JSON.parse((await server.tool(['genconfig', '--out', '-'])).stdout).pubKey})},
  })) {
    const {code, stderr} = await server.tool(['shards', 'import', '-'], {input: typeof broken === 'string' ? broken : JSON.stringify(broken)});
    assert.equal(code, 65, `${what}: ${stderr}`);
    assert.equal((await server.tool(['shards', 'show', 'ccc'])).code, 64, `${what}: nothing was imported`);
  }
  assert.equal((await server.tool(['shards', 'import', `${server.folder}/none.json`])).code, 65);
});

test('the registry is on disk before a shard hears its id', async (t) => {
  const server = await serve(t, settings(30));
  const configs = await server.register(30);
  const told = {};
  for (const config of configs) {
    const shard = server.shard(config);
    shard.socket.on('update', ({id}) => {
      if (id >= 0) told[config.id] ??= id;
    });
  }
  // The server is killed when the first ids are sent; a shard that has received one must keep it.
  await until('the first ids', () => Object.keys(told).length > 0);
  await server.end('SIGKILL');
  const heard = {...told};
  await server.start();
  const stats = await server.stats();
  for (const [name, id] of Object.entries(heard)) {
    assert.equal(stats.shards.find((shard) => shard.id === name).goalShardId, id, name);
  }
  await server.running(30);
});

test('two servers cannot share a state folder', async (t) => {
  const server = await serve(t, settings(1));
  const second = await server.tool(['serve', '--config', `${server.folder}/smaster.toml`, '--socket', `${server.folder}/other.sock`]);
  assert.equal(second.code, 73);
  assert.match(second.stderr, /another server uses the state folder/);
  assert.equal(names(3).join(), 'aaa,aab,aac');
});
