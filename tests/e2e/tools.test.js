// The tools as used by operators and scripts: formats, exit codes, and errors.
import assert from 'node:assert/strict';
import {spawn} from 'node:child_process';
import {chmodSync, existsSync, mkdirSync, statSync, writeFileSync} from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import {test} from 'node:test';
import {bin, next, run, serve, until} from './harness.js';

const settings = (count, more = '') => `[shards]\ncount = ${count}\n[limits]\nconn_count = 1000\n${more}`;

/** A server with `count` running shards. */
async function fleet(t, count, more, options) {
  const server = await serve(t, settings(count, more));
  const configs = await server.register(count);
  const shards = configs.map((config) => server.shard(config, options));
  await server.running(count);
  return {server, shards: shards.sort((a, b) => a.bot.id - b.bot.id)};
}

function control(server, method, target, body) {
  return new Promise((resolve, reject) => {
    const req = http.request({socketPath: server.socket, path: target, method}, (res) => {
      let text = '';
      res.on('data', (data) => text += data);
      res.on('end', () => resolve({status: res.statusCode, headers: res.headers, body: text}));
    });
    req.on('error', reject);
    req.end(body && JSON.stringify(body));
  });
}

test('eval prints one line a shard; texts, numbers and unicode arrive exactly', async (t) => {
  const {server} = await fleet(t, 3);
  const lines = (await server.tool(['eval', '({id: this.id, text: "é✓\\u2028\\n", big: 12345678901234567890})'])).stdout.trim().split('\n').map((line) => JSON.parse(line));
  assert.deepEqual(lines.map((line) => line.shard).sort(), [0, 1, 2]);
  for (const line of lines) {
    assert.deepEqual(Object.keys(line), ['shard', 'name', 'result']);
    assert.deepEqual(line.result, {id: line.shard, text: 'é✓\u2028\n', big: 12345678901234567890});
  }
  const raw = await server.tool(['eval', '--raw', '--shard', '1', '"a\\nb"']);
  assert.equal(raw.stdout, 'a\nb\n');
  const ordered = JSON.parse((await server.tool(['eval', '--json', 'this.id'])).stdout);
  assert.deepEqual(ordered.map(({shard, result}) => [shard, result]), [[0, 0], [1, 1], [2, 2]]);
  assert.equal((await server.tool(['eval', 'undefined', '--shard', '0', '--raw'])).stdout, 'null\n');
  assert.equal((await server.tool(['eval', 'Promise.resolve(5)', '--shard', '0', '--raw'])).stdout, '5\n');
  // Half of a character, as at the end of truncated text, reaches the reader and does not close the connection.
  assert.equal(JSON.parse((await server.tool(['eval', '"😀"[0]', '--shard', '0'])).stdout).result, '\ud83d');
  assert.match((await server.tool(['eval', 'Buffer.from("hi")', '--shard', '0'])).stdout, /"result":\{"base64":"aGk="\}/);
});

test('eval reads its script from stdin, picks shards by id, range and guild', async (t) => {
  const {server} = await fleet(t, 4);
  const stdin = await server.tool(['eval', '-', '--raw', '--shard', '0-1,3'], {input: '// a comment\n"✓" + this.id\n'});
  assert.deepEqual(stdin.stdout.trim().split('\n').sort(), ['✓0', '✓1', '✓3']);
  const guild = (7n << 22n) + 12345n;
  assert.equal((await server.tool(['eval', 'this.id', '--raw', '--guild', String(guild)])).stdout, '3\n');
  assert.equal((await server.tool(['eval', '1', '--guild', 'x'])).code, 64);
  assert.equal((await server.tool(['eval', '1', '--shard', 'x'])).code, 64);
});

test('eval ends in 1 when a shard fails or is missing, and says which', async (t) => {
  const {server, shards} = await fleet(t, 3);
  shards[1].close();
  await until('it to be gone', async () => (await server.stats()).current === 2);
  const mixed = await server.tool(['eval', 'if (this.id === 2) throw new TypeError("no"); this.id']);
  assert.equal(mixed.code, 1);
  const lines = Object.fromEntries(mixed.stdout.trim().split('\n').map((line) => [JSON.parse(line).shard, JSON.parse(line)]));
  assert.equal(lines[0].result, 0);
  assert.equal(lines[1].error, 'not connected');
  assert.equal(lines[2].error.name, 'TypeError');
  assert.match(mixed.stderr, /shard 1 \(\w+\): not connected/);
  assert.match(mixed.stderr, /shard 2 \(\w+\): TypeError: no/);
  assert.match(mixed.stderr, /1 answered, 1 failed, 1 missing/);
  assert.equal((await server.tool(['eval', '1', '--shard', '99'])).code, 1);
});

