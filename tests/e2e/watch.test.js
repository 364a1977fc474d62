// Output on a terminal, in tmux: tables, the pager, progress bars and the live view.
import assert from 'node:assert/strict';
import {execFileSync} from 'node:child_process';
import {realpathSync} from 'node:fs';
import path from 'node:path';
import {test} from 'node:test';
import {bin, serve, until} from './harness.js';
import {Terminal} from './terminal.js';

async function fleet(t, count = 3) {
  const server = await serve(t, `[shards]\ncount = ${count}\n[heartbeat]\ninterval = "200ms"\n`);
  const configs = await server.register(count);
  server.agent(configs, 'discord-bot.js');
  await server.running(count);
  return server;
}

test('the live view follows the fleet, its keys and the terminal, and leaves the terminal as it was', async (t) => {
  const server = await fleet(t);
  const terminal = new Terminal(t, server);
  terminal.keys('echo before', 'Enter');
  await terminal.shows(/^before/m);
  terminal.keys('smaster stats --watch 0.2', 'Enter');
  await terminal.shows(/0 +aaa +running .*[▁-█]{5}.*MiB.*[▁-█]{5}/);
  assert.doesNotMatch(terminal.screen(), /before/);

  terminal.keys('s', 's', 's', 's');
  await terminal.shows(/sort: seen/);
  terminal.keys('R');
  await terminal.shows(/sort: seen reversed/);
  terminal.keys('f');
  await terminal.shows(/with "state=running"/);

  terminal.tmux('resize-window', '-x', '60', '-y', '6');
  const small = await terminal.shows(/^1-2 of 3/m);
  assert.ok(small.split('\n').every((line) => line.length <= 60), small);
  terminal.keys('Down', 'Down');
  await terminal.shows(/^2-3 of 3/m);
  terminal.tmux('resize-window', '-x', '120', '-y', '20');
  await terminal.shows(/0 +aaa .*[▁-█]{5}/);

  terminal.keys('q');
  await terminal.shows(/^before\n\$ smaster stats --watch 0.2\n\$/m);
  terminal.keys('stty -a | grep -o " echo "; echo typed', 'Enter');
  await terminal.shows(/^ echo\s*\ntyped/m);
  for (const signal of ['INT', 'TERM', 'HUP', 'SEGV', 'ABRT']) {
    terminal.keys('clear', 'Enter');
    terminal.keys('smaster stats --watch', 'Enter');
    await terminal.shows(/q quit/);
    const program = realpathSync(path.resolve(bin, 'smaster-stats'));
    const pids = execFileSync('sh', ['-c', `for p in /proc/[0-9]*; do [ "$(readlink $p/exe)" = ${program} ] && tr '\\0' '\\n' <$p/environ | grep -qx SMASTER_SOCKET=${server.socket} && basename $p; done; true`], {encoding: 'utf8'});
    assert.match(pids.trim(), /^\d+$/);
    process.kill(Number(pids), `SIG${signal}`);
    await terminal.shows(/^\$$/m);  // keys of before would go to the view
    terminal.keys(`echo after ${signal}`, 'Enter');
    await terminal.shows(new RegExp(`^after ${signal}`, 'm'));
    assert.doesNotMatch(terminal.screen(), /q quit/, signal);
  }
});

test('of 2,000 shards the two that are offline come first, with the cause, and each is found', async (t) => {
  const server = await serve(t, '[shards]\ncount = 4\n[heartbeat]\ninterval = "200ms"\n');
  const configs = await server.register(2000);
  server.agent(configs.slice(0, 2), 'discord-bot.js');
  for (const config of configs.slice(2, 4)) server.agent([config], 'discord-bot.js', {flags: ['--host', `host-${config.id}`]});
  await server.running(4);
  await Promise.all(server.agents.slice(1).map((agent) => agent.end('SIGKILL')));
  const lost = await until('two to be offline', async () => {
    const rows = (await server.stats()).shards.filter(({state}) => state === 'offline');
    return rows.length === 2 && rows.sort((a, b) => a.goalShardId - b.goalShardId);
  });
  const terminal = new Terminal(t, server);
  terminal.keys('smaster stats --watch 0.5', 'Enter');
  const [first, second] = lost.map(({id, goalShardId}) => `${goalShardId} +${id} +offline .*no connection, last seen \\d+ s ago on host-${id}`);
  await terminal.shows(new RegExp(`^2000 shards: 2 offline .*\n(?:degraded.*\n)?.*STATE.*WHY.*\n +${first}.*\n +${second}.*\n`));
  terminal.keys('/', 'OFFL');
  await terminal.shows(/^1-2 of 2 with "OFFL"/m);
  terminal.keys('Enter', 'Escape');
  await terminal.shows(/of 2000, sort/);
  terminal.keys('/', `stats.bot.state=running,host=host-${lost[1].id}`, 'Enter');
  await terminal.shows(/^1-1 of 1 with/m);
  assert.match(terminal.screen(), new RegExp(second));
  terminal.keys('/', 'sta=x', 'Enter');
  await terminal.shows(/no shard has a field "sta"/);
  const last = configs.at(-1).id;
  terminal.keys('Escape', ':', last, 'Enter');
  await terminal.shows(new RegExp(`\\x1b\\[[\\d;]*7m[^\n]*${last}`), '-e');
  terminal.keys(':', 'nobody', 'Enter');
  await terminal.shows(/no shard has the id or name nobody/);
  terminal.keys('?');
  await terminal.shows(/respawn: asks first/);
  terminal.keys('q', '!');
  await terminal.shows(/^goal 4 /m);
  terminal.keys('q', 'g', 'Enter');
  await terminal.shows(new RegExp(`^shard ${lost[0].goalShardId} \\(${lost[0].id}\\): offline\n(.*\n)* +try +look at its host`, 'm'));
  terminal.keys('q', 'q');
  await terminal.shows(/^\$ *$/m);
});

