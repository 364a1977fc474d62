#!/usr/bin/env node
// Compresses a long day of operation: N shards with churn, evals, reloads, SQL and files; prints a line per minute (or
// per --every). Exits with 1 if memory, descriptors or latency have grown. `SMASTER_BIN=build/release/bin bench/soak.js
// [--shards 2000] [--minutes 20]`
import assert from 'node:assert/strict';
import {parseArgs} from 'node:util';
import {LightShard} from './load/light_shard.js';
import {load, percentile, until} from './load/server.js';

const {values: options} = parseArgs({options: {
  shards: {type: 'string', default: '2000'}, minutes: {type: 'string', default: '20'}, every: {type: 'string', default: '60'},
}});
const count = Number(options.shards);
const lines = Math.round(Number(options.minutes) * 60 / Number(options.every));

const settings = (name) => `[shards]\ncount = ${count}\nbot_name = "${name}"\n[limits]\nconn_count = 1000000\n[heartbeat]\ninterval = "10s"\nhistory_length = "${Math.ceil(Number(options.minutes) * 60 / 6)}s"\n`;
const server = await load(settings('first'));
const configs = await server.configs(count);
const shards = [];
for (const config of configs) {
  shards.push(new LightShard(config, {evaluate: () => 7}));
  if (shards.length % 100 === 0) await new Promise((resolve) => setTimeout(resolve, 200));
}
await until('all to run', async () => (await server.stats()).configured === count);

const pick = () => shards[Math.floor(Math.random() * count)];
let latencies = [];
let reloads = 0;
const timers = [
  setInterval(() => pick().socket.terminate(), 240_000 / count), // a quarter of the fleet reconnects a minute
  setInterval(async () => {
    const begun = performance.now();
    const [error, results] = await pick().ask('broadcastEval', 'this.id');
    latencies.push(performance.now() - begun);
    assert.equal((results ?? []).length, count, JSON.stringify(error)); // null stands for those that were away
  }, 1000),
  setInterval(() => pick().ask('sendSQL', 'SELECT 1 AS one'), 100),
  setInterval(() => server.configure(settings(`name-${++reloads}`)), 15_000),
];

console.log(`${count} shards, heartbeat 10 s, a quarter reconnects a minute, an eval of all a second, 10 SQL statements a second, a reload each 15 s`);
console.log('  time  rss kB   fds  cpu %  eval p50 ms  p99 ms  evals  connected');
const rows = [];
let cpu = server.cpu;
for (let i = 1; i <= lines; ++i) {
  await new Promise((resolve) => setTimeout(resolve, Number(options.every) * 1000));
  const now = server.cpu;
  const row = {rss: server.rss, fds: server.descriptors, cpu: (now - cpu) / Number(options.every) * 100, p50: percentile(latencies, 0.5), p99: percentile(latencies, 0.99), evals: latencies.length};
  cpu = now;
  latencies = [];
  rows.push(row);
  const stats = await server.stats();
  console.log(`${String(i * Number(options.every)).padStart(5)}s ${String(row.rss).padStart(7)} ${String(row.fds).padStart(5)} ${row.cpu.toFixed(1).padStart(6)} ${row.p50.toFixed(1).padStart(12)} ${row.p99.toFixed(1).padStart(7)} ${String(row.evals).padStart(6)} ${String(stats.current).padStart(10)}`);
}
timers.forEach(clearInterval);
shards.forEach((shard) => shard.stop());

// The first quarter fills caches and the history; after that, the last quarter must be like the second.
const mean = (part, key) => part.reduce((sum, row) => sum + row[key], 0) / part.length;
const quarter = Math.max(1, Math.floor(rows.length / 4));
const early = rows.slice(quarter, 2 * quarter).concat(rows.length < 4 ? rows.slice(0, 1) : []);
const late = rows.slice(-quarter);
const growth = Object.fromEntries(['rss', 'fds', 'p50'].map((key) => [key, mean(late, key) / mean(early, key) - 1]));
console.log('growth from the second quarter to the last:', Object.entries(growth).map(([key, value]) => `${key} ${(value * 100).toFixed(1)} %`).join(', '));
await server.end();
// In a short run, the latency depends on the machine's other work rather than on the server.
const slower = Number(options.minutes) >= 5 && growth.p50 > 0.5;
process.exit(growth.rss > 0.1 || growth.fds > 0.1 || slower ? 1 : 0);
