// Permissions: of users at the control socket, of shards by [permissions].
import assert from 'node:assert/strict';
import {execFileSync} from 'node:child_process';
import {mkdirSync, mkdtempSync, rmSync, statSync, chmodSync} from 'node:fs';
import {tmpdir} from 'node:os';
import path from 'node:path';
import {test} from 'node:test';
import {run, serve, until} from './harness.js';

/** Runs a command as the user nobody, with these groups. Needs root. */
function asNobody(command, groups = []) {
  const become = ['setpriv', '--reuid=65534', '--regid=65534', groups.length ? `--groups=${groups}` : '--clear-groups', '--'];
  const whole = process.getuid() === 0 ? [...become, ...command] : ['sudo', '-n', ...become, ...command];
  return run(whole[0], whole.slice(1));
}

const curl = (socket) => ['curl', '-s', '--unix-socket', socket, 'http://smaster/v1/server'];
const mode = (file) => (statSync(file).mode & 0o777).toString(8);

/** A folder that others may enter, with a socket that they may not use. */
function publicFolder(t) {
  const folder = mkdtempSync(path.join(tmpdir(), 'smaster-access-'));
  t.after(() => rmSync(folder, {recursive: true, force: true}));
  chmodSync(folder, 0o755);
  return folder;
}

test('another user cannot use the control socket, not even where its mode lets him in', async (t) => {
  const folder = publicFolder(t);
  const socket = `${folder}/private/control.sock`;
  const server = await serve(t, '[shards]\ncount = 0\n', [], {socket});
  assert.equal(mode(socket), '600');
  assert.equal(mode(`${folder}/private`), '700');
  assert.equal((await run('curl', curl(socket).slice(1))).code, 0, 'its own user can');
  assert.equal((await asNobody(curl(socket))).code, 7, 'no way to the socket');
  chmodSync(`${folder}/private`, 0o755);
  assert.equal((await asNobody(curl(socket))).code, 7, 'the socket\'s own mode');
  chmodSync(socket, 0o666);
  const refused = await asNobody(curl(socket));
  assert.deepEqual(JSON.parse(refused.stdout), {error: 'this control socket belongs to another user', kind: 'not_permitted'});
  assert.equal((await server.tool(['stop'])).code, 0);
});

test('members of the control group may, others still not', async (t) => {
  const folder = publicFolder(t);
  const [group, id] = execFileSync('getent', ['group', 'games'], {encoding: 'utf8'}).split(':').filter((_, i) => i === 0 || i === 2);
  const socket = `${folder}/group/control.sock`;
  await serve(t, `[server]\ncontrol_group = "${group}"\n[shards]\ncount = 0\n`, [], {socket});
  assert.equal(mode(socket), '660');
  assert.equal(mode(`${folder}/group`), '710');
  const member = await asNobody(curl(socket), [id]);
  assert.ok(JSON.parse(member.stdout).pid > 0);
  assert.equal((await asNobody(curl(socket))).code, 7);
  chmodSync(`${folder}/group`, 0o755);
  chmodSync(socket, 0o666);
  assert.equal(JSON.parse((await asNobody(curl(socket))).stdout).kind, 'not_permitted');
});

test('a control group that does not exist is said', async (t) => {
  await assert.rejects(serve(t, '[server]\ncontrol_group = "no-such-group"\n'), /there is no group "no-such-group"/);
});

test('shards can do what [permissions] allow, and what is switched off is an error', async (t) => {
  const project = mkdtempSync(path.join(tmpdir(), 'smaster-access-'));
  t.after(() => rmSync(project, {recursive: true, force: true}));
  mkdirSync(`${project}/save`);
  const settings = (permissions) => `[server]\nproject_dir = "${project}"\n[shards]\ncount = 2\n[limits]\nconn_count = 1000\n[permissions]\n${permissions}`;
  const server = await serve(t, settings(''));
  const configs = await server.register(2);
  const [shard, other] = configs.map((config) => server.shard(config));
  await server.running(2);
  const asks = {
    eval: [['broadcastEval', 'this.id'], ['fetchClientValues', 'id'], ['sendMessage', {all: true}, 'x', 100]],
    sql: [['sendSQL', 'SELECT 1']],
    files: [['writeFile', 'save/a', 'b'], ['getFile', 'save/a']],
    reboot: [['respawnAll'], ['reboot', 'reboot 1']],
  };
  const answer = (ask) => new Promise((resolve) => shard.socket.emit(...ask, (error) => resolve(error?.message ?? error)));
  for (const ask of [...asks.sql, ...asks.files]) assert.equal(await answer(ask), null, `${ask[0]} as it is`);
  for (const off of Object.keys(asks)) {
    server.configure(settings(`${off} = false\n`));
    await until('the setting', () => server.log.includes(`setting permissions.${off}: true -> false`));
    const starts = other.bot.startTime;
    for (const ask of asks[off]) assert.match(await answer(ask), new RegExp(`\\[permissions\\] ${off} = false`), ask[0]);
    if (off !== 'sql') assert.equal(await answer(asks.sql[0]), null, 'the others still work');
    assert.equal(other.bot.startTime, starts);
  }
  assert.match(server.log, /asks for sendSQL; shards may not do that here/);
  assert.equal((await server.evaluate('this.id')).length, 2, 'operators are not shards');
});
