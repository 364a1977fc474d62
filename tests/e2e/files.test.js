// Files between shards, project_dir and operators: both directions, with times, and confined to project_dir.
import assert from 'node:assert/strict';
import {createHash, randomBytes} from 'node:crypto';
import {existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, renameSync, rmSync, statSync, symlinkSync, utimesSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import path from 'node:path';
import {execFileSync} from 'node:child_process';
import {test} from 'node:test';
import {bin, run, serve, until} from './harness.js';

async function withProject(t, {count = 1, more = '', prepare = () => {}, socket} = {}) {
  const folder = mkdtempSync(path.join(tmpdir(), 'smaster-files-'));
  t.after(() => rmSync(folder, {recursive: true, force: true}));
  const project = path.join(folder, 'project');
  mkdirSync(project);
  prepare(project, folder);
  const server = await serve(t, `[server]\nproject_dir = "${project}"\n[shards]\ncount = ${count}\n${more}\n[limits]\nconn_count = 1000\nmax_payload = 20000000\n`);
  const configs = await server.register(count);
  const shards = configs.map((config) => server.shard(config, {socket}));
  await server.running(count);
  shards.sort((a, b) => a.bot.id - b.bot.id);
  const ask = (...args) => shards[0].socket.timeout(30_000).emitWithAck(...args);
  return {server, shards, project, folder, ask};
}

test('a shard writes, overwrites and removes a file of ours, text or bytes, with its time', async (t) => {
  const {project, ask} = await withProject(t);
  assert.equal(await ask('writeFile', 'a/b/text.txt', 'häßlich'), null);
  assert.equal(readFileSync(`${project}/a/b/text.txt`, 'utf8'), 'häßlich');
  const bytes = randomBytes(3_000_000);
  assert.equal(await ask('writeFile', {filename: 'a/b/bytes', mtime: 1600000000123}, bytes), null);
  assert.deepEqual(readFileSync(`${project}/a/b/bytes`), bytes);
  assert.equal(Math.round(statSync(`${project}/a/b/bytes`).mtimeMs), 1600000000123);
  assert.equal(await ask('writeFile', 'a/b/text.txt', ''), null);
  assert.equal(readFileSync(`${project}/a/b/text.txt`, 'utf8'), '');
  assert.equal(await ask('writeFile', 'a/b/text.txt', null), null);
  assert.ok(!existsSync(`${project}/a/b/text.txt`));
  assert.equal(await ask('writeFile', 'a/b/text.txt', null), null, 'gone already');
  for (const args of [[], [7], [{}], ['x', 7], ['x', {a: 1}], ['x', [1]]]) {
    assert.match((await ask('writeFile', ...args)).message, /writeFile takes/);
  }
});

for (const transports of [['websocket'], ['polling'], ['polling', 'websocket']]) {
  test(`files go both ways as text for a client with forceBase64 on ${transports.join(' and ')}`, async (t) => {
    const {shards, project, ask} = await withProject(t, {socket: {forceBase64: true, transports}});
    const [{socket: {io: {engine}}}] = shards;
    await until('the upgrade', () => engine.transport.name === transports.at(-1));
    let binaryFrames = 0;
    engine.transport.ws?.addEventListener('message', ({data}) => binaryFrames += typeof data !== 'string');
    for (const size of [0, 1, 2, 3, 1_000_000, 1_000_001]) {
      const bytes = randomBytes(size);
      assert.equal(await ask('writeFile', 'there', bytes), null);
      assert.deepEqual(readFileSync(`${project}/there`), bytes);
      assert.equal(await ask('getFile', 'there'), null);
      assert.deepEqual(shards[0].lastWrite.data, bytes);
    }
    assert.equal(binaryFrames, 0);
  });
}

test('a shard gets our file when it is younger; else it hears that it is older, or that there is none', async (t) => {
  const {shards, project, ask} = await withProject(t);
  const [shard] = shards;
  writeFileSync(`${project}/f`, 'content');
  const time = 1700000000500;
  utimesSync(`${project}/f`, time / 1000, time / 1000);
  assert.equal(await ask('getFile', 'f'), null);
  assert.deepEqual(shard.lastWrite, {file: {filename: 'f', mtime: time}, data: Buffer.from('content')});
  assert.equal(await ask('getFile', {filename: 'f', mtime: time - 1}), null);
  assert.deepEqual(shard.lastWrite.data, Buffer.from('content'));
  for (const own of [time, time + 1]) {
    assert.equal(await ask('getFile', {filename: 'f', mtime: own}), null);
    assert.deepEqual(shard.lastWrite, {file: {filename: 'f', mtime: time}, data: null});
    assert.ok(shard.files.has('f'), 'it keeps its own');
  }
  assert.equal(await ask('getFile', 'nowhere'), null);
  assert.deepEqual(shard.lastWrite, {file: {filename: 'nowhere', mtime: 1}, data: null});
  assert.match((await ask('getFile', 7)).message, /getFile takes/);
  shard.onWriteFile = (file, data, done) => done('disk full');
  assert.equal((await ask('getFile', 'f')).message, 'disk full');
});

test('a shard that connects is given the copy_files; one that does not exist here harms nothing', async (t) => {
  const {server, shards} = await withProject(t, {
    more: 'copy_files = ["missing.json", "config/words.json"]',
    prepare: (project) => {
      mkdirSync(`${project}/config`);
      writeFileSync(`${project}/config/words.json`, '["a"]');
    },
  });
  await until('the copied file', () => shards[0].files.has('config/words.json'));
  assert.equal(String(shards[0].files.get('config/words.json').data), '["a"]');
  assert.match(server.log, /copy_files: missing\.json is not on shard .*does not exist/);
});

test('the tool gets, puts and removes files, and exchanges them with chosen shards', async (t) => {
  const {server, shards, project, folder} = await withProject(t, {count: 3});
  const bytes = randomBytes(5_000_000);
  writeFileSync(`${folder}/local`, bytes);
  assert.equal((await server.tool(['file', 'put', 'sub dir/ü&?.bin', `${folder}/local`])).code, 0);
  assert.deepEqual(readFileSync(`${project}/sub dir/ü&?.bin`), bytes);
  const {stdout} = await run(path.join(bin, 'smaster'), ['file', 'get', 'sub dir/ü&?.bin'], {env: {SMASTER_SOCKET: server.socket}, encoding: 'buffer'});
  assert.deepEqual(stdout, bytes);
  assert.equal((await server.tool(['file', 'put', 'in'], {input: 'from stdin'})).code, 0);
  assert.equal(readFileSync(`${project}/in`, 'utf8'), 'from stdin');
  assert.equal((await server.tool(['file', 'put', 'empty'])).code, 0);
  assert.equal(readFileSync(`${project}/empty`, 'utf8'), '');

  const pushed = await server.tool(['file', 'push', 'in', '--shard', '1-2']);
  assert.equal(pushed.code, 0, pushed.stderr);
  assert.deepEqual(shards.map((shard) => String(shard.files.get('in')?.data)), ['undefined', 'from stdin', 'from stdin']);
  shards[2].files.set('log', {data: 'its log', mtime: 1650000000000});
  const fetched = await server.tool(['file', 'fetch', 'log', '--shard', '2', '--json']);
  assert.deepEqual(JSON.parse(fetched.stdout), {shard: 2, name: shards[2].config.id});
  assert.equal(readFileSync(`${project}/log`, 'utf8'), 'its log');
  assert.equal(statSync(`${project}/log`).mtimeMs, 1650000000000);

  assert.equal((await server.tool(['file', 'rm', 'in'])).code, 0);
  assert.ok(!existsSync(`${project}/in`));
  for (const [args, code, sentence] of [
    [['get', 'in'], 65, /"in" does not exist/], [['get', '../local'], 77, /leads out/], [['put', '../x'], 77, /leads out/], [['rm', '/etc/passwd'], 77, /leads out/],
    [['push', 'in'], 1, /"in" does not exist/], [['fetch', 'nothing', '--shard', '0'], 1, /nothing does not exist/], [['push', 'log', '--shard', '9'], 1, /no shard has this id/],
    [['put', 'x', '/nowhere'], 65, /cannot read/], [['get'], 64, /NAME/],
  ]) {
    const result = await server.tool(['file', ...args], {input: 'x'});
    assert.equal(result.code, code, `${args}: ${result.stderr}`);
    assert.match(result.stderr + result.stdout, sentence);
  }
});

const hostile = (folder) => [
  '..', '.', '/', '', '../x', '../../x', '../../../../../../tmp/x', 'a/../../x', 'a/b/../../../x', './../x', 'a/./../../x', '..//x', 'a//../../x', '/etc/passwd', '//etc/passwd',
  '/tmp/x', `${folder}/outside/x`, `${folder}/project/../outside/x`, '/proc/self/environ', '/proc/self/root/etc/passwd', '/dev/null', '/dev/shm/x', '~/x/..', 'a/', 'a/.', 'a/..',
  'out/x', 'out/sub/x', 'out', 'file-out/x', 'proc/self/environ', 'proc', 'loop', 'loop/x', 'chain/x', 'absolute/x', 'dangling/x', 'deep/a/b/out/x', 'deep/a/b/../b/out/x',
  'up/x', 'up/up/x', 'here/../out/x', 'here/out/x', 'fifo', 'dir', 'socket', 'nul\0byte', '\0', 'dir/\0', 'out\0/x', '../\0', 'x'.repeat(300), `${'y/'.repeat(3000)}z`,
  'text/x', 'text/../../x', 'text/..', 'dir/../../outside/x', 'dir/./../../outside/x', '../project/../outside/x', '../outside/x', 'out/../x/../../outside/x', 'here/here/here/out/x',
  'file-out', 'dangling', 'absolute', 'dir/link-out', '.smaster/../../x',
];

test('no name, link or device leads out, neither to write, to remove nor to read', async (t) => {
  const {shards, project, folder, ask} = await withProject(t, {
    prepare: (project_, folder_) => {
      mkdirSync(`${folder_}/outside/sub`, {recursive: true});
      mkdirSync(`${project_}/dir`);
      mkdirSync(`${project_}/deep/a/b`, {recursive: true});
      writeFileSync(`${folder_}/outside/secret`, 'secret');
      writeFileSync(`${folder_}/outside/x`, 'theirs');
      writeFileSync(`${project_}/text`, 'text');
      const links = {'out': '../outside', 'file-out': '../outside/secret', 'proc': '/proc', 'loop': 'loop', 'chain': 'out', 'absolute': `${folder_}/outside`, 'dangling': '../outside/new',
        'deep/a/b/out': '../../../../outside', 'up': '..', 'here': '.', 'dir/link-out': '../../outside/secret'};
      for (const [name, target] of Object.entries(links)) symlinkSync(target, `${project_}/${name}`);
      execFileSync('mkfifo', [`${project_}/fifo`]);
      execFileSync('python3', ['-c', 'import socket,sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])', `${project_}/socket`]);
    },
  });
  const names = hostile(folder);
  assert.ok(names.length >= 60);
  const outside = () => [...readdirSync(`${folder}/outside`, {recursive: true}).sort(), readFileSync(`${folder}/outside/secret`, 'utf8'), readFileSync(`${folder}/outside/x`, 'utf8'),
    ...readdirSync(folder).sort()];
  const before = outside();
  // These operate on the link itself: it is replaced or removed, and its target stays unchanged.
  const replaceable = new Set(['out', 'proc', 'loop', 'file-out', 'dangling', 'absolute', 'dir/link-out']);
  for (const name of names) {
    const shown = JSON.stringify(name).slice(0, 80);
    const [shard] = shards;
    shard.lastWrite = null;
    await ask('getFile', name);
    assert.ok(!shard.lastWrite?.data, `${shown} was read`);
    if (!replaceable.has(name)) {
      const wrote = await ask('writeFile', name, 'evil');
      assert.ok(wrote?.message, `${shown} was written`);
      const removed = await ask('writeFile', name, null);
      assert.ok(removed?.message || !existsSync(path.join(project, name.replaceAll('\0', ''))), `${shown} was removed`);
    }
    assert.deepEqual(outside(), before, shown);
  }
  for (const name of replaceable) {
    assert.equal(await ask('writeFile', name, 'ours'), null, name);
    assert.equal(readFileSync(`${project}/${name}`, 'utf8'), 'ours');
    assert.deepEqual(outside(), before, name);
  }
  assert.ok(existsSync('/proc/self'));
  assert.equal(await ask('writeFile', 'good', 'good'), null);
  assert.equal(execFileSync('find', [project, '-name', '*.tmp'], {encoding: 'utf8'}), '');
});

test('a folder that is swapped for a link while it is written to leads nowhere', async (t) => {
  const {shards, project, folder} = await withProject(t, {
    prepare: (project_, folder_) => {
      mkdirSync(`${folder_}/outside`);
      mkdirSync(`${project_}/real`);
    },
  });
  let going = true;
  const real = `${project}/real`;
  // While it is missing, the server may create the folder, and write into it while it is removed.
  const instead = (make) => {
    for (let again = false; ; again = true) {
      try {
        if (again) rmSync(real, {recursive: true, force: true});
        return make();
      } catch {
        // once more
      }
    }
  };
  const swap = (async () => {
    while (going) {
      renameSync(real, `${project}/away`);
      instead(() => symlinkSync('../outside', real));
      await new Promise(setImmediate);
      rmSync(real, {recursive: true});
      instead(() => renameSync(`${project}/away`, real));
      await new Promise(setImmediate);
    }
  })();
  let refused = 0;
  for (let i = 0; i < 200; ++i) {
    const answer = await shards[0].socket.timeout(30_000).emitWithAck('writeFile', `real/f${i % 5}`, 'x');
    refused += answer ? 1 : 0;
  }
  going = false;
  await swap;
  assert.deepEqual(readdirSync(`${folder}/outside`), []);
  assert.ok(refused < 200);
});

for (const transport of ['websocket', 'polling']) {
  test(`a file of ${transport === 'websocket' ? 100 : 10} MB reaches a shard over ${transport} whole, and the server does not hold it in memory`, async (t) => {
    const size = transport === 'websocket' ? 100_000_000 : 10_000_000;
    const {server, shards, project} = await withProject(t, {socket: {transports: [transport]}});
    const bytes = randomBytes(size);
    writeFileSync(`${project}/big`, bytes);
    const peak = () => Number(readFileSync(`/proc/${server.process.pid}/status`, 'utf8').match(/VmHWM:\s+(\d+)/)[1]) * 1024;
    const before = peak();
    const {code, stdout} = await server.tool(['file', 'push', 'big']);
    assert.equal(code, 0, stdout);
    const hash = (data) => createHash('sha256').update(data).digest('hex');
    assert.equal(hash(shards[0].files.get('big').data), hash(bytes));
    if (transport === 'polling') return;
    const sanitized = peak() > 300e6; // their shadow memory says nothing of ours
    assert.ok(sanitized || peak() - before < 30e6, `${(peak() - before) / 1e6} MB more at its peak`);
    const {stdout: got} = await run('/bin/sh', ['-c', `"${bin}/smaster" file get big --socket "${server.socket}" | "${bin}/smaster" file put copy --socket "${server.socket}"`]);
    assert.equal(got, '');
    assert.equal(hash(readFileSync(`${project}/copy`)), hash(bytes));
    assert.ok(sanitized || peak() - before < 30e6, `${(peak() - before) / 1e6} MB more at its peak`);
  });
}

test('what is larger than shards take is refused before it is sent, and without a project_dir there are no files', async (t) => {
  const {server, project} = await withProject(t);
  execFileSync('truncate', ['-s', '120M', `${project}/huge`]);
  const pushed = await server.tool(['file', 'push', 'huge']);
  assert.equal(pushed.code, 1);
  assert.match(pushed.stdout, /the file has 125829120 bytes, of at most/);
  const bare = await serve(t, '[shards]\ncount = 1\n');
  const [config] = await bare.register(1);
  const shard = bare.shard(config);
  await bare.running(1);
  assert.match((await shard.socket.timeout(30_000).emitWithAck('writeFile', 'x', 'y')).message, /project_dir is not set/);
  assert.match((await shard.socket.timeout(30_000).emitWithAck('getFile', 'x')).message, /project_dir is not set/);
  assert.equal((await bare.tool(['file', 'get', 'x'])).code, 77);
});

test('state, settings and keys in the project are kept from shards, and named at the start', async (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), 'smaster-files-'));
  t.after(() => rmSync(folder, {recursive: true, force: true}));
  const token = path.join(folder, 'token');
  writeFileSync(token, 'secret', {mode: 0o600});
  mkdirSync(`${folder}/linked`);
  symlinkSync(`${folder}/linked`, `${folder}/conf`);
  const server = await serve(t, `[server]\nproject_dir = "${folder}"\n[limits]\nconn_count = 1000\n[dashboard]\npassword_file = "${folder}/conf/password"\n`, [],
    {state: `${folder}/state`, socket: `${folder}/control.sock`});
  assert.match(server.log, /kept from shards, though in server\.project_dir: server\.state_dir, server\.control_socket, dashboard\.password_file/);
  const shard = server.shard((await server.register(1))[0]);
  await server.running(1);
  const ask = (...args) => shard.socket.timeout(30_000).emitWithAck(...args);
  for (const name of ['state/shardMaster.priv', 'state/smaster.db', 'state/new', 'x/../state/lock', 'control.sock', 'conf/password', 'linked/password', 'conf']) {
    for (const content of ['evil', null]) {
      assert.match((await ask('writeFile', name, content)).message, /is not for shards|is no regular file|leads out of the project/, name);
    }
  }
  for (const name of ['state/shardMaster.priv', 'state/smaster.db']) {
    assert.match((await ask('getFile', name)).message, /"state\/\S+" is not for shards: server\.state_dir is kept from them/);
    assert.ok(!shard.files.has(name));
  }
  assert.equal(await ask('writeFile', 'linked/other', 'x'), null);
  assert.equal(await ask('writeFile', 'state.txt', 'x'), null);
});

