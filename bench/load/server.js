// A server under load: that of tests/e2e's harness, with cheaper keys, and the kernel's figures about it.
import {generateKeyPairSync} from 'node:crypto';
import {readdirSync, readFileSync} from 'node:fs';
import {names, run, Server, until} from '../../tests/e2e/harness.js';

export {until};

/** The key pair of all shards of a LoadServer. */
export const {publicKey, privateKey} = generateKeyPairSync('rsa', {
  modulusLength: 2048,
  publicKeyEncoding: {type: 'spki', format: 'pem'},
  privateKeyEncoding: {type: 'pkcs8', format: 'pem'},
});

export class LoadServer extends Server {
  /** Configs of `count` new shards, which share a key. */
  async configs(count) {
    const letters = names(count).map((name, i) => name + (count > 17_576 ? String.fromCharCode(97 + Math.floor(i / 17_576)) : ''));
    const known = Object.fromEntries(letters.map((id) => [id, {id, key: publicKey, isMaster: false}]));
    const {code, stderr} = await this.tool(['shards', 'import', '-'], {input: JSON.stringify(known)});
    if (code !== 0) throw new Error(stderr);
    return letters.map((id) => ({host: {host: '127.0.0.1', port: this.port}, privKey: privateKey, id}));
  }

  /** Kilobytes of memory in use. */
  get rss() {
    return Number(readFileSync(`/proc/${this.process.pid}/status`, 'utf8').match(/VmRSS:\s+(\d+)/)[1]);
  }
  get descriptors() {
    return readdirSync(`/proc/${this.process.pid}/fd`).length;
  }
  /** Seconds of CPU used so far. */
  get cpu() {
    const fields = readFileSync(`/proc/${this.process.pid}/stat`, 'utf8').split(') ')[1].split(' ');
    return (Number(fields[11]) + Number(fields[12])) / 100;
  }
  prlimit(...limits) {
    return run('prlimit', ['--pid', String(this.process.pid), ...limits]);
  }
}

process.setMaxListeners(0);

export async function load(settings) {
  const server = new LoadServer(settings);
  process.on('exit', () => server.process?.kill('SIGKILL'));
  await server.start();
  return server;
}

/** The p-quantile of sorted numbers, such as 0.99. */
export function percentile(values, p) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted.length === 0 ? NaN : sorted[Math.min(sorted.length - 1, Math.floor(p * sorted.length))];
}
