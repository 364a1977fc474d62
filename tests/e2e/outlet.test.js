// Output of shards and databases reaches people, spreadsheets and terminals as data: nothing in it is executed or
// interpreted.
import assert from 'node:assert/strict';
import {readFileSync, readdirSync} from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import {fileURLToPath} from 'node:url';
import {test} from 'node:test';
import {bin, run, serve, until} from './harness.js';
import {master} from './master.js';

// eslint-disable-next-line no-control-regex
const commands = /[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/;
const attack = 'a\u001b]0;title\u0007\u009b2J\u202eb\u0085';

async function fleet(t, answers = {}) {
  const server = await serve(t, '[shards]\ncount = 1\n[limits]\nconn_count = 1000\n');
  const shard = server.shard((await server.register(1))[0]);
  await server.running(1);
  Object.assign(shard.bot, answers);
  return {server, shard};
}

/** Runs a command on a terminal; returns the bytes sent to the terminal. */
const onTerminal = (server, command) => run('script', ['-qec', command.map((word) => `'${word}'`).join(' '), '/dev/null'],
  {env: {SMASTER_SOCKET: server.socket, PATH: `${path.resolve(bin)}:${process.env.PATH}`, PAGER: 'cat', NO_COLOR: '1', LC_ALL: 'C.UTF-8', TERM: 'xterm'}});

test("errors of a shard's reach stderr without commands, each as one line", async (t) => {
  const {server} = await fleet(t, {attack});
  const script = 'throw new Error(this.attack + "\\nshard 5 (abc): ok")';
  const {code, stderr, stdout} = await server.tool(['eval', script]);
  assert.equal(code, 1);
  assert.doesNotMatch(stderr, commands);
  assert.doesNotMatch(stderr, /^shard 5/m);
  assert.equal(JSON.parse(stdout).error.message, `${attack}\nshard 5 (abc): ok`, 'for programs it is exact');
});

test('on a terminal results are harmless, and JSON is the same JSON', async (t) => {
  const {server} = await fleet(t, {attack});
  const raw = await onTerminal(server, ['smaster', 'eval', '--raw', 'this.attack']);
  assert.doesNotMatch(raw.stdout.replaceAll('\r\n', '\n'), commands);
  for (const flag of ['--ndjson', '--json']) {
    const {stdout} = await onTerminal(server, ['smaster', 'eval', flag, 'this.attack']);
    assert.doesNotMatch(stdout.replaceAll('\r\n', '\n'), commands);
    assert.equal(JSON.parse(stdout.match(/[[{][^]*?"result"[^]*?}/)[0].replace(/^\[/, '')).result, attack);
  }
  assert.equal((await server.tool(['eval', '--raw', 'this.attack'])).stdout, `${attack}\n`, 'in a pipe it is exact');
});

test('cells of CSV are no formulas, from shards and from databases', async (t) => {
  const {server, shard} = await fleet(t);
  shard.socket.emit('status', {goalShardId: 0, goalShardCount: 1, currentShardId: 0, currentShardCount: 1, bot: {agent: 'x', state: 'running', lastExit: '=HYPERLINK("http://evil.example","x")'}});
  const csv = await until('the status', async () => {
    const {stdout} = await server.tool(['stats', '--csv']);
    return stdout.includes('HYPERLINK') && stdout;
  });
  assert.match(csv, /,"'=HYPERLINK\(""http:/);
  assert.match(csv, /^aaa,/m);
  const {stdout, stderr} = await server.tool(['sql', '--csv', "SELECT '=1+1' AS a, '+x' AS b, '-2' AS c, -3 AS d, '@x' AS e, 'ok' AS f"]);
  assert.equal(stdout, "a,b,c,d,e,f\r\n'=1+1,'+x,-2,-3,'@x,ok\r\n", stderr);
});

test("an agent's log and --check say what a master says without commands", async (t) => {
  const server = await master(t);
  const connected = server.connection();
  const agent = server.agent('discord-bot.js');
  await connected;
  await agent.says(/the master has proved itself/);
  server.socket.emit(`${attack}\n2026-01-01 error forged`, 1);
  await agent.says(/which this agent does not know/);
  // A NUL character would truncate an argument of the bot.
  server.update(0, 1, {config: {botArgs: ['--safe\0--or-not']}});
  await agent.says(/an argument or a variable has a NUL character in it/);
  const config = path.join(server.folder, 'shard_abc_config.json');
  await agent.end();
  await server.stop();
  server.http = http.createServer((request, response) => response.writeHead(403).end(JSON.stringify({code: 4, message: attack})));
  await new Promise((resolve) => server.http.listen(server.port, '127.0.0.1', resolve));
  const check = await run(path.join(bin, 'smaster'), ['agent', '--check', '--config', config]);
  assert.match(check.stdout, /^FAILED {2}connection/m);
  for (const text of [agent.log, check.stdout, check.stderr]) {
    assert.doesNotMatch(text, commands);
    assert.doesNotMatch(text, /^2026-01-01 error forged/m);
  }
  server.io = {engine: {close: () => {}}};
});

test('commands write only through their outlets', () => {
  const tools = path.join(path.dirname(fileURLToPath(import.meta.url)), '../../tools');
  // Those that define them; the dispatcher, which says only what it was given; and the bots' keeper, which is no command.
  const own = ['tool.cpp', 'terminal.cpp', 'smaster.cpp', 'bot-keeper.cpp', 'watch.cpp'];
  for (const file of readdirSync(tools).filter((name) => name.endsWith('.cpp') && !own.includes(name))) {
    const text = readFileSync(path.join(tools, file), 'utf8');
    assert.doesNotMatch(text, /std::(cout|cerr|clog|printf|puts|fputs|fwrite)|::write\(|fmt::print|STDOUT_FILENO,|STDERR_FILENO,/, file);
  }
});
