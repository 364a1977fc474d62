// Attacks on the real programs, one file per kind of attacker: strangers (raw HTTP and websocket bytes), shards (with a
// key), bots (below an agent) and members (other servers of a cluster). Each test is short: it attacks, then checks the
// state afterwards. `serve` adds the checks after every attack: the same server process still answers, exits with 0 on
// SIGTERM, and no sanitizer (or valgrind, with SMASTER_VALGRIND=1) has reported an error. To run one file:
// `SMASTER_BIN=build/dev/bin node --test tests/attacks/strangers.test.js`.
import assert from 'node:assert/strict';
import {mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync} from 'node:fs';
import {createRequire} from 'node:module';
import net from 'node:net';
import {tmpdir} from 'node:os';
import path from 'node:path';
import tlsModule from 'node:tls';
import {keys, next, request, Server, tls, until} from '../e2e/harness.js';

export {Agent, bin, keys, next, request, run, tls, until} from '../e2e/harness.js';
export {authorization, DemoShard} from '../e2e/shard.js';

// The npm packages are installed in tests/e2e.
const packages = createRequire(new URL('../e2e/package.json', import.meta.url));
export const WebSocket = packages('ws');
export const {io} = packages('socket.io-client');

/** True if the server runs under valgrind, about thirty times slower. */
export const valgrind = process.env.SMASTER_VALGRIND === '1';

/** A server under attack. */
class Target extends Server {
  async start(args) {
    if (valgrind && !this.reports) {
      // Generating the master's key would take it a minute.
      mkdirSync(this.state, {recursive: true, mode: 0o700});
      writeFileSync(`${this.state}/shardMaster.pub`, keys().publicKey);
      writeFileSync(`${this.state}/shardMaster.priv`, keys().privateKey, {mode: 0o600});
      this.reports = mkdtempSync(path.join(tmpdir(), 'smaster-valgrind-'));
      this.wrapper.unshift('valgrind', '--quiet', '--trace-children=yes', '--trace-children-skip=*/sql-worker', '--leak-check=full', '--errors-for-leak-kinds=definite',
        '--error-exitcode=99', `--log-file=${this.reports}/%p`);
    }
    return super.start(args);
  }

  /** Asserts that the attack has not stopped the server: the same process still answers. */
  async lives() {
    assert.equal(this.process.exitCode, null, `the server ended:\n${this.log}`);
    assert.equal(this.process.signalCode, null, `the server was killed:\n${this.log}`);
    assert.equal((await request(this.port, '/healthz')).status, 200, this.log);
  }

  /** Runs the checks after an attack, and removes everything. */
  async cleanup() {
    try {
      if (this.process && this.process.exitCode === null && this.process.signalCode === null) await this.lives();
      for (const shard of this.shards) shard.close();
      await Promise.all(this.agents.map((agent) => agent.end('SIGTERM')));
      const code = await this.end('SIGTERM');
      const found = this.reports ? readdirSync(this.reports).map((file) => readFileSync(path.join(this.reports, file), 'utf8')).join('') : '';
      assert.equal(code, 0, `the server ended with ${code}:\n${this.log}\n${found}`);
    } finally {
      if (this.reports) rmSync(this.reports, {recursive: true, force: true});
      await super.cleanup();
    }
  }
}

/** Starts a server for attacks; it must still run after the test. */
export async function serve(t, settings, args) {
  const server = new Target(settings);
  t.after(() => server.cleanup());
  return server.start(args);
}

/** A connection with raw bytes. */
export class Raw {
  /** `where`: a port of this host, or a socket's path. */
  static async open(where) {
    const raw = new Raw();
    const secure = tls && typeof where === 'number';
    raw.socket = secure ? tlsModule.connect({port: where, host: '127.0.0.1', ca: readFileSync(tls.ca)})
      : typeof where === 'number' ? net.connect(where, '127.0.0.1') : net.connect(where);
    raw.received = Buffer.alloc(0);
    raw.closed = false;
    raw.socket.on('data', (data) => raw.received = Buffer.concat([raw.received, data]));
    raw.socket.on('error', () => {}); // being cut off is an answer, too
    raw.socket.on('close', () => raw.closed = true);
    raw.socket.on('end', () => raw.ended = true);
    await next(raw.socket, secure ? 'secureConnect' : 'connect');
    return raw;
  }

  send(bytes) {
    this.socket.write(bytes);
    return this;
  }

  get text() {
    return this.received.toString('latin1');
  }

  /** Waits until the received data matches; returns the match. Fails if the connection ends before. */
  async gets(pattern) {
    return until(`${pattern} in ${JSON.stringify(this.text)}`, () => {
      const match = this.text.match(pattern);
      assert.ok(match || !(this.closed || this.ended), `closed after ${JSON.stringify(this.text)}, waiting for ${pattern}`);
      return match;
    });
  }

  /** Waits until the server closes the connection; returns all that it sent. */
  async end() {
    await until(`the connection to be closed after ${JSON.stringify(this.text)}`, () => this.ended || this.closed);
    return this.text;
  }

  close() {
    this.socket.destroy();
  }
}

/** Sends bytes on a new connection; returns all that is received until the server closes it. */
export async function exchange(where, bytes) {
  const raw = await Raw.open(where);
  const answer = await raw.send(bytes).end();
  raw.close();
  return answer;
}

/** One masked websocket frame, as clients send them (RFC 6455, 5.2); every field can be wrong. */
export function frame(opcode, payload = '', {fin = true, reserved = 0, masked = true} = {}) {
  const data = Buffer.from(payload);
  const head = [(fin ? 0x80 : 0) | reserved << 4 | opcode];
  const mask = masked ? 0x80 : 0;
  if (data.length < 126) head.push(mask | data.length);
  else if (data.length < 65536) head.push(mask | 126, data.length >> 8, data.length & 255);
  else head.push(mask | 127, 0, 0, 0, 0, ...new Uint8Array(new Uint32Array([data.length]).buffer).reverse());
  return Buffer.concat([Buffer.from(head), ...masked ? [Buffer.alloc(4)] : [], data]); // a mask of zeroes changes nothing
}

/** The request for a websocket. */
export function upgrade(target, headers = '') {
  return `GET ${target} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n` +
    `Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n${headers}\r\n`;
}
