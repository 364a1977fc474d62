#!/usr/bin/env node
// Kills the server with SIGKILL at random moments, while shards are registered and revoked, statuses and files arrive
// and the shard count changes; then checks the data on disk. `SMASTER_BIN=build/release/bin tests/crash.js [--rounds
// 500] [--seed N]`
import assert from 'node:assert/strict';
import {mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync} from 'node:fs';
import http from 'node:http';
import {tmpdir} from 'node:os';
import path from 'node:path';
import {parseArgs} from 'node:util';
import {LightShard} from '../bench/load/light_shard.js';
import {load, publicKey} from '../bench/load/server.js';
import {run, until} from './e2e/harness.js';

const {values: options} = parseArgs({options: {rounds: {type: 'string', default: '500'}, seed: {type: 'string', default: String(Date.now() % 1e6)}}});
const rounds = Number(options.rounds);
let state = Number(options.seed);
/** Park and Miller's generator: a seed reproduces the moments, though not the machine's timing. */
const random = () => (state = state * 48271 % 2147483647) / 2147483647;

const project = mkdtempSync(path.join(tmpdir(), 'smaster-crash-'));
mkdirSync(`${project}/save`);
const server = await load(`[server]\nproject_dir = "${project}"\n[shards]\ncount = 2\n[limits]\nconn_count = 1000000\n[heartbeat]\nupdate_style = "push"\nhistory_length = "1h"\n`);
const configs = await server.configs(3);
const first = JSON.parse((await server.tool(['shards', 'list', '--json'])).stdout); // who is there at first
const shards = configs.map((config) => new LightShard(config));

