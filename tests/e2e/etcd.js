// etcd servers for tests, in folders of their own, on free ports.
import {spawn} from 'node:child_process';
import {mkdtempSync, readFileSync, rmSync} from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import net from 'node:net';
import {tmpdir} from 'node:os';
import path from 'node:path';
import {until} from './harness.js';

/** Ports that were free a moment ago: etcd must know its peers' ports before it starts. */
async function freePorts(count, host) {
  const servers = await Promise.all(Array.from({length: count}, () => new Promise((resolve) => {
    const server = net.createServer().listen(0, host, () => resolve(server));
  })));
  const ports = servers.map((server) => server.address().port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

/** A request to etcd's gateway; returns its answer as JSON. `tls`: {ca}. */
function call(url, path, body, tls) {
  return new Promise((resolve, reject) => {
    const request = (tls ? https : http).request(`${url}${path}`, {method: body ? 'POST' : 'GET', agent: false, ...tls && {ca: readFileSync(tls.ca), cert: tls.cert, key: tls.key}}, (response) => {
      let text = '';
      response.on('data', (data) => text += data);
      response.on('end', () => resolve(JSON.parse(text)));
    });
    request.on('error', reject);
    request.end(body && JSON.stringify(body));
  });
}

/** A cluster of `count` servers. `user` and `password`: the only user with access. `tls`: from certificates(). */
export class Etcd {
  constructor(count, {user, password, tls} = {}) {
    Object.assign(this, {user, password, tls});
    this.folder = mkdtempSync(path.join(tmpdir(), 'smaster-etcd-'));
    this.count = count;
    this.members = [];
    this.log = '';
  }

  async start(host = '127.0.0.1') {
    this.host = host;
    const ports = await freePorts(2 * this.count, host);
    const at = (port) => `http://${host}:${port}`;
    const client = (port) => `${this.tls ? 'https' : 'http'}://${host}:${port}`;
    const certificate = this.tls ? ['--cert-file', this.tls.certFile, '--key-file', this.tls.keyFile] : [];
    if (this.tls?.wanted) certificate.push('--client-cert-auth', '--trusted-ca-file', this.tls.ca);
    const peers = Array.from({length: this.count}, (_, i) => `n${i}=${at(ports[2 * i + 1])}`).join(',');
    this.members = Array.from({length: this.count}, (_, i) => ({
      port: ports[2 * i],
      args: ['--name', `n${i}`, '--data-dir', `${this.folder}/n${i}`, '--log-level', 'error',
        ...certificate, '--listen-client-urls', client(ports[2 * i]), '--advertise-client-urls', client(ports[2 * i]),
        '--listen-peer-urls', at(ports[2 * i + 1]), '--initial-advertise-peer-urls', at(ports[2 * i + 1]),
        '--initial-cluster', peers],
    }));
    for (const member of this.members) this.run(member);
    await Promise.all(this.members.map((member) => this.healthy(member)));
    if (this.user) await this.#enableAuth(client(ports[0]));
    return this;
  }

  async #enableAuth(url) {
    for (const [path, body] of [['user/add', {name: 'root', password: this.password}], ['user/add', {name: this.user, password: this.password}],
      ['role/add', {name: 'root'}], ['role/add', {name: 'smaster'}], ['user/grant', {user: 'root', role: 'root'}], ['user/grant', {user: this.user, role: 'smaster'}],
      ['role/grant', {name: 'smaster', perm: {permType: 'READWRITE', key: btoa('smaster/'), range_end: btoa('smaster0')}}], ['enable', {}]]) {
      await call(url, `/v3/auth/${path}`, body, this.tls);
    }
  }

  run(member) {
    member.process = spawn('etcd', member.args);
    member.process.stderr.on('data', (data) => this.log += data);
    member.process.stdout.on('data', (data) => this.log += data);
  }

  healthy(member) {
    return until(`etcd to be healthy; it said\n${this.log}`, async () => {
      try {
        return (await call(`${this.tls ? 'https' : 'http'}://${this.host}:${member.port}`, '/health', null, this.tls)).health === 'true';
      } catch {
        return false;
      }
    });
  }

  url(prefix = 'smaster') {
    const who = this.user ? `${encodeURIComponent(this.user)}:${encodeURIComponent(this.password)}@` : '';
    return `${this.tls ? 'etcds' : 'etcd'}://${who}${this.members.map(({port}) => `${this.host}:${port}`).join(',')}/${prefix}`;
  }

  async end() {
    for (const {process} of this.members) process?.kill('SIGKILL');
    rmSync(this.folder, {recursive: true, force: true, maxRetries: 5});
  }
}

export async function etcd(t, count = 1, options = {}) {
  const cluster = new Etcd(count, options);
  t.after(() => cluster.end());
  return cluster.start();
}
