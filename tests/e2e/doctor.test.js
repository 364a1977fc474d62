// smaster doctor: mistakes are planted, and each must be named together with what to do; a healthy fleet has none.
import assert from 'node:assert/strict';
import {execFileSync, spawnSync} from 'node:child_process';
import {appendFileSync, chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import path from 'node:path';
import {after, before, describe, test} from 'node:test';
import {io} from 'socket.io-client';
import {cluster} from './cluster.js';
import {discord, gateway} from './discord.js';
import {bin, run, serve, tls, until} from './harness.js';
import {authorization} from './shard.js';

/** Checks by name: {verdict, found, remedy}, and the exit code. */
async function examine(server, ...args) {
  const {code, stdout, stderr} = await server.tool(['doctor', '--json', ...(args.includes('--timeout') ? [] : ['--timeout', '60s']), ...args]);
  assert.equal(stderr, '');
  const lines = stdout.trim().split('\n').map(JSON.parse);
  const checks = Object.fromEntries(lines.map(({check, ...rest}) => [check, rest]));
  assert.equal(Object.keys(checks).length, lines.length, `one line for each check:\n${stdout}`);
  for (const {verdict, remedy} of lines) assert.equal(remedy !== '', verdict === 'warn' || verdict === 'failed', stdout);
  assert.equal(code, lines.some(({verdict}) => verdict === 'failed') ? 1 : 0);
  return checks;
}

/** Asserts that a check has this verdict, and names the mistake and what to do. */
function names(checks, check, verdict, found, remedy) {
  assert.ok(checks[check], `there is a check ${check}`);
  assert.equal(checks[check].verdict, verdict, JSON.stringify(checks[check]));
  assert.match(checks[check].found, found);
  assert.match(checks[check].remedy, remedy);
}

/** What an agent of this version sends with CONNECT. */
const agent = (version, more) => ({auth: {agent: version, instance: `${Math.random()}`, boot: 'b', machine: 'fra1', host: 'fra1', ...more}});
/** A demo shard that is an agent: its first status comes before it is told anything. */
function agentShard(server, config, version, facts, bot = {}) {
  const shard = server.shard(config, {socket: agent(version, facts)}).reports({bot: {agent: version, state: 'running', ...bot}});
  shard.socket.on('masterVerification', () => shard.sendStatus());
  return shard;
}

function temporary(t) {
  const folder = mkdtempSync(path.join(tmpdir(), 'smaster-doctor-'));
  t.after(() => rmSync(folder, {recursive: true, force: true}));
  return folder;
}

const version = (await run(path.join(bin, 'smaster'), ['--version'])).stdout.trim().split(' ')[1];

test('a healthy fleet has no findings', async (t) => {
  const folder = temporary(t);
  writeFileSync(`${folder}/token`, 'sesame\n', {mode: 0o600});
  const api = await discord(t, folder, () => ({body: gateway(2, {max_concurrency: 16})}));
  const server = await serve(t, `[shards]\ncount = 2\nlogin_patience = "1s"\ntoken_file = "${folder}/token"\n[discord]\napi_base = "${api.base}"\nca_file = "${api.ca}"\n`);
  const [plain, agents] = await server.register(2);
  server.shard(plain);
  agentShard(server, agents, version, {uid: 1000, confined: true}, {ready: true});
  await server.running(2);
  const checks = await until('nothing to be found', async () => {
    const all = await examine(server);
    return all.reshard.verdict === 'ok' && all.shards.found.startsWith('2 of 2') && all.discord.verdict !== 'skipped' && all;
  });
  const bad = Object.entries(checks).filter(([, {verdict}]) => !['ok', 'skipped'].includes(verdict));
  assert.deepEqual(bad, []);
  const {stdout, code} = await server.tool(['doctor']);
  assert.equal(code, 0);
  assert.match(stdout, /^ok +server +it answers on /m);
  assert.match(stdout, /^ok +goal +the goal is 2 shards, each has its shard$/m);
  assert.doesNotMatch(stdout, /To do:|FAILED|WARN/);
});

describe('a server with many mistakes', () => {
  const hooks = [];
  const t = {after: (hook) => hooks.unshift(hook)};
  after(async () => {
    for (const hook of hooks) await hook();
  });
  let server, checks, folder;

  before(async () => {
    folder = temporary(t);
    const project = path.join(folder, 'project');
    mkdirSync(project);
    writeFileSync(`${project}/token`, 'sesame\n');
    chmodSync(`${project}/token`, 0o644);
    writeFileSync(`${folder}/mailer`, '#!/bin/sh\nexit 3\n');
    chmodSync(`${folder}/mailer`, 0o755);
    const api = await discord(t, folder, () => ({status: 401, body: {message: '401: Unauthorized', code: 0}}));
    server = await serve(t, `[server]
address = "0.0.0.0"
trusted_proxies = ["0.0.0.0/0"]
project_dir = "${project}"
[shards]
count = 16
token_file = "${project}/token"
timestamp_precision = "2h"
[discord]
api_base = "${api.base}"
ca_file = "${api.ca}"
[limits]
conn_count = 1000
[mail]
enabled = true
command = "${folder}/mailer"
[update]
command = ["no-such-program"]
`);
    const [duplicate, clock, old, crashing, refused] = await server.register(6);
    // One config, twice.
    const again = {transports: ['websocket'], reconnectionDelay: 50, reconnectionDelayMax: 50};
    for (let i = 0; i < 2; ++i) server.shard(duplicate, {socket: again});
    server.shard(clock).reports({timestamp: Date.now() + 3_600_000});
    agentShard(server, old, '0.0.1', {uid: 0, confined: false});
    server.shard(crashing).reports({bot: {agent: version, state: 'waiting', crashLoop: true, lastExit: 'exit 3'}});
    server.shard(refused).reports({bot: {agent: version, state: 'running', gateways: [{id: 0, state: 'refused', code: 4014}]}});
    for (const header of [authorization(clock, Date.now() + 3 * 3_600_000), authorization(clock, Date.now(), 'zzz')]) {
      const socket = io(`${clock.host.protocol}//127.0.0.1:${server.port}`, {path: '/socket.io/master/', extraHeaders: {authorization: header}, reconnection: false, ca: tls && readFileSync(tls.ca)});
      await new Promise((resolve) => socket.once('connect_error', resolve));
      socket.close();
    }
    mkdirSync(`${server.state}/shards`, {recursive: true});
    writeFileSync(`${server.state}/shards/shard_abc_config.json`, '{}');
    chmodSync(`${server.state}/shards/shard_abc_config.json`, 0o644);
    appendFileSync(`${server.folder}/smaster.toml`, '[shard]\ncuont = 3\n');
    checks = await until('all to be seen', async () => {
      const all = await examine(server);
      return all.duplicates.verdict === 'failed' && all.mail.verdict === 'failed' && /closed? code 4014/.test(all.bots.found) && /exit 3/.test(all.bots.found) &&
        all.versions.verdict === 'warn' && /the clock of shard/.test(all.clock.found) && all.token.verdict === 'failed' && all.settings.verdict === 'failed' && all;
    });
  });

  for (const [mistake, ...expected] of [
    ['an edit that cannot be used', 'settings', 'failed', /smaster\.toml:\d+:\d+: unknown section "shard".*keeps its old settings/, /config check/],
    ['a token that others can read', 'permissions', 'failed', /project\/token can be read by other users/, /chmod 600 \S*token/],
    ['a config that others can read', 'permissions', 'failed', /shard_abc_config\.json can be read by other users/, /chmod 600 \S*shard_abc_config\.json/],
    ['a token that Discord refuses', 'token', 'failed', /the bot's token is wrong \(401\)/, /portal shows into shards\.token_file/],
    ['proxies that are everybody', 'network', 'failed', /trusted_proxies has 0\.0\.0\.0\/0/, /only the addresses of your proxies/],
    ['configs that lead nowhere', 'network', 'failed', /remote_host\.host = "127\.0\.0\.1"/, /set remote_host\.host/],
    ['headers that are valid for hours', 'times', 'warn', /timestamp_precision = 2h/, /by NTP/],
    ['a program that is not there', 'programs', 'failed', /update\.command: there is no program no-such-program/, /install it/],
    ['a secret in project_dir', 'project', 'warn', /shards\.token_file/, /elsewhere/],
    ['a clock that is off', 'clock', 'warn', /the clock of shard \w+.* is \d+\w+ ahead/, /timedatectl set-ntp true/],
    ['a clock that is refused', 'clock', 'warn', /a handshake was refused lately, since shard \w+'s clock is 3h ahead/, /clock of that host by NTP/],
    ['an unknown shard', 'handshakes', 'warn', /unknown name or bad signature \("zzz"\)/, /smaster genconfig/],
    ['an old agent', 'versions', 'warn', /the agent of shard \w+.* on fra1 is 0\.0\.1, this server \d/, /install the same version/],
    ['an agent that is not confined', 'confinement', 'warn', /the agent of shard \w+.* on fra1 runs as root and unconfined/, /smaster-agent@\.service/],
    ['a config that is used twice', 'duplicates', 'failed', /the config of shard \w+.* is used also at 127\.0\.0\.1/, /stop one of the two/],
    ['a shard that never came', 'shards', 'warn', /shard \w+.* has never connected/, /smaster agent --check/],
    ['a bot that dies', 'bots', 'failed', /the bot of shard \w+.* dies again and again, at last with exit 3/, /output/],
    ['wrong intents', 'bots', 'failed', /Discord refuses the bot of shard \w+.* with close code 4014: .*intents/, /respawn/],
    ['a goal above what is known', 'goal', 'failed', /the goal is 16 shards, but the known configs have room for 6/, /smaster genconfig --count 10/],
    ['mail that fails', 'mail', 'failed', /mailer ended with exit code 3/, /mail\.command/],
  ]) {
    test(mistake, () => names(checks, ...expected));
  }

  test('for people it is one line for each check, the worst first', async () => {
    const {stdout, code} = await server.tool(['doctor']);
    assert.equal(code, 1);
    const lines = stdout.trimEnd().split('\n');
    const order = lines.map((line) => ['FAILED', 'WARN', 'skipped', 'ok'].indexOf(line.split(' ')[0]));
    assert.deepEqual(order, order.toSorted());
    for (const line of lines) assert.match(line, /^((FAILED|WARN) +[a-z]+ +\S.*[.?] To do: \S|(skipped|ok) +[a-z]+ +\S)/);
  });

  test('without the server, what its machine shows is still found', async () => {
    await server.end('SIGTERM');
    server.configure(server.settings);
    const file = `${server.folder}/smaster.toml`;
    const down = await examine(server, '--config', file);
    names(down, 'server', 'failed', /no server answers on the control socket/, /systemctl status smaster.*journalctl/);
    names(down, 'permissions', 'failed', /project\/token can be read/, /chmod 600/);
    names(down, 'programs', 'failed', /no-such-program/, /install it/);
    appendFileSync(file, '[shard]\n');
    names(await examine(server, '--config', file), 'settings', 'failed', /unknown section/, /config check/);
  });
});

test('a certificate, its key and Discord\'s limits', async (t) => {
  const folder = temporary(t);
  const openssl = (...args) => execFileSync('openssl', args, {cwd: folder, stdio: 'pipe'});
  const api = await discord(t, folder, () => ({body: gateway(60, {remaining: 25, total: 1000})}));
  openssl('x509', '-req', '-in', 'server.csr', '-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-out', 'old.pem', '-days', '-1', '-extfile', 'san');
  openssl('x509', '-req', '-in', 'server.csr', '-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-out', 'soon.pem', '-days', '3', '-extfile', 'san');
  chmodSync(`${folder}/server.key`, 0o644);
  writeFileSync(`${folder}/token`, 'sesame\n', {mode: 0o600});
  const settings = (certificate) => `[server]\ntls_certificate = "${folder}/${certificate}"\ntls_key = "${folder}/server.key"\n[shards]\ncount = 50\ntoken_file = "${folder}/token"\n[discord]\napi_base = "${api.base}"\nca_file = "${api.ca}"\n[remote_host]\nhost = "shards.example.org"\n`;
  const server = await serve(t, settings('old.pem'));
  const checks = await until('the limits', async () => {
    const all = await examine(server);
    return all.discord.verdict !== 'skipped' && all;
  });
  names(checks, 'certificate', 'failed', /old\.pem has expired 1 day ago/, /renew it/);
  names(checks, 'certificate', 'failed', /not valid for shards\.example\.org/, /remote_host\.host/);
  names(checks, 'permissions', 'failed', /server\.key can be read by other users/, /chmod 600/);
  names(checks, 'discord', 'warn', /the goal is 50 shards, Discord recommends 60/, /smaster reshard 60/);
  names(checks, 'discord', 'warn', /a restart of all 50 shards needs more logins than the 5 that are left/, /until then/);
  server.configure(settings('soon.pem'));
  await until('the renewal to be seen', async () => /soon\.pem expires in 2 days/.test((await examine(server)).certificate.found));
});

test('too few descriptors', async (t) => {
  const server = await serve(t, '[shards]\ncount = 0\n');
  await server.end('SIGTERM');
  server.wrapper = ['prlimit', '--nofile=128:128'];
  server.settings = '[shards]\ncount = 500\n';
  await server.start();
  names(await examine(server), 'descriptors', 'failed', /limit of 128 descriptors has room for \d+ shards, and there are 500/, /LimitNOFILE=/);
});

test('a dead host', async (t) => {
  const server = await serve(t);
  const [config] = await server.register(1);
  const shard = server.shard(config);
  await server.running(1);
  shard.close();
  const checks = await until('it to be offline', async () => {
    const all = await examine(server);
    return all.shards.verdict === 'warn' && all;
  });
  names(checks, 'shards', 'warn', new RegExp(`shard ${config.id} \\(id 0\\).* is offline, and was last seen`), /look at its host/);
});

test('a reshard that waits for a bot that dies', async (t) => {
  const server = await serve(t, '[shards]\ncount = 2\nreshard_strategy = "rolling"\n');
  const [first, second, third] = await server.register(3);
  server.shard(first);
  server.shard(second);
  await server.running(2);
  // A bot that never runs: its new id is the first of the new generation.
  server.shard(third).reports({currentShardId: -1, currentShardCount: -1, bot: {agent: version, state: 'waiting', crashLoop: true, lastExit: 'exit 3'}});
  await until('the spare', async () => (await server.stats()).current === 3);
  assert.equal((await server.tool(['reshard', '3'])).code, 0);
  const checks = await until('it to wait', async () => {
    const all = await examine(server);
    return all.reshard.verdict === 'warn' && all;
  });
  names(checks, 'reshard', 'warn', new RegExp(`0 of 3 ids are up, 2 shards are of the old count; it waits for shard ${third.id} .*, crashing`), /smaster reshard OLDCOUNT/);
});

test('a server that is frozen', async (t) => {
  const server = await serve(t);
  server.process.kill('SIGSTOP');
  const checks = await examine(server, '--timeout', '1s', '--config', `${server.folder}/smaster.toml`);
  names(checks, 'server', 'failed', new RegExp(`process ${server.process.pid} is stopped by a signal`), new RegExp(`kill -CONT ${server.process.pid}`));
});

const mountable = process.getuid() === 0 && spawnSync('unshare', ['-m', 'mount', '-t', 'tmpfs', 'x', '/mnt']).status === 0;
test('a full disk, and one that has become read-only', {skip: !mountable && 'file systems cannot be mounted here'}, async (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), 'smaster-doctor-'));
  const mount = (...args) => execFileSync('mount', args, {stdio: 'pipe'});
  mount('-t', 'tmpfs', '-o', 'size=4m,mode=0777', 'smaster-test', folder);
  t.after(() => {
    execFileSync('umount', ['-l', folder]);
    rmSync(folder, {recursive: true});
  });
  const server = await serve(t, '[heartbeat]\ninterval = "100ms"\n', [], {state: `${folder}/state`});
  names(await examine(server), 'disk', 'failed', /the disk of server\.state_dir .* has only \d MiB left/, /df -h/);
  server.shard((await server.register(1))[0]);
  await server.running(1);
  assert.throws(() => {
    for (;;) writeFileSync(`${folder}/filler`, Buffer.alloc(4096), {flag: 'a'});
  }, {code: 'ENOSPC'});
  const full = await until('the store to fail', async () => {
    const all = await examine(server);
    return all.store.verdict === 'failed' && all;
  });
  names(full, 'store', 'failed', /smaster\.db/, /free or repair/);
  await server.end('SIGKILL');
  rmSync(`${folder}/filler`);
  mount('-o', 'remount,ro', folder);
  await server.start();
  names(await examine(server), 'disk', 'failed', /is read-only/, /dmesg/);
});

