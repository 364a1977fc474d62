// The agent against a master on npm's socket.io: trust, transports, files, and the loss of the master.
import assert from 'node:assert/strict';
import {generateKeyPairSync} from 'node:crypto';
import {existsSync, mkdirSync, readFileSync, readdirSync, statSync, symlinkSync, utimesSync, writeFileSync} from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import {test} from 'node:test';
import {alive, bin, next, run, until} from './harness.js';
import {master, Master} from './master.js';

/** What the bots have written to their common log. */
function bots(server) {
  return existsSync(server.botLog) ? readFileSync(server.botLog, 'utf8').trim().split('\n').filter(Boolean).map(JSON.parse) : [];
}

/** The bot that runs as this shard, once it does. */
function bot(server, id) {
  return until(`a bot as shard ${id}`, () => bots(server).findLast((entry) => entry.id === String(id) && alive(entry.pid)));
}

/** Emits an event and returns the agent's answer: [error, result]. */
function ask(server, event, ...args) {
  return new Promise((resolve) => server.socket.emit(event, ...args, (...answer) => resolve(answer)));
}

/** Runs a script in the bot; throws its error. */
async function evaluate(server, script) {
  const [error, result] = await ask(server, 'evalRequest', script);
  if (error) throw Object.assign(new Error(error.message), {name: error.name});
  return result;
}

/** A master with a connected agent. */
async function pair(t, command, {flags, env, ...options} = {}) {
  const server = await master(t, options);
  const connected = server.connection();
  const agent = server.agent(command, {flags, env});
  await connected;
  await agent.says(/the master has proved itself/);
  return {server, agent};
}

test('updates start, replace and stop the bot; −2 ends the agent', async (t) => {
  const {server, agent} = await pair(t, 'spikey-bot.js');
  server.update(3, 8);
  const first = await bot(server, 3);
  assert.equal(first.count, '8');
  server.update(3, 8);
  server.update(4, 8);
  const second = await bot(server, 4);
  assert.ok(!alive(first.pid));
  server.update(4, 16);
  await until('the new count', () => bots(server).at(-1).count === '16');
  assert.ok(!alive(second.pid));
  const third = await bot(server, 4);
  server.update(-1, -1);
  await until('it to be gone', () => !alive(third.pid));
  await until('a status that says so', () => server.statuses.at(-1)?.currentShardId === -1 && server.statuses.at(-1).goalShardId === -1);
  server.update(5, 16);
  const fourth = await bot(server, 5);
  server.update(-2, -1);
  const code = await new Promise((resolve) => agent.process.once('exit', resolve));
  assert.equal(code, 0);
  assert.ok(!alive(fourth.pid));
  assert.deepEqual(bots(server).map((entry) => entry.id), ['3', '4', '4', '5'], 'an update that changes nothing does nothing');
  assert.ok(bots(server).every((entry) => entry.twice.length === 0));
});

test('the bot gets its shard, its token and the arguments of the master, and no secrets on its command line', async (t) => {
  const {server, agent} = await pair(t, 'spikey-bot.js', {env: {DISCORD_TOKEN: 'sesame', MINE: 'kept', SHARDING_MANAGER_MODE: 'worker'}});
  server.update(3, 8, {config: {botName: 'rc', nodeArgs: ['--no-deprecation'], botArgs: ['--color', 'red']}});
  await bot(server, 3);
  const env = await evaluate(server, 'process.env');
  const {SHARDS, SHARD_ID, SHARD_COUNT, SHARDING_MANAGER, SHARDING_MANAGER_MODE, SHARDING_NAME, SHARDING_BOT_NAME, SHARDING_MASTER, DISCORD_TOKEN, MINE} = env;
  assert.deepEqual({SHARDS, SHARD_ID, SHARD_COUNT, SHARDING_MANAGER, SHARDING_MANAGER_MODE, SHARDING_NAME, SHARDING_BOT_NAME, SHARDING_MASTER, DISCORD_TOKEN, MINE},
    {SHARDS: '3', SHARD_ID: '3', SHARD_COUNT: '8', SHARDING_MANAGER: 'true', SHARDING_MANAGER_MODE: 'process', SHARDING_NAME: 'abc', SHARDING_BOT_NAME: 'rc', SHARDING_MASTER: 'false', DISCORD_TOKEN: 'sesame', MINE: 'kept'});
  assert.deepEqual(await evaluate(server, '[process.execArgv, process.argv.slice(2)]'), [['--no-deprecation'], ['--color', 'red']]);
  assert.ok(agent.process.pid);
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    let line = '';
    try {
      line = readFileSync(`/proc/${pid}/cmdline`, 'utf8');
    } catch {
      continue; // it has ended
    }
    assert.doesNotMatch(line, /sesame/);
  }
});

