#!/usr/bin/env node
// A large registry in etcd. Measures how long a server takes to lead, after a start and as a standby server, and how
// much it writes at rest. `SMASTER_BIN=build/release/bin bench/store_scale.js [--known 20000] [--connected 2000]
// [--seconds 60]`
import {generateKeyPairSync} from 'node:crypto';
import {copyFileSync, mkdirSync} from 'node:fs';
import {parseArgs} from 'node:util';
import {Etcd} from '../tests/e2e/etcd.js';
import {names, Server, until} from '../tests/e2e/harness.js';
import {LightShard} from './load/light_shard.js';
import {privateKey, publicKey} from './load/server.js';

const {values: options} = parseArgs({options: {known: {type: 'string', default: '20000'}, connected: {type: 'string', default: '2000'}, seconds: {type: 'string', default: '60'}}});
const known = Number(options.known);
const connected = Number(options.connected);
const etcd = await new Etcd(3).start();
const settings = `[shards]\ncount = ${connected}\n[limits]\nconn_count = 1000000\n[heartbeat]\ninterval = "30s"\n[store]\nurl = "${etcd.url()}"\n[cluster]\n`;
const leads = (server, from) => until('it to lead', () => server.log.slice(from).match(/leads from now on: (\d+) shards, read within (\d+) ms/));

const first = await new Server(`${settings}name = "first"\n`).start();
await leads(first, 0);
// Rows of real size; shards that connect have a cheaper key.
const {publicKey: large} = generateKeyPairSync('rsa', {modulusLength: 4096, publicKeyEncoding: {type: 'spki', format: 'pem'}, privateKeyEncoding: {type: 'pkcs8', format: 'pem'}});
const all = names(known).map((name, i) => name + (known > 17_576 ? String.fromCharCode(97 + Math.floor(i / 17_576)) : ''));
const begun = Date.now();
const {code, stderr} = await first.tool(['shards', 'import', '-', '--timeout', '120s'], {input: JSON.stringify(Object.fromEntries(all.map((id, i) => [id, {id, key: i < connected ? publicKey : large, isMaster: false}])))});
if (code !== 0) throw new Error(stderr);
console.log(`${known} shards registered within ${Date.now() - begun} ms`);

for (let i = 0; i < 3; i++) {
  await first.end();
  const from = first.log.length;
  const start = Date.now();
  await first.start();
  const [, rows, ms] = await leads(first, from);
  console.log(`started anew: ${rows} shards read within ${ms} ms, leads ${Date.now() - start} ms after its start`);
}
const second = new Server(`${settings}name = "second"\n`);
mkdirSync(second.state, {mode: 0o700});
copyFileSync(`${first.state}/shardMaster.priv`, `${second.state}/shardMaster.priv`);
await second.start();
await until('it to have read ahead', async () => {
  const {members} = JSON.parse((await first.tool(['members', '--json'])).stdout);
  return members.some(({name, lag_ms: lag}) => name === 'second' && lag !== null && lag < 5000);
});
await first.tool(['step-down']);
const [, rows, ms] = await leads(second, 0);
console.log(`after it stood by: ${rows} shards read within ${ms} ms`);

const shards = all.slice(0, connected).map((id) => new LightShard({host: {host: '127.0.0.1', port: second.port}, privKey: privateKey, id}));
await until('all to run', async () => (await second.stats()).configured === connected);
/** Number of keys written so far; renewals of leases do not count. */
const puts = async () => Number((await (await fetch(`http://127.0.0.1:${etcd.members[0].port}/metrics`)).text()).match(/^etcd_debugging_mvcc_put_total (\S+)/m)[1]);
await new Promise((resolve) => setTimeout(resolve, 5000)); // what the start has changed is written
const before = await puts();
await new Promise((resolve) => setTimeout(resolve, Number(options.seconds) * 1000));
console.log(`at rest, ${known} known, ${connected} connected: ${((await puts() - before) / Number(options.seconds)).toFixed(2)} writes a second`);
for (const shard of shards) shard.stop();
await Promise.all([first.cleanup(), second.cleanup()]);
await etcd.end();
process.exit(0);