test('servers of a cluster, and their store', async (t) => {
  const group = await cluster(t, 2);
  const [first, second] = group.servers;
  const found = async (server, check, pattern) => {
    const checks = await until(`${check} to be ${pattern}`, async () => {
      const all = await examine(server, '--config', `${server.folder}/smaster.toml`);
      return pattern.test(all[check]?.found) && all;
    });
    return checks;
  };
  for (const server of [first, second]) assert.equal((await found(server, 'cluster', /^2 servers, all reachable$/)).cluster.verdict, 'ok');
  const leader = await group.leader();
  await (leader === first ? second : first).end('SIGKILL');
  names(await found(leader, 'cluster', /no other server stands by/), 'cluster', 'warn', /stands by/, /start a second one/);
  for (const etcd of group.url.members) etcd.process.kill('SIGSTOP');
  t.after(() => group.url.members.forEach((etcd) => etcd.process.kill('SIGCONT')));
  names(await found(leader, 'server', /no server leads now/), 'server', 'failed', /no server leads now/, /etcdctl endpoint health/);
});

test('a real agent tells how it runs', async (t) => {
  const server = await serve(t);
  server.agent(await server.register(1), ['/bin/sleep', '1000']);
  await server.running(1);
  const status = readFileSync('/proc/self/status', 'utf8');
  const confined = /^(NoNewPrivs:\t1|Seccomp:\t2)$/m.test(status);
  const {verdict, found} = (await examine(server)).confinement;
  if (process.getuid() === 0) assert.match(found, confined ? /runs as root$/ : /runs as root and unconfined$/);
  else assert.equal(verdict, confined ? 'ok' : 'warn');
});
