// A master on npm's socket.io. It tests the agent against the reference implementation, and with behaviour that
// `smaster serve` never shows.
import {createSign, createVerify} from 'node:crypto';
import {mkdtempSync, rmSync} from 'node:fs';
import http from 'node:http';
import {tmpdir} from 'node:os';
import path from 'node:path';
import {Server as SocketIo} from 'socket.io';
import {Agent, keys, next} from './harness.js';

const captain = "Look at me, I'm the captain now. ";

export class Master {
  constructor(t, {proof, options = {}, heartbeat = {}, leases = true, masterPubKey} = {}) {
    this.folder = mkdtempSync(path.join(tmpdir(), 'smaster-master-'));
    this.botLog = path.join(this.folder, 'bots.log');
    this.proof = proof ?? ((time) => [this.sign(captain + time), captain + time]);
    this.options = options;
    this.heartbeat = heartbeat;
    this.leases = leases; // whether it answers when an agent asks how long its bot may run
    this.masterPubKey = masterPubKey ?? keys().publicKey;
    this.headers = [];
    this.statuses = [];
    this.agents = [];
    t.after(async () => {
      await Promise.all(this.agents.map((agent) => agent.end('SIGTERM')));
      await this.stop();
      rmSync(this.folder, {recursive: true, force: true});
    });
  }

  sign(text) {
    return createSign('RSA-SHA256').update(text).sign(keys().privateKey, 'base64');
  }

  async start() {
    this.http = http.createServer((request, response) => response.writeHead(501).end());
    this.io = new SocketIo(this.http, {
      path: '/socket.io/master/', maxHttpBufferSize: 1e8, ...this.options,
      allowRequest: (request, done) => {
        const [name, signature, time] = (request.headers.authorization ?? '').split(',');
        if (!request._query?.sid && !request.url.includes('sid=')) this.headers.push(request.headers.authorization);
        const good = createVerify('RSA-SHA256').update(name + time).verify(keys().publicKey, signature ?? '', 'base64');
        done(null, good && Math.abs(Date.now() - Number(time)) < 300_000);
      },
    });
    this.connections = 0;
    this.io.on('connection', (socket) => {
      ++this.connections;
      this.socket = socket;
      socket.on('status', (status) => this.statuses.push(status));
      socket.on('lease', (term, done) => this.leases && done(null));
      this.onConnection?.(socket);
      const proof = this.proof(Date.now());
      if (proof) socket.emit('masterVerification', ...proof);
    });
    await new Promise((resolve) => this.http.listen(this.port ?? 0, '127.0.0.1', resolve));
    this.port = this.http.address().port;
    return this;
  }

  /** Ends as if killed, without closing connections properly. */
  async stop() {
    if (!this.http) return;
    this.io.engine.close();
    this.http.closeAllConnections();
    await new Promise((resolve) => this.http.close(resolve));
    this.http = null;
  }

  config(more = {}) {
    const {publicKey, privateKey} = keys();
    const host = {protocol: 'http:', host: '127.0.0.1', port: this.port, path: '/socket.io/', ...more};
    return {host, pubKey: publicKey, privKey: privateKey, masterPubKey: this.masterPubKey, id: 'abc', signAlgorithm: 'RSA-SHA256'};
  }

  agent(command, options) {
    const agent = new Agent(this, [this.config(options?.host)], command, options);
    this.agents.push(agent);
    return agent;
  }

  /** Sends the agent its shard id. */
  update(id, count, more = {}) {
    this.socket.emit('update', {id, count, master: false, ...more, config: {
      botName: 'release', nodeArgs: [], botArgs: [], ...more.config,
      heartbeat: {updateStyle: 'pull', interval: 30_000, requestRebootAfter: 120_000, expectRebootAfter: 180_000,
        assumeDeadAfter: 300_000, useMessageStats: false, ...this.heartbeat}}});
  }

  /** The next socket that connects. */
  connection() {
    return next(this.io, 'connection').then(([socket]) => socket);
  }
}

/** Starts a master that is stopped at the end of the test. */
export function master(t, options) {
  return new Master(t, options).start();
}
