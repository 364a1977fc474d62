#!/usr/bin/env node
// Measures how long the loss of the leader takes: three servers on three etcds, each server in a network namespace of
// its own, and real agents with bots. The leader is killed, stopped, cut off, or asked to step down; the agents' logs
// show when each shard was back. As root: `SMASTER_BIN=build/release/bin bench/failover.js [--shards 2000] [--rounds 5]
// [--lease 5s]`
import {execFileSync} from 'node:child_process';
import {generateKeyPairSync} from 'node:crypto';
import {mkdirSync, readFileSync, writeFileSync} from 'node:fs';
import http from 'node:http';
import {parseArgs} from 'node:util';
import {Etcd} from '../tests/e2e/etcd.js';
import {alive, names, Server, until} from '../tests/e2e/harness.js';
import {privateKey, publicKey} from './load/server.js';

const {values: options} = parseArgs({options: {shards: {type: 'string', default: '2000'}, rounds: {type: 'string', default: '5'},
  lease: {type: 'string', default: '5s'}, each: {type: 'string', default: '100'}}});
const shards = Number(options.shards);
const each = Number(options.each); // shards an agent process
const kServers = 3;

const ip = (...args) => execFileSync('ip', args, {stdio: ['ignore', 'ignore', 'pipe']});
const quietly = (...args) => {
  try {
    ip(...args);
  } catch { /* it is not there */ }
};
const address = (i) => `10.99.7.${i + 1}`;
const kBridge = 'smbench';
const kHere = '10.99.7.254';

