#!/usr/bin/env node
// Injects one fault after another into three servers on three etcds, and agents with bots: kills and stops processes,
// cuts links, shifts clocks. Meanwhile shards are registered and revoked, and bots restarted. The invariants are
// checked continuously and after each fault, with the agents' own logs as the history. `SMASTER_BIN=build/release/bin
// tests/faults.js [--faults 100] [--seed N] [--only TEXT]`
import assert from 'node:assert/strict';
import {existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import path from 'node:path';
import {parseArgs} from 'node:util';
import {discord, gateway} from './e2e/discord.js';
import {Cluster} from './e2e/cluster.js';
import {Etcd} from './e2e/etcd.js';
import {alive, keys, request, until} from './e2e/harness.js';

const {values: options} = parseArgs({options: {faults: {type: 'string', default: '100'}, seed: {type: 'string', default: String(Date.now() % 1e6)}, only: {type: 'string', default: ''}}});
const faults = Number(options.faults);
let state = Number(options.seed) || 1;
/** Park and Miller's generator: a seed reproduces the faults, though not the machine's timing. */
const random = () => (state = state * 48271 % 2147483647) / 2147483647;
const pick = (list) => list[Math.floor(random() * list.length)];
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

const kGoal = 3;
const kAgents = 4;
const kIdentifyInterval = 5000;
const kJitter = 1500; // what messages and processes take on a busy machine
const folder = mkdtempSync(path.join(tmpdir(), 'smaster-faults-'));
const botLog = `${folder}/bots.log`;
writeFileSync(botLog, '');
writeFileSync(`${folder}/token`, 'sesame', {mode: 0o600});

/** The starts of bots: id, process and time. */
const starts = () => readFileSync(botLog, 'utf8').trim().split('\n').filter(Boolean).map((line) => {
  const [id, pid, nanoseconds] = line.split(' ');
  return {id, pid: Number(pid), at: Number(nanoseconds) / 1e6};
});

const undo = [];
const t = {after: (what) => undo.unshift(what)};
const kLogins = 1000;
const api = await discord(t, folder, () => ({body: gateway(kGoal, {total: kLogins, remaining: kLogins - starts().length})}));
const etcd = await new Etcd(3).start();
const cluster = new Cluster(3, {url: etcd, links: true, lease: '3s', settings:
  `[shards]\ncount = ${kGoal}\nlogin_patience = "1s"\ntoken_file = "${folder}/token"\n[discord]\napi_base = "${api.base}"\nca_file = "${api.ca}"\nidentify_reserve = 0\n` +
  // Short enough for ids to move to other agents during a fault.
  '[heartbeat]\ninterval = "500ms"\nrequest_reboot_after = "6s"\nexpect_reboot_after = "8s"\nassume_dead_after = "10s"\n' +
  '[limits]\nconn_count = 1000\n'});
const fakeTime = readdirSync('/usr/lib').map((name) => `/usr/lib/${name}/faketime/libfaketimeMT.so.1`).find(existsSync);
await cluster.start();
const configs = await cluster.register(kAgents);
const home = cluster.servers[0];
const agents = configs.map((config) => home.agent([config],
  ['/bin/sh', '-c', `echo "$SHARD_ID $$ $(date +%s%N)" >>${botLog}; exec sleep 1000000`], {flags: ['--grace', '2s'], env: {BOT_LOG: botLog}}));

// ---- what must hold ----

/** No id ever runs twice. */
function checkIds() {
  const running = new Map();
  for (const {id, pid} of starts()) {
    if (!alive(pid)) continue;
    assert.ok(!running.has(id) || running.get(id) === pid, `id ${id} runs as ${running.get(id)} and as ${pid}`);
    running.set(id, pid);
  }
}

/** No two logins within Discord's interval, and no more logins than it allows. */
function checkBudget() {
  const all = starts();
  assert.ok(all.length <= kLogins);
  for (let i = 1; i < all.length; i++) {
    const apart = all[i].at - all[i - 1].at;
    assert.ok(apart >= kIdentifyInterval - kJitter, `bots ${all[i - 1].id} and ${all[i].id} logged in within ${apart.toFixed()} ms`);
  }
}

const timeOf = (line) => Date.parse(line.slice(0, 29));

const elected = []; // {at, port}, by the servers' own logs
/** Reads the new lines of the logs. Called before a server's clock is changed. */
function readLogs() {
  for (const [i, server] of cluster.servers.entries()) {
    const end = server.log.lastIndexOf('\n') + 1;
    for (const line of server.log.slice(server.read ?? 0, end).split('\n')) {
      if (line.includes('leads from now on')) elected.push({at: timeOf(line) - server.skew, port: cluster.fronts[i].port});
    }
    server.read = end;
  }
  elected.sort((a, b) => a.at - b.at);
}

/** Agents obey only the server that was elected last. */
function checkObedience() {
  readLogs();
  for (const agent of agents) {
    let port = 0;
    for (const line of agent.log.split('\n')) {
      const connected = line.match(/connected to http:\/\/127\.0\.0\.1:(\d+)/);
      if (connected) port = Number(connected[1]);
      if (!/: shard ids? |stopping the bot|restarting the bot/.test(line)) continue;
      const at = timeOf(line);
      // Messages sent just before a change of the leader may arrive just after it.
      const leaders = elected.filter((entry, i) => entry.at <= at + kJitter && (i + 1 === elected.length || elected[i + 1].at >= at - kJitter));
      assert.ok(leaders.some((entry) => entry.port === port), `an agent obeyed ${port}, which did not lead: ${line}`);
    }
  }
}

const registry = new Map(configs.map(({id}) => [id, true])); // name: whether it must be there; null: either
async function checkRegistry(leader) {
  const before = [...registry]; // what is acknowledged while the leader is asked need not be in its answer
  const there = new Set((await leader.stats()).shards.map(({id}) => id));
  for (const [name, known] of before) {
    if (known !== null && registry.get(name) === known) assert.equal(there.has(name), known, `shard ${name} was ${known ? 'registered' : 'revoked'}, and that was acknowledged`);
  }
}

// ---- what goes on meanwhile ----

const counts = {registered: 0, revoked: 0, respawns: 0};
let serial = 0;
let working = true;
const running = (server) => server.process.exitCode === null && server.process.signalCode === null && !server.held;

async function work() {
  const nameOf = (n) => 'z' + n.toString(26).padStart(4, '0').replace(/./g, (digit) => String.fromCharCode(97 + parseInt(digit, 26)));
  while (working) {
    await pause(200);
    const server = pick(cluster.servers.filter(running));
    if (!server) continue;
    const what = random();
    const mine = [...registry].filter(([name, known]) => name.startsWith('z') && known).map(([name]) => name);
    if (what < 0.6 || mine.length < 5) {
      const name = nameOf(++serial);
      registry.set(name, null);
      const {code} = await server.tool(['shards', 'import', '-', '--timeout', '8s'], {input: JSON.stringify({[name]: {id: name, key: keys().publicKey}})});
      if (code === 0) registry.set(name, true), counts.registered++;
    } else if (what < 0.99) {
      const name = pick(mine);
      registry.set(name, null);
      const {code} = await server.tool(['shards', 'rm', '--yes', name, '--timeout', '8s']);
      if (code === 0) registry.set(name, false), counts.revoked++;
    } else if ((await server.tool(['respawn', '--shard', String(Math.floor(random() * kGoal)), '--timeout', '8s'])).code === 0) {
      counts.respawns++;
    }
  }
}

async function watch() {
  while (working) {
    checkIds();
    await pause(50);
  }
}

// ---- faults ----

/** The server that reports to lead; slow servers are not waited for. */
const leaderNow = async () => {
  const asked = cluster.servers.filter(running).map(async (server) => {
    const {status} = await Promise.race([request(server.port, '/readyz'), pause(300).then(() => ({}))]);
    return status === 200 ? server : Promise.reject(new Error('it does not lead'));
  });
  return Promise.any(asked).catch(() => null);
};

const hold = async (child, ms) => {
  child.kill('SIGSTOP');
  await pause(ms);
  child.kill('SIGCONT');
};

const kinds = {
  'kill -9 of the leader': async (leader, ms) => {
    await leader.end('SIGKILL');
    await pause(ms);
    await restart(leader);
  },
  'kill -9 of any server': async (_, ms) => {
    const server = pick(cluster.servers);
    await server.end('SIGKILL');
    await pause(ms);
    await restart(server);
  },
  'stopped leader goes on': async (leader, ms) => {
    leader.held = true;
    await hold(leader.process, ms);
    leader.held = false;
  },
  'leader cut off from etcd': (leader, ms) => cut(cluster.backs[cluster.servers.indexOf(leader)], ms),
  'leader cut off from shards': (leader, ms) => cut([cluster.fronts[cluster.servers.indexOf(leader)]], ms),
  'leader cut off from all': (leader, ms) => cut([cluster.fronts[cluster.servers.indexOf(leader)], ...cluster.backs[cluster.servers.indexOf(leader)]], ms),
  'leader cut off from some etcds': (leader, ms) => cut(cluster.backs[cluster.servers.indexOf(leader)].filter(() => random() < 0.6), ms),
  'kill -9 of an etcd': async (_, ms) => {
    const member = pick(etcd.members);
    const gone = new Promise((resolve) => member.process.once('exit', resolve));
    member.process.kill('SIGKILL');
    await gone;
    await pause(ms);
    etcd.run(member);
    await etcd.healthy(member);
  },
  'an etcd held up': (_, ms) => hold(pick(etcd.members).process, ms),
  'all etcds held up': (_, ms) => Promise.all(etcd.members.map((member) => hold(member.process, Math.min(ms, 4000)))),
  'step-down': (leader) => leader.tool(['step-down']),
  'kill -9 of an agent': async () => {
    const agent = pick(agents);
    await agent.end('SIGKILL');
    agent.start();
  },
  'restart, its clock off by a minute': async (leader) => {
    await leader.end('SIGTERM');
    readLogs();
    leader.skew = fakeTime ? pick([-60_000, 60_000]) : 0;
    await restart(leader);
  },
};

async function cut(links, ms) {
  for (const link of links) link.sever();
  await pause(ms);
  for (const link of links) link.mend();
}

async function restart(server) {
  server.wrapper = server.skew ? ['env', `LD_PRELOAD=${fakeTime}`, 'FAKETIME_DONT_FAKE_MONOTONIC=1', `FAKETIME=${server.skew > 0 ? '+' : '-'}60s`] : [];
  await server.start();
}

for (const server of cluster.servers) server.skew = 0;

/** All agents are connected to one leader, and the goal is running. */
const well = () => until('the fleet to be well again', async () => {
  const leader = await leaderNow();
  if (!leader) return null;
  const {code, stdout} = await leader.tool(['stats', '--json', '--timeout', '5s']);
  if (code !== 0) return null;
  const stats = JSON.parse(stdout);
  return stats.configured === kGoal && stats.current === kAgents && leader;
});

let failure = null;
const fail = (error) => failure ??= error;
let done = 0;
const times = [];
try {
  await well();
  const background = [work().catch(fail), watch().catch(fail)];
  for (; done < faults && !failure; done++) {
    const leader = await well();
    const kind = pick(Object.keys(kinds).filter((name) => name.includes(options.only)));
    const ms = 300 + Math.floor(random() * 11_700);
    const begun = Date.now();
    const over = kinds[kind](leader, ms);
    const others = await Promise.race([until('a server to lead', async () => {
      const now = await leaderNow();
      return now && now !== leader && now;
    }).then(() => Date.now() - begun), over.then(() => null)]);
    await over;
    const healed = Date.now();
    const next = await well();
    checkBudget();
    checkObedience();
    await checkRegistry(next);
    times.push({kind, leader: others, back: Date.now() - healed});
    console.log(`${String(done + 1).padStart(3)} ${kind}, ${ms} ms: ${others === null ? 'no other leader meanwhile' : `another leads after ${others} ms`}, all well ${Date.now() - healed} ms after its end`);
  }
  working = false;
  await Promise.all(background);
  if (failure) throw failure;
} catch (error) {
  failure = error;
  console.log(`FAILED with --seed ${options.seed} at fault ${done + 1}: ${error.stack}`);
  if (process.env.SMASTER_FAULTS_LOGS) {
    for (const [i, server] of cluster.servers.entries()) writeFileSync(`${process.env.SMASTER_FAULTS_LOGS}/server${i}.log`, server.log);
    for (const [i, agent] of agents.entries()) writeFileSync(`${process.env.SMASTER_FAULTS_LOGS}/agent${i}.log`, agent.log);
    writeFileSync(`${process.env.SMASTER_FAULTS_LOGS}/bots.log`, readFileSync(botLog));
  }
}
working = false;
const figures = (name, list) => {
  const sorted = list.filter((value) => value !== null).sort((a, b) => a - b);
  if (sorted.length > 0) console.log(`${name}: median ${sorted[sorted.length >> 1]} ms, worst ${sorted.at(-1)} ms, of ${sorted.length}`);
};
figures('time to another leader', times.map(({leader}) => leader));
figures('time from a fault\'s end until all is well', times.map(({back}) => back));
console.log(`${done} faults, ${starts().length} logins, ${counts.registered} registrations and ${counts.revoked} revocations acknowledged, ${counts.respawns} respawns: ${failure ? 'FAILED' : 'all held'}`);
await cluster.cleanup().catch((error) => {
  failure ??= error;
  console.log(error.message);
});
await etcd.end();
for (const what of undo) await what();
rmSync(folder, {recursive: true, force: true});
process.exit(failure ? 1 : 0);
