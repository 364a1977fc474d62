// Shared by the end-to-end tests: a server and a folder of their own, its tools, shards, and waiting for a condition.
// Ports are always free ones; no test sleeps to synchronise.
import assert from 'node:assert/strict';
import {execFile, execFileSync, spawn} from 'node:child_process';
import {generateKeyPairSync} from 'node:crypto';
import {existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import {tmpdir} from 'node:os';
import path from 'node:path';
import {fileURLToPath} from 'node:url';
import {certificates} from './certificates.js';
import {DemoShard} from './shard.js';

export const bin = process.env.SMASTER_BIN;
assert.ok(bin, 'SMASTER_BIN is the folder of the built programs');

/** A folder that is removed after the tests. */
function temporaryFolder() {
  const folder = mkdtempSync(path.join(tmpdir(), 'smaster-e2e-'));
  process.on('exit', () => rmSync(folder, {recursive: true, force: true}));
  return folder;
}

const bots = path.join(import.meta.dirname ?? path.dirname(fileURLToPath(import.meta.url)), 'bots');

export {alive} from './bots/announce.js';

/** Timeout of any wait: generous, since the machine may be busy. */
export const patience = 180_000; // ms

/** Calls `check` until it returns a truthy value, which is returned. */
export async function until(what, check) {
  const deadline = Date.now() + patience;
  for (;;) {
    const value = await check();
    if (value) return value;
    if (Date.now() > deadline) throw new Error(`waited too long for: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** The next `event` of an emitter, as the array of its arguments. */
export function next(emitter, event) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`waited too long for "${event}"`)), patience);
    emitter.once(event, (...args) => {
      clearTimeout(timer);
      resolve(args);
    });
  });
}

/** Kills a process that does not end in time; `ended` gets the state of all processes then, or nothing. */
function endsInTime(child, ended) {
  let stuck = '';
  const timer = setTimeout(() => {
    stuck = `${child.spawnargs.join(' ')} does not end:\n${execFileSync('ps', ['-eo', 'pid,ppid,stat,wchan:24,args', '--forest'])}`;
    child.kill('SIGKILL');
  }, patience);
  child.once('exit', (code) => {
    clearTimeout(timer);
    ended(stuck, code);
  });
}

/** Runs a command; resolves with {code, stdout, stderr}, however it ends. `input` is its stdin. */
export function run(program, args, {input, env, ...rest} = {}) {
  return new Promise((resolve) => {
    let stuck = '';
    const child = execFile(program, args, {env: {...process.env, ...env}, ...rest, maxBuffer: 1 << 30}, (error, stdout, stderr) => {
      resolve({code: error ? error.code ?? error.signal : 0, stdout, stderr: stderr + stuck});
    });
    endsInTime(child, (why) => stuck = why);
    child.stdin.on('error', () => {});
    child.stdin.end(input ?? '');
  });
}

/** With SMASTER_E2E_TLS=1 the same tests run with TLS on the shard port. */
export const tls = process.env.SMASTER_E2E_TLS === '1' ? certificates(temporaryFolder(), 'DNS:localhost,IP:127.0.0.1') : null;
export const protocol = tls ? 'https:' : 'http:';

let sharedKeys;
/** One RSA-4096 pair for all shards of a test file: generating one takes seconds. */
export function keys() {
  sharedKeys ??= generateKeyPairSync('rsa', {
    modulusLength: 4096,
    publicKeyEncoding: {type: 'spki', format: 'pem'},
    privateKeyEncoding: {type: 'pkcs8', format: 'pem'},
  });
  return sharedKeys;
}

/** Ends a process with a signal; resolves with its exit code. */
function end(child, signal) {
  if (child.exitCode !== null || child.signalCode !== null) return child.exitCode;
  return new Promise((resolve, reject) => {
    endsInTime(child, (stuck, code) => stuck ? reject(new Error(stuck)) : resolve(code));
    child.kill(signal);
  });
}

/** "aaa", "aab", …: names for `count` shards. */
export function names(count) {
  const letter = (n) => String.fromCharCode(97 + n % 26);
  return Array.from({length: count}, (_, i) => letter(i / 676) + letter(i / 26) + letter(i));
}

/** A server in a folder of its own. */
export class Server {
  constructor(settings = '', {state, socket} = {}) {
    this.folder = mkdtempSync(path.join(tmpdir(), 'smaster-e2e-'));
    this.state = state ?? path.join(this.folder, 'state');
    this.socket = socket ?? path.join(this.folder, 'control.sock');
    this.log = '';
    this.shards = [];
    this.agents = [];
    this.wrapper = []; // a command that runs the server, such as prlimit
    this.configure(settings);
  }

  /** Writes the settings file: these settings, over those that every test needs. */
  configure(settings) {
    this.settings = settings;
    const certificate = tls ? `tls_certificate = "${tls.certFile}"\ntls_key = "${tls.keyFile}"\n` : '';
    const sections = new Map([['server', `port = ${this.port ?? 0}\nstate_dir = "${this.state}"\n${certificate}`]]);
    sections.set('shards', 'auto_generate = false\n');
    sections.set('heartbeat', 'interval = "500ms"\n');
    let section;
    for (const line of settings.split('\n')) {
      const header = line.match(/^\[(.*)\]$/);
      if (header) {
        section = header[1];
      } else if (section && line.trim()) {
        const key = line.split('=')[0].trim();
        const kept = (sections.get(section) ?? '').split('\n').filter((l) => l && l.split('=')[0].trim() !== key);
        sections.set(section, [...kept, line, ''].join('\n'));
      }
    }
    const text = [...sections].map(([name, lines]) => `[${name}]\n${lines}`).join('\n');
    writeFileSync(path.join(this.folder, 'smaster.toml'), text);
  }

  async start(args = []) {
    this.configure(this.settings); // a restart takes the same port again
    const command = [...this.wrapper, path.join(bin, 'smaster'), 'serve', '--config', `${this.folder}/smaster.toml`, '--socket', this.socket, ...args];
    this.process = spawn(command[0], command.slice(1));
    this.exited = next(this.process, 'exit');
    this.exited.catch(() => {});
    const from = this.log.length;
    this.process.stderr.on('data', (data) => this.log += data);
    await until('the server to listen', () => {
      assert.equal(this.process.exitCode, null, `the server ended:\n${this.log}`);
      return this.log.slice(from).match(/listening on \S+ port (\d+)/);
    });
    this.port = Number(this.log.slice(from).match(/listening on \S+ port (\d+)/)[1]);
    return this;
  }

  /** Ends it with a signal and waits for its end. */
  async end(signal = 'SIGTERM') {
    return end(this.process, signal);
  }

  /** Runs `smaster ARGS` against this server. */
  tool(args, options = {}) {
    return run(path.join(bin, 'smaster'), args, {...options, env: {SMASTER_SOCKET: this.socket, ...options.env}});
  }

  get botLog() {
    return path.join(this.folder, 'bots.log');
  }

  /** The log of the bots' starts, one entry each. Asserts that no id has ever run twice at once. */
  bots() {
    const entries = existsSync(this.botLog) ? readFileSync(this.botLog, 'utf8').trim().split('\n').filter(Boolean).map(JSON.parse) : [];
    for (const entry of entries) assert.deepEqual(entry.twice, [], `shard ${entry.id} ran twice at once`);
    return entries;
  }

  /** Runs a script in shards' bots; returns their lines, by shard. */
  async evaluate(script, flags = []) {
    const {stdout} = await this.tool(['eval', script, '--ndjson', ...flags]);
    return stdout.trim().split('\n').map(JSON.parse).sort((a, b) => a.shard - b.shard);
  }

  async stats() {
    const {code, stdout, stderr} = await this.tool(['stats', '--json']);
    assert.equal(code, 0, stderr);
    return JSON.parse(stdout);
  }

  /** Registers shards that share one key; returns their configs. */
  async register(count, {prefix = '', master = false} = {}) {
    const {publicKey, privateKey} = keys();
    const known = Object.fromEntries(names(count).map((name) => [prefix + name, {id: prefix + name, key: publicKey, isMaster: master}]));
    const {code, stderr} = await this.tool(['shards', 'import', '-'], {input: JSON.stringify(known)});
    assert.equal(code, 0, stderr);
    const masterPubKey = readFileSync(`${this.state}/shardMaster.pub`, 'utf8');
    return Object.keys(known).map((id) => ({
      host: {protocol, host: '127.0.0.1', port: this.port, path: '/socket.io/'},
      pubKey: publicKey, privKey: privateKey, masterPubKey, id, signAlgorithm: 'RSA-SHA256',
    }));
  }

  /** A demo shard, closed when the test ends. */
  shard(config, options) {
    const shard = new DemoShard(config, {...options, socket: {ca: tls && readFileSync(tls.ca), ...options?.socket}});
    this.shards.push(shard);
    return shard;
  }

  /** An agent for these configs, stopped when the test ends. `command` is the bot, or a file of ./bots. */
  agent(configs, command, options) {
    const agent = new Agent(this, configs, command, options);
    this.agents.push(agent);
    return agent;
  }

  /** Waits until `count` shards run their assigned ids. */
  running(count) {
    return until(`${count} running shards`, async () => {
      const stats = await this.stats();
      return stats.configured === count && stats;
    });
  }

  /** Waits until `count` bots answer evals: on a busy machine, a bot may run for seconds before it opens its channel. */
  async answering(count) {
    let lines = [];
    try {
      await until(`${count} bots to answer`, async () => {
        lines = await this.evaluate('1');
        return lines.filter((line) => line.result === 1).length === count;
      });
    } catch (error) {
      throw new Error(`${error.message}; the last answers: ${JSON.stringify(lines)}; the agents:\n${this.agents.map((agent) => agent.output).join('')}`);
    }
  }

  async cleanup() {
    for (const shard of this.shards) shard.close();
    await Promise.all(this.agents.map((agent) => agent.end('SIGTERM')));
    if (this.process) await this.end('SIGKILL');
    rmSync(this.folder, {recursive: true, force: true});
    for (const {log} of [this, ...this.agents]) assert.doesNotMatch(log, /Sanitizer|runtime error|critical/);
  }
}

/** A running `smaster agent`. */
export class Agent {
  constructor(server, configs, command, {flags = [], env = {}, folder = server.folder, ...spawning} = {}) {
    this.server = server;
    this.configs = configs;
    this.command = Array.isArray(command) ? command : [process.execPath, path.join(bots, command)];
    this.flags = flags.includes('--grace') ? flags : ['--grace', '5s', ...flags];
    if (tls) this.flags = ['--ca-file', tls.ca, ...this.flags];
    this.env = env;
    this.folder = folder; // of its configs
    this.spawning = spawning;
    this.log = '';
    this.output = '';
    this.start();
  }

  start() {
    const files = this.configs.map((config) => {
      const file = path.join(this.folder, `shard_${config.id}_config.json`);
      writeFileSync(file, JSON.stringify(config), {mode: 0o600});
      return ['--config', file];
    });
    this.process = spawn(path.join(bin, 'smaster'), ['agent', ...files.flat(), ...this.flags, '--', ...this.command],
      {...this.spawning, env: {...process.env, BOT_LOG: this.server.botLog, ...this.env}});
    this.process.stderr.on('data', (data) => this.log += data);
    this.process.stdout.on('data', (data) => this.output += data);
    return this;
  }

  /** Ends it with a signal and waits for its end. */
  async end(signal = 'SIGTERM') {
    try {
      return await end(this.process, signal);
    } catch (error) {
      throw new Error(`${error.message}\n${this.log}`);
    }
  }

  /** Waits until its log matches a pattern. */
  says(pattern) {
    return until(`the agent to say ${pattern}; it said:\n${this.log}`, () => this.log.match(pattern));
  }
}

/** Starts a server for a test and removes it afterwards. `places`: the paths of its state and its socket. */
export async function serve(t, settings, args, places) {
  const server = new Server(settings, places);
  t.after(() => server.cleanup());
  return server.start(args);
}

/** Sends an HTTP request; resolves with {status, headers, body}. `localAddress`: the source address; `raw`: body as a Buffer. */
export function request(port, target, {method = 'GET', headers = {}, body, localAddress, raw = false} = {}) {
  return new Promise((resolve, reject) => {
    const req = (tls ? https : http).request({host: '127.0.0.1', port, path: target, method, headers, localAddress, agent: false, ca: tls && readFileSync(tls.ca)}, (res) => {
      const chunks = [];
      res.on('data', (chunk) => chunks.push(chunk));
      res.on('end', () => {
        const whole = Buffer.concat(chunks);
        resolve({status: res.statusCode, headers: res.headers, body: raw ? whole : whole.toString()});
      });
    });
    req.on('error', reject);
    req.end(body);
  });
}

