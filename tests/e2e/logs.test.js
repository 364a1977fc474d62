// What bots print, of all hosts: smaster logs, its follower, and the last lines before a death.
import assert from 'node:assert/strict';
import {spawn} from 'node:child_process';
import {chmodSync, existsSync, readdirSync, readFileSync, readlinkSync, unlinkSync, writeFileSync} from 'node:fs';
import {createRequire} from 'node:module';
import net from 'node:net';
import path from 'node:path';
import {test} from 'node:test';
import {gunzipSync} from 'node:zlib';
import {bin, serve, tls, until} from './harness.js';
import {authorization} from './shard.js';

const WebSocket = createRequire(import.meta.url)('ws');

const shell = (script) => ['/bin/sh', '-c', script];
const stays = 'exec sleep 1000';
const parse = (text) => text.trim().split('\n').filter(Boolean).map((line) => JSON.parse(line));

/** The lines of `smaster logs --json`, without the agents' remarks. */
async function logs(server, ...args) {
  const {stdout} = await server.tool(['logs', '--json', ...args]);
  return parse(stdout).filter(({stream}) => stream !== 'note');
}
const texts = (lines) => lines.map(({line}) => line);

/** A running `smaster logs --follow --json`; `lines` has what it has printed. */
function follow(t, server, ...args) {
  const child = spawn(path.join(bin, 'smaster'), ['logs', '--follow', '--json', ...args], {env: {...process.env, SMASTER_SOCKET: server.socket}});
  let text = '';
  let errors = '';
  child.stdout.on('data', (data) => text += data);
  child.stderr.on('data', (data) => errors += data);
  t.after(() => child.kill());
  return {
    child,
    get lines() {
      return parse(text.slice(0, text.lastIndexOf('\n') + 1)).filter(({stream}) => stream !== 'note');
    },
    get notes() {
      return parse(text.slice(0, text.lastIndexOf('\n') + 1)).filter(({stream}) => stream === 'note').map(({line}) => line);
    },
    get errors() {
      return errors;
    },
  };
}

test('the beginning of a line is there before its end is, and its rest is a line of its own', async (t) => {
  const server = await serve(t, '[shards]\ncount = 1\n');
  const go = path.join(server.folder, 'go');
  server.agent(await server.register(1), shell(`printf 'Go on? '; while [ ! -e ${go} ]; do sleep 0.1; done; echo yes; printf 'Sure? '; while [ -e ${go} ]; do sleep 0.1; done; echo; echo done; ${stays}`));
  await until('the question', async () => texts(await logs(server)).at(-1) === 'Go on? …');
  writeFileSync(go, '');
  await until('the next one', async () => texts(await logs(server)).at(-1) === 'Sure? …');
  unlinkSync(go);
  await until('the rest', async () => texts(await logs(server)).at(-1) === 'done');
  assert.deepEqual(texts(await logs(server)), ['Go on? …', 'yes', 'Sure? …', 'done'], 'a line end alone is no line');
});

