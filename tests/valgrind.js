#!/usr/bin/env node
// A server's whole life under valgrind, which must report no error: shards, evals, SQL, files, a reload, a key
// rotation, then the stop, after which no memory may be lost. `SMASTER_BIN=build/release/bin tests/valgrind.js`
import assert from 'node:assert/strict';
import {mkdtempSync, readFileSync, rmSync} from 'node:fs';
import {tmpdir} from 'node:os';
import path from 'node:path';
import {LightShard} from '../bench/load/light_shard.js';
import {LoadServer, until} from '../bench/load/server.js';

const folder = mkdtempSync(path.join(tmpdir(), 'smaster-valgrind-'));
const settings = (name) => `[server]\nproject_dir = "${folder}"\n[shards]\ncount = 5\nbot_name = "${name}"\n[limits]\nconn_count = 1000\n`;
const server = new LoadServer(settings('first'));
server.wrapper = ['valgrind', '--trace-children=yes', '--trace-children-skip=*/sql-worker', '--leak-check=full', '--errors-for-leak-kinds=definite', '--error-exitcode=99', `--log-file=${folder}/valgrind.%p`];
await server.start();
const shards = (await server.configs(5)).map((config) => new LightShard(config, {evaluate: () => 7}));
await until('all to run', async () => (await server.stats()).configured === 5);
assert.deepEqual((await shards[0].ask('broadcastEval', '7'))[1], [7, 7, 7, 7, 7]);
assert.deepEqual((await shards[1].ask('sendSQL', 'SELECT 1 AS one'))[1], [{one: 1}]);
assert.match((await shards[2].ask('writeFile', 'file', 'text'))[0].message, /./); // valgrind 3.19 knows no openat2
server.configure(settings('second'));
await until('the reload', () => server.log.includes('"first" -> "second"'));
for (const args of [['genconfig'], ['respawn', '--all'], ['stats', '--history'], ['rotate-key'], ['rotate-key', '--finish', '--force'], ['shards', 'rm', '--yes', shards[4].config.id]]) {
  const {stderr} = await server.tool(args);
  assert.doesNotMatch(stderr, /no server|went away/, args.join(' '));
}
shards[3].stop();
const gone = new Promise((resolve) => server.process.once('exit', resolve));
await server.tool(['stop', '--yes']);
const code = await gone;
shards.forEach((shard) => shard.stop());
const report = readFileSync(`${folder}/valgrind.${server.process.pid}`, 'utf8');
console.log(report.split('\n').slice(-12).join('\n'));
rmSync(folder, {recursive: true, force: true});
assert.equal(code, 0, report);
process.exit(0);