test('a project_dir that is the state_dir, or holds all that the server lives on, is refused at the start', async (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), 'smaster-files-'));
  t.after(() => rmSync(folder, {recursive: true, force: true}));
  mkdirSync(`${folder}/state`, {mode: 0o700});
  mkdirSync(`${folder}/home`);
  const tried = async (project, env = {}) => {
    writeFileSync(`${folder}/smaster.toml`, `[server]\nport = 0\nstate_dir = "${folder}/state"\nproject_dir = "${project}"\n`);
    return run(path.join(bin, 'smaster'), ['serve', '--config', `${folder}/smaster.toml`, '--socket', `${folder}/control.sock`], {env});
  };
  for (const [project, words, env] of [[`${folder}/home/../state`, /is server\.state_dir as well/], ['/', /is the whole file system/], [folder, /has this user's home folder in it/, {HOME: `${folder}/home`}]]) {
    const {code, stderr} = await tried(project, env);
    assert.equal(code, 78, stderr);
    assert.match(stderr, words);
    assert.match(stderr, /give it a folder of its own/);
  }
});

test('a name with U+0000 in it is refused, in whichever form it comes', async (t) => {
  const {project, ask} = await withProject(t);
  for (const name of ['a\u0000.txt', {filename: 'a\u0000.txt', mtime: 1600000000000}]) {
    assert.match((await ask('writeFile', name, 'x')).message, /NUL/);
    assert.match((await ask('getFile', name)).message, /NUL/);
  }
  assert.ok(!existsSync(`${project}/a`));
});
