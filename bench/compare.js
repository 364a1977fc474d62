// Measures this server, its peers and the bare echoes in turn, and prints a table; see bench/run.
import {execFileSync, spawnSync} from 'node:child_process';
import {mkdirSync, mkdtempSync, writeFileSync} from 'node:fs';
import {cpus} from 'node:os';
import path from 'node:path';
import {parseArgs} from 'node:util';
import {Program, bin, folder, importShards, smaster} from './load/program.js';

const {values: options} = parseArgs({options: {
  rounds: {type: 'string', default: '3'}, shards: {type: 'string', default: '200,2000,15000'}, only: {type: 'string', default: ''},
  storm: {type: 'string', default: '10000'}, known: {type: 'string', default: '20000'}, out: {type: 'string', default: 'build/bench'},
}});
const rounds = Number(options.rounds);
const sizes = options.shards.split(',').map(Number);

/** Starts a program that prints its port. */
async function listening(...command) {
  const server = new Program(command);
  server.port = Number(await server.line());
  return server;
}

const BUN = path.resolve('bench/peer/node_modules/.bin/bun');
const peer = (runtime, engine) => (count, how) => listening(runtime, 'bench/peer/server.js', `${folder}/public.pem`, String(count), engine, ...how);

/** The compared programs. `how`: `quiet` if statuses get no answer. */
const servers = {
  async smaster(count, how) {
    const server = await smaster(mkdtempSync(`${folder}/state-`), count, how.includes('quiet') ? 'pull' : 'push');
    await importShards(server, count);
    return server;
  },
  'socket.io': peer(process.execPath, 'ws'),
  'on µWebSockets': peer(process.execPath, 'uws'),
  'on Bun': peer(BUN, 'bun'),
  'echo on Beast': () => listening(`${bin}/load-floor`),
  'echo on epoll': () => listening(`${bin}/load-epoll_floor`),
};
const isFloor = (name) => name.startsWith('echo');

/** Those that do not run on this machine, such as a library for another libc. */
const absent = [];
for (const [name, runtime, module] of [['on µWebSockets', process.execPath, '@btc-vision/uwebsockets.js'], ['on Bun', BUN, '@socket.io/bun-engine']]) {
  const {status, error, stderr} = spawnSync(runtime, ['-e', `await import('${module}')`, '--input-type=module'], {cwd: 'bench/peer', encoding: 'utf8'});
  if (status === 0) continue;
  delete servers[name];
  absent.push(`${name}: left out, it does not run here (${error?.message ?? stderr.match(/^.*(?:Error|error).*$/m)?.[0] ?? `exit status ${status}`})`);
}

const found = {}; // metric → server → values
function note(metric, server, value) {
  ((found[metric] ??= {})[server] ??= []).push(value);
}

/** Calls a function and returns the server's CPU time until shortly after its end. */
async function measured(server, work) {
  const before = server.cpu;
  const result = await work();
  await new Promise((resolve) => setTimeout(resolve, 300));
  return {...result, cpu: server.cpu - before};
}

/** Starts one of the programs and its load, until `work` has ended. */
async function under(name, count, how, work) {
  const server = await servers[name](count, how);
  const load = new Program([`${bin}/load-generator`, String(server.port), `${folder}/key.pem`]);
  await new Promise((resolve) => setTimeout(resolve, 500));
  await work(server, load);
  await load.end();
  await server.end();
}

/** Above this number of shards, the peer signs once for all: one signature takes it 5 ms. */
const FEW = 1000;

async function steady(name, count) {
  const at = ` at ${count}`;
  await under(name, count, count > FEW ? ['once'] : [], async (server, load) => {
    const empty = server.memory;
    const connected = await measured(server, () => load.tell(`${isFloor(name) ? 'raw' : 'connect'} ${count}`));
    note(`bytes of memory per idle shard${at}`, name, (server.memory - empty) / count);
    const statuses = Math.max(3, Math.round(30_000 / count));
    if (isFloor(name)) {
      await load.tell('echo 1');
      const echoed = await measured(server, () => load.tell(`echo ${statuses}`));
      note(`µs of CPU per status with its answer${at}`, name, echoed.cpu / echoed.count);
      return;
    }
    if (count <= FEW) note(`µs of CPU per handshake${at}`, name, connected.cpu / count);
    const resting = server.cpu;
    await new Promise((resolve) => setTimeout(resolve, 2000));
    note(`% of a core at rest${at}`, name, (server.cpu - resting) / 2_000_000 * 100);
    await load.tell('status 1');
    const answered = await measured(server, () => load.tell(`status ${statuses}`));
    note(`µs of CPU per status with its answer${at}`, name, answered.cpu / answered.count);
    note(`bytes of memory per busy shard${at}`, name, (server.memory - empty) / count);
    const evals = Math.max(5, Math.round(20_000 / count));
    await load.tell('eval 2');
    const replies = await measured(server, () => load.tell(`eval ${evals}`));
    note(`µs of CPU per eval reply${at}`, name, replies.cpu / (evals * count));
    note(`ms until all have answered an eval, p50${at}`, name, replies.p50_us / 1000);
    note(`ms until all have answered an eval, p99${at}`, name, replies.p99_us / 1000);
  });
}