/** A request to the control socket; null if the server dies meanwhile. */
function control(method, target, body) {
  return new Promise((resolve) => {
    const request = http.request({socketPath: server.socket, method, path: target, agent: false}, (response) => {
      let text = '';
      response.on('data', (data) => text += data);
      response.on('end', () => resolve({status: response.statusCode, text}));
      response.on('error', () => resolve(null));
    });
    request.on('error', () => resolve(null));
    request.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

// Requested and acknowledged changes: per name and file the last acknowledged one, and those in progress.
const registry = new Map(first.map(({id}) => [id, {acked: true, pending: null}]));
const files = new Map();
const goal = {acked: 2, pending: []};
const lastStatus = new Map();
const counts = {registered: 0, revoked: 0, files: 0, reshards: 0, statuses: 0, inFlight: 0};
let serial = 0;
let dying = false;

const nameOf = (n) => 'z' + n.toString(26).padStart(5, '0').replace(/./g, (digit) => String.fromCharCode(97 + parseInt(digit, 26)));

async function register() {
  const name = nameOf(++serial);
  const entry = {acked: false, pending: true};
  registry.set(name, entry);
  const answer = await control('POST', '/v1/shards/import', {[name]: {id: name, key: publicKey}});
  if (answer?.status === 200) Object.assign(entry, {acked: true, pending: null}, counts.registered++);
}

async function revoke() {
  const names = [...registry].filter(([name, entry]) => name.startsWith('z') && entry.acked && entry.pending === null).map(([name]) => name);
  if (names.length < 5) return;
  const name = names[Math.floor(random() * names.length)];
  const entry = registry.get(name);
  entry.pending = false;
  const answer = await control('DELETE', `/v1/shards?name=${name}`);
  if (answer?.status === 200) Object.assign(entry, {acked: false, pending: null}, counts.revoked++);
}

async function writeFile() {
  const name = `save/file-${Math.floor(random() * 8)}`;
  const version = ++serial;
  const entry = files.get(name) ?? {acked: 0, pending: new Set()};
  files.set(name, entry);
  if (entry.pending.size > 0) return;
  entry.pending.add(version);
  const [error] = await shards[0].ask('writeFile', name, `${version}\n`.repeat(20_000));
  assert.equal(error, null);
  entry.acked = version;
  entry.pending.delete(version);
  ++counts.files;
}

async function reshard() {
  const count = 1 + Math.floor(random() * 3);
  goal.pending.push(count);
  const answer = await control('POST', '/v1/reshard', {count, strategy: 'at-once', timeout_ms: 1});
  if (answer?.status === 200 && !dying) {
    goal.acked = count;
    goal.pending.splice(0, goal.pending.indexOf(count) + 1);
    ++counts.reshards;
  }
}

/** Repeats an action until the end of the round. */
async function keep(doing, pause) {
  while (!dying) {
    await Promise.race([doing(), ended]);
    await new Promise((resolve) => setTimeout(resolve, pause * random()));
  }
}
let ended;

function walk(folder) {
  return readdirSync(folder, {withFileTypes: true}).flatMap((entry) => {
    const file = path.join(folder, entry.name);
    return entry.isDirectory() ? walk(file) : [file];
  });
}

function checkFiles() {
  for (const [name, entry] of files) {
    let text;
    try {
      text = readFileSync(`${project}/${name}`, 'utf8');
    } catch {
      assert.equal(entry.acked, 0, `${name} is gone`);
      continue;
    }
    const version = Number(text.slice(0, text.indexOf('\n')));
    assert.equal(text, `${version}\n`.repeat(20_000), `${name} is half a file`);
    assert.ok(version === entry.acked || entry.pending.has(version), `${name} has version ${version}, acknowledged was ${entry.acked}`);
    entry.acked = version;
    entry.pending.clear();
  }
  for (const file of walk(project)) {
    // Just before a new file replaces the old one, it has another name; the next replacement removes it.
    if (/save\/\.smaster-\d+-\d+\.tmp$/.test(file)) assert.match(readFileSync(file, 'utf8'), /^(\d+\n)\1{19999}$/, 'what is left is whole');
    else assert.match(file, /save\/file-\d$/, 'nothing else is left in the project');
  }
}

function checkKeys() {
  assert.equal(statSync(server.state).mode & 0o777, 0o700);
  for (const file of walk(server.state)) {
    const {mode} = statSync(file);
    const text = readFileSync(file, 'latin1');
    if (text.includes('PRIVATE KEY') || /\.db/.test(file)) assert.equal(mode & 0o077, 0, `${file} has mode ${mode.toString(8)}`);
    if (/_config\.json$/.test(file)) assert.ok(JSON.parse(text).privKey, `${file} is half a config`);
    assert.match(path.basename(file), /^(lock|smaster\.db(-wal|-shm)?|shardMaster\.(priv|pub)|shard_\w+_config\.json|database\.db(-wal|-shm)?)$/, 'nothing else is left in the state folder');
  }
}

async function checkDatabase() {
  // A copy, like that of an operator's backup tool after the crash.
  const script = 'import sqlite3,shutil,sys,tempfile,os\nd=tempfile.mkdtemp()\nfor s in ("","-wal"):\n  f=sys.argv[1]+s\n  os.path.exists(f) and shutil.copy(f,d+"/c.db"+s)\nprint(sqlite3.connect(d+"/c.db").execute("PRAGMA integrity_check").fetchone()[0])\nshutil.rmtree(d)';
  const {stdout, stderr} = await run('python3', ['-c', script, `${server.state}/smaster.db`]);
  assert.equal(stdout.trim(), 'ok', stderr);
}

async function checkRegistry() {
  const known = new Set(JSON.parse((await server.tool(['shards', 'list', '--json'])).stdout).map(({id}) => id));
  for (const [name, entry] of registry) {
    if (entry.pending === null) {
      assert.equal(known.has(name), entry.acked, `${name}, acknowledged as ${entry.acked ? 'known' : 'revoked'}`);
    } else {
      ++counts.inFlight;
    }
    Object.assign(entry, {acked: known.has(name), pending: null});
    if (!entry.acked) registry.delete(name);
  }
  const {goal: now} = await server.stats();
  assert.ok(now === goal.acked || goal.pending.includes(now), `the goal is ${now}, acknowledged was ${goal.acked}, under way ${goal.pending}`);
  Object.assign(goal, {acked: now, pending: []});
}

/** How much of the data sent since the server's start (`began`) is lost. */
async function checkHistory(began, killed) {
  const history = JSON.parse((await server.tool(['stats', '--history', '--json'])).stdout);
  let worst = 0;
  for (const [name, at] of lastStatus) {
    const newest = Math.max(0, ...(history[name] ?? []).map((sample) => sample.timestamp).filter((time) => time <= killed));
    worst = Math.max(worst, at - Math.max(newest, began));
  }
  assert.ok(worst <= 3000, `${worst} ms of history are gone`);
  return worst;
}

let worstHistory = 0;
for (let round = 1; round <= rounds; ++round) {
  await until('the shards', () => shards.every((shard) => shard.socket.readyState === 1));
  dying = false;
  let end;
  ended = new Promise((resolve) => end = resolve);
  const work = [
    keep(register, 5), keep(revoke, 20), keep(writeFile, 5), keep(reshard, 150),
    keep(async () => {
      for (const shard of shards) {
        shard.status();
        lastStatus.set(shard.config.id, Date.now());
        ++counts.statuses;
      }
    }, 50),
  ];
  if (round % 10 === 1) work.push(Promise.race([control('POST', '/v1/genconfig', {count: 1}), ended])); // seconds each, for its key
  // Some rounds are long enough to test the history's three seconds.
  const began = Date.now();
  await new Promise((resolve) => setTimeout(resolve, random() < 0.1 ? 3500 + random() * 2500 : 50 + random() * 1200));
  dying = true;
  const killed = Date.now();
  await server.end('SIGKILL');
  end();
  await Promise.all(work);
  await checkDatabase();
  checkFiles();
  checkKeys();
  server.log = '';
  await server.start();
  await checkRegistry();
  worstHistory = Math.max(worstHistory, await checkHistory(began, killed));
  if (round % 50 === 0 || round === rounds) console.log(`${round} kills survived: ${JSON.stringify(counts)}, at most ${worstHistory} ms of history gone`);
}
shards.forEach((shard) => shard.stop());
await server.end();
rmSync(project, {recursive: true, force: true});
rmSync(server.folder, {recursive: true, force: true});
process.exit(0);