test('a shard that never answers is missing at the timeout, one that answers twice counts once', async (t) => {
  const {server, shards} = await fleet(t, 3);
  shards[0].socket.off('evalRequest');
  shards[1].socket.off('evalRequest').on('evalRequest', (script, done) => {
    done(null, 'first');
    // The second answer is sent by hand: the client library sends only one.
    shards[1].socket.packet({type: 3, id: 0, data: [null, 'second']});
    shards[1].socket.packet({type: 3, id: 12345, data: [null, 'never asked']});
  });
  const {code, stdout, stderr} = await server.tool(['eval', 'this.id', '--timeout', '3s']);
  assert.equal(code, 1);
  const lines = stdout.trim().split('\n').map((line) => JSON.parse(line));
  assert.equal(lines.length, 3);
  assert.equal(lines.find((line) => line.shard === 0).error, 'no answer within 3s');
  assert.equal(lines.find((line) => line.shard === 1).result, 'first');
  assert.match(stderr, /shard 0/);
  assert.equal(shards[1].socket.connected, true);
});

test('a shard that dies in the middle of an eval is missing, the others answer', async (t) => {
  const {server, shards} = await fleet(t, 2);
  shards[0].socket.off('evalRequest').on('evalRequest', () => shards[0].close());
  const {code, stdout} = await server.tool(['eval', 'this.id']);
  assert.equal(code, 1);
  assert.match(stdout, /"shard":0,.*"error":"disconnected before it answered/);
  assert.match(stdout, /"shard":1,.*"result":1/);
});

test('results of 5 MB pass when max_payload allows, and are a clean failure when not', async (t) => {
  const {server} = await fleet(t, 2, '[limits]\nmax_payload = 8000000\n');
  const big = await server.tool(['eval', '"✓".repeat(1700000)', '--raw']);
  assert.equal(big.code, 0, big.stderr);
  assert.equal(Buffer.byteLength(big.stdout), 2 * (5_100_000 + 1));

  const {server: small} = await fleet(t, 2);
  const refused = await small.tool(['eval', 'this.id ? 1 : "x".repeat(5e6)']);
  assert.equal(refused.code, 1);
  assert.match(refused.stdout, /"shard":0.*max_payload/);
  assert.match(refused.stdout, /"shard":1,.*"result":1/);
});

test('broadcastEval from a shard is answered with an array by shard id', async (t) => {
  const {server, shards} = await fleet(t, 3);
  const ask = (script) => new Promise((resolve) => shards[1].socket.emit('broadcastEval', script, (...args) => resolve(args)));
  assert.deepEqual(await ask('this.id * 10'), [null, [0, 10, 20]]);
  assert.deepEqual(await ask('Buffer.from([this.id])'), [null, [Buffer.from([0]), Buffer.from([1]), Buffer.from([2])]]);
  const [error, results] = await ask('if (this.id === 1) throw new RangeError("odd"); this.id');
  assert.equal(error.name, 'RangeError');
  assert.equal(error.message, 'odd');
  assert.deepEqual(results, [0, null, 2]);
  shards[2].close();
  await until('it to be gone', async () => (await server.stats()).current === 2);
  const [missing, partial] = await ask('this.id');
  assert.match(missing, /Not all shards answered \(2\/3\)/);
  assert.deepEqual(partial, [0, 1, null]);
  assert.match((await new Promise((resolve) => shards[1].socket.emit('broadcastEval', 5, resolve))), /takes a script/);
  shards[1].socket.emit('broadcastEval', '1'); // no ack wanted: nothing must break
  assert.deepEqual(await ask('1'), ['Not all shards answered (2/3)', [1, 1, null]]);
});

test('respawn tells each its turn, and --wait says when each is back', async (t) => {
  const {server, shards} = await fleet(t, 3);
  const born = shards.map((shard) => shard.bot.startTime);
  const {code, stdout, stderr} = await server.tool(['respawn', '--wait', '--delay', '100ms']);
  assert.equal(code, 0, stderr);
  assert.deepEqual(shards.map((shard) => shard.respawnDelay), [0, 100, 200]);
  assert.ok(shards.every((shard, i) => shard.bot.startTime > born[i]));
  assert.match(stdout, /shard 0 \(\w+\) respawns now\n/);
  assert.match(stdout, /shard 2 \(\w+\) is back after .* s \(3 of 3\)\n$/);

  const one = await server.tool(['respawn', '--shard', '1', '--json']);
  assert.deepEqual(JSON.parse(one.stdout), {shard: 1, name: shards[1].config.id, state: 'sent', delay_ms: 0});
  assert.equal((await server.tool(['respawn', '--shard', '7'])).code, 1);
});

test('respawn --wait gives up with 75 when a shard does not come back', async (t) => {
  const {server, shards} = await fleet(t, 2);
  shards[1].socket.off('respawn');
  const {code, stdout, stderr} = await server.tool(['respawn', '--wait', '--delay', '0s', '--timeout', '10s']);
  assert.equal(code, 75);
  assert.match(stdout, /shard 0 .* back/);
  assert.match(stderr, /1 of 2 shards were not back in time/);
});

test('a shard that reconnects counts as back, and respawnAll from a shard reaches all', async (t) => {
  const {server, shards} = await fleet(t, 2, '[shards]\nrespawn_delay = "50ms"\n');
  const [config] = [shards[0].config];
  shards[0].socket.off('respawn').on('respawn', () => {
    shards[0].close();
    server.shard(config);
  });
  assert.equal((await server.tool(['respawn', '--wait', '--shard', '0'])).code, 0);
  const born = shards[1].bot.startTime;
  await new Promise((resolve) => shards[1].socket.emit('respawnAll', resolve));
  await until('it to restart', () => shards[1].bot && shards[1].bot.startTime > born);
  assert.equal(shards[1].respawnDelay, 50);
  shards[1].socket.emit('respawnAll');
});

test('stats: the same numbers in every format', async (t) => {
  const {server} = await fleet(t, 2);
  const {stdout: csv} = await server.tool(['stats', '--csv']);
  const stats = await server.stats();
  assert.deepEqual(Object.keys(stats), ['goal', 'current', 'known', 'registered', 'configured', 'states', 'clients', 'alerts', 'uptime_ms', 'shards']);
  assert.deepEqual([stats.goal, stats.current, stats.known, stats.registered, stats.configured, stats.clients], [2, 2, 2, 2, 2, 2]);
  const shard = stats.shards.find((row) => row.goalShardId === 1);
  assert.equal(shard.state, 'running');
  assert.equal(shard.stats.ping, 42);
  assert.equal(shard.stats.storageUsedTotal, 1024);
  assert.ok(shard.stats.cpus.length > 0);

  const ndjson = (await server.tool(['stats', '--ndjson'])).stdout.trim().split('\n').map((line) => JSON.parse(line));
  assert.deepEqual(ndjson.map((row) => row.id), stats.shards.map((row) => row.id));
  const [header, ...rows] = csv.trim().split('\r\n').map((line) => line.split(','));
  assert.equal(rows.length, 2);
  assert.ok(rows.every((row) => row.length === header.length));
  assert.deepEqual(rows.map((row) => row[header.indexOf('state')]), ['running', 'running']);
  const prometheus = (await server.tool(['stats', '--prometheus'])).stdout;
  assert.match(prometheus, /^# TYPE smaster_shards_configured gauge\nsmaster_shards_configured 2$/m);
  assert.match(prometheus, new RegExp(`^smaster_shard_id\\{name="${shard.id}"\\} 1$`, 'm'));
  assert.match(prometheus, /^# TYPE smaster_shards gauge\nsmaster_shards\{state="running"\} 2\nsmaster_shards\{state="logging in"\} 0$/m);
  const table = (await server.tool(['stats'])).stdout;
  assert.match(table, /^goal 2 {2}current 2 {2}configured 2/);
  assert.match(table, new RegExp(`^1 +${shard.id} +running`, 'm'));
  assert.doesNotMatch(table, /\x1b/);
  const one = JSON.parse((await server.tool(['stats', '--shard', '1', '--json'])).stdout);
  assert.deepEqual(one.shards.map((row) => row.id), [shard.id]);
  assert.equal((await server.tool(['stats', '--json', '--csv'])).code, 64);
});

test('stats --history gives the statuses of the past in each format, --since cuts', async (t) => {
  const {server, shards} = await fleet(t, 2);
  await until('some history', async () => JSON.parse((await server.tool(['stats', '--history', '--json'])).stdout)[shards[0].config.id].length > 2);
  const ndjson = (await server.tool(['stats', '--history', '--ndjson', '--shard', '0'])).stdout.trim().split('\n').map((line) => JSON.parse(line));
  assert.ok(ndjson.every((sample) => sample.id === shards[0].config.id && sample.ping === 42 && sample.currentShardId === 0));
  assert.match((await server.tool(['stats', '--history', '--csv'])).stdout, /^id,timestamp,/);
  assert.match((await server.tool(['stats', '--history'])).stdout, /^TIME +NAME/);
  const before = Date.now();
  const recent = JSON.parse((await server.tool(['stats', '--history', '--json', '--since', '0s'])).stdout);
  assert.deepEqual(Object.keys(recent).sort(), shards.map((shard) => shard.config.id).sort());
  // On a busy machine, one may arrive during the requests.
  assert.ok(Object.values(recent).flat().every((sample) => sample.timestamp >= before));
});

test('stats --watch goes on until it is interrupted', async (t) => {
  const {server} = await fleet(t, 1);
  const watch = spawn(path.join(bin, 'smaster'), ['stats', '--watch', '0.1'], {env: {...process.env, SMASTER_SOCKET: server.socket}});
  let output = '';
  watch.stdout.on('data', (data) => output += data);
  await until('three views', () => output.split('goal 1').length > 3);
  const ended = next(watch, 'exit');
  watch.kill('SIGINT');
  assert.deepEqual((await ended)[0], 0);
});

test('no server, a wrong socket, a silent server, a stale socket: each its own exit code', async (t) => {
  const server = await serve(t, settings(1));
  const at = (socket, ...args) => server.tool([...args, '--socket', socket]);
  for (const args of [['stats'], ['eval', '1'], ['respawn'], ['genconfig'], ['shards', 'list'], ['stop']]) {
    const {code, stderr} = await at(`${server.folder}/none.sock`, ...args);
    assert.equal(code, 69, args[0]);
    assert.match(stderr, /none\.sock/, args[0]);
  }
  assert.equal((await at(`${server.folder}/smaster.toml`, 'stats')).code, 69);
  assert.equal((await at('x'.repeat(200), 'stats')).code, 69);

  server.process.kill('SIGSTOP');
  assert.equal((await server.tool(['stats', '--timeout', '300ms'])).code, 75);
  server.process.kill('SIGCONT');
  assert.equal((await server.tool(['stats'])).code, 0);

  await server.end('SIGKILL');
  assert.ok(existsSync(server.socket), 'kill -9 leaves the socket');
  assert.equal((await server.tool(['stats'])).code, 69);
  await server.start();
  assert.equal((await server.tool(['stats'])).code, 0);
});

test('another user is refused with 77, by the socket\'s rights and, were those loose, by the server', async (t) => {
  const server = await serve(t);
  if (process.getuid() !== 0) {
    // Only root can run as another user; at least a socket without permissions is refused like one.
    chmodSync(server.socket, 0);
    assert.equal((await server.tool(['stats'])).code, 77);
    return;
  }
  const other = {uid: 65534, gid: 65534};
  assert.equal((await server.tool(['stats'], other)).code, 77);
  chmodSync(server.folder, 0o755);
  chmodSync(server.socket, 0o666);
  const {code, stderr} = await server.tool(['stats'], other);
  assert.equal(code, 77);
  assert.match(stderr, /belongs to another user/);
});

test('a server that dies in the middle of an eval is reported', async (t) => {
  const {server, shards} = await fleet(t, 1);
  shards[0].socket.off('evalRequest').on('evalRequest', () => server.process.kill('SIGKILL'));
  const {code, stderr} = await server.tool(['eval', '1']);
  assert.equal(code, 69);
  assert.match(stderr, /went away/);
});

test('usage errors are 64 and say what to do; help and version are 0', async (t) => {
  const smaster = (...args) => run(path.join(bin, 'smaster'), args);
  for (const command of ['serve', 'keygen', 'genconfig', 'eval', 'respawn', 'stats', 'shards', 'stop']) {
    const help = await smaster(command, '--help');
    assert.equal(help.code, 0);
    assert.ok(help.stdout.split('\n').length <= 45, `${command} --help fits a screen`);
    assert.match(help.stdout, /Examples:/);
    assert.match((await smaster(command, '--version')).stdout, /^smaster \d/);
    const wrong = await smaster(command, '--no-such-flag');
    assert.equal(wrong.code, 64);
    assert.match(wrong.stderr, new RegExp(`see "smaster ${command} --help"`));
  }
  assert.equal((await smaster('eval')).code, 64);
  assert.equal((await smaster('nonsense')).code, 64);
  for (const [typed, meant] of [['restart', 'respawn'], ['top', 'stats'], ['health', 'doctor'], ['ps', 'stats'], ['exec', 'eval'], ['stat', 'stats']]) {
    assert.match((await smaster(typed)).stderr, new RegExp(`did you mean "${meant}"`), typed);
  }
  assert.equal((await smaster()).code, 64);
  assert.match((await smaster('help')).stdout, /eval/);
  assert.match((await smaster('help', 'eval')).stdout, /SCRIPT/);
  assert.equal((await smaster('stats', '--timeout', '5')).code, 64);
});

test('bad settings are 78 with line and column; a place that cannot be written is 73', async (t) => {
  const server = await serve(t);
  const file = `${server.folder}/bad.toml`;
  writeFileSync(file, '[server]\nprot = 1\n');
  const bad = await server.tool(['serve', '--config', file]);
  assert.equal(bad.code, 78);
  assert.match(bad.stderr, /bad\.toml:2:1: unknown setting server\.prot/);
  assert.equal((await server.tool(['serve', '--config', `${server.folder}/none.toml`])).code, 78);
  writeFileSync(file, `[server]\nport = 0\nstate_dir = "${server.folder}/smaster.toml/x"\n`);
  assert.equal((await server.tool(['serve', '--config', file, '--socket', `${server.folder}/o.sock`])).code, 73);
  writeFileSync(file, `[server]\nport = ${server.port}\nstate_dir = "${server.folder}/other"\n`);
  const taken = await server.tool(['serve', '--config', file, '--socket', `${server.folder}/o.sock`]);
  assert.equal(taken.code, 73);
  assert.match(taken.stderr, /cannot listen on 127\.0\.0\.1/);
});

test('commands from PATH are found and listed, as git does it', async (t) => {
  const server = await serve(t);
  mkdirSync(`${server.folder}/path`);
  writeFileSync(`${server.folder}/path/smaster-hello`, '#!/bin/sh\necho "hello $1"\nexit 7\n');
  chmodSync(`${server.folder}/path/smaster-hello`, 0o755);
  const env = {PATH: `${server.folder}/path:${process.env.PATH}`};
  const {code, stdout} = await server.tool(['hello', 'you'], {env});
  assert.deepEqual([code, stdout], [7, 'hello you\n']);
  assert.match((await server.tool(['help'], {env})).stdout, /From PATH:\n {2}hello/);
});

test('a reader that goes away ends a tool quietly and harms nobody', async (t) => {
  const {server} = await fleet(t, 3);
  const shell = await run('/bin/sh', ['-c', `"${bin}/smaster" eval '"x".repeat(100000)' | head -c 10; echo; "${bin}/smaster" stats --json | head -c 1`], {env: {SMASTER_SOCKET: server.socket}});
  assert.equal(shell.stderr, '');
  assert.equal((await server.stats()).current, 3);
});

test('the control API speaks HTTP with JSON: errors have a sentence and a kind', async (t) => {
  const server = await serve(t);
  assert.equal(statSync(server.socket).mode & 0o777, 0o600);
  const info = JSON.parse((await control(server, 'GET', '/v1/server')).body);
  assert.equal(info.port, server.port);
  assert.equal(info.pid, server.process.pid);
  assert.equal((await control(server, 'GET', '/v1/nothing')).status, 404);
  assert.equal((await control(server, 'GET', '/v1/eval')).status, 405);
  for (const [target, body] of [
    ['/v1/eval', {}], ['/v1/eval', {script: 5}], ['/v1/eval', {script: '1', shards: 'all'}], ['/v1/eval', {script: '1', shards: [-1]}],
    ['/v1/eval', {script: '1', timeout_ms: -1}], ['/v1/genconfig', {count: 0}], ['/v1/respawn', {delay_ms: 'x'}], ['/v1/respawn', {shard: [0]}], ['/v1/eval', {script: '1', names: ['aaa']}], ['/v1/eval', {script: '1', host: 5}], ['/v1/reboot', {what: 'bots', id: 3}], ['/v1/logs', {shard: 0}], ['/v1/eval', []],
  ]) {
    const answer = await control(server, 'POST', target, body);
    assert.equal(answer.status, 400, JSON.stringify(body));
    assert.equal(JSON.parse(answer.body).kind, 'usage');
  }
  const stream = await control(server, 'POST', '/v1/eval', {script: '1', shards: []});
  assert.equal(stream.headers['content-type'], 'application/x-ndjson');
  assert.equal(stream.body, '{"end":{"answered":0,"failed":0,"missing":[]}}\n');
});

test('stop ends the server cleanly with 0 and takes the socket away', async (t) => {
  const {server} = await fleet(t, 1);
  const exited = next(server.process, 'exit');
  assert.equal((await server.tool(['stop', '--yes'])).code, 0);
  assert.deepEqual(await exited, [0, null]);
  assert.ok(!existsSync(server.socket));
});
