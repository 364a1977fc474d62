// A full or read-only disk under a running server: shards are served from memory, the state is reported, and the server
// recovers.
import assert from 'node:assert/strict';
import {execFileSync, spawnSync} from 'node:child_process';
import {mkdtempSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import path from 'node:path';
import {test} from 'node:test';
import {request, serve, until} from './harness.js';

/** Whether file systems can be mounted here; containers may forbid it even to root. */
const mountable = spawnSync(process.getuid() === 0 ? 'unshare' : 'sudo', [...(process.getuid() === 0 ? [] : ['-n', 'unshare']), '-m', 'mount', '-t', 'tmpfs', 'x', '/mnt']).status === 0;
const options = {skip: !mountable && 'file systems cannot be mounted here'};

/** A small separate file system. */
function disk(t, size) {
  const folder = mkdtempSync(path.join(tmpdir(), 'smaster-disk-'));
  const as = process.getuid() === 0 ? [] : ['sudo', '-n'];
  const mount = (...args) => {
    const [program, ...rest] = [...as, ...args];
    execFileSync(program, rest, {stdio: 'pipe'});
  };
  mount('mount', '-t', 'tmpfs', '-o', `size=${size},mode=0777`, 'smaster-test', folder);
  t.after(() => {
    mount('umount', '-l', folder);
    rmSync(folder, {recursive: true, force: true});
  });
  return {folder, remount: (how) => mount('mount', '-o', `remount,${how}`, folder)};
}

async function fleet(t, size) {
  const {folder, remount} = disk(t, size);
  const server = await serve(t, `[shards]\ncount = 2\n[limits]\nconn_count = 1000\n[heartbeat]\ninterval = "100ms"\n`, [], {state: `${folder}/state`});
  const configs = await server.register(2);
  const shards = configs.map((config) => server.shard(config));
  await server.running(2);
  return {server, configs, shards, folder, remount};
}

const ready = async (server) => {
  const {status, body} = await request(server.port, '/readyz');
  return {status, body};
};

/** The functions that must work while nothing can be written. */
async function servesFromMemory(server, shards, configs, full) {
  const degraded = await until('it to be said', async () => {
    const state = await ready(server);
    return state.status === 503 && state;
  });
  const why = full ? 'the disk is full: \\S+smaster\\.db cannot be written' : 'cannot (write the (registry|history) in|open the store) \\S+smaster\\.db: .*';
  assert.match(degraded.body, new RegExp(`^degraded, served from memory: ${why}`));
  assert.doesNotMatch(degraded.body, /INSERT|DELETE|UPDATE/, 'no SQL');
  assert.equal((await request(server.port, '/healthz')).status, 200);
  assert.match((await server.tool(['stats'])).stdout, new RegExp(`^${why}; free or repair the disk or database\\n`), 'on top');
  assert.deepEqual((await server.evaluate('this.id')).map((line) => line.result), [0, 1]);
  assert.match((await request(server.port, '/metrics')).body, new RegExp(`^smaster_store_writable 0\n#.*\n#.*\nsmaster_store_disk_full ${full ? 1 : 0}$`, 'm'));
  const bot = shards[1].bot;
  shards[1].socket.disconnect();
  shards[1].connect();
  await server.running(2);
  assert.equal(shards[1].bot, bot, 'a shard that returns keeps its id and its bot');
  const refused = await server.tool(['genconfig', '--out', '-']);
  assert.notEqual(refused.code, 0, 'a new shard cannot be promised');
  assert.equal((await server.stats()).known, configs.length);
  assert.equal(server.log.match(/Shards are served from memory meanwhile/g).length, 1, 'said once');
}

test('a full disk', options, async (t) => {
  const {server, shards, configs, folder} = await fleet(t, '3m');
  assert.deepEqual(await ready(server), {status: 200, body: 'ok\n'});
  try {
    for (;;) writeFileSync(`${folder}/filler`, Buffer.alloc(4096), {flag: 'a'});
  } catch (error) {
    assert.equal(error.code, 'ENOSPC');
  }
  await servesFromMemory(server, shards, configs, true);
  rmSync(`${folder}/filler`);
  await until('it to recover', async () => (await ready(server)).status === 200);
  await until('it to say so', () => /the store can be written again/.test(server.log));
  const [added] = await server.register(1, {prefix: 'late'});
  await server.end('SIGKILL');
  await server.start();
  await server.running(2);
  assert.equal((await server.stats()).known, 3, `${added.id} is there`);
  const history = JSON.parse((await server.tool(['stats', '--history', '--json'])).stdout);
  const gaps = history[configs[0].id].map((sample) => sample.timestamp).sort((a, b) => a - b);
  assert.ok(gaps.length > 3);
});

test('a start on a read-only disk', options, async (t) => {
  const {server, shards, configs, remount} = await fleet(t, '20m');
  await server.end('SIGKILL'); // what was written last is only in SQLite's log then
  remount('ro');
  await server.start();
  assert.match(server.log, /cannot open the store .*; starting with what it has/);
  await server.running(2);
  await servesFromMemory(server, shards, configs, false);
  remount('rw');
  await until('it to recover', async () => (await ready(server)).status === 200);
  await until('it to say so', () => /the store can be written again/.test(server.log));
  assert.equal((await server.register(1, {prefix: 'late'})).length, 1);
  await server.end('SIGKILL');
  await server.start();
  assert.equal((await server.stats()).known, 3);
});
