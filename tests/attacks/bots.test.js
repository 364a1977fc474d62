// Attacks by bots, which run below an agent, as its user, and can write anything to their channel. Whatever a bot does,
// its agent keeps running and serves it (or restarts it), other shards are not affected, and no process is left over.
import assert from 'node:assert/strict';
import {existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync} from 'node:fs';
import http from 'node:http';
import {tmpdir} from 'node:os';
import path from 'node:path';
import {test} from 'node:test';
import {request, serve, until} from './harness.js';

const sanitized = Boolean(process.env.SMASTER_SANITIZED);
/** Maximum time of another shard's eval during an attack. */
const promptly = sanitized ? 20_000 : 8_000;
/** Maximum memory that an attack may cost the agent or the server, in MiB; sanitizers keep freed memory for a while. */
const bound = 128 + (sanitized ? 600 : 0);

/** Characters that a terminal, an editor or a log viewer interprets. */
// eslint-disable-next-line no-control-regex
const commands = /[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/;
const attack = 'a\u001b]0;title\u0007\u001f,"event":"forged"}\n{"level":"info"\u009b2J\u202eb\u0085';

/** The attacker's functions in its bot: pour(text, times) writes all bytes to the channel, however slowly they are read. */
const weapons = `import('node:fs').then(({writeSync}) => {
  const pause = new Int32Array(new SharedArrayBuffer(4));
  globalThis.pour = (text, times = 1) => {
    const bytes = Buffer.from(text);
    for (let n = 0; n < times; ++n) {
      for (let at = 0; at < bytes.length;) {
        try {
          at += writeSync(3, bytes, at);
        } catch (error) {
          if (error.code !== 'EAGAIN') throw error;
          Atomics.wait(pause, 0, 0, 1);
        }
      }
    }
    return times;
  };
  return true;
})`;

const text = JSON.stringify;
const peak = (pid) => Number(readFileSync(`/proc/${pid}/status`, 'utf8').match(/^VmHWM:\s+(\d+)/m)[1]) >> 10;
/** Number of statuses that the server has received. */
const statuses = async ({port}) => Number((await request(port, '/metrics')).body.match(/^smaster_statuses_total (\d+)/m)[1]);
const parent = (pid) => Number(readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ').at(-1).split(' ')[1]);

/** True if a process is running, whatever its name. */
function alive(pid) {
  try {
    return !/^[ZX]/.test(readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ').at(-1));
  } catch {
    return false;
  }
}

/** The processes with this text in their environment. */
function processesWith(marker) {
  return readdirSync('/proc').filter((name) => {
    try {
      return /^\d+$/.test(name) && readFileSync(`/proc/${name}/environ`, 'latin1').includes(marker) && alive(Number(name));
    } catch {
      return false; // it has ended, or is another user's
    }
  }).map(Number);
}

/** Two shards with an agent each: the attacker's, and another that must not be affected. */
async function attacked(t, {settings = '', flags = [], ...options} = {}) {
  const server = await serve(t, `[shards]\ncount = 2\n[limits]\nconn_count = 1000\n${settings}`);
  const {botLog} = server;
  t.after(() => assert.deepEqual(processesWith(`BOT_LOG=${botLog}`), [], 'something is left'));
  const [first, second] = await server.register(2);
  const agent = server.agent([first], 'spikey-bot.js', {flags: ['--restart-delay', '100ms', ...flags], ...options});
  const other = server.agent([second], 'spikey-bot.js');
  await server.running(2);
  await server.answering(2);
  const idOf = ({id}) => Number(server.bots().find((bot) => bot.name === id).id);
  const [evil, good] = [idOf(first), idOf(second)];
  /** Runs a script in the attacker's bot; returns its result, or its error's message. */
  const ask = async (script, ...rest) => {
    const {stdout} = await server.tool(['eval', '-', '--ndjson', '--shard', `${evil}`, ...rest], {input: script});
    const line = JSON.parse(stdout);
    return line.error ? line.error.message ?? line.error : line.result;
  };
  /** Defines the attacker's functions; again after a restart of its bot. */
  const arm = () => until('the attacker to be armed', async () => await ask(weapons) === true);
  /** The other bot must answer soon. */
  const untouched = async () => {
    const begin = performance.now();
    const [line] = await server.evaluate('"here"', ['--shard', `${good}`]);
    assert.equal(line.result, 'here', text(line));
    const took = performance.now() - begin;
    assert.ok(took < promptly, `another shard's answer took ${took} ms`);
  };
  /** Runs an attacking script while the other shard is checked; afterwards the attacker's bot must be served again. */
  const strike = async (script) => {
    const before = [agent, server].map(({process: {pid}}) => peak(pid));
    const [begun, heard] = [performance.now(), await statuses(server)];
    let over = false;
    const struck = ask(script, '--timeout', process.env.SMASTER_SANITIZED ? '20s' : '15s').finally(() => over = true);
    do await untouched(); while (!over);
    const result = await struck;
    await until('the attacker to be served', async () => await ask('3') === 3);
    await untouched();
    [agent, server].forEach(({process: {pid}}, i) => {
      const grown = peak(pid) - before[i];
      assert.ok(grown < bound, `the ${i === 0 ? 'agent' : 'server'} took ${grown} MiB`);
    });
    // Two agents, each with two requests per second and as many of its own.
    const most = 20 + (performance.now() - begun) / 1000 * 10;
    const came = await statuses(server) - heard;
    assert.ok(came < most, `${came} statuses came, not ${most} at most`);
    assert.equal(server.bots().filter(({id}) => Number(id) === good).length, 1, 'the other bot was restarted');
    for (const {log} of [agent, other, server]) assert.doesNotMatch(log, commands);
    return result;
  };
  await arm();
  return {server, agent, other, evil, good, ask, arm, untouched, strike, configs: [first, second]};
}

const connectedOnce = (agent) => assert.doesNotMatch(agent.log, /connection to the master was lost/);

test('garbage on the channel is nobody\'s answer, and ends nothing', async (t) => {
  const {agent, strike} = await attacked(t);
  const lines = [
    '', ' ', '\r', '\0', '\0'.repeat(1000), '{', '}', '[]', '{}', 'null', '-', '1e999', '"', '"\\', '"\\ud800"', '{"_eval"', '{"_eval":', '{"_eval":"', '{"_eval":"1"',
    '{"_eval":1,"_result":2}', '{"_eval":null}', '{"_eval":{"_eval":"1"}}', '{"_fetchProp":["a"],"_result":1}', '{"_reply":{},"_result":1}', '{"_reply":1e999}', '{"_reply":-1,"_error":null}',
    '{"__proto__":{"_ready":true}}', '{"_ready":[]}', '{"_ready":"\u001b[2J"}', '{"_sId":1}', '{"_sEval":5}', '{"_sSQL":{}}', '{"_sWriteFile":"\\u0000"}', '{"_sGetFile":"../../etc/passwd"}',
    '{"_sMessage":1,"_sTo":{"shard":1e999},"_sId":{"a":[]}}', '{"_sRequest":1,"_sTo":"all","_sTimeout":-9223372036854775808,"_sId":[1,2]}', '{"_sRequest":1,"_sTo":{"shard":0},"_sTimeout":9223372036854775807,"_sId":1}',
    '{"_sHooks":[]}', '{"_sIdentify":1e999,"_sId":1}', '{"_sIdentify":99999999999999999999,"_sId":99999999999999999999}', '{"_sGateway":{"shard":"0"}}', '{"_sGateway":7}', '"reboot', '"reboot \\u0000 \\u001b[2J"',
    '{"a":'.repeat(5000), '['.repeat(100_000), `${'['.repeat(100_000)}${']'.repeat(100_000)}`,
  ];
  assert.equal(await strike(`pour(${text(`${lines.join('\n')}\n`)}), pour(Buffer.from(Array.from({length: 1 << 20}, (_, i) => i * 7919 >> 3 & 255))), pour('\\n')`), 1);
  assert.equal(await strike(`pour('x'.repeat(17 << 20) + '\\n', 3)`), 3);
  assert.equal(await strike(`pour('{"_eval":"1","_result":"' + '"_eval":"'.repeat(2 << 20) + '"}\\n')`), 1);
  // More than the master takes in one message.
  assert.equal(await strike(`pour('{"_sRespawnAll":{"x":"' + 'y'.repeat(2 << 20) + '"}}\\n'), pour('"reboot ' + 'y'.repeat(2 << 20) + '"\\n')`), 1);
  // Without a line end: it is not buffered.
  assert.match(await strike('pour("y".repeat(1 << 20), 200)'), /./);
  connectedOnce(agent);
});

test('many files that a bot sends are in memory one after another', async (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), 'smaster-files-'));
  t.after(() => rmSync(folder, {recursive: true}));
  writeFileSync(path.join(folder, 'big'), 'x'.repeat(900_000));
  const {agent, server, strike} = await attacked(t, {flags: ['--project-dir', folder]});
  const before = peak(agent.process.pid);
  await strike(`pour('{"_sWriteFile":"big"}\\n'.repeat(300))`);
  const arrived = async () => [...(await request(server.port, '/metrics')).body.matchAll(/^smaster_files_total\{[^}]*\} (\d+)/gm)].reduce((sum, [, n]) => sum + Number(n), 0);
  await until('the files to have arrived', async () => await arrived() >= 250);
  assert.ok(peak(agent.process.pid) - before < bound, `the agent took ${peak(agent.process.pid) - before} MiB`);
  connectedOnce(agent);
});