/** Statuses without answers, one after another. */
const flood = (name, count) => under(name, count, ['quiet', 'once'], async (server, load) => {
  await load.tell(`connect ${count}`);
  await load.tell('flood 1');
  const each = Math.round(60_000 / count);
  const {cpu} = await measured(server, () => load.tell(`flood ${each}`));
  note(`µs of CPU per status back to back at ${count}`, name, cpu / (each * count));
});

/** Statuses spread over time, as in use; without answers (`quiet`) or with them. */
const paced = (name, count, rate, how) => under(name, count, [...how, 'once'], async (server, load) => {
  await load.tell(`connect ${count}`);
  await load.tell(how.includes('quiet') ? 'flood 1' : 'status 1');
  const {cpu, count: statuses} = await measured(server, () => load.tell(`paced ${rate}`));
  note(`µs of CPU per status of ${rate} a second over ${count}${how.includes('quiet') ? '' : ', answered'}`, name, cpu / statuses);
});

/** Many shards connect at once while some are connected. */
const storm = (name, count) => under(name, count + 200, ['once'], async (server, load) => {
  await load.tell('connect 200');
  const came = await measured(server, () => load.tell(`storm ${count}`));
  note(`s until ${count} that come at once are served`, name, came.ms / 1000);
  note(`s of CPU for ${count} that come at once`, name, came.cpu / 1_000_000);
  note(`ms until a status is answered meanwhile, p99`, name, came.p99_us / 1000);
});

/** Time until the server listens, with known shards and one day of a thousand shards' statuses. */
async function starts(count) {
  const state = mkdtempSync(`${folder}/known-`);
  const first = await smaster(state, count, 'push');
  await importShards(first, count);
  await first.end();
  execFileSync(`${bin}/history-bench`, [`${state}/state/smaster.db`, '--fill']);
  for (let i = 0; i < rounds; ++i) {
    const begun = performance.now();
    const server = await smaster(state, count, 'push');
    note(`ms from start to ready with ${count} known shards and a day of 1000 shards`, 'smaster', performance.now() - begun);
    await server.end();
  }
}

/** Time and memory of a tool. */
async function tools() {
  const server = await smaster(mkdtempSync(`${folder}/state-`), 10, 'push');
  const command = [`${bin}/smaster`, 'stats', '--socket', server.socket];
  for (let i = 0; i < 4 * rounds; ++i) {
    const begun = performance.now();
    execFileSync(command[0], command.slice(1));
    note('ms that smaster stats takes', 'smaster', performance.now() - begun);
  }
  for (let i = 0; i < rounds; ++i) {
    const tool = new Program([...command, '--watch', '60']);
    await tool.line();
    note('bytes of memory that smaster stats takes', 'smaster', tool.memory);
    await tool.end();
  }
  await server.end();
}

const names = Object.keys(servers).filter((name) => !options.only || options.only.split(',').some((part) => name.includes(part)));
for (let i = 1; i <= rounds; ++i) {
  const say = (what) => process.stderr.write(`round ${i} of ${rounds}: ${what}                    \r`);
  for (const count of sizes) {
    for (const name of names) {
      say(`${count} shards: ${name}`);
      await steady(name, count);
    }
  }
  for (const name of names.filter((name) => !isFloor(name))) {
    for (const count of sizes.filter((size) => size <= 2000)) {
      say(`statuses back to back: ${name}`);
      await flood(name, count);
    }
    for (const rate of [500, 2000]) {
      for (const how of [['quiet'], []]) {
        say(`statuses at ${rate} a second: ${name}`);
        await paced(name, 2000, rate, how);
      }
    }
    say(`storm: ${name}`);
    await storm(name, Number(options.storm));
  }
}
await starts(Number(options.known));
await tools();
process.stderr.write('\n');

const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
const figure = (value) => value >= 1000 ? String(Math.round(value)) : value >= 10 ? value.toFixed(1) : value.toFixed(2);
const spread = (values) => `${figure(median(values))} (${figure(Math.min(...values))}–${figure(Math.max(...values))})`;
/** A server's values; of the others also the median as a multiple of ours. */
function cell(by, name) {
  if (!by[name]) return '';
  const ratio = name !== 'smaster' && by.smaster && median(by.smaster) > 0 ? `, ×${(median(by[name]) / median(by.smaster)).toFixed(2)}` : '';
  return spread(by[name]) + ratio;
}
const rows = Object.entries(found).map(([metric, by]) => `| ${metric} | ${names.map((name) => cell(by, name)).join(' | ')} |`);
const table = [`| | ${names.join(' | ')} |`, `|---|${names.map(() => '---|').join('')}`, ...rows, ...absent.map((text) => `\n${text}`)].join('\n');
const machine = `${cpus().length} × ${cpus()[0].model}, Node.js ${process.version}, ${rounds} rounds, medians (least–most)`;
mkdirSync(options.out, {recursive: true});
writeFileSync(path.join(options.out, 'bench.md'), `${machine}\n\n${table}\n`);
writeFileSync(path.join(options.out, 'bench.json'), JSON.stringify({machine, rounds, found}, null, 1));
console.log(`${machine}\n\n${table}`);
process.exit(0);
