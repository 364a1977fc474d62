#!/usr/bin/env node
// Floods of strangers and broken shards, each against a fresh server with real shards connected. Measures the server's
// memory, and the time until real shards get the answer to a heartbeat meanwhile. Exits with 1 if a limit is exceeded.
// `SMASTER_BIN=build/release/bin bench/floods.js [--scale 1] [--memory 1] [FLOOD …]`; a smaller scale is faster and has
// no limits of time; --memory multiplies the limits of memory, for builds with sanitizers.
import assert from 'node:assert/strict';
import {spawn} from 'node:child_process';
import {fileURLToPath} from 'node:url';
import {parseArgs} from 'node:util';
import {LightShard} from './load/light_shard.js';
import {load, percentile, until} from './load/server.js';

const {values: options, positionals} = parseArgs({allowPositionals: true, options: {
  scale: {type: 'string', default: '1'}, memory: {type: 'string', default: '1'},
}});
const scale = Number(options.scale);
const scaled = (count) => Math.max(10, Math.round(count * scale));

const settings = (extra = '') => '[server]\ntrusted_proxies = ["127.0.0.0/8"]\n[shards]\ncount = 20\n[limits]\nconn_count = 1000000\nmax_payload = 8000000\n' +
  `[heartbeat]\nupdate_style = "push"\ninterval = "1s"\nhistory_length = "1m"\n${extra}`;

/** Runs an attack of load/attacker.js in a process of its own, until `over` resolves if it is given; returns its counters. */
function attack(name, server, parameters = {}, over = undefined) {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [fileURLToPath(new URL('./load/attacker.js', import.meta.url)), name], {stdio: ['pipe', 'pipe', 'inherit']});
    child.stdin.end(JSON.stringify({port: server.port, ...parameters}));
    over?.finally(() => child.kill('SIGTERM')).catch(() => {}); // whoever made it hears of its failure
    let text = '';
    child.stdout.on('data', (data) => text += data);
    child.on('exit', (code) => code === 0 ? resolve(JSON.parse(text)) : reject(new Error(`the attacker ended with ${code}`)));
  });
}

/** Real shards, each sending a status ten times a second and waiting for its update. */
class Watchers {
  constructor(configs) {
    this.waits = [];
    this.shards = configs.map((config) => {
      const shard = new LightShard(config, {evaluate: () => 1, onUpdate: () => {
        if (shard.sent) this.waits.push(performance.now() - shard.sent);
        shard.sent = 0;
      }});
      return shard;
    });
    this.timer = setInterval(() => this.shards.forEach((shard) => {
      if (shard.sent) return;
      shard.sent = performance.now();
      shard.status();
    }), 100);
  }
  get reconnects() {
    return this.shards.reduce((sum, shard) => sum + shard.reconnects, 0);
  }
  stop() {
    clearInterval(this.timer);
    this.shards.forEach((shard) => shard.stop());
  }
}