test('what an answer says is passed on or is an error, and never costs the agent its connection', async (t) => {
  const {agent, server, ask, evil, strike} = await attacked(t);
  /** A script with these bytes as its answer. */
  const answersWith = async (json) => {
    const own = `pour(Buffer.concat([Buffer.from('{"_eval":' + JSON.stringify(globalThis.own) + ','), Buffer.from('${Buffer.from(json, 'latin1').toString('base64')}', 'base64'), Buffer.from('}\\n')])), new Promise(() => {})`;
    await ask(`globalThis.own = ${text(own)}, 1`);
    return own;
  };
  for (const json of ['"_result":"\xff\xfe"', '"_result":"\xc0\x80"', '"_result":"\xed\xa0\x80"', '"_result":"\\ud800"', '"_result":1e999', '"_result":-1e999', '"_result":NaN', '"_result":01', '"_result":"\x1b[2J"',
    '"_result":"a\0b"', '"_error":"\xff"', '"_error":{"message":"\xff"}', '"_error":{"name":1,"message":{},"stack":[]}', '"_error":[]', '"_error":{}', '"_error":1e999', '"_result":{"_placeholder":true,"num":0}', '"_result":{"_placeholder":true,"num":1e9}', '"_result":1,"_result":2', '"_error":1,"_result":2']) {
    const script = await answersWith(json);
    const {stdout, stderr} = await server.tool(['eval', script, '--ndjson', '--shard', `${evil}`, '--timeout', '20s']);
    const [line] = stdout.trim().split('\n').map(JSON.parse);
    assert.ok('result' in line || 'error' in line, stdout);
    assert.doesNotMatch(stderr, commands, json);
    assert.doesNotMatch(stdout + stderr, /no answer within/, `${json}: it is told at once`);
  }
  const thrown = await server.tool(['eval', `throw Object.assign(new Error(${text(attack)}), {name: ${text(attack)}, stack: ${text(attack)}})`, '--shard', `${evil}`]);
  assert.equal(thrown.code, 1);
  assert.doesNotMatch(thrown.stderr, commands);
  await strike('1');
  connectedOnce(agent);
});

