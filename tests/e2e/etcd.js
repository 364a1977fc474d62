// etcd servers for tests, in folders of their own, on free ports.
import {spawn} from 'node:child_process';
import {mkdtempSync, rmSync} from 'node:fs';
import net from 'node:net';
import {tmpdir} from 'node:os';
import path from 'node:path';
import {until} from './harness.js';

/** Ports that were free a moment ago: etcd must know its peers' before it starts. */
async function freePorts(count, host) {
  const servers = await Promise.all(Array.from({length: count}, () => new Promise((resolve) => {
    const server = net.createServer().listen(0, host, () => resolve(server));
  })));
  const ports = servers.map((server) => server.address().port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

/** A cluster of `count`; ended with the test. */
export class Etcd {
  constructor(count) {
    this.folder = mkdtempSync(path.join(tmpdir(), 'smaster-etcd-'));
    this.count = count;
    this.members = [];
    this.log = '';
  }

  async start(host = '127.0.0.1') {
    this.host = host;
    const ports = await freePorts(2 * this.count, host);
    const at = (port) => `http://${host}:${port}`;
    const peers = Array.from({length: this.count}, (_, i) => `n${i}=${at(ports[2 * i + 1])}`).join(',');
    this.members = Array.from({length: this.count}, (_, i) => ({
      port: ports[2 * i],
      args: ['--name', `n${i}`, '--data-dir', `${this.folder}/n${i}`, '--log-level', 'error',
        '--listen-client-urls', at(ports[2 * i]), '--advertise-client-urls', at(ports[2 * i]),
        '--listen-peer-urls', at(ports[2 * i + 1]), '--initial-advertise-peer-urls', at(ports[2 * i + 1]),
        '--initial-cluster', peers],
    }));
    for (const member of this.members) this.run(member);
    await Promise.all(this.members.map((member) => this.healthy(member)));
    return this;
  }

  run(member) {
    member.process = spawn('etcd', member.args);
    member.process.stderr.on('data', (data) => this.log += data);
    member.process.stdout.on('data', (data) => this.log += data);
  }

  healthy(member) {
    return until(`etcd to be healthy; it said\n${this.log}`, async () => {
      try {
        return (await (await fetch(`http://${this.host}:${member.port}/health`)).text()).includes('true');
      } catch {
        return false;
      }
    });
  }

  url(prefix = 'smaster') {
    return `etcd://${this.members.map(({port}) => `${this.host}:${port}`).join(',')}/${prefix}`;
  }

  async end() {
    for (const {process} of this.members) process?.kill('SIGKILL');
    rmSync(this.folder, {recursive: true, force: true, maxRetries: 5});
  }
}

export async function etcd(t, count = 1) {
  const cluster = new Etcd(count);
  t.after(() => cluster.end());
  return cluster.start();
}
