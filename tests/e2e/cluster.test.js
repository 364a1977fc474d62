// Several servers on one store: one leads, its loss interrupts control for seconds, and bots keep running.
import assert from 'node:assert/strict';
import {randomBytes, sign} from 'node:crypto';
import {existsSync, mkdirSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import path from 'node:path';
import {test} from 'node:test';
import {cluster} from './cluster.js';
import {postgres} from './databases.js';
import {alive, bin, keys, next, protocol, request, run, serve, tls, until} from './harness.js';
import {authorization} from './shard.js';

/** Requests the control API like another server; returns the status. */
const askControl = (server, authorization, localAddress) => new Promise((resolve, reject) => {
  const asked = (tls ? https : http).get({host: '127.0.0.1', port: server.port, localAddress, agent: false, ca: tls && readFileSync(tls.ca), path: '/control',
    headers: {connection: 'Upgrade', upgrade: 'smaster-control', authorization}});
  asked.on('error', reject);
  asked.on('response', (response) => resolve(response.resume().statusCode));
  asked.on('upgrade', (response, socket) => {
    socket.destroy();
    resolve(response.statusCode);
  });
});
/** The id of a server's run, for which proofs are valid. */
const instanceOf = async (server) => (await request(server.port, '/readyz')).headers['x-smaster-instance'];
const controlProof = (name, run, time, key) => {
  const nonce = randomBytes(16).toString('hex');
  return `${time},${nonce},${sign('sha256', `smaster control ${name} ${run} ${time} ${nonce}`, key).toString('base64')}`;
};

const settings = '[shards]\ncount = 3\n[heartbeat]\ninterval = "200ms"\n';

/** Agents with running bots. */
async function fleet(servers, count) {
  const configs = await servers.register(count);
  const home = servers.servers[0]; // whose folder has the bots' log
  const agents = configs.map((config) => home.agent([config], 'discord-bot.js'));
  await (await servers.leader()).running(count);
  return {home, agents, starts: () => home.bots().length};
}

for (const {name, begin} of [{name: 'etcd', begin: async () => ({})}, {name: 'PostgreSQL', begin: async (t) => ({url: (await postgres(t)).url})}]) {
  test(`${name}: one server leads, the others send shards and tools to it`, async (t) => {
    const servers = await cluster(t, 3, {settings, ...await begin(t)});
    const {home, starts} = await fleet(servers, 3);
    const leader = await servers.leader();
    const standby = servers.servers.find((server) => server !== leader);

    const ready = await request(standby.port, '/readyz');
    assert.equal(ready.status, 503);
    const url = `${protocol}//127.0.0.1:${servers.fronts[servers.servers.indexOf(leader)].port}`;
    assert.match(ready.body, new RegExp(`stands by; ${url} leads`));
    assert.equal(ready.headers['x-smaster-leader'], url);
    assert.ok(Number(ready.headers['x-smaster-lag']) < 30_000);

    // Tools may ask any server; requests about a server are answered by that server.
    assert.equal((await standby.stats()).configured, 3);
    assert.deepEqual((await standby.evaluate('this.shard.ids[0]')).map(({result}) => result), [0, 1, 2]);
    assert.match((await standby.tool(['genconfig', '--out', '-'])).stdout, /"host":\[\{"protocol":"https?:"/);
    assert.equal((await standby.tool(['log-level', 'debug'])).code, 0);
    assert.equal((await leader.tool(['log-level'])).stdout, 'info\n');
    const {leader: named, members} = await servers.members(standby);
    assert.equal(named, `m${servers.servers.indexOf(leader)}`);
    assert.deepEqual(members.map(({name: who, state, this: own}) => [who, state, own]),
      servers.servers.map((server, i) => [`m${i}`, server === leader ? 'leads' : 'stands by', server === standby]));
    assert.match((await standby.tool(['members'])).stdout, /MEMBER +STATE[^]*m\d \(this\) +stands by/);

    // Step-down: the new leader has all data, and no bot has noticed it.
    const handed = await standby.tool(['step-down']);
    assert.match(handed.stdout, /^m\d has handed over, m\d leads\n$/, handed.stderr + servers.servers.map(({log}) => log).join('\n'));
    const second = await servers.leader(leader);
    await second.running(4 - 1);
    assert.equal(starts(), 3);
    await until('the old leader to stand by', async () => (await request(leader.port, '/readyz')).headers['x-smaster-leader']);
    assert.equal((await leader.stats()).configured, 3);

    // Leader killed: the third server leads without help.
    await second.end('SIGKILL');
    const third = await servers.leader();
    await third.running(3);
    assert.equal(starts(), 3, 'no bot was restarted');
    for (const bot of home.bots()) assert.ok(alive(bot.pid));
    assert.equal((await third.stats()).known, 4, 'the config that was made is known');
  });
}

test('a leader that was held up says nothing more, and drops its shards', async (t) => {
  const servers = await cluster(t, 2, {settings});
  const {starts} = await fleet(servers, 3);
  const leader = await servers.leader();
  leader.process.kill('SIGSTOP');
  const other = await servers.leader(leader);
  await other.running(3);
  leader.process.kill('SIGCONT');
  await until('it to notice', () => /does not lead any more/.test(leader.log) && /leads; this server stands by/.test(leader.log));
  assert.equal((await leader.stats()).configured, 3);
  assert.equal(starts(), 3);
});

test('a leader that cannot reach etcd gives up in time; one that shards cannot reach is left by them', async (t) => {
  const servers = await cluster(t, 2, {settings, links: true});
  const {starts} = await fleet(servers, 3);
  const leader = await servers.leader();
  const at = servers.servers.indexOf(leader);
  for (const link of servers.backs[at]) link.sever();
  const other = await servers.leader(leader);
  await until('it to notice', () => /does not lead any more/.test(leader.log));
  await other.running(3);
  for (const link of servers.backs[at]) link.mend();
  await until('it to stand by', async () => (await request(leader.port, '/readyz')).headers['x-smaster-leader']);

  // Shards that cannot reach the leader wait and reconnect: their bots keep running.
  const front = servers.fronts[servers.servers.indexOf(other)];
  front.sever();
  await until('the shards to be away', async () => (await other.stats()).current === 0);
  front.mend();
  await other.running(3);
  assert.equal(starts(), 3);
});

test('what was registered is known to who takes over, and what was revoked is not', async (t) => {
  const servers = await cluster(t, 2, {settings});
  const leader = await servers.leader();
  await servers.register(5);
  assert.equal((await leader.tool(['shards', 'rm', 'aab'])).code, 0);
  await leader.end('SIGKILL');
  const other = await servers.leader();
  assert.deepEqual((await other.stats()).shards.map(({id}) => id), ['aaa', 'aac', 'aad', 'aae']);
});

test('a drained host stays drained under the next leader', async (t) => {
  const servers = await cluster(t, 2, {settings: settings.replace('count = 3', 'count = 1')});
  const [drained, other] = await servers.register(2);
  const on = (config, host) => servers.servers[0].agent([config], 'discord-bot.js', {flags: ['--host', host]});
  const leader = await servers.leader();
  on(drained, 'fra1');
  await leader.running(1);
  on(other, 'ams1');
  await until('the spare', async () => (await leader.stats()).current === 2);
  const standby = servers.servers.find((server) => server !== leader);
  const {code, stderr} = await standby.tool(['drain', 'fra1', '--yes']);
  assert.equal(code, 0, stderr);
  await leader.end('SIGKILL');
  const stats = await (await servers.leader(leader)).running(1);
  assert.deepEqual(stats.drained, ['fra1']);
  assert.deepEqual(stats.shards.map((row) => `${row.host} ${row.goalShardId}`).sort(), ['ams1 0', 'fra1 -1']);
});

test('a line of join-token is good under the next leader, who is asked until it leads, and only once', async (t) => {
  const servers = await cluster(t, 2, {settings});
  const leader = await servers.leader();
  const line = (await leader.tool(['join-token'])).stdout.trim();
  await leader.end('SIGKILL');
  const join = () => run(path.join(bin, 'smaster'), ['join', line, '--timeout', '2m', '--output', `${leader.folder}/new`, ...(tls ? ['--ca-file', tls.ca] : [])]);
  const joined = await join();
  assert.equal(joined.code, 0, joined.stderr);
  assert.equal(JSON.parse(readFileSync(joined.stdout.trim(), 'utf8')).host.length, 2);
  assert.match((await join()).stderr, /the token is used up/);
});

test('an unmodified shard is refused by a server that stands by, and taken by the one that leads', async (t) => {
  const servers = await cluster(t, 2, {settings: settings.replace('count = 3', 'count = 1')});
  const [config] = await servers.register(1);
  const leader = await servers.leader();
  const standby = servers.servers.find((server) => server !== leader);
  const to = (server) => ({...config, host: {...config.host[0], port: server.port}});
  const refused = standby.shard(to(standby));
  const [error] = await next(refused.socket.io, 'error');
  assert.match(String(error.description ?? error.message), /503|websocket error/);
  refused.close();
  leader.shard(to(leader));
  await leader.running(1);
});

test('a server with another key pair is refused at its start, with what to do', async (t) => {
  const servers = await cluster(t, 2, {settings});
  const leader = await servers.leader();
  const standby = servers.servers.find((server) => server !== leader);
  await standby.end();
  writeFileSync(`${standby.state}/shardMaster.priv`, keys().privateKey, {mode: 0o600});
  await standby.start();
  const [code] = await next(standby.process, 'exit').catch(() => [standby.process.exitCode]);
  assert.equal(code, 78);
  assert.match(standby.log, /shardMaster\.priv is not the key pair of the other servers[^]*copy shardMaster\.priv/);
});

test("the manual's rolling upgrade goes through all servers, and no bot notices", async (t) => {
  const servers = await cluster(t, 3, {settings});
  const {home, starts} = await fleet(servers, 3);
  const page = readFileSync(new URL('../../man/smaster-cluster.7', import.meta.url), 'utf8');
  const [, script] = page.match(/^\.Ss Rolling upgrade\n[^]*?^\.Bd .*\n([^]*?)^\.Ed$/m);
  const folder = `${home.folder}/upgrade`;
  mkdirSync(folder);
  writeFileSync(`${folder}/systemctl`, `#!/bin/sh\necho "$@" >${folder}/asked\nwhile [ -e ${folder}/asked ]; do sleep 0.1; done\n`, {mode: 0o755});
  const order = [];
  for (const server of servers.servers) {
    const done = run('bash', ['-c', script], {env: {PATH: `${folder}:${path.resolve(bin)}:${process.env.PATH}`, SMASTER_SOCKET: server.socket}});
    await until('the restart', () => existsSync(`${folder}/asked`) && readFileSync(`${folder}/asked`, 'utf8') === 'restart smaster\n');
    order.push((await servers.members(server)).leader);
    assert.equal(await server.end(), 0);
    await server.start();
    rmSync(`${folder}/asked`);
    const {code, stderr} = await done;
    assert.equal(code, 0, stderr);
  }
  servers.servers.forEach((server, i) => assert.notEqual(order[i], `m${i}`, 'it had handed over before'));
  await (await servers.leader()).running(3);
  assert.equal(starts(), 3);
});

test('a header that one leader has taken is refused by the next', async (t) => {
  const servers = await cluster(t, 2, {settings});
  const [config] = await servers.register(1);
  const header = authorization(config);
  const handshake = (server) => request(server.port, '/socket.io/master/?EIO=4&transport=polling', {headers: {authorization: header}});
  const first = await servers.leader();
  assert.equal((await handshake(first)).status, 200);
  await first.end('SIGKILL');
  const second = await servers.leader(first);
  assert.notEqual(second, first);
  assert.equal((await handshake(second)).status, 403);
  assert.match(second.log, /a header of aaa came twice/);
  assert.equal((await request(second.port, '/socket.io/master/?EIO=4&transport=polling', {headers: {authorization: authorization(config)}})).status, 200);
});

test("a server's control API is another server's by its key alone, and each proof is good once", async (t) => {
  const servers = await cluster(t, 1, {settings: `${settings}[limits]\nconn_count = 1000\n`});
  const [server] = servers.servers;
  const ask = (authorization) => askControl(server, authorization);
  let run = await instanceOf(server);
  const proof = (name, time, key = servers.privateKey, of = run) => controlProof(name, of, time, key);
  const good = proof('m0', Date.now());
  assert.equal(await ask(good), 101);
  assert.equal(await ask(good), 501, 'a second time');
  const unused = proof('m0', Date.now());
  await server.end('SIGKILL');
  await server.start();
  await servers.leader();
  assert.equal(await ask(good), 501, 'after a restart');
  assert.equal(await ask(unused), 501, 'what was recorded before it is no proof to this run');
  run = await instanceOf(server);
  assert.equal(await ask(proof('m0', Date.now())), 101);
  for (const bad of [proof('m1', Date.now()), proof('m0', Date.now() - 3_600_000), proof('m0', Date.now(), keys().privateKey), '', 'x', `${Date.now()},x,!`]) {
    assert.equal(await ask(bad), 501, bad);
  }
  assert.match(server.log, /somebody wants to use the control API as another server/);
  assert.equal((await servers.members()).leader, 'm0');
});

test('wrong proofs for the control API are limited by address, and a good one from elsewhere is taken meanwhile', async (t) => {
  const servers = await cluster(t, 1, {settings: `${settings}[limits]\nconn_time = "10m"\n`});
  const [server] = servers.servers;
  const run = await instanceOf(server);
  const wrong = controlProof('m0', run, Date.now(), keys().privateKey);
  const flood = Array.from({length: 300}, (_, i) => askControl(server, wrong.replace(',', `,${i}`), '127.0.0.9'));
  assert.equal(await askControl(server, controlProof('m0', run, Date.now(), servers.privateKey)), 101);
  const answers = await Promise.all(flood);
  const judged = answers.filter((status) => status === 501).length;
  assert.ok(judged >= 1 && judged <= 5, `${judged} were judged`);
  assert.ok(answers.every((status) => [501, 429, 503].includes(status)));
  assert.equal(await askControl(server, wrong, '127.0.0.9'), 429);
  assert.equal(await askControl(server, controlProof('m0', run, Date.now(), servers.privateKey)), 101);
});

test('a server alone has no members, and cannot step down', async (t) => {
  const server = await serve(t, '');
  for (const command of ['members', 'step-down']) {
    const {code, stderr} = await server.tool([command]);
    assert.equal(code, 77);
    assert.match(stderr, /stands alone: \[store\] url is not set/);
  }
});
