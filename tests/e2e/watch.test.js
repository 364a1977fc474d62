// Output on a terminal, in tmux: tables, the pager, progress bars and the live view.
import assert from 'node:assert/strict';
import {execFileSync} from 'node:child_process';
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

  terminal.keys('s', 's', 's');
  await terminal.shows(/sort: seen/);
  terminal.keys('r');
  await terminal.shows(/sort: seen reversed/);
  terminal.keys('f');
  await terminal.shows(/state: running/);

  terminal.tmux('resize-window', '-x', '60', '-y', '6');
  const small = await terminal.shows(/↓ 1 more/);
  assert.ok(small.split('\n').every((line) => line.length <= 60), small);
  terminal.keys('Down');
  await terminal.shows(/2 +aac/);
  terminal.tmux('resize-window', '-x', '120', '-y', '20');
  await terminal.shows(/0 +aaa .*[▁-█]{5}/);

  await server.end('SIGKILL');
  await terminal.shows(/trying again: no server answers/);
  assert.match(terminal.screen(), /0 +aaa/);
  await server.start();
  await terminal.shows(/^q quit/m);

  terminal.keys('q');
  await terminal.shows(/^before\n\$ smaster stats --watch 0.2\n\$/m);
  terminal.keys('stty -a | grep -o " echo "; echo typed', 'Enter');
  await terminal.shows(/^ echo\s*\ntyped/m);
  for (const signal of ['INT', 'TERM', 'HUP', 'SEGV', 'ABRT']) {
    terminal.keys('clear', 'Enter');
    terminal.keys('smaster stats --watch', 'Enter');
    await terminal.shows(/q quit/);
    const program = path.resolve(bin, 'smaster-stats');
    const pids = execFileSync('sh', ['-c', `for p in /proc/[0-9]*; do [ "$(readlink $p/exe)" = ${program} ] && tr '\\0' '\\n' <$p/environ | grep -qx SMASTER_SOCKET=${server.socket} && basename $p; done; true`], {encoding: 'utf8'});
    process.kill(Number(pids.trim()), `SIG${signal}`);
    await terminal.shows(/^\$$/m);  // keys of before would go to the view
    terminal.keys(`echo after ${signal}`, 'Enter');
    await terminal.shows(new RegExp(`^after ${signal}`, 'm'));
    assert.doesNotMatch(terminal.screen(), /q quit/, signal);
  }
});

test('tables fit the terminal, have colours, and long ones go through a pager', async (t) => {
  const server = await fleet(t);
  const terminal = new Terminal(t, server, {width: 48, height: 12});
  terminal.keys('smaster stats', 'Enter');
  const table = await terminal.shows(/2 +aac/);
  assert.match(table, /SHARD +NAME +STATE +PING +CPU +MEMORY *\n/);
  assert.match(terminal.screen('-e'), /\x1b\[32mrunning/);
  terminal.keys('clear; NO_COLOR=1 smaster stats', 'Enter');
  await terminal.shows(/^\$$/m);
  await terminal.shows(/2 +aac/);
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