const MB = 1024;
/** Each flood: `bound` is the allowed memory in kB above that at rest; `run` returns the figures to print. */
const floods = {
  silent: {
    what: '10,000 connections that send nothing', bound: 80 * MB,
    run: ({server}) => attack('silent', server, {count: scaled(10_000), seconds: 20 * Math.max(scale, 0.2)}),
  },
  slowloris: {
    what: '2,000 that send headers, and bodies, a byte a second', bound: 60 * MB,
    run: ({server}) => attack('slowloris', server, {count: scaled(2_000), seconds: scale < 1 ? 5 : 50}),
    check: ({closed, count}) => scale < 1 || assert.ok(closed === count, `${count - closed} are still open`),
  },
  readers: {
    what: 'shards that ask for 5 MB again and again and read a byte a second', bound: 450 * MB,
    run: async ({server, spare, watchers}) => {
      watchers.shards[0].evaluate = () => 'x'.repeat(5_000_000);
      const configs = spare.slice(0, scale < 1 ? 2 : 5);
      const cut = () => configs.filter(({id}) => new RegExp(`${id} disconnected: (client reads too slowly|ping timeout)`).test(server.log)).length;
      const over = until('all of them to be cut', () => cut() === configs.length);
      const attacked = attack('readers', server, {configs, asks: scale < 1 ? 15 : 30}, over);
      await over;
      watchers.shards[0].evaluate = () => 1;
      return {...await attacked, cut: cut()};
    },
    check: ({cut, count}) => assert.equal(cut, count, 'each of them is cut'),
  },
  oversize: {
    what: 'headers of 1 MB, bodies of 1 GB, frames of 100 MB', bound: 120 * MB,
    run: ({server, spare}) => attack('oversize', server, {config: spare[0], count: scaled(200)}),
    check: ({refused, count}) => assert.equal(refused, count),
  },
  signatures: {
    what: '100,000 bad signatures, from one address and from 5,000', bound: 80 * MB,
    run: async ({server, spare}) => {
      const one = await attack('signatures', server, {config: spare[0], count: scaled(50_000), addresses: 1});
      const many = await attack('signatures', server, {config: spare[0], count: scaled(50_000), addresses: scaled(5_000)});
      return {one: one.answers, many: many.answers};
    },
    settings: '[limits]\nconn_count = 5\nmax_payload = 8000000\n',
  },
  past: {
    what: 'strangers who ask for the past of one shard, which each names 3,500 times', bound: 40 * MB,
    run: ({server, watchers}) => attack('past', server, {id: watchers.shards[0].config.id, count: scaled(60)}),
    check: ({answers, count}) => assert.equal((answers[200] ?? 0) + (answers[503] ?? 0), count),
  },
  fragments: {
    what: '20 shards that send websocket fragments without end', bound: 200 * MB,
    run: ({server, spare}) => attack('fragments', server, {configs: spare.slice(0, 20), seconds: scale < 1 ? 3 : 15}),
    check: ({closed, count}) => assert.equal(closed, count),
  },
  pings: {
    what: 'websocket pings and pongs as fast as they go, compressed frames', bound: 60 * MB,
    run: ({server, spare}) => attack('pings', server, {configs: spare.slice(0, 5), seconds: scale < 1 ? 3 : 15}),
    check: ({compressed, deflate}) => assert.deepEqual([compressed, deflate], ['closed', 'not agreed on']),
  },
  upgrades: {
    what: 'upgrades, polls and posts of one session at once', bound: 60 * MB,
    run: ({server, spare}) => attack('upgrades', server, {configs: spare, rounds: scaled(500)}),
  },
  storm: {
    what: '10,000 shards that come back at once', bound: 500 * MB, shards: scaled(10_000),
    run: ({server, spare}) => attack('storm', server, {configs: spare}),
    check: ({connected, count}) => assert.equal(connected, count),
  },
  descriptors: {
    what: 'more connections than the process may have descriptors', bound: 60 * MB, descriptors: 256,
    run: async ({server, watchers}) => {
      const said = await attack('silent', server, {count: 2_000, seconds: 5});
      const late = await attack('silent', server, {count: 1, seconds: 0});
      assert.equal((await server.stats()).current, watchers.shards.length);
      assert.equal(late.connected, 1);
      return {...said, complaints: server.log.match(/too many connections/g)?.length ?? 0};
    },
    check: ({complaints}) => assert.equal(complaints, 1),
  },
};

const chosen = positionals.length ? positionals : Object.keys(floods);
let bad = 0;
for (const name of chosen) {
  const flood = floods[name];
  if (!flood) throw new Error(`there are ${Object.keys(floods).join(', ')}`);
  const server = flood.descriptors ? await limited(flood.descriptors) : await load(settings(flood.settings));
  const configs = await server.configs(20 + (flood.shards ?? 100));
  const watchers = new Watchers(configs.slice(0, 20));
  await until('the shards to run', async () => (await server.stats()).configured === 20);
  await new Promise((resolve) => setTimeout(resolve, 1000));
  const rest = server.rss;
  const calm = percentile(watchers.waits.splice(0), 0.99);
  let peak = rest;
  const sampler = setInterval(() => peak = Math.max(peak, server.rss), 50);
  const begun = Date.now();
  const cpu = server.cpu;
  const connected = watchers.reconnects;
  let line = '';
  try {
    const said = await flood.run({server, watchers, spare: configs.slice(20)});
    flood.check?.(said);
    line = JSON.stringify(said);
    assert.equal(watchers.reconnects, connected, 'real shards lost their connections');
    assert.equal((await server.evaluate('1')).length, 20);
    assert.ok(peak - rest <= flood.bound * Number(options.memory), `it took ${peak - rest} kB`);
    const p99 = percentile(watchers.waits, 0.99);
    if (scale >= 1) assert.ok(p99 < 100, 'real shards waited too long');
  } catch (error) {
    ++bad;
    line += ` FAILED: ${error.message}\n${server.log.slice(-3000)}`;
  }
  clearInterval(sampler);
  console.log(`${name}: ${flood.what}\n  ${((Date.now() - begun) / 1000).toFixed(1)} s, server's CPU ${(server.cpu - cpu).toFixed(1)} s, ` +
    `memory ${rest} kB + ${peak - rest} of at most ${flood.bound}, heartbeat p50 ${percentile(watchers.waits, 0.5).toFixed(1)} ms, p99 ${percentile(watchers.waits, 0.99).toFixed(1)} ms (at rest ${calm.toFixed(1)}), of ${watchers.waits.length}\n  ${line}`);
  watchers.stop();
  await server.end();
  if (/Sanitizer|runtime error/.test(server.log)) {
    ++bad;
    console.log(server.log.slice(-4000));
  }
}
process.exit(bad ? 1 : 0);

/** A server with few file descriptors. */
async function limited(most) {
  const server = await load(settings());
  await server.end();
  server.wrapper = ['prlimit', `--nofile=${most}:${most}`];
  return server.start();
}
