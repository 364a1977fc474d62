// A whole day, compressed to half a minute, of unmodified shards written for the original master: everything that the
// original allowed must work.
import assert from 'node:assert/strict';
import {existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import path from 'node:path';
import {test} from 'node:test';
import {serve, until} from './harness.js';

test('connect, settings, evals, SQL, files, respawn, reboot, update, master restart', async (t) => {
  const project = mkdtempSync(path.join(tmpdir(), 'smaster-day-'));
  t.after(() => rmSync(project, {recursive: true, force: true}));
  mkdirSync(`${project}/save`);
  writeFileSync(`${project}/save/words.json`, '["one"]');
  const settings = (count, botName) => `[server]\nproject_dir = "${project}"\n[shards]\ncount = ${count}\nbot_name = "${botName}"\nrespawn_delay = "100ms"\n` +
    'copy_files = ["save/words.json"]\n[limits]\nconn_count = 1000\n[heartbeat]\nhistory_length = "1h"\n[update]\ncommand = ["/bin/sh", "-c", "echo pulled >> pulls"]\n';
  const server = await serve(t, settings(3, 'release'));
  const configs = await server.register(3);
  const [masterConfig] = await server.register(1, {prefix: 'master', master: true});
  const shards = configs.map((config) => server.shard(config));
  const master = server.shard(masterConfig);
  assert.equal(shards[0].socket.io.opts.path, '/socket.io/master/');
  const ask = (shard, ...args) => new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no answer to ${args[0]}`)), 30_000).unref();
    shard.socket.emit(...args, (...answer) => {
      clearTimeout(timer);
      resolve(answer);
    });
  });
  const equip = () => shards.forEach((shard) => shard.bot && (shard.bot.runBotUpdate = () => `updated ${shard.bot.id}`));
  const byId = () => [...shards].sort((a, b) => a.bot.id - b.bot.id);

  // Morning: every shard knows its master and its id, and has the configured files.
  await server.running(3);
  await until('all to know their master', () => [...shards, master].every((shard) => shard.verified));
  assert.deepEqual(byId().map((shard) => shard.bot.id), [0, 1, 2]);
  await until('the copied file', () => shards.every((shard) => shard.files.has('save/words.json')));
  assert.equal(master.updates.at(-1).master, true);

  // Settings change under way.
  server.configure(settings(3, 'beta'));
  await until('the new settings', () => shards.every((shard) => shard.updates.at(-1).config.botName === 'beta'));

  // Evals: results by shard id, from a shard and from the master shard.
  assert.deepEqual(await ask(shards[0], 'broadcastEval', 'this.id + 10'), [null, [10, 11, 12]]);
  assert.deepEqual(await ask(master, 'broadcastEval', 'this.count'), [null, [3, 3, 3]]);
  const [failed, rest] = await ask(shards[1], 'broadcastEval', 'this.id === 1 ? nothing : 7');
  assert.equal(failed.name, 'ReferenceError');
  assert.deepEqual(rest, [7, null, 7]);

  // SQL.
  const made = await ask(shards[0], 'sendSQL', 'CREATE TABLE guilds (id INTEGER PRIMARY KEY, name TEXT)');
  assert.equal(made[0], null);
  assert.equal((await ask(shards[1], 'sendSQL', 'INSERT INTO guilds (name) VALUES (\'a\'), (\'b\')'))[1].affectedRows, 2);
  assert.deepEqual(await ask(master, 'sendSQL', 'SELECT * FROM guilds'), [null, [{id: 1, name: 'a'}, {id: 2, name: 'b'}]]);
  assert.match((await ask(shards[0], 'sendSQL', 'nonsense'))[0].message, /syntax error/);

  // Files, both ways.
  assert.deepEqual(await ask(shards[0], 'writeFile', 'save/guilds/1.json', Buffer.from('{}')), [null]);
  assert.equal(readFileSync(`${project}/save/guilds/1.json`, 'utf8'), '{}');
  assert.deepEqual(await ask(shards[2], 'getFile', {filename: 'save/guilds/1.json', mtime: 5}), [null]);
  assert.equal(String(shards[2].files.get('save/guilds/1.json').data), '{}');
  assert.deepEqual(await ask(shards[2], 'writeFile', 'save/guilds/1.json', null), [null]);
  assert.ok(!existsSync(`${project}/save/guilds/1.json`));
  assert.match((await ask(shards[0], 'writeFile', '../../etc/x', 'y'))[0].message, /leads out/);

  // Noon: all respawn, one by one.
  const starts = new Map(shards.map((shard) => [shard, shard.bot.startTime]));
  const again = (shard) => until('a new start', () => shard.bot && shard.bot.startTime > starts.get(shard) && starts.set(shard, shard.bot.startTime));
  await ask(shards[0], 'respawnAll');
  await Promise.all(shards.map(again));
  assert.deepEqual(shards.map((shard) => shard.respawnDelay).sort((a, b) => a - b), [0, 100, 200]);

  // Reboots: one bot, one program.
  const [first, second] = byId();
  master.socket.emit('reboot', 'reboot 0');
  await again(first);
  master.socket.emit('reboot', 'reboot 1 force');
  await until('its program to exit', () => second.exits === 1);
  await again(second);
  await server.running(3);

  // Evening: an update of everything, then of the master itself.
  equip();
  assert.deepEqual(await ask(master, 'broadcastEval', 'this.runBotUpdate()'), [null, ['updated 0', 'updated 1', 'updated 2']]);
  assert.equal(readFileSync(`${project}/pulls`, 'utf8'), 'pulled\n');
  const before = byId().map((shard) => [shard.config.id, shard.bot.id, shard.bot.startTime]);
  const connections = shards[0].socket.id;
  master.socket.emit('reboot', 'reboot master');
  await until('another connection', () => shards[0].socket.connected && shards[0].socket.id !== connections);
  await server.running(3);
  assert.deepEqual(byId().map((shard) => [shard.config.id, shard.bot.id, shard.bot.startTime]), before, 'bots ran on');
  assert.deepEqual((await ask(shards[0], 'sendSQL', 'SELECT count(*) AS n FROM guilds'))[1], [{n: 2}]);

  // Night: the master is killed. In the morning its data is complete, and the day's history can be read.
  await server.end('SIGKILL');
  await server.start();
  await server.running(3);
  assert.deepEqual(byId().map((shard) => [shard.config.id, shard.bot.id]), before.map(([name, id]) => [name, id]));
  const history = JSON.parse((await server.tool(['stats', '--history', '--json'])).stdout);
  assert.ok(configs.every(({id}) => history[id].length > 2));
  assert.deepEqual(await ask(shards[2], 'broadcastEval', 'this.id'), [null, [0, 1, 2]]);
});