test('a bot answers for itself alone, once, and only what it was asked', async (t) => {
  const {server, good, ask, strike} = await attacked(t);
  const script = '"true".length';
  assert.equal(await strike(`pour(${text(`{"_eval":${text(script)},"_result":"forged"}\n`)}, 100)`), 100);
  assert.deepEqual((await server.evaluate(script)).map(({result}) => result), [4, 4], 'answers that came before their question');
  assert.equal(await strike(`pour(${text('{"_eval":"\\"once\\"","_result":"once"}\n{"_eval":"\\"once\\"","_result":"twice"}\n{"_eval":"1 + 1","_result":3}\n{"_fetchProp":"x","_result":3}\n')}), "once"`), 'once');
  assert.equal(await ask('1 + 1'), 2);
  // Numbers of requests sent to others, or used next.
  await strike('Array.from({length: 1000}, (_, i) => pour(`{"_reply":${i},"_result":"forged"}\\n{"_sReply":${i},"_result":"forged"}\\n{"_request":1,"_from":0,"_id":${i}}\\n`)).length');
  const request = (to) => `this.ask({_sId: Math.random(), _sRequest: "fine", _sTo: {shard: ${to}}}).then(({echo}) => echo)`;
  assert.equal(await ask(request(good)), 'fine');
  const [{result}] = await server.evaluate(request((await server.evaluate('1')).find(({shard}) => shard !== good).shard), ['--shard', `${good}`]);
  assert.equal(result, 'fine');
});

