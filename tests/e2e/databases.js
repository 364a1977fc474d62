// Real database servers from Debian's packages, each in a folder of its own and on a Unix socket only.
import assert from 'node:assert/strict';
import {execFileSync, spawn} from 'node:child_process';
import {chownSync, existsSync, mkdtempSync, readdirSync, rmSync} from 'node:fs';
import path from 'node:path';
import {until} from './harness.js';

/** Databases refuse to run as root: then they run as the user of their package. */
function identity(name) {
  if (process.getuid() !== 0) return {};
  const id = (flag) => Number(execFileSync('id', [flag, name], {encoding: 'utf8'}));
  return {uid: id('-u'), gid: id('-g')};
}

/** A folder with a short name: a socket's path is limited to 107 bytes. */
function folder(t, who) {
  const made = mkdtempSync('/tmp/smaster-db-');
  if (who.uid !== undefined) chownSync(made, who.uid, who.gid);
  t.after(() => rmSync(made, {recursive: true, force: true}));
  return made;
}

class DatabaseServer {
  constructor(t, program, args, who, ready) {
    Object.assign(this, {program, args, who, ready, log: ''});
    t.after(() => this.stop('SIGKILL'));
  }

  async start() {
    this.process = spawn(this.program, this.args, {...this.who, cwd: '/'});
    this.process.stderr.on('data', (data) => this.log += data);
    this.process.stdout.on('data', (data) => this.log += data);
    await until(`${this.program} to be ready`, () => {
      assert.equal(this.process.exitCode, null, this.log);
      return this.ready();
    });
    return this;
  }

  async stop(signal = 'SIGTERM') {
    if (!this.process || this.process.exitCode !== null || this.process.signalCode !== null) return;
    const gone = new Promise((resolve) => this.process.once('exit', resolve));
    this.process.kill(signal);
    await gone;
  }
}

export async function postgres(t) {
  const versions = readdirSync('/usr/lib/postgresql').sort((a, b) => b - a);
  const programs = `/usr/lib/postgresql/${versions[0]}/bin`;
  const who = identity('postgres');
  const dir = folder(t, who);
  execFileSync(`${programs}/initdb`, ['-D', `${dir}/data`, '-U', 'operator', '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync'], {...who, cwd: '/', stdio: 'pipe'});
  const ready = () => {
    try {
      execFileSync(`${programs}/pg_isready`, ['-h', dir], {stdio: 'pipe'});
      return true;
    } catch {
      return false;
    }
  };
  // SIGINT is its fast shutdown: it does not wait for clients.
  const server = new DatabaseServer(t, `${programs}/postgres`, ['-D', `${dir}/data`, '-k', dir, '-c', 'listen_addresses=', '-c', 'fsync=off'], who, ready);
  await server.start();
  server.url = `postgresql://operator@/postgres?host=${encodeURIComponent(dir)}`;
  server.restart = async () => {
    await server.stop('SIGINT');
    await server.start();
  };
  return server;
}

export async function mariadb(t) {
  const who = identity('mysql');
  const dir = folder(t, who);
  const program = ['/usr/sbin/mariadbd', '/usr/libexec/mariadbd'].find(existsSync);
  execFileSync('mariadb-install-db', ['--no-defaults', `--datadir=${dir}/data`, '--skip-test-db', '--auth-root-authentication-method=normal'], {...who, cwd: '/', stdio: 'pipe'});
  const socket = path.join(dir, 'db.sock');
  const ready = () => {
    try {
      execFileSync('mariadb-admin', ['--no-defaults', '-u', 'root', '-S', socket, 'ping'], {stdio: 'pipe'});
      return true;
    } catch {
      return false;
    }
  };
  const server = new DatabaseServer(t, program, ['--no-defaults', `--datadir=${dir}/data`, `--socket=${socket}`, '--skip-networking',
    `--pid-file=${dir}/pid`, '--innodb-flush-log-at-trx-commit=0', '--innodb-buffer-pool-size=16M'], who, ready);
  await server.start();
  execFileSync('mariadb-admin', ['--no-defaults', '-u', 'root', '-S', socket, 'create', 'bots'], {stdio: 'pipe'});
  server.url = `mysql://root@localhost/bots?unix_socket=${encodeURIComponent(socket)}`;
  server.restart = async () => {
    await server.stop();
    await server.start();
  };
  return server;
}
