#!/usr/bin/env node
// Tests whether an operator's request over many connected shards causes a long turn of the server's event loop. Sends
// each request once and prints its turns with more than 5 ms of work (from /metrics), and the longest time that another
// request waited meanwhile, which also contains the machine's other work. Exits with 1 if there was a long turn.
// `SMASTER_BIN=build/release/bin bench/turns.js [--shards 15000]`; needs the target load-generator.
import {execFile} from 'node:child_process';
import {once} from 'node:events';
import http from 'node:http';
import {mkdtempSync, readFileSync, writeFileSync} from 'node:fs';
import {parseArgs} from 'node:util';
import {Program, bin, folder, importShards, letters, smaster} from './load/program.js';

const {values: options} = parseArgs({options: {shards: {type: 'string', default: '15000'}}});
const count = Number(options.shards);
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** A server with its load generator, and the requests to it. */
class Fleet {
  async start({shards = '', more = ''} = {}) {
    this.state = mkdtempSync(`${folder}/state-`);
    this.server = await smaster(this.state, count, 'push', {shards, more: `[dashboard]\nlisten = 0\n${more}`});
    await this.server.says(/the dashboard is on/);
    this.page = this.server.log.match(/the dashboard is on (\S+)/)[1];
    this.load = new Program([`${bin}/load-generator`, String(this.server.port), `${folder}/key.pem`]);
    this.connections = new http.Agent({keepAlive: true, maxSockets: 4});
    return this;
  }

  get(path) {
    return new Promise((resolve, reject) => {
      http.get({port: this.server.port, path, agent: this.connections}, (response) => {
        let body = '';
        response.on('data', (data) => body += data).on('end', () => resolve(body));
      }).on('error', reject);
    });
  }

  async longTurns() {
    return Number((await this.get('/metrics')).match(/^smaster_loop_long_turns_total\{cause="work"\} (\d+)$/m)[1]);
  }

  /** Runs a tool to its end; reports its output if it failed. */
  tool(...args) {
    return new Promise((resolve) => {
      const child = execFile(`${bin}/smaster`, [...args, '--socket', this.server.socket], {maxBuffer: 1 << 30}, (error, stdout, stderr) => {
        if (error) process.stderr.write(`smaster ${args.join(' ').slice(0, 80)}: ${error.code}: ${stderr.slice(0, 300)}\n`);
        resolve(stdout);
      });
      child.stdin.end();
    });
  }

  /** Uses the dashboard for a while. */
  async look() {
    await (await fetch(this.page)).text();
    const abort = new AbortController();
    const events = fetch(new URL('/api/events', this.page), {signal: abort.signal}).then((response) => response.text()).catch(() => {});
    await (await fetch(new URL('/api/fleet', this.page))).text();
    await (await fetch(new URL('/api/series?metric=memory&range=day&shards=', this.page))).text();
    await pause(5000);
    abort.abort();
    await events;
  }

  /** The longest of consecutive requests of another client until `work` has ended. */
  async waited(work) {
    let over = false, longest = 0;
    const probe = (async () => {
      while (!over) {
        const begun = performance.now();
        await this.get('/healthz');
        longest = Math.max(longest, performance.now() - begun);
        await pause(2);
      }
    })();
    await work();
    over = true;
    await probe;
    return longest;
  }

  async measure(title, requests) {
    for (const [name, request] of Object.entries(requests)) {
      const before = await this.longTurns();
      const begun = performance.now();
      const longest = await this.waited(request);
      const took = performance.now() - begun;
      const long = await this.longTurns() - before;
      good &&= long === 0;
      console.log(`| ${title}: ${name} | ${(took / 1000).toFixed(1)} | ${long} | ${longest.toFixed(1)} ms |`);
    }
  }

  /** The requests to every fleet at the end. */
  get lastRequests() {
    return {
      reshard: async () => {
        await this.tool('reshard', String(count - 1000), '--yes');
        await pause(5000);
      },
      'all lost at once': async () => {
        await this.load.tell('drop');
        await pause(5000);
      },
    };
  }

  async end() {
    await this.load.end();
    await this.server.end();
  }
}

let good = true;
console.log('| request | s | long turns of work | another waited at most |\n|---|---|---|---|');

const free = await new Fleet().start();
const config = `${free.state}/smaster.toml`;
await free.measure('no Discord', {
  import: () => importShards(free.server, count),
  connect: () => free.load.tell(`connect ${count}`),
  'at rest for 10 s': () => pause(10_000),
  'a status of each': () => free.load.tell('status 1'),
  stats: () => free.tool('stats'),
  'stats --csv': () => free.tool('stats', '--csv'),
  metrics: () => free.get('/metrics'),
  'shards list --json': () => free.tool('shards', 'list', '--json'),
  'the page, with its events for 5 s': () => free.look(),
  'eval by all': () => free.tool('eval', 'this.id'),
  'eval --where': () => free.tool('eval', 'this.id', '--where', 'state=running'),
  'eval by a shard': () => free.load.tell('eval 1'),
  'reshard --dry-run': () => free.tool('reshard', String(count + 1000), '--dry-run'),
  'respawn of all': async () => {
    await free.tool('respawn');
    await pause(5000);
  },
  'reboot --all': () => free.tool('reboot', '--all', '--yes'),
  update: () => free.tool('update'),
  'a changed setting': async () => {
    writeFileSync(config, readFileSync(config, 'utf8').replace('[heartbeat]\n', '[heartbeat]\ninterval = "7s"\n'));
    free.server.child.kill('SIGHUP');
    await pause(3000);
  },
  'import of the same': () => importShards(free.server, count),
  'rotate-key': () => free.tool('rotate-key'),
  'shards rm of 1,000': () => free.tool('shards', 'rm', '--yes', ...Array.from({length: 1000}, (_, n) => letters(count - 1000 + n))),
  ...free.lastRequests,
});
await free.end();

// A fleet in which all but the first bots wait for hours to log in.
const discord = http.createServer((request, response) => {
  response.setHeader('content-type', 'application/json');
  response.end(JSON.stringify({url: 'wss://127.0.0.1', shards: count, session_start_limit: {total: 100_000, remaining: 100_000, reset_after: 86_400_000, max_concurrency: 16}}));
}).listen(0, '127.0.0.1');
await once(discord, 'listening');
const token = `${folder}/token`;
writeFileSync(token, 'a token\n', {mode: 0o600});
const waiting = await new Fleet().start({shards: `token_file = "${token}"\n`, more: `[discord]\napi_base = "http://127.0.0.1:${discord.address().port}"\n`});
await waiting.measure('all wait to log in', {
  import: () => importShards(waiting.server, count),
  connect: () => waiting.load.tell(`connect ${count}`),
  'at rest for 10 s': () => pause(10_000),
  stats: () => waiting.tool('stats'),
  'the page, with its events for 5 s': () => waiting.look(),
  'respawn of all': () => waiting.tool('respawn', '--delay', '0s'),
  ...waiting.lastRequests,
});
await waiting.end();
process.exit(good ? 0 : 1);