for (const [what, script] of [
  ['its state', 'pour(\'{"_ready":true}\\n{"_disconnect":true}\\n\', 8000)'],
  ['its gateway', 'pour(\'{"_sGateway":{"shard":SHARD,"event":"closed","code":1006}}\\n{"_sGateway":{"shard":SHARD,"event":"ready"}}\\n{"_sGateway":{"shard":SHARD,"event":"identify_sent"}}\\n\', 5000)'],
  ['its library', 'pour(\'{"_sHooks":{"library":"x 1","identify":false}}\\n\', 30000)'],
  ['logins that it wants', 'pour(\'{"_sIdentify":SHARD,"_sId":7}\\n{"_sIdentify":SHARD,"_sId":7,"cancel":true}\\n\', 20000)'],
  ['evals with long ids', 'pour(\'{"_sEval":"new Promise(() => {})","_sEvalShard":SHARD,"_sId":"\' + "x".repeat(1 << 20) + \'"}\\n\', 250)'],
  ['SQL with long ids', 'pour(\'{"_sSQL":"SELECT 1","_sId":"\' + "x".repeat(1 << 20) + \'"}\\n\', 250)'],
  ['small evals', 'pour(\'{"_sEval":"new Promise(() => {})","_sId":1}\\n\', 10000)'],
  ['large evals', 'pour(\'{"_sEval":"/*\' + "x".repeat(900000) + \'*/ new Promise(() => {})"}\\n\', 180)'],
  ['messages', 'pour(\'{"_sMessage":"\' + "x".repeat(100000) + \'","_sTo":"all","_sId":1}\\n\', 1500)'],
  ['requests', 'pour(\'{"_sRequest":"never","_sTo":"all","_sId":1,"_sTimeout":3600000}\\n\', 10000)'],
  ['words to the master', 'pour(\'"reboot x"\\n\', 30000)'],
]) {
  test(`a bot that floods its channel with ${what} is slowed down, and costs a bounded amount`, async (t) => {
    const {agent, server, evil, strike} = await attacked(t);
    await strike(script.replaceAll('SHARD', evil));
    connectedOnce(agent);
    assert.ok(agent.log.length + server.log.length < 500_000, 'it fills logs');
    assert.equal(server.bots().length, 2, 'it was not restarted');
  });
}