test('nothing is obeyed before the master has proved itself, nor when it cannot', async (t) => {
  const stranger = generateKeyPairSync('rsa', {modulusLength: 2048, publicKeyEncoding: {type: 'spki', format: 'pem'}, privateKeyEncoding: {type: 'pkcs8', format: 'pem'}});
  const server = await master(t, {masterPubKey: stranger.publicKey});
  let closed = false;
  server.onConnection = (socket) => {
    server.update(1, 2);
    socket.on('disconnect', () => closed = true);
  };
  const agent = server.agent('spikey-bot.js');
  await agent.says(/came before the master proved itself; ignored/);
  await agent.says(/is not our master/);
  await until('it to be left', () => closed);
  assert.deepEqual(bots(server), []);
});

test('a proof that was recorded long ago proves nothing', async (t) => {
  const server = await master(t);
  server.proof = (time) => {
    const text = `Look at me, I'm the captain now. ${time - 600_000}`;
    return [server.sign(text), text];
  };
  const agent = server.agent('spikey-bot.js');
  await agent.says(/proof is not of now: this machine's clock is 10 min 0\.\d s ahead of the master's/);
});

test('a refused handshake says how far the clock is off, and each try has a header of its own', async (t) => {
  const headers = [];
  const server = http.createServer((request, response) => {
    headers.push(request.headers.authorization);
    response.writeHead(403, {'content-type': 'application/json', 'date': new Date(Date.now() + 432_000).toUTCString()});
    response.end('{"code":4,"message":"Forbidden"}');
  });
  server.on('upgrade', (request, socket) => {
    headers.push(request.headers.authorization);
    socket.end(`HTTP/1.1 403 Forbidden\r\nDate: ${new Date(Date.now() + 432_000).toUTCString()}\r\nContent-Type: application/json\r\nContent-Length: 32\r\nConnection: close\r\n\r\n{"code":4,"message":"Forbidden"}`);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  const fake = new Master(t);
  fake.port = server.address().port;
  const agent = fake.agent('spikey-bot.js');
  await agent.says(/the master refused us: HTTP 403 Forbidden; this machine's clock is 7 min (10|11|12)\.\d s behind the master's/);
  await until('a second try', () => headers.length >= 2);
  assert.equal(new Set(headers).size, headers.length);
  assert.match(headers[0], /^abc,[A-Za-z0-9+/=]+,\d+$/);
});

test('where no websocket gets through, polling does the same', async (t) => {
  const {server, agent} = await pair(t, 'spikey-bot.js', {options: {transports: ['polling'], pingInterval: 300, pingTimeout: 5000}});
  assert.match(agent.log, /by polling/);
  server.update(1, 2);
  await bot(server, 1);
  assert.equal(await evaluate(server, '6 * 7'), 42);
  const many = await Promise.all(Array.from({length: 50}, (_, i) => evaluate(server, `${i} + ${i}`)));
  assert.deepEqual(many, Array.from({length: 50}, (_, i) => 2 * i));
  assert.equal((await evaluate(server, '"x".repeat(300000)')).length, 300_000);
  for (let i = 0; i < 3; ++i) await next(server.socket.conn, 'heartbeat');
  assert.equal(server.connections, 1);
});

test('a websocket with an extension that was not asked for is refused, and polling does the same', async (t) => {
  const server = await master(t);
  server.io.engine.on('headers', (headers, {_query: {transport}}) => {
    if (transport === 'websocket') headers['Sec-WebSocket-Extensions'] = 'permessage-deflate';
  });
  const agent = server.agent('spikey-bot.js');
  await agent.says(/no websocket to .*Protocol error.*trying polling/);
  await agent.says(/proved itself/);
  server.update(1, 2);
  await bot(server, 1);
});

test('files go both ways below the project directory and nowhere else', async (t) => {
  const server = await master(t);
  const project = path.join(server.folder, 'project');
  mkdirSync(path.join(project, 'save/users'), {recursive: true});
  writeFileSync(path.join(project, 'save/users/one'), Buffer.alloc(1000));
  writeFileSync(path.join(server.folder, 'secret'), 'secret');
  symlinkSync('..', path.join(project, 'out'));
  const connected = server.connection();
  const agent = server.agent('spikey-bot.js', {flags: ['--project-dir', project]});
  const socket = await connected;
  await agent.says(/proved itself/);
  const read = (name) => readFileSync(path.join(project, name));

  assert.deepEqual(await ask(server, 'writeFile', 'a/b.txt', 'text'), [null, null]);
  assert.equal(read('a/b.txt').toString(), 'text');
  const bytes = Buffer.from([0, 255, 1, 254]);
  assert.deepEqual(await ask(server, 'writeFile', {filename: 'a/c.bin', mtime: 1_600_000_000_123}, bytes), [null, null]);
  assert.deepEqual(read('a/c.bin'), bytes);
  assert.equal(Math.round(statSync(path.join(project, 'a/c.bin')).mtimeMs), 1_600_000_000_123);
  assert.deepEqual(await ask(server, 'writeFile', 'a/b.txt', null), [null, null]);
  assert.ok(!existsSync(path.join(project, 'a/b.txt')));
  for (const name of ['../secret', 'out/secret', '/etc/hosts', path.join(server.folder, 'secret'), 'a/../../secret', 'a\0b', '', 'a']) {
    const [error] = await ask(server, 'writeFile', name, 'overwritten');
    assert.ok(error?.message, name);
    const [unread] = await ask(server, 'getFile', name);
    assert.ok(unread?.message, name);
  }
  assert.equal(readFileSync(path.join(server.folder, 'secret'), 'utf8'), 'secret');
  for (const data of [5, {}, [], true]) assert.match((await ask(server, 'writeFile', 'x', data))[0].message, /text, bytes or null/);

  const received = [];
  socket.on('writeFile', (name, data, done) => {
    received.push([name, data]);
    done(name === 'refused' ? 'not that one' : null);
  });
  assert.deepEqual(await ask(server, 'getFile', 'a/c.bin'), [null, null]);
  assert.deepEqual(received, [['a/c.bin', bytes]]);

  // The bot's own requests.
  server.update(0, 1);
  await bot(server, 0);
  assert.equal(await evaluate(server, 'this.ask({_sWriteFile: "a/c.bin"})'), null);
  assert.equal(received.length, 2);
  writeFileSync(path.join(project, 'refused'), 'x');
  await assert.rejects(evaluate(server, 'this.ask({_sWriteFile: "refused"})'), /not that one/);
  await assert.rejects(evaluate(server, 'this.ask({_sWriteFile: "missing"})'), /does not exist/);
  await assert.rejects(evaluate(server, 'this.ask({_sWriteFile: "../secret"})'), /leads out/);
  socket.on('getFile', ({filename, mtime}, done) => {
    if (mtime === 5) socket.emit('writeFile', {filename, mtime: 4}, null, () => {});
    else socket.emit('writeFile', {filename, mtime: 1_500_000_000_000}, `${filename} of the master`, () => {});
    done(null);
  });
  assert.equal(await evaluate(server, 'this.ask({_sGetFile: "from/master", _sGetFileM: 7})'), null);
  assert.equal(read('from/master').toString(), 'from/master of the master');
  await evaluate(server, 'this.ask({_sGetFile: "from/master", _sGetFileM: 5})');
  assert.equal(read('from/master').toString(), 'from/master of the master', 'ours is newer and stays');

  const status = await until('the storage to be measured', () => {
    server.update(0, 1);
    return server.statuses.findLast((entry) => entry.storageUsedUsers === 1000);
  });
  assert.ok(status.storageUsedTotal >= 1000);
  utimesSync(path.join(project, 'refused'), 1, 1);
});

test('a SpikeyBot child asks for SQL, reboots, and tells its figures', async (t) => {
  const {server} = await pair(t, 'spikey-bot.js');
  server.socket.on('sendSQL', (query, done) => query === 'bad' ? done({name: 'SqlError', message: 'syntax'}) : done(null, [{query, n: 1}]));
  const reboots = [];
  server.socket.on('reboot', (text) => reboots.push(text));
  server.update(0, 1);
  await bot(server, 0);
  assert.deepEqual(await evaluate(server, 'this.ask({_sSQL: "SELECT 1"})'), [{query: 'SELECT 1', n: 1}]);
  await assert.rejects(evaluate(server, 'this.ask({_sSQL: "bad"})'), {name: 'SqlError', message: 'syntax'});
  await evaluate(server, 'process.send("reboot hard force"), process.send("hello"), 1');
  await until('the reboot', () => reboots.length === 1);
  assert.deepEqual(reboots, ['reboot hard force']);
  server.statuses.length = 0;
  const status = await until('the figures', () => {
    server.update(0, 1);
    return server.statuses.findLast((entry) => entry.memHeapUsed === 11);
  });
  assert.equal(status.memHeapTotal, 22);
  assert.equal(status.memRSS, 33, 'it has no children');
  assert.equal(status.memExternal, 44);
  assert.equal(status.ping, 12);
  assert.ok(status.messageCountTotal >= 7);
  assert.equal(status.id, 'abc');
  assert.equal(status.currentShardId, 0);
  assert.ok(status.startTime > Date.now() - 60_000);
  assert.deepEqual(Object.keys(status.cpus[0]).sort(), ['model', 'speed', 'times']);
});

test('the bot goes on without its master; SQL waits for it, the rest says so', async (t) => {
  const {server, agent} = await pair(t, 'spikey-bot.js');
  const answer = (socket) => socket.on('sendSQL', (query, done) => setTimeout(() => done(null, `done: ${query}`), 10));
  server.onConnection = answer;
  server.update(0, 1);
  const {pid} = await bot(server, 0);
  await evaluate(server, `this.onSignal = async () => {
    const tell = (promise) => promise.then((value) => value, (error) => error.message);
    const sql = [tell(this.ask({_sSQL: "one"})), tell(this.ask({_sSQL: "two"}))];
    this.note(await tell(this.ask({_sRequest: 1, _sTo: "all", _sId: 5})));
    this.done = await Promise.all(sql);
  }, 1`);
  await server.stop();
  await agent.says(/the bot goes on/);
  process.kill(pid, 'SIGUSR2');
  const note = await until('an answer', () => existsSync(`${server.botLog}.note`) && readFileSync(`${server.botLog}.note`, 'utf8'));
  assert.equal(JSON.parse(note), 'not connected to the master; try again when it is back');
  await server.start();
  await server.connection();
  await until('the agent to be back', () => agent.log.match(/proved itself/g).length === 2);
  server.update(0, 1);
  const answers = await until('the answers', () => evaluate(server, 'this.done'));
  assert.deepEqual(answers, ['done: one', 'done: two']);
  assert.ok(alive(pid));
  assert.equal(bots(server).length, 1);
  assert.equal(new Set(server.headers).size, server.headers.length, 'each handshake has a header of its own');
});

test('a bot whose master stays away is stopped after assume_dead_after, and starts when it is back', async (t) => {
  const {server, agent} = await pair(t, 'spikey-bot.js', {heartbeat: {assumeDeadAfter: 2500}});
  const told = Date.now(); // it hears its master at least until now
  server.update(0, 1);
  const {pid} = await bot(server, 0);
  await server.stop();
  await until('it to be stopped', () => !alive(pid));
  assert.ok(Date.now() - told >= 2500);
  await agent.says(/nothing was heard of the master for 2500ms/);
  await server.start();
  await server.connection();
  await until('the agent to be back', () => agent.log.match(/proved itself/g).length === 2);
  server.update(0, 1);
  await bot(server, 0);
});

test('an answer that the master cannot take is an error that says why', async (t) => {
  const {server} = await pair(t, 'spikey-bot.js', {options: {maxHttpBufferSize: 10_000}});
  server.update(0, 1);
  await bot(server, 0);
  await assert.rejects(evaluate(server, '"x".repeat(20000)'), /20002 bytes, more than the master takes .*max_payload = 10000/);
  assert.equal(await evaluate(server, '1'), 1);
  assert.equal(server.connections, 1);
});

test('a bot that cannot be started is said to be so, ever more slowly', async (t) => {
  const {server, agent} = await pair(t, ['/no/such/program'], {flags: ['--restart-delay', '20ms', '--restart-delay-max', '100ms']});
  server.update(0, 1);
  await agent.says(/the bot died \(cannot be started: No such file or directory\); it is started again in .*; it dies again and again/);
  const status = await until('a status that says so', () => server.statuses.findLast((entry) => entry.bot.crashLoop));
  assert.match(status.bot.lastExit, /cannot be started/);
  assert.equal(status.currentShardId, -1);
  const [error] = await ask(server, 'evalRequest', '1');
  assert.equal(error.message, 'Shard 0 has no active process or worker.');
});

test('a bot that ignores SIGTERM is killed after the grace time, and at once by a second signal', async (t) => {
  const stubborn = ['/bin/sh', '-c', 'trap "" TERM; echo "{\\"id\\":\\"0\\",\\"pid\\":$$,\\"twice\\":[]}" >> "$BOT_LOG"; while :; do sleep 1000 & wait; done'];
  const {server, agent} = await pair(t, stubborn, {flags: ['--grace', '1s']});
  server.update(0, 1);
  const {pid} = await bot(server, 0);
  const begun = Date.now();
  server.update(-1, -1);
  await until('it to be killed', () => !alive(pid));
  assert.ok(Date.now() - begun >= 900);
  const other = (await pair(t, stubborn, {flags: ['--grace', '60s']}));
  other.server.update(0, 1);
  const second = await bot(other.server, 0);
  other.agent.process.kill('SIGTERM');
  await other.agent.says(/stopping/);
  other.agent.process.kill('SIGTERM');
  await until('it to be killed', () => !alive(second.pid));
  assert.ok(agent);
});

test('wrong flags, configs and tokens are refused with a sentence and a code', async (t) => {
  const server = await master(t);
  const file = (name, text, mode = 0o600) => {
    const where = path.join(server.folder, name);
    writeFileSync(where, text, {mode});
    return where;
  };
  const good = file('good.json', JSON.stringify(server.config()));
  const smaster = (...args) => run(path.join(bin, 'smaster'), ['agent', ...args], {env: {DISCORD_TOKEN: ''}});
  const cases = [
    [64, /--config is required/, 'true'],
    [64, /which bot/, '--config', good],
    [64, /no flag is called --typo/, '--config', good, '--typo', 'x'],
    [78, /no-such/, '--config', path.join(server.folder, 'no-such'), 'true'],
    [78, /not valid JSON/, '--config', file('bad.json', '{'), 'true'],
    [78, /"id" is not/, '--config', file('id.json', '{}'), 'true'],
    [78, /no pair/, '--config', file('pair.json', JSON.stringify({...server.config(), pubKey: generateKeyPairSync('rsa', {modulusLength: 2048, publicKeyEncoding: {type: 'spki', format: 'pem'}, privateKeyEncoding: {type: 'pkcs8', format: 'pem'}}).publicKey})), 'true'],
    [78, /can be read by others/, '--config', good, '--token-file', file('open-token', 'x', 0o644), 'true'],
    [78, /is empty/, '--config', good, '--token-file', file('empty-token', '\n'), 'true'],
    [78, /cannot open the folder/, '--config', good, '--project-dir', '/no/such/folder', 'true'],
    [78, /certificates/, '--config', file('tls.json', JSON.stringify(server.config({protocol: 'https:'}))), '--ca-file', '/no/such/file', 'true'],
  ];
  for (const [code, sentence, ...args] of cases) {
    const result = await smaster(...args);
    assert.equal(result.code, code, `${args}: ${result.stderr}`);
    assert.match(result.stderr, sentence);
  }
});

test('--check proves each thing in a line, and leaves a running agent alone', async (t) => {
  const server = await master(t);
  const config = path.join(server.folder, 'config.json');
  writeFileSync(config, JSON.stringify(server.config()), {mode: 0o600});
  const check = (...args) => run(path.join(bin, 'smaster'), ['agent', '--check', '--config', config, ...args]);
  const good = await check('--project-dir', server.folder);
  assert.equal(good.code, 0, good.stderr);
  assert.deepEqual(good.stdout.trim().split('\n').map((line) => line.split(/ +/).slice(0, 2)),
    [['ok', 'config'], ['ok', 'keys'], ['ok', 'files'], ['ok', 'connection'], ['ok', 'clock'], ['skipped', 'hooks']]);
  assert.match(good.stdout, /by websocket; the master has proved itself/);

  const connected = server.connection();
  const agent = server.agent('spikey-bot.js');
  await connected;
  await agent.says(/proved itself/);
  const beside = await run(path.join(bin, 'smaster'), ['agent', '--check', '--config', path.join(server.folder, 'shard_abc_config.json')]);
  assert.equal(beside.code, 0);
  assert.match(beside.stdout, /skipped connection +another agent/);
  const second = await run(path.join(bin, 'smaster'), ['agent', '--grace', '0s', '--config', path.join(server.folder, 'shard_abc_config.json'), 'true']);
  assert.equal(second.code, 75);
  assert.match(second.stderr, /another agent/);
  await agent.end();

  await server.stop();
  const alone = await check();
  assert.equal(alone.code, 69);
  assert.match(alone.stdout, /FAILED +connection +cannot reach 127\.0\.0\.1:\d+: Connection refused/);
});