test('the last lines of all bots are printed in order of time, each with its shard and stream', async (t) => {
  const server = await serve(t, '[shards]\ncount = 3\n');
  const configs = await server.register(3);
  for (const [i, config] of configs.entries()) {
    server.agent([config], shell(`for i in 1 2 3 4 5 6 7 8 9 10 11 12; do echo "line $i"; done; echo "bad" >&2; ${stays}`), {flags: ['--host', `h${i}`]});
  }
  await until('all lines', async () => texts(await logs(server, '--lines', '100')).filter((line) => line === 'bad' || line === 'line 12').length === 6);

  const all = await logs(server, '--lines', '100');
  assert.equal(all.length, 39);
  assert.deepEqual(all.map(({time}) => time), all.map(({time}) => time).sort((a, b) => a - b));
  assert.ok(Math.abs(all[0].time - Date.now()) < 600_000);
  for (const shard of [0, 1, 2]) {
    const mine = all.filter((line) => line.shard === shard);
    assert.deepEqual(texts(mine.filter(({stream}) => stream === 'out')), Array.from({length: 12}, (_, i) => `line ${i + 1}`));
    assert.deepEqual(texts(mine.filter(({stream}) => stream === 'err')), ['bad']);
    assert.equal(mine[0].host, `h${configs.findIndex(({id}) => id === mine[0].name)}`);
  }
  const few = await server.tool(['logs', '--json', '--shard', '1']);
  assert.deepEqual([few.code, parse(few.stdout).length, few.stderr], [0, 10, ''], 'ten of a bot');
  assert.deepEqual([...new Set((await logs(server, '--host', 'h2')).map(({host}) => host))], ['h2']);
  assert.equal((await logs(server, '--since', '1h', '--where', 'host=h0')).length, 13, 'all of an hour');
  assert.equal((await logs(server, '--since', '0s')).length, 0);
  assert.deepEqual(texts(await logs(server, '--grep', '^line (1|2)$', '--shard', '0')), ['line 1', 'line 2'], 'of all that is kept');
  assert.deepEqual(texts(await logs(server, '--grep', 'line', '-n', '1', '--shard', '0')), ['line 12']);
  const {stdout} = await server.tool(['logs', '--shard', '2', '--grep', 'bad|line 12']);
  assert.deepEqual(stdout.trim().split('\n').map((line) => line.replace(/^\d\d:\d\d:\d\d\.\d{3} /, '')).sort(), ['shard 2 err | bad', 'shard 2 out | line 12']);
  const wrong = await server.tool(['logs', '--grep', '(']);
  assert.equal(wrong.code, 64);
  assert.match(wrong.stderr, /--grep takes an extended regular expression: Unmatched \(/);
  // What the agent prints itself has the bot's lines, too, as before.
  assert.match(server.agents[0].output, /^line 12$/m);
  assert.match(server.agents[0].log, /^bad$/m);
});

test('the output of several bots of one agent is passed on line by line, a part of a line too', async (t) => {
  const server = await serve(t, '[shards]\ncount = 2\n');
  const done = `${server.folder}/done`;
  const agent = server.agent(await server.register(2), shell(`printf 'question? '; while [ ! -e "${done}.go" ]; do sleep 0.05; done; echo; awk -v name="$SHARDING_NAME" 'BEGIN { for (i = 0; i < 20000; ++i) print name " " i " is a line of some length" }'; touch "${done}$SHARD_ID"; ${stays}`));
  await until('both questions', () => agent.output.split('question? ').length === 3);
  writeFileSync(`${done}.go`, '');
  await until('all', () => existsSync(`${done}0`) && existsSync(`${done}1`) && agent.output.split('\n').length >= 40_003);
  const lines = agent.output.split('\n').filter((line) => line && !line.startsWith('question'));
  assert.deepEqual(lines.filter((line) => !/^aa[ab] \d+ is a line of some length$/.test(line)), []);
  assert.equal(new Set(lines).size, 40_000, 'each line once');
});

test('a shard without an agent, with an old one, or without a connection is named', async (t) => {
  const server = await serve(t, '[shards]\ncount = 4\n');
  const configs = await server.register(4);
  server.agent([configs[0]], shell(`echo here; ${stays}`));
  const plain = server.shard(configs[1]);
  const old = server.shard(configs[2], {socket: {auth: {agent: '0.0.1', processes: 1, shardsPerProcess: 1, instance: 'i', boot: 'b', machine: 'm'}}});
  old.socket.on('logs', (question, done) => done?.({name: 'Error', message: 'this agent does not support that event'}));
  await until('it to print', async () => texts(await logs(server)).includes('here'));
  await until('the others to be there', async () => (await server.stats()).current === 3);
  const {code, stderr} = await server.tool(['logs', '--timeout', '2s']);
  assert.equal(code, 1);
  const idOf = (await server.stats()).shards.reduce((ids, {id, goalShardId}) => ({...ids, [id]: goalShardId}), {});
  assert.match(stderr, new RegExp(`${idOf[configs[1].id]} \\(${configs[1].id}\\): run by no agent`));
  assert.match(stderr, new RegExp(`${idOf[configs[2].id]} \\(${configs[2].id}\\): its agent is older than this server and keeps no output; update it`));
  assert.match(stderr, /: (not connected|no shard has this id)/);
  // What such a client may send unasked is nobody's.
  old.socket.emit('logLines', {ring: 'r', next: 5, lines: [[1, 1, 'unasked']]});
  plain.socket.emit('logLines', {ring: 'r', next: 5, lines: [[1, 1, 'unasked']]});
  assert.doesNotMatch((await server.tool(['logs', '--json'])).stdout, /unasked/);
});

test('an agent that answers nonsense harms nobody', async (t) => {
  const server = await serve(t, '[shards]\ncount = 2\n');
  const [evil, good] = await server.register(2);
  server.agent([good], shell(`echo good; ${stays}`));
  await until('the good one', async () => texts(await logs(server)).includes('good'));
  const asked = [];
  const socket = new WebSocket(`${tls ? 'wss' : 'ws'}://127.0.0.1:${server.port}/socket.io/master/?EIO=4&transport=websocket`, {headers: {authorization: authorization(evil)}, rejectUnauthorized: false});
  t.after(() => socket.terminate());
  socket.on('message', (data) => {
    const text = String(data);
    if (text === '2') socket.send('3');
    if (text[0] === '0') socket.send('40{"agent":"x","processes":1,"shardsPerProcess":1,"instance":"i","boot":"b","machine":"m","host":"\\u001b[2J\\nhost"}');
    const [, id, question] = text.match(/^42(\d*)\["logs",(.*)\]$/s) ?? [];
    if (question) asked.push({id, question: JSON.parse(question)});
  });
  const answer = async (json) => {
    const {id} = await until('a question', () => asked.shift());
    socket.send(`43${id}[null,${json}]`);
  };
  await until('both', async () => (await server.stats()).current === 2);

  for (const json of ['1', 'null', '{}', '{"lines":1}', '{"lines":{}}', `{"lines":[],"ring":"${'r'.repeat(1000)}"}`, '{"ring":1,"next":"x","lines":"[]"}']) {
    const [{code, stdout, stderr}] = await Promise.all([server.tool(['logs', '--json']), answer(json)]);
    assert.equal(code, 1, json);
    assert.match(stderr, /its agent's answer is not understood/, json);
    assert.match(stdout, /"line":"good"/);
  }
  // Line feeds between values end no line of the answer; what is no line is left out.
  const reader = follow(t, server);
  await answer('{"ring":"r",\n"next":1,\n"lines":[\n[1,\n1,"first"]\n,1,{"a":[]},[1,2],[1,"x","y"],[1e300,1,"z"],[2,9,"other"]]}');
  await until('its lines', () => texts(reader.lines).includes('first'));
  for (const json of ['', '1', '{"lines":[[3,1,"no end"', '{"ring":"r","next":2,"lines":[\n[3,2,"pushed"]\n]}', '{"ring":"r","next":-5,"lines":[[4,1,"backwards"]]}']) {
    socket.send(`42["logLines"${json && json.endsWith('}') ? `,${json}` : ''}]`);
  }
  await until('what it pushed', () => texts(reader.lines).includes('backwards'));
  assert.deepEqual(texts(reader.lines).filter((line) => line !== 'good'), ['first', 'pushed', 'backwards']);
  assert.equal(reader.child.exitCode, null);
});

test('a follower gets new lines once each, also of a shard that reconnects', async (t) => {
  const server = await serve(t, '[shards]\ncount = 2\n');
  const configs = await server.register(2);
  const links = new Set();
  const between = net.createServer((near) => {
    const far = net.connect(server.port, '127.0.0.1');
    links.add(near);
    for (const [a, b] of [[near, far], [far, near]]) {
      a.on('error', () => {});
      a.on('close', () => b.destroy());
      a.pipe(b);
    }
  });
  await new Promise((resolve) => between.listen(0, '127.0.0.1', resolve));
  t.after(() => between.close());
  const count = (every) => shell(`i=0; while :; do i=$((i+1)); echo "$SHARDING_NAME $i"; sleep ${every}; done`);
  server.agent([{...configs[0], host: {...configs[0].host, host: '127.0.0.1', port: between.address().port}}], count('0.02'));
  server.agent([configs[1]], count('0.5'));
  await until('both', async () => new Set((await logs(server)).map(({name}) => name)).size === 2);

  const reader = follow(t, server, '--lines', '0');
  const second = follow(t, server, '--lines', '3', '--where', `id=${configs[0].id}`);
  const of = (lines, {id}) => lines.filter(({name}) => name === id).map(({line}) => Number(line.split(' ')[1]));
  await until('lines of both', () => configs.every((config) => of(reader.lines, config).length > 1));
  for (const link of links) link.destroy();
  const broken = of(reader.lines, configs[0]).at(-1);
  await until('lines after the break', () => of(reader.lines, configs[0]).at(-1) > broken + 20 && of(second.lines, configs[0]).length > 20);
  for (const {lines} of [reader, second]) {
    const numbers = of(lines, configs[0]);
    assert.deepEqual(numbers, Array.from(numbers, (_, i) => numbers[0] + i), 'none is missing, none comes twice');
  }
  assert.deepEqual(of(second.lines, configs[1]), [], 'not of others');
  assert.equal(reader.errors, '');

  // A reader that comes later gets the last lines, and goes on from there.
  const third = follow(t, server, '--lines', '5', '--shard', '0,1');
  await until('its lines', () => of(third.lines, configs[0]).length > 30);
  const numbers = of(third.lines, configs[0]);
  assert.deepEqual(numbers, Array.from(numbers, (_, i) => numbers[0] + i));
  for (const {child} of [reader, second, third]) child.kill('SIGINT');
  assert.equal((await server.tool(['stop', '--yes'])).code, 0);
  await server.exited;
});

test('a bot that moves to a new agent is followed further', async (t) => {
  const server = await serve(t, '[shards]\ncount = 1\n');
  const configs = await server.register(1);
  const first = server.agent(configs, shell(`echo first; ${stays}`));
  await until('its line', async () => texts(await logs(server)).includes('first'));
  const reader = follow(t, server);
  await until('the line', () => texts(reader.lines).includes('first'));
  await first.end();
  server.agent(configs, shell(`echo second; ${stays}`));
  await until('the second', () => texts(reader.lines).includes('second'));
  assert.deepEqual(texts(reader.lines), ['first', 'second']);
  assert.ok(reader.notes.some((line) => line === '(the bot starts as shard 0 of 1)'), reader.notes.join());
});

test('binary data, escape sequences and long lines are harmless', async (t) => {
  const server = await serve(t, '[shards]\ncount = 1\n');
  server.agent(await server.register(1), shell(`printf '\\033[31mred\\033[0m \\033]0;title\\007\\n'; printf '\\377\\000\\303\\n'; head -c 1000000 /dev/zero | tr '\\0' x; echo; printf 'a\\r\\n'; printf 'no end' >&2; ${stays}`));
  await until('the last line', async () => texts(await logs(server)).includes('a'));
  const lines = texts(await logs(server));
  assert.equal(lines[0], '\u001b[31mred\u001b[0m \u001b]0;title\u0007');
  assert.equal(lines[1], '\ufffd\0\ufffd');
  assert.equal(lines[2], `${'x'.repeat(8192)}…`);
  assert.equal(lines[3], 'a');
  const {stdout} = await server.tool(['logs']);
  assert.doesNotMatch(stdout, /[\0-\x08\x0b-\x1f\x7f]/);
  assert.match(stdout, /shard 0 out \| red {2}\]0;title/);
});

test('a bot that floods costs lines, not the agent or the server', async (t) => {
  const server = await serve(t, '[shards]\ncount = 2\n');
  const [flooding, other] = await server.register(2);
  const done = `${server.folder}/done`;
  const agent = server.agent([flooding], shell(`while [ ! -e "${done}.go" ]; do sleep 0.05; done; awk 'BEGIN { for (i = 0; i < 1000000; ++i) print "flood line number " i }'; echo "the end"; touch "${done}"; ${stays}`));
  server.agent([other], 'spikey-bot.js');
  await server.answering(1).catch(() => {});
  const reader = follow(t, server);
  await until('the follower', () => reader.notes.length > 0);
  writeFileSync(`${done}.go`, '');
  await until('the flood to be over', async () => {
    const before = performance.now();
    await server.stats();
    assert.ok(performance.now() - before < 30_000);
    return existsSync(done);
  });
  await until('the end to be followed', () => texts(reader.lines).includes('the end'));
  assert.ok(reader.notes.some((line) => /^\(\d+ lines dropped\)$/.test(line)), 'what is dropped is said');
  assert.ok(reader.lines.length < 500_000);
  const kept = (await logs(server, '--lines', '100000')).filter(({name}) => name === flooding.id);
  assert.ok(kept.length <= 1000 && texts(kept).at(-1) === 'the end', `${kept.length} lines`);
  const resident = Number(readFileSync(`/proc/${agent.process.pid}/status`, 'utf8').match(/VmRSS:\s+(\d+)/)[1]);
  assert.ok(process.env.SMASTER_SANITIZED || resident < 100_000, `the agent has ${resident} kB`);
});

test('a bot never waits for its agent: a stopped one misses lines, and says so', async (t) => {
  const server = await serve(t, '[shards]\ncount = 1\n[heartbeat]\nassume_dead_after = "10m"\nexpect_reboot_after = "9m"\nrequest_reboot_after = "8m"\n');
  const done = `${server.folder}/done`;
  const agent = server.agent(await server.register(1), shell(`echo ready; while [ ! -e "${done}.go" ]; do sleep 0.05; done; awk 'BEGIN { for (i = 0; i < 200000; ++i) print "line number " i }'; echo "the end"; touch "${done}"; ${stays}`));
  await until('the bot', async () => texts(await logs(server)).includes('ready'));
  agent.process.kill('SIGSTOP');
  t.after(() => agent.process.kill('SIGCONT'));
  writeFileSync(`${done}.go`, '');
  await until('the bot to have written all', () => existsSync(done));
  const late = await server.tool(['logs', '--timeout', '1s']);
  assert.equal(late.code, 1);
  assert.match(late.stderr, /no answer within 1s/);
  agent.process.kill('SIGCONT');
  await until('the last line', async () => texts(await logs(server)).at(-1) === 'the end');
  const {stdout} = await server.tool(['logs', '--json', '--lines', '100000']);
  assert.ok(parse(stdout).some(({stream, line}) => stream === 'note' && /lines dropped/.test(line)) || parse(stdout).length === 1000);
});

test('the last lines before a death say why, without the token', async (t) => {
  const token = 'MTk4NjIyNDgzNDcxOTI1MjQ4.Cl2FMQ.ZnCjm1XVW7vRze4b7Cq4se7kKWs';
  const server = await serve(t, '[shards]\ncount = 1\n');
  const command = path.join(server.folder, 'mail-program');
  writeFileSync(command, `#!/bin/sh\ncat >> "${server.folder}/mail.txt"\n`);
  chmodSync(command, 0o755);
  server.settings = `[shards]\ncount = 1\n[limits]\nconn_count = 1000\n[mail]\nenabled = true\ncommand = ${JSON.stringify(command)}\n`;
  await server.end();
  await server.start();
  const [config] = await server.register(1);
  const agent = server.agent([config], shell(`for i in 1 2 3 4 5 6 7 8 9 10 11 12; do echo "line $i"; done; echo "login with $DISCORD_TOKEN" >&2; echo "Error: Used disallowed intents" >&2; printf "no\\033[2J end" >&2; exit 3`),
    {env: {DISCORD_TOKEN: token}, flags: ['--restart-delay', '100ms']});
  const row = await until('the report', async () => {
    const [shard] = (await server.stats()).shards;
    return shard.stats?.bot?.lastLines?.length === 15 && shard;
  });
  const last = row.stats.bot.lastLines;
  assert.deepEqual([...last].filter((line) => !line.startsWith('line')).sort(), ['Error: Used disallowed intents', 'login with [token]', 'no\u001b[2J end'].sort());
  const page = (await server.tool(['shard', '0'])).stdout;
  assert.match(page, /\n {2}output +\S.*\n/);
  assert.match(page, /\n {2,}Error: Used disallowed intents\n/);
  assert.match(page, /no \[2J end/);
  await until('the mail', () => existsSync(`${server.folder}/mail.txt`) && /parked/.test(readFileSync(`${server.folder}/mail.txt`, 'utf8')));
  const mail = readFileSync(`${server.folder}/mail.txt`, 'utf8');
  assert.match(mail, /fails again and again, at last with exit 3/);
  assert.match(mail, /\| Error: Used disallowed intents\n/);
  assert.match(mail, /\| no \[2J end\n/);
  assert.match((await server.tool(['shard', '0'])).stdout, /try +smaster logs --shard 0 shows its output/);
  for (const text of [mail, page, (await server.tool(['logs', '--json', '-n', '1000'])).stdout, JSON.stringify(row), server.log]) assert.doesNotMatch(text, /ZnCjm1XVW7/);
  assert.match((await server.tool(['logs', '-n', '1000'])).stdout, /shard 0 note \| \(the bot ended: exit status 3\)/);
  // A bot that is stopped on purpose has no last words.
  await agent.end();
});

test('with --log-dir the lines are written to files, too, and old ones are compressed', async (t) => {
  const server = await serve(t, '[shards]\ncount = 2\n');
  const folder = `${server.folder}/logs`;
  const configs = await server.register(2);
  server.agent([configs[0]], shell(`echo out; echo err >&2; j=0; while [ $j -lt 60 ]; do j=$((j+1)); awk 'BEGIN { for (i = 0; i < 500; ++i) print "a line of a bot that writes a lot, with its number at the end: " i }'; sleep 0.02; done; echo "the end"; ${stays}`), {flags: ['--log-dir', folder, '--log-size', '1']});
  const last = await until('the end', () => existsSync(`${folder}/${configs[0].id}.log`) && /^\S+Z out the end$/m.test(readFileSync(`${folder}/${configs[0].id}.log`, 'utf8')));
  assert.ok(last);
  const packed = await until('old files', () => {
    const files = readdirSync(folder).filter((name) => /^aaa\.\d{8}T\d{6}\.\d{3}Z\.log\.gz$/.test(name)).sort();
    return files.length > 0 && files;
  });
  const text = [...packed.map((name) => gunzipSync(readFileSync(`${folder}/${name}`)).toString()), readFileSync(`${folder}/aaa.log`, 'utf8')].join('');
  const lines = text.trim().split('\n').map((line) => line.match(/^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z) (out|err|note) (.*)$/).slice(2));
  assert.ok(lines.some(([stream, line]) => stream === 'err' && line === 'err'));
  assert.ok(lines.some(([stream, line]) => stream === 'note' && line === '(the bot starts as shard 0 of 2)'));
  const dropped = lines.filter(([stream]) => stream === 'note').reduce((sum, [, line]) => sum + Number(line.match(/^\((\d+) lines? dropped\)$/)?.[1] ?? 0), 0);
  assert.equal(lines.filter(([stream]) => stream === 'out').length + dropped, 30_002, 'each line, or that it was dropped');
});

test('with --log-lines 0 bots write to the agent\'s own output', async (t) => {
  const server = await serve(t, '[shards]\ncount = 1\n');
  const configs = await server.register(1);
  const agent = server.agent(configs, shell(`echo "to $(readlink /proc/$$/fd/1)"; ${stays}`), {flags: ['--log-lines', '0']});
  await until('its output', () => /to \S+/.test(agent.output));
  assert.equal(agent.output.match(/to (\S+)/)[1], readlinkSync(`/proc/${agent.process.pid}/fd/1`));
  const {code, stderr} = await server.tool(['logs']);
  assert.equal(code, 1);
  assert.match(stderr, /--log-lines 0 and keeps no output/);
});

test('log and tail lead to logs', async (t) => {
  const server = await serve(t, '');
  for (const word of ['log', 'tail']) assert.match((await server.tool([word])).stderr, /did you mean "logs"\?/);
});
