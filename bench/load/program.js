// The programs that the benches start: this server with known shards, and the load generator's shards; and their costs.
// CPU is the time that the program's threads have used, in nanoseconds, as reported by the kernel (schedstat).
import {spawn} from 'node:child_process';
import {generateKeyPairSync} from 'node:crypto';
import {mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import path from 'node:path';
import {createInterface} from 'node:readline';

export const bin = path.resolve(process.env.SMASTER_BIN);

export const folder = mkdtempSync(path.join(tmpdir(), 'smaster-bench-'));
process.on('exit', () => rmSync(folder, {recursive: true, force: true}));
const keys = generateKeyPairSync('rsa', {modulusLength: 2048, publicKeyEncoding: {type: 'spki', format: 'pem'}, privateKeyEncoding: {type: 'pkcs8', format: 'pem'}});
writeFileSync(`${folder}/key.pem`, keys.privateKey);
writeFileSync(`${folder}/public.pem`, keys.publicKey);

/** A measured program, or one that generates load. */
export class Program {
  constructor(command, env = {}) {
    this.child = spawn(command[0], command.slice(1), {env: {...process.env, ...env}, stdio: ['pipe', 'pipe', 'pipe']});
    this.log = '';
    this.child.stderr.on('data', (data) => this.log += data);
    this.lines = createInterface({input: this.child.stdout})[Symbol.asyncIterator]();
  }
  async line() {
    const {value, done} = await this.lines.next();
    if (done) throw new Error(`it ended: ${this.log}`);
    return value;
  }
  async tell(command) {
    this.child.stdin.write(`${command}\n`);
    return JSON.parse(await this.line());
  }
  /** Waits until its log contains this text. */
  async says(pattern) {
    while (!pattern.test(this.log)) {
      if (this.child.exitCode !== null) throw new Error(`it ended: ${this.log}`);
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  }
  /** CPU time used by all its threads, in microseconds. */
  get cpu() {
    const tasks = `/proc/${this.child.pid}/task`;
    return readdirSync(tasks).reduce((sum, task) => sum + Number(readFileSync(`${tasks}/${task}/schedstat`, 'utf8').split(' ')[0]), 0) / 1000;
  }
  /** Its private memory, in bytes. */
  get memory() {
    return Number(readFileSync(`/proc/${this.child.pid}/status`, 'utf8').match(/VmRSS:\s+(\d+)/)[1]) * 1024;
  }
  end() {
    const gone = new Promise((resolve) => this.child.once('exit', resolve));
    this.child.kill('SIGKILL');
    return gone;
  }
}

/** `count` shards in the format of knownShards.json. */
const known = (count) => JSON.stringify(Object.fromEntries(Array.from({length: count}, (_, n) => [letters(n), {id: letters(n), key: keys.publicKey}])));

export const letters = (n) => [3, 2, 1, 0].map((i) => String.fromCharCode(97 + Math.floor(n / 26 ** i) % 26)).join('');

/** Starts this server in a folder. `style`: its update style; `shards`: further settings of [shards]; `more`: of other sections. */
export async function smaster(state, count, style, {shards = '', more = ''} = {}) {
  const socket = `${state}/control.sock`;
  writeFileSync(`${state}/smaster.toml`, `[server]\nport = 0\nstate_dir = "${state}/state"\n[shards]\ncount = ${count}\nauto_generate = false\n${shards}[limits]\nconn_count = 1000000\n[heartbeat]\nupdate_style = "${style}"\n[log]\nlevel = "info"\n${more}`);
  const server = new Program([`${bin}/smaster`, 'serve', '--config', `${state}/smaster.toml`, '--socket', socket]);
  server.socket = socket;
  await server.says(/listening on/);
  server.port = Number(server.log.match(/listening on \S+ port (\d+)/)[1]);
  return server;
}

/** Returns when the server knows `count` shards of the load generator. */
export async function importShards(server, count) {
  const tool = new Program([`${bin}/smaster`, 'shards', 'import', '-', '--socket', server.socket]);
  tool.child.stdin.end(known(count));
  await new Promise((resolve) => tool.child.once('exit', resolve));
}
