// Updates of the bot on the server and on the shards, requested by command and by a shard.
import assert from 'node:assert/strict';
import {execFileSync} from 'node:child_process';
import {existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import path from 'node:path';
import {test} from 'node:test';
import {serve, until} from './harness.js';

async function fleet(t, command, count = 2) {
  const project = mkdtempSync(path.join(tmpdir(), 'smaster-update-'));
  t.after(() => rmSync(project, {recursive: true, force: true}));
  const server = await serve(t, `[server]\nproject_dir = "${project}"\n[shards]\ncount = ${count}\n[limits]\nconn_count = 1000\n[update]\ncommand = ${JSON.stringify(command)}\n`);
  const shards = (await server.register(count)).map((config) => server.shard(config));
  await server.running(count);
  for (const shard of shards) shard.bot.runBotUpdate = () => ({code: 0, updated: ++shard.updated || (shard.updated = 1)});
  return {server, shards, project};
}

test('the command of the manual in a project that shards may write runs nothing of theirs', async (t) => {
  const {server, shards, project} = await fleet(t, ['git', 'pull']);
  const git = (...args) => execFileSync('git', args, {cwd: project, env: {...process.env, GIT_CONFIG_GLOBAL: '/dev/null'}, stdio: 'pipe'});
  git('init', '--quiet');
  const trap = path.join(project, 'trapped');
  const evil = `[core]\n\tfsmonitor = "touch ${trap}; false"\n\tsshCommand = "touch ${trap}"\n[remote "origin"]\n\turl = ssh://127.0.0.1/x\n\tfetch = +refs/heads/*:refs/remotes/origin/*\n[branch "master"]\n\tremote = origin\n\tmerge = refs/heads/master\n`;
  const write = (...args) => shards[0].socket.timeout(30_000).emitWithAck('writeFile', ...args);
  for (const name of ['.git/config', '.GIT/config', './.git/config', 'x/../.git/config', '.git/hooks/post-merge', 'sub/.git', 'git']) {
    assert.match((await write(name, evil)).message, /is not for shards: (git runs what is in \.git|update\.command)/, name);
  }
  assert.doesNotMatch(readFileSync(`${project}/.git/config`, 'utf8'), /fsmonitor/);
  assert.match((await shards[0].socket.timeout(30_000).emitWithAck('getFile', '.git/config')).message, /is not for shards/);
  assert.equal(await write('save/data.json', '{}'), null, 'data is what they may write');

  // The folder itself is made into a bare repository; there is no .git that would be found first.
  rmSync(`${project}/.git`, {recursive: true});
  for (const [name, text] of [['HEAD', 'ref: refs/heads/master\n'], ['config', `${evil}[core]\n\tworktree = .\n\trepositoryformatversion = 0\n`], ['objects/x', ''], ['refs/x', '']]) {
    const refused = await write(name, text);
    if (name === 'HEAD') assert.match(refused.message, /is not for shards: with this name a folder is taken for git's/);
    else assert.equal(refused, null, name);
  }
  writeFileSync(`${project}/HEAD`, 'ref: refs/heads/master\n'); // and if it were there
  const {code} = await server.tool(['update']);
  assert.equal(code, 1);
  await shards[0].socket.timeout(60_000).emitWithAck('broadcastEval', 'this.runBotUpdate()');
  assert.ok(!existsSync(trap), 'a program of the shard ran');
  assert.match(server.log, /name the folders that they need in \[permissions\] writable/);
});

test('shards write only what they may, when that is said; scripts of the command are never theirs', async (t) => {
  const {server, shards, project} = await fleet(t, ['sh', '-c', 'true && sh tools/update.sh']);
  const write = (...args) => shards[0].socket.timeout(30_000).emitWithAck('writeFile', ...args);
  assert.match((await write('tools/update.sh', 'touch trapped')).message, /update\.command is kept from them/);
  assert.equal(await write('package.json', '{}'), null);
  server.configure(`${server.settings}[permissions]\nwritable = ["save"]\n`);
  await until('the setting', () => server.log.includes('setting permissions.writable: [] -> ["save"]'));
  assert.match((await write('package.json', '{}')).message, /\[permissions\] writable does not have it/);
  assert.equal(await write('save/new/data', 'x'), null);
  assert.equal((await server.tool(['file', 'put', 'tools/update.sh', '-'], {input: 'true'})).code, 0, 'an operator may');
  assert.ok(existsSync(`${project}/tools/update.sh`));
});

test('update runs the command in the project directory, shows its output, and has every shard update itself', async (t) => {
  const {server, shards, project} = await fleet(t, ['/bin/sh', '-c', 'pwd; echo "to stderr" >&2; echo done >> updated; echo last']);
  const {code, stdout, stderr} = await server.tool(['update']);
  assert.equal(code, 0, stderr);
  assert.match(stdout, new RegExp(`^${project}\nlast\nshard \\d: {"code":0,"updated":1}\nshard \\d: {"code":0,"updated":1}\n$`));
  assert.match(stderr, /to stderr/);
  assert.deepEqual(shards.map((shard) => shard.updated), [1, 1]);
  const lines = (await server.tool(['update', '--json'])).stdout.trim().split('\n').map(JSON.parse);
  assert.deepEqual(lines.filter((line) => line.output === 'out').map((line) => line.line), [project, 'last']);
  assert.deepEqual(lines.find((line) => line.here), {here: {ok: true}});
  assert.deepEqual(lines.filter((line) => 'shard' in line).map((line) => line.result.code), [0, 0]);

  // A shard's failure affects only that shard; if the local command fails, no shard is updated.
  shards[0].bot.runBotUpdate = () => {
    throw new Error('git is away');
  };
  const partly = await server.tool(['update']);
  assert.equal(partly.code, 1);
  assert.match(partly.stdout, /failed: .*git is away/);
  assert.match(partly.stderr, /1 of 2 shards have failed/);
});

test('a command that fails here updates no shard, and says how it ended', async (t) => {
  const {server, shards} = await fleet(t, ['/bin/sh', '-c', 'echo no network; exit 3']);
  const {code, stdout, stderr} = await server.tool(['update']);
  assert.equal(code, 1);
  assert.equal(stdout, 'no network\n');
  assert.match(stderr, /\/bin\/sh ended with exit code 3; the shards are not updated/);
  assert.ok(shards.every((shard) => !shard.updated));
});

test('a shard that broadcasts the original\'s script has the command run here as well', async (t) => {
  const {shards, project} = await fleet(t, ['/bin/sh', '-c', 'echo done >> updated']);
  const [error, results] = await new Promise((resolve) => shards[0].socket.emit('broadcastEval', 'this.runBotUpdate()', (...args) => resolve(args)));
  assert.equal(error, null);
  assert.deepEqual(results, [{code: 0, updated: 1}, {code: 0, updated: 1}]);
  assert.equal(readFileSync(`${project}/updated`, 'utf8'), 'done\n');
  // Any other script runs nothing here.
  await new Promise((resolve) => shards[0].socket.emit('broadcastEval', 'typeof this.runBotUpdate', resolve));
  assert.equal(readFileSync(`${project}/updated`, 'utf8'), 'done\n');
});

test('only one update runs at a time; without a command only the shards are updated', async (t) => {
  const {server, shards, project} = await fleet(t, ['/bin/sh', '-c', 'touch begun; until [ -e go ]; do sleep 0.05; done']);
  const first = server.tool(['update']);
  await until('the update to begin', () => existsSync(`${project}/begun`));
  const second = await server.tool(['update']);
  assert.equal(second.code, 1);
  assert.match(second.stderr, /an update runs already/);
  writeFileSync(`${project}/go`, '');
  assert.equal((await first).code, 0);
  assert.deepEqual(shards.map((shard) => shard.updated), [1, 1]);
  const bare = await fleet(t, [], 1);
  assert.equal((await bare.server.tool(['update'])).code, 0);
  assert.equal(bare.shards[0].updated, 1);
});