/** A bridge, and a network namespace for each server. */
function network() {
  tearDown();
  ip('link', 'add', kBridge, 'type', 'bridge');
  ip('addr', 'add', `${kHere}/24`, 'dev', kBridge);
  ip('link', 'set', kBridge, 'up');
  for (let i = 0; i < kServers; i++) {
    ip('netns', 'add', `${kBridge}${i}`);
    ip('link', 'add', `${kBridge}v${i}`, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', `${kBridge}${i}`);
    ip('link', 'set', `${kBridge}v${i}`, 'master', kBridge, 'up');
    for (const args of [['addr', 'add', `${address(i)}/24`, 'dev', 'eth0'], ['link', 'set', 'eth0', 'up'], ['link', 'set', 'lo', 'up']]) {
      ip('netns', 'exec', `${kBridge}${i}`, 'ip', ...args);
    }
  }
}
function tearDown() {
  for (let i = 0; i < kServers; i++) {
    quietly('link', 'del', `${kBridge}v${i}`);
    quietly('netns', 'del', `${kBridge}${i}`);
  }
  quietly('link', 'del', kBridge);
}
const cable = (i, state) => ip('link', 'set', `${kBridge}v${i}`, state);

network();
const etcd = await new Etcd(3).start(kHere);
const {privateKey: masterKey} = generateKeyPairSync('rsa', {modulusLength: 4096, publicKeyEncoding: {type: 'spki', format: 'pem'}, privateKeyEncoding: {type: 'pkcs8', format: 'pem'}});
const kPort = 8024;
const servers = [];
for (let i = 0; i < kServers; i++) {
  const server = new Server(`[server]\naddress = "${address(i)}"\n[shards]\ncount = ${shards}\n[limits]\nconn_count = 1000000\n[store]\nurl = "${etcd.url()}"\nlease = "${options.lease}"\n[cluster]\nname = "m${i}"\n`);
  server.port = kPort;
  server.wrapper = ['ip', 'netns', 'exec', `${kBridge}${i}`];
  mkdirSync(server.state, {mode: 0o700});
  writeFileSync(`${server.state}/shardMaster.priv`, masterKey, {mode: 0o600});
  await server.start();
  servers.push(server);
}

/** The status of a server's /readyz; none if it does not answer at once. */
const ready = (i) => new Promise((resolve) => {
  const request = http.get({host: address(i), port: kPort, path: '/readyz', agent: false, timeout: 500}, (response) => {
    response.resume();
    resolve(response.statusCode);
  });
  request.on('timeout', () => request.destroy());
  request.on('error', () => resolve(null));
});
const leader = (except) => until('a server to lead', async () => {
  const all = await Promise.all(servers.map((_, i) => i === except ? null : ready(i)));
  const at = all.indexOf(200);
  return at >= 0 && {at};
}).then(({at}) => at);

const first = await leader();
const known = Object.fromEntries(names(shards).map((id) => [id, {id, key: publicKey, isMaster: false}]));
const {code, stderr} = await servers[first].tool(['shards', 'import', '-'], {input: JSON.stringify(known)});
if (code !== 0) throw new Error(stderr);
const host = servers.map((_, i) => ({protocol: 'http:', host: address(i), port: kPort, path: '/socket.io/'}));
const masterPubKey = readFileSync(`${servers[first].state}/shardMaster.pub`, 'utf8');
const configs = Object.keys(known).map((id) => ({host, pubKey: publicKey, privKey: privateKey, masterPubKey, id, signAlgorithm: 'RSA-SHA256'}));
const botLog = servers[0].botLog;
writeFileSync(botLog, '');
const starts = () => readFileSync(botLog, 'utf8').trim().split('\n').filter(Boolean);
const begun = Date.now();
const agents = [];
for (let i = 0; i < shards; i += each) { // one after the other: one machine plays the fleet's many
  agents.push(servers[0].agent(configs.slice(i, i + each), ['/bin/sh', '-c', `echo "$SHARD_ID $$" >>${botLog}; exec sleep 1000000`]));
  while (starts().length < Math.min(i + each, shards)) await new Promise((resolve) => setTimeout(resolve, 50));
}

/** Number of shards that have connected since `moment`, and the time of the last one. */
function connected(moment) {
  const back = new Map();
  for (const agent of agents) {
    for (const [, time, name] of agent.log.matchAll(/^(\S+) info shard (\w+): connected to /gm)) {
      const at = Date.parse(time);
      if (at >= moment) back.set(name, at);
    }
  }
  return {count: back.size, last: Math.max(...back.values())};
}
console.log(`${shards} shards in ${agents.length} agents, all there after ${Date.now() - begun} ms`);

const hold = (at, signal) => servers[at].process.kill(signal);
/** `ip netns exec` executes the server in place, so its process id is the server's. */
const faults = {
  'kill -9': {begin: (at) => servers[at].end('SIGKILL'), end: (at) => servers[at].start()},
  'SIGSTOP': {begin: (at) => hold(at, 'SIGSTOP'), end: (at) => hold(at, 'SIGCONT')},
  'network cut': {begin: (at) => cable(at, 'down'), end: (at) => cable(at, 'up')},
  'step-down': {begin: (at) => servers[at].tool(['step-down']), end: () => {}},
};
const results = [];
for (const [kind, {begin, end}] of Object.entries(faults)) {
  const times = {leader: [], back: []};
  for (let round = 0; round < Number(options.rounds); round++) {
    for (const agent of agents) agent.log = '';
    const at = await leader();
    const moment = Date.now();
    const going = begin(at);
    const next = await leader(at);
    times.leader.push(Date.now() - moment);
    while (connected(moment).count < shards) await new Promise((resolve) => setTimeout(resolve, 500)); // reading the logs costs too
    times.back.push(connected(moment).last - moment);
    await going;
    await end(at);
    await until('it to stand by', async () => await ready(at) === 503);
    await new Promise((resolve) => setTimeout(resolve, 5000)); // each fault meets a fleet at rest
    console.log(`${kind}: m${next} leads after ${times.leader.at(-1)} ms, all ${shards} shards are back after ${times.back.at(-1)} ms`);
  }
  results.push({kind, ...times});
}
const restarts = starts().length - shards;
const pids = starts().map((line) => Number(line.split(' ')[1]));
console.log(`bots restarted: ${restarts}; bots alive: ${pids.filter(alive).length} of ${shards}`);
const median = (list) => [...list].sort((a, b) => a - b)[list.length >> 1];
console.log('| fault | another leads: median, worst | all shards back: median, worst |\n|---|---|---|');
for (const {kind, leader: l, back} of results) {
  const s = (ms) => `${(ms / 1000).toFixed(2)} s`;
  console.log(`| ${kind} | ${s(median(l))}, ${s(Math.max(...l))} | ${s(median(back))}, ${s(Math.max(...back))} |`);
}
await Promise.all(agents.map((agent) => agent.end('SIGTERM')));
for (const server of servers) await server.cleanup();
await etcd.end();
tearDown();
process.exit(restarts === 0 ? 0 : 1);