test('a bot has no say in logins and states of ids that are not its own', async (t) => {
  const {server, agent, evil, good, ask, strike} = await attacked(t);
  await ask(`globalThis.lines = [], process.on('message', (line) => globalThis.lines.push(line)), 1`);
  const events = ['identify_sent', 'ready', 'resumed', 'invalid_session', 'closed', 'gave_up', 'figures'];
  const all = [good, -1, 7, 2 ** 31, -(2 ** 31), 2 ** 53].flatMap((id) => [...events.map((event) => ({_sGateway: {shard: id, event, code: 4004, guilds: 1e6, ask: 1}})), {_sIdentify: id, _sId: 9}, {_sIdentify: id, _sId: 9, cancel: true}]);
  const own = events.map((event) => ({_sGateway: {shard: `${evil}`, event}}));
  assert.equal(await strike(`pour(${text([...all, ...own].map((line) => `${text(line)}\n`).join(''))})`), 1);
  const refused = await until('the refusals', async () => {
    const lines = await ask('globalThis.lines.filter((line) => "_sIdentify" in line)');
    return lines.length >= 4 && lines;
  });
  assert.ok(refused.every(({_error: error}) => / is not this process's$/.test(error?.message)), text(refused));
  const {shards} = await server.stats();
  const other = shards.find(({goalShardId}) => goalShardId === good);
  assert.deepEqual([other.state, other.stats.bot.ready, other.stats.bot.gateways], ['running', null, []]);
  connectedOnce(agent);
});

test('the address of another process is no way to log in, nor is a guess', async (t) => {
  const {server, agent, configs: [config]} = await attacked(t);
  await agent.end();
  const [third] = await server.register(1, {prefix: 'x'});
  const both = server.agent([config, third], 'spikey-bot.js'); // two bots below one agent
  await both.says(/starting the bot/);
  const environment = (pid, name) => readFileSync(`/proc/${pid}/environ`, 'latin1').split('\0').find((entry) => entry.startsWith(`${name}=`)).slice(name.length + 1);
  const bot = await until('its bot', () => server.bots().slice(2).find(({pid}) => alive(pid)));
  await server.answering(2);
  const url = environment(bot.pid, 'SMASTER_IDENTIFY_URL');
  const get = (target) => new Promise((resolve, reject) => {
    http.get(target, {agent: false}, (response) => resolve(response.resume().statusCode)).on('error', reject);
  });
  const stranger = Number((server.bots().find(({pid}) => alive(pid) && pid !== bot.pid)).id);
  assert.equal(await get(`${url}?shard=${stranger}`), 403, 'another process\'s id');
  const {origin, pathname} = new URL(url);
  const secret = pathname.slice(1, -1);
  const other = secret.endsWith('A') ? 'B' : 'A';
  for (const guess of ['/', '//', `/${secret.slice(0, -1)}/`, `/${secret.slice(0, -1)}${other}/`, `/${secret}x/`, `/x/../${secret}x/`, `/${secret.toLowerCase()}/`, `/${'A'.repeat(8000)}/`, '/%00/']) {
    assert.ok([404, 400, 413, 431].includes(await get(`${origin}${guess}?shard=${bot.id}`)), guess);
  }
  await Promise.all(Array.from({length: 200}, (_, i) => get(`${origin}/${secret.slice(0, -3)}${i}/?shard=${bot.id}`).catch(() => {})));
  await server.answering(2);
});

test('figures of any size and shape harm no sum, no format and no other shard', async (t) => {
  const {server, evil, good, ask, strike} = await attacked(t, {settings: '[heartbeat]\ninterval = "300ms"\n'});
  const row = async (id) => (await server.stats()).shards.find(({goalShardId}) => goalShardId === id);
  const honest = (await row(good)).stats.memHeapUsed;
  for (const figures of [
    '{memory: {rss: 1e308, heapUsed: 1e308, heapTotal: 1e308, external: 1e308}, numMessages: 1e308, ping: 1e308}',
    '{memory: {rss: 1.7e308, heapUsed: -1e308, heapTotal: -1e308, external: -1e308}, numMessages: -1e308, ping: -1e308}',
    '{memory: {rss: "1", heapUsed: [], heapTotal: {}, external: null}, numMessages: "=1+1", ping: true}',
    '{memory: {rss: Infinity, heapUsed: NaN}, numMessages: 9007199254740993, ping: 5e-324}',
    'null', `{memory: 5, numMessages: ${text(attack)}, [${text(attack)}]: 1}`,
  ]) {
    await ask(`this.getStats = () => (${figures}), 1`);
    const begin = (await row(evil)).stats.timestamp;
    await until('some statuses', async () => (await row(evil)).stats.timestamp > begin + 600);
    const {stdout} = await server.tool(['stats', '--json']);
    assert.doesNotMatch(stdout, /NaN|Infinity|1e99999|:inf|:-inf|:nan/i, figures);
    assert.ok((await row(good)).stats.memHeapUsed >= honest / 2);
    for (const format of [[], ['--csv'], ['--prometheus'], ['--ndjson'], ['--history', '--json'], ['--history', '--csv']]) {
      const {code, stdout: printed, stderr} = await server.tool(['stats', ...format]);
      assert.equal(code, 0, stderr);
      assert.doesNotMatch(printed, commands);
    }
    assert.equal((await server.tool(['rebalance', '--dry-run'])).code, 0);
    assert.equal((await request(server.port, `/api/public/shard-status-history?id=aaa,aab`)).status, 200);
    JSON.parse((await request(server.port, `/api/public/shard-status-history?id=aaa,aab`)).body);
  }
  await ask('this.getStats = () => ({}), 1');
  for (const value of ['9223372036854775807', '-9223372036854775808', '1e308', '-1e308', '"x"', 'null', '1e999']) {
    const fields = ['ping', 'acksMissed', 'events', 'lastEvent', 'guilds', 'logins', 'resumes', 'loopDelay', 'code', 'at'];
    const event = (name) => `{"_sGateway":{"shard":${evil},"event":"${name}",${fields.map((field) => `"${field}":${value}`).join(',')}}}\n`;
    await strike(`pour(${text(['figures', 'ready', 'identify_sent', 'closed', 'resumed', 'figures'].map(event).join(''))})`);
    for (const format of ['--json', '--csv', '--prometheus']) assert.equal((await server.tool(['stats', format])).code, 0);
  }
});

test('what a bot says reaches the log, the terminal and CSV as data', async (t) => {
  const {server, agent, strike} = await attacked(t, {settings: '[log]\nformat = "json"\n'});
  const says = [{_sHooks: {library: `${attack} 1`, identify: false, why: attack}}, `reboot ${attack}`, {_sSQL: `SELECT ${attack}`, _sId: 1}, {_sWriteFile: attack, _sId: 2}, {_sGetFile: `${attack}/x`, _sId: 3},
    {_sEval: `throw new Error(${text(attack)})`, _sId: 4}, {_sFetchProp: attack, _sFetchPropShard: 7, _sId: 5}, {_sMessage: 1, _sTo: attack, _sId: 6}, {_sIdentify: 77, _sId: 8}];
  await strike(`process.title = ${text(attack.replaceAll('\n', ' '))}, pour(${text(says.map((line) => `${text(line)}\n`).join(''))})`);
  await until('the library to be shown', async () => (await server.stats()).shards.some(({stats}) => stats?.bot?.hooks?.includes('title')));
  for (const format of [[], ['--csv'], ['--prometheus'], ['--json']]) {
    const {stdout, stderr} = await server.tool(['stats', ...format]);
    assert.doesNotMatch(stderr, commands);
    if (format.length === 0) assert.doesNotMatch(stdout, commands);
  }
  assert.doesNotMatch((await request(server.port, '/metrics')).body, commands);
  for (const line of server.log.trim().split('\n')) assert.notEqual(JSON.parse(line).event, 'forged');
  assert.ok(agent.log.trim().split('\n').every((line) => /^\d{4}-\d\d-\d\dT[\d:.+]+ \w+ /.test(line)), agent.log);
});

/** A script that starts processes which try to outlive the bot; its result is their number. */
const survivors = (folder) => {
  const python = [
    'import os,signal,sys,time',
    'for s in (signal.SIGTERM,signal.SIGHUP,signal.SIGINT): signal.signal(s,signal.SIG_IGN)',
    'os.setsid() if os.fork()==0 else os._exit(0)',
    'os._exit(0) if os.fork() else None',
    'open("/proc/self/comm","w").write(") Z 1 1 (") if len(sys.argv)>2 else None',
    `open("${folder}/"+sys.argv[1],"w").write(str(os.getpid()))`,
    'time.sleep(1000)',
  ].join('\n');
  return `import('node:child_process').then(({spawn}) => { for (const args of [['a'], ['b', 'title'], ['c']]) spawn('python3', ['-c', ${text(python)}, ...args], {detached: true, stdio: args[0] === 'c' ? 'inherit' : 'ignore'}).unref(); return 3; })`;
};

test('no process outlives its bot: not one that was forked twice, has a session of its own, ignores signals and has a false name', async (t) => {
  const {server, ask, untouched, agent} = await attacked(t, {flags: ['--grace', '1s']});
  const pids = () => ['a', 'b', 'c'].map((name) => `${server.folder}/${name}`).filter(existsSync).map((file) => Number(readFileSync(file, 'utf8'))).filter((pid) => pid > 0);
  assert.equal(await ask(survivors(server.folder)), 3);
  await until('them to run', () => pids().length === 3);
  assert.ok(pids().every(alive));
  assert.match(await ask('process.title = ") Z 1 1 (", process.exit(7)'), /the bot ended before it answered \(exit status 7\)/);
  await until('another bot', () => server.bots().length === 3);
  assert.deepEqual(pids().filter(alive), [], 'gone before it was started again');
  await untouched();
  await server.answering(2);
  assert.equal(await agent.end(), 0);
});

test('a process that forks and ends, again and again, does not escape', async (t) => {
  const {server, ask, arm, untouched} = await attacked(t);
  // Each lives for a moment only, in a session of its own: a search for it finds that it has ended.
  const rabbit = 'import os,signal\nsignal.signal(signal.SIGTERM,signal.SIG_IGN)\nwhile True:\n if os.fork(): os._exit(0)\n os.setsid()\n';
  const marker = `RABBIT=${server.folder}`;
  await ask(`import('node:child_process').then(({spawn}) => { for (let i = 0; i < 3; ++i) spawn('python3', ['-c', ${text(rabbit)}], {detached: true, stdio: 'ignore', env: {...process.env, RABBIT: ${text(server.folder)}}}).unref(); return 1; })`);
  await until('them to run', () => processesWith(marker).length > 0);
  assert.match(await ask('process.exit(7)'), /exit status 7/);
  await until('another bot', () => server.bots().length === 3);
  for (let i = 0; i < 20; ++i) assert.deepEqual(processesWith(marker), []);
  await untouched();
  await arm();
});

test('a bot that kills or stops its keeper or its agent gains nothing', async (t) => {
  const {server, agent, ask, untouched, configs: [config]} = await attacked(t);
  const bots = () => server.bots().filter(({name}) => name === config.id);
  const replaced = async (before) => {
    await until('another bot', () => bots().length > before);
    assert.ok(!alive(bots()[before - 1].pid));
    await server.answering(2);
    await untouched();
  };
  // Agent killed: its bot ends, too.
  await ask('process.kill(process.ppid, "SIGKILL"), new Promise(() => {})', '--timeout', '5s');
  await replaced(1);
  // Bot stopped: it ignores all requests, and its agent does not wait for it for ever.
  const keeper = parent(bots().at(-1).pid);
  assert.equal(await ask('process.kill(process.ppid, "SIGSTOP"), 1'), 1);
  await server.tool(['respawn', '--shard', `${bots()[0].id}`]);
  await replaced(2).finally(() => alive(keeper) && process.kill(keeper, 'SIGCONT')); // a test that fails can end
  // Agent killed: bot and keeper end, and a new agent starts another bot.
  await ask(`process.kill(${agent.process.pid}, "SIGKILL"), new Promise(() => {})`, '--timeout', '5s');
  await until('the agent to be gone', () => agent.process.signalCode);
  await until('its bot to be gone', () => bots().every(({pid}) => !alive(pid)));
  agent.start();
  await replaced(3);
});

test('a bot that closes or exhausts its descriptors harms itself alone', async (t) => {
  const {server, agent, evil, ask, arm, untouched} = await attacked(t);
  const open = () => readdirSync(`/proc/${agent.process.pid}/fd`).length;
  const before = open();
  for (const script of [
    'import("node:fs").then(({openSync}) => { for (globalThis.held = [];;) globalThis.held.push(openSync("/dev/null")); })', // all that it may have
    'import("node:net").then(({Socket}) => { new Socket({fd: 3}).end(); return 1; })', // half of its channel
    'import("node:fs").then(({closeSync}) => { closeSync(3); return 1; })',
    'import("node:fs").then(({closeSync}) => { for (let fd = 0; fd < 64; ++fd) try { closeSync(fd); } catch {} return 1; })',
  ]) {
    const starts = server.bots().length;
    await ask(script, '--timeout', '3s');
    await untouched();
    await server.tool(['respawn', '--shard', `${evil}`]);
    await until('another bot', () => server.bots().length > starts);
    await arm();
  }
  assert.ok(open() <= before + 2, 'the agent keeps what belonged to dead bots');
});

test('what a bot gets from its agent is its channel, and nothing that is the agent\'s own', async (t) => {
  const {ask} = await attacked(t);
  const links = await ask('import("node:child_process").then(({execFileSync}) => execFileSync("sh", ["-c", "ls -l /proc/$PPID/fd"]).toString())');
  assert.doesNotMatch(links, /memfd|config\.json|lock/, links);
});

test('output without measure or end, which nobody reads, stops neither the agent nor the bot\'s end', async (t) => {
  const {server, agent, ask, untouched, arm, evil} = await attacked(t, {flags: ['--prefix']});
  agent.process.stdout.pause();
  const before = peak(agent.process.pid);
  await ask('import("node:child_process").then(({spawn}) => { for (const text of ["yes", "tr \'\\\\0\' x </dev/zero"]) spawn("sh", ["-c", text], {stdio: ["ignore", "inherit", "inherit"]}).unref(); return 1; })');
  for (let i = 0; i < 5; ++i) await untouched();
  assert.equal(await ask('1'), 1);
  const starts = server.bots().length;
  await server.tool(['respawn', '--shard', `${evil}`]);
  await until('another bot', () => server.bots().length > starts);
  agent.process.stdout.resume();
  await arm();
  await untouched();
  assert.ok(peak(agent.process.pid) - before < bound);
});
