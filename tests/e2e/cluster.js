// Several servers on one store. All connections (servers to etcd, shards to servers, servers to each other) use links
// that can be cut.
import {generateKeyPairSync} from 'node:crypto';
import {chmodSync, mkdirSync, writeFileSync} from 'node:fs';
import net from 'node:net';
import {etcd, Etcd} from './etcd.js';
import {Server, protocol, request, tls, until} from './harness.js';

/** The lease: short enough to miss a leader soon, long enough for a busy machine to keep its leader. */
const shortLease = process.env.SMASTER_SANITIZED ? '6s' : '2s';

/** A TCP port that forwards to another one and can be cut: data in transit is held, and no side is notified. */
export class Link {
  constructor(target) {
    this.target = target; // a port, or a function that gives it
    this.sockets = new Set();
    this.cut = false;
    this.server = net.createServer({pauseOnConnect: true}, (near) => this.#join(near));
  }

  async open() {
    await new Promise((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    this.port = this.server.address().port;
    return this;
  }

  #join(near) {
    const far = net.connect(typeof this.target === 'function' ? this.target() : this.target, '127.0.0.1');
    for (const [one, other] of [[near, far], [far, near]]) {
      this.sockets.add(one);
      one.on('error', () => {});
      one.on('close', () => {
        this.sockets.delete(one);
        if (!this.cut) other.destroy();
      });
    }
    near.setNoDelay(true);
    far.setNoDelay(true);
    near.pipe(far, {end: true});
    far.pipe(near, {end: true});
    if (this.cut) this.#hold(near, far);
  }

  #hold(...sockets) {
    for (const socket of sockets) {
      socket.unpipe();
      socket.pause();
    }
  }

  sever() {
    this.cut = true;
    this.#hold(...this.sockets);
  }

  /** Forwards new connections again; held ones are lost. */
  mend() {
    this.cut = false;
    for (const socket of this.sockets) socket.destroy();
  }

  close() {
    this.server.close();
    for (const socket of this.sockets) socket.destroy();
  }
}

/** Servers that share a store. `url`: the store's URL for server i. */
export class Cluster {
  constructor(count, {settings = '', lease = shortLease, url, links = false} = {}) {
    this.count = count;
    this.settings = settings;
    this.lease = lease;
    this.url = url;
    this.links = links;
    this.servers = [];
    this.fronts = []; // to the servers' shard ports
    this.backs = [];  // each server's links to the etcds
  }

  /** Creates the servers, and starts them unless `start` is false. */
  async start() {
    ({privateKey: this.privateKey} = generateKeyPairSync('rsa', {modulusLength: 4096, publicKeyEncoding: {type: 'spki', format: 'pem'}, privateKeyEncoding: {type: 'pkcs8', format: 'pem'}}));
    for (let i = 0; i < this.count; i++) this.fronts.push(await new Link(() => this.servers[i].port ?? 1).open());
    const masters = this.fronts.map(({port}) => `"127.0.0.1:${port}"`).join(', ');
    for (let i = 0; i < this.count; i++) {
      const server = new Server(`${this.settings}\n[store]\nurl = "${await this.#storeUrl(i)}"\nlease = "${this.lease}"\n` +
        `[cluster]\nname = "m${i}"\nurl = "${protocol}//127.0.0.1:${this.fronts[i].port}"\nmasters = [${masters}]\n${tls ? `ca_file = "${tls.ca}"\n` : ''}`);
      mkdirSync(server.state, {mode: 0o700});
      writeFileSync(`${server.state}/shardMaster.priv`, this.privateKey, {mode: 0o600});
      chmodSync(server.state, 0o700);
      this.servers.push(server);
    }
    await Promise.all(this.servers.map((server) => server.start()));
    await this.leader();
    return this;
  }

  async #storeUrl(i) {
    if (!(this.url instanceof Etcd)) return this.url;
    if (!this.links) return this.url.url();
    this.backs[i] = await Promise.all(this.url.members.map(({port}) => new Link(port).open()));
    return `etcd://${this.backs[i].map(({port}) => `127.0.0.1:${port}`).join(',')}/smaster`;
  }

  /** The list of members, from one of the servers. */
  async members(server = this.servers.find((one) => one.process.exitCode === null && one.process.signalCode === null)) {
    const {stdout} = await server.tool(['members', '--json', '--timeout', '5s']);
    return stdout ? JSON.parse(stdout) : {leader: null, members: []};
  }

  /** The leader, once it accepts shards. */
  leader(except) {
    return until('a server to lead', async () => {
      for (const server of this.servers) {
        if (server === except || server.process.exitCode !== null || server.process.signalCode !== null) continue;
        const answer = await fetchReady(server);
        if (answer === 200) return server;
      }
      return null;
    });
  }

  /** Registers shards whose configs list all servers. */
  async register(count, options) {
    let configs;
    await until('shards to be registered', async () => {
      try {
        configs = await (await this.leader()).register(count, options);
        return true;
      } catch (error) {
        if (!/went away|leads? now|does not lead|try again/.test(error.message)) throw error;
        return false; // the lead has just changed; what was registered is known
      }
    });
    const hosts = this.fronts.map(({port}) => ({protocol, host: '127.0.0.1', port, path: '/socket.io/'}));
    return configs.map((config) => ({...config, host: hosts}));
  }

  async cleanup() {
    const agents = this.servers.flatMap((server) => server.agents);
    await Promise.all(agents.map((agent) => agent.end('SIGTERM')));
    for (const link of [...this.fronts, ...this.backs.flat()]) link.close();
    await Promise.all(this.servers.map((server) => server.cleanup()));
  }
}


/** The status of /readyz; none without an answer. */
async function fetchReady(server) {
  try {
    return (await Promise.race([request(server.port, '/readyz'), new Promise((_, reject) => setTimeout(reject, 1000, new Error('late')).unref())])).status;
  } catch {
    return null;
  }
}

/** A cluster for a test, on an etcd of its own unless `url` is given. */
export async function cluster(t, count, options = {}) {
  const made = new Cluster(count, {...options, url: options.url ?? await etcd(t, options.etcds ?? 1)});
  t.after(() => made.cleanup());
  return made.start();
}