test('from the live view a shard is looked into, respawned and asked', async (t) => {
  const server = await serve(t, '[shards]\ncount = 3\nrespawn_delay = "0s"\n');
  const configs = await server.register(3);
  for (const config of configs) server.agent([config], 'discord-bot.js');
  await server.running(3);
  await server.answering(3);
  await server.evaluate('console.log("\\x1b[31mhéllo from " + process.env.SHARD_ID)');
  const rows = (await server.stats()).shards;
  const name = (id) => rows.find(({goalShardId}) => goalShardId === id).id;
  const starts = () => server.bots().length;
  const terminal = new Terminal(t, server);
  terminal.keys('smaster stats --watch 0.3', 'Enter');
  await terminal.shows(/^1-3 of 3/m);
  terminal.keys(':', '1', 'Enter', 'Enter');
  await terminal.shows(new RegExp(`^shard 1 \\(${name(1)}\\): running\n(.*\n)* +bot +running, process`, 'm'));
  terminal.keys('l');
  await terminal.shows(/shard 1 out \| héllo from 1/);
  await server.evaluate('console.log("more")', ['--shard', '1']);
  await terminal.shows(/shard 1 out \| more\n(.*\n)*.*, following/);
  terminal.keys('f');
  await terminal.shows(/not following/);
  terminal.keys('q', 'e');
  await terminal.shows(new RegExp(`connected +shard ${name(1)} connected`));

  terminal.keys('q', 'q');
  await terminal.shows(/^1-3 of 3/m);
  const before = starts();
  terminal.keys('r');
  await terminal.shows(new RegExp(`^respawn shard 1 \\(${name(1)}\\)\\? y/N`, 'm'));
  terminal.keys('n');
  await terminal.shows(/nothing was done/);
  assert.equal(starts(), before);
  terminal.keys('r', 'y');
  await terminal.shows(new RegExp(`shard 1 \\(${name(1)}\\) is back after .*\\(1 of 1\\)\n(.*\n)*.*, done`));
  await until('the bot to start again', () => starts() === before + 1);

  terminal.keys('q', 'g', 'Space', 'Space');
  await terminal.shows(/2 marked/);
  terminal.keys('r');
  await terminal.shows(/^respawn 2 shards: 0 \(\w+\), 1 \(\w+\)\? y\/N/m);
  terminal.keys('n', 'x', 'this.favourites.colour', 'Enter');
  await terminal.shows(/"result":"blue0"(.*\n)*.*"result":"blue1"(.*\n)*smaster eval: 2 answered|"result":"blue1"(.*\n)*.*"result":"blue0"(.*\n)*smaster eval: 2 answered/);
  terminal.keys('q', 'a', 'x', '40 + 2', 'Enter');
  await terminal.shows(/eval on all 3 shards: 40 \+ 2  Run it\? y\/N/);
  assert.doesNotMatch(terminal.screen(), /"result":42/);
  terminal.keys('y');
  await terminal.shows(/"result":42(.*\n)*smaster eval: 3 answered/);
});

test('a server that is frozen, then gone, is said loudly, while the keys work', async (t) => {
  const server = await fleet(t);
  const terminal = new Terminal(t, server);
  terminal.keys('smaster stats --watch 0.2', 'Enter');
  await terminal.shows(/^1-3 of 3/m);
  server.process.kill('SIGSTOP');
  await terminal.shows(/^NO ANSWER FROM THE SERVER for ([4-9]|\d\d+) s; the figures are of \d{4}-\d\d-\d\d \d\d:\d\d:\d\d/);
  assert.match(terminal.screen('-e'), /\x1b\[[\d;]*2m[^\n]*aab/, 'the figures are faint');
  terminal.keys('?');
  await terminal.shows(/^NO ANSWER .*\n.*keys/);
  terminal.keys('q', '/', 'aab', 'Enter');
  await terminal.shows(/^1-1 of 1 with "aab"/m);
  await terminal.shows(/^NO ANSWER FROM THE SERVER for \d\d+ s/);
  server.process.kill('SIGCONT');
  await until('the alarm to go', () => !/NO ANSWER/.test(terminal.screen()));
  terminal.keys('Escape', 'g', 'l');
  await terminal.shows(/^logs of shard/m);
  await server.end('SIGKILL');
  await terminal.shows(/^NO ANSWER .*: no server answers(.*\n)*.*ended with exit code 69/);
  await server.start();
  await until('the alarm to go', () => !/NO ANSWER/.test(terminal.screen()));
  await server.running(3);
  terminal.keys('f');
  await terminal.shows(/shard \d note \| (.*\n)*.*, following/);

  // It ends although the server does not answer.
  terminal.keys('q');
  server.process.kill('SIGSTOP');
  await terminal.shows(/^NO ANSWER/);
  terminal.keys('q');
  await terminal.shows(/^\$ *$/m);
  server.process.kill('SIGCONT');
});

test('the live view is ASCII where the locale is, has no colours if they are not wanted, and fits 60 and 250 columns', async (t) => {
  const server = await fleet(t);
  await server.answering(3);
  await server.evaluate('console.log("grüße…")');
  const terminal = new Terminal(t, server, {width: 60, height: 14, env: {LC_ALL: 'C', NO_COLOR: '1'}});
  terminal.keys('clear; smaster stats --watch 0.2', 'Enter');
  await terminal.shows(/SHARD +NAME +STATE +SEEN/);
  terminal.keys('l');
  await terminal.shows(/out \| gr\?\?e~/);
  terminal.keys('q');
  const screen = await terminal.shows(/1-3 of 3, sort/, '-e');
  assert.match(screen.replaceAll(/\x1b\[[\d;]*m|\x1b[()][B0]|[\x0e\x0f]/g, ''), /^[\x20-\x7e\n]*$/);
  assert.doesNotMatch(screen, /\x1b\[[\d;]*3[1-6]m/);
  terminal.tmux('resize-window', '-x', '250', '-y', '14');
  const wide = await terminal.shows(/MESSAGES {20}/);
  assert.ok(wide.split('\n').every((line) => line.length <= 250), wide);
  assert.match(wide, /aaa +running .*#/);
});

test('tables fit the terminal, have colours, and long ones go through a pager', async (t) => {
  const server = await fleet(t);
  const terminal = new Terminal(t, server, {width: 48, height: 12});
  terminal.keys('smaster stats', 'Enter');
  const table = await terminal.shows(/2 +aac/);
  assert.match(table, /SHARD +NAME +STATE +PING +CPU +MEMORY *\n/);
  assert.match(terminal.screen('-e'), /\x1b\[32mrunning/);
  terminal.keys('clear; NO_COLOR=1 smaster stats; echo done=$?', 'Enter');
  await terminal.shows(/2 +aac[^]*^done=0/m);
  assert.doesNotMatch(terminal.screen('-e'), /\x1b\[32mrunning/);

  terminal.tmux('resize-window', '-x', '48', '-y', '5');
  terminal.keys('clear; PAGER="sed s/^/paged:/" smaster stats --history --since 1m | cat; PAGER="sed s/^/paged:/" smaster stats --history --since 1m', 'Enter');
  await terminal.shows(/^paged:.*\d/m);
  assert.match((await server.tool(['stats'])).stdout, /ADDRESS\n.*127\.0\.0\.1/, 'all of it where there is no terminal');
});

test('what takes time has a bar on a terminal, and plain lines elsewhere', async (t) => {
  const server = await fleet(t);
  const terminal = new Terminal(t, server);
  terminal.keys('smaster respawn --wait --delay 300ms 2>&1 | cat; echo "done=$?"', 'Enter');
  const lines = await terminal.shows(/done=0/);
  assert.match(lines, /\(3 of 3\)\ndone=0/);
  assert.doesNotMatch(lines, /\[#/);
  terminal.keys('clear; smaster respawn --wait --delay 1s', 'Enter');
  await terminal.shows(/^shard .* is back .*\(1 of 3\)\n\[########\.{16}\] 1 of 3, about .* left/m);
  await terminal.shows(/\(3 of 3\)\n\$/);
  terminal.keys(`cd ${server.folder}; clear; smaster genconfig --count 12 --out more >made; ls more | wc -l`, 'Enter');
  await terminal.shows(/\[#+\.+\] \d+ of 12, about/);
  await terminal.shows(/^12$/m);
});

test('shards can be sorted and filtered in every format', async (t) => {
  const server = await fleet(t);
  const columns = async (...flags) => (await server.tool(['stats', '--csv', ...flags])).stdout.trim().split('\r\n').slice(1).map((line) => line.split(',')[0]);
  assert.deepEqual(await columns('--sort', 'name', '--reverse'), ['aac', 'aab', 'aaa']);
  assert.deepEqual(await columns('--state', 'silent', '--state', 'dead'), []);
  assert.deepEqual(await columns('--state', 'running', '--shard', '1'), ['aab']);
  const {code, stderr} = await server.tool(['stats', '--sort', 'size']);
  assert.equal(code, 64);
  assert.match(stderr, /--sort: size not in {shard,name/);
});
