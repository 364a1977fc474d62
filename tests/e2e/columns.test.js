// smaster stats: which shards and columns are shown, for people and programs.
import assert from 'node:assert/strict';
import {test} from 'node:test';
import {request, serve, until} from './harness.js';

test('shards are selected by host and condition', async (t) => {
  const server = await serve(t, '[shards]\ncount = 3\n[limits]\nconn_count = 1000\n');
  for (const config of await server.register(3)) server.shard(config);
  await server.running(3);
  const ids = async (...flags) => (await server.tool(['stats', '--csv', '--columns', 'name', ...flags])).stdout.trim().split('\r\n').slice(1);
  const {shards} = await server.stats();
  const named = shards.filter((row) => row.goalShardId > 0).map((row) => row.id).sort().reverse();
  assert.equal(named.length, 2);
  assert.deepEqual(await ids('--where', 'goalShardId>0', '--sort', 'name', '--reverse'), named);
  assert.deepEqual(await ids('--where', 'stats.ping>1000'), []);
  const unknown = await server.tool(['stats', '--where', 'colour=red']);
  assert.equal(unknown.code, 64);
  assert.match(unknown.stderr, /no shard has a field "colour"; "smaster stats --json" shows which there are/);
  const nowhere = await server.tool(['stats', '--host', 'fra1']);
  assert.equal(nowhere.code, 64);
  assert.match(nowhere.stderr, /no shard is on a host "fra1"; no agent has a --host/);
});

test('columns are chosen, in the table and in CSV; those of agents are there where an agent is', async (t) => {
  const server = await serve(t, '[shards]\ncount = 2\n[limits]\nconn_count = 1000\n[heartbeat]\ninterval = "500ms"\n');
  const configs = await server.register(2);
  server.shard(configs[0]);
  await until('the first', async () => (await server.stats()).configured === 1);
  const plain = (await server.tool(['stats'])).stdout;
  assert.match(plain, /^SHARD +NAME +STATE +SEEN +PING/m, 'no column without a value');
  server.agent([configs[1]], ['/bin/sh', '-c', 'exit 3'], {flags: ['--host', 'fra1']});
  const table = await until('its last exit', async () => {
    const {stdout} = await server.tool(['stats']);
    return /exit 3/.test(stdout) && stdout;
  });
  assert.match(table, /^SHARD +NAME +STATE +HOST +.*LAST EXIT.*ADDRESS$/m);
  const chosen = (await server.tool(['stats', '--columns', 'last_exit,host,name', '--host', 'fra1'])).stdout;
  assert.match(chosen, /\nLAST EXIT  HOST  NAME\nexit 3 +fra1 +\w+\n$/);
  const next = await until('the time of its next start', async () => {
    const [, time] = (await server.tool(['stats', '--columns', 'name,next_start', '--host', 'fra1', '--csv'])).stdout.split(/[\r\n]+/)[1].split(',');
    return time && Number(time);
  });
  assert.ok(Math.abs(next - Date.now()) < 600_000, `${next}`);
  assert.match((await server.tool(['stats', '--columns', 'help'])).stdout, /^next_start +when a bot that died or is parked is started again$/m);
  const wrong = await server.tool(['stats', '--columns', 'name,colour']);
  assert.equal(wrong.code, 64);
  assert.match(wrong.stderr, /there is no column "colour"; there are: shard, name, state, host, login, /);
  assert.equal((await server.tool(['stats', '--columns', 'name', '--json'])).code, 64);
  const metrics = await until('the deaths', async () => {
    const {body} = await request(server.port, '/metrics');
    return /^smaster_bot_deaths_total\{exit="exit 3"\} [1-9]/m.test(body) && body;
  });
  assert.match(metrics, /^smaster_shard_state\{name="\w+",state="running"\} 1$/m);
  assert.match(metrics, /^smaster_shard_status_timestamp_seconds\{name="\w+"\} \d/m);
  assert.match((await server.tool(['stats', '--prometheus'])).stdout, /^smaster_shard_state\{name="\w+",state="running"\} 1$/m);
});

test('deaths, closes and logins are counted by kinds that a shard cannot make up', async (t) => {
  const server = await serve(t, '[shards]\ncount = 1\n');
  const shard = server.shard((await server.register(1))[0]);
  await server.running(1);
  const report = (deaths, lastExit, gateway) => shard.reports({bot: {state: 'running', pid: 7, deaths, lastExit, gateways: [{id: 0, ...gateway}]}}).sendStatus();
  const shows = (name, label, value) => until(`${name} ${label}`, async () => new RegExp(`^smaster_${name}\\{${label}\\} ${value}$`, 'm').test((await request(server.port, '/metrics')).body));
  report(0, '', {state: 'ready', logins: 1, resumes: 0});
  await until('the first report', async () => (await server.stats()).shards[0].stats?.bot?.pid === 7);
  report(0, '', {state: 'disconnected', code: 1006, logins: 1, resumes: 0});
  await shows('gateway_closes_total', 'code="1006"', 1);
  assert.match((await server.tool(['stats'])).stdout, / disconnected \(1006\) /);
  report(0, '', {state: 'ready', logins: 1, resumes: 1});
  await shows('gateway_logins_total', 'kind="resume"', 1);
  report(1, 'exit 007', {state: 'ready', logins: 2, resumes: 1});
  await shows('bot_deaths_total', 'exit="exit 7"', 1);
  await shows('gateway_logins_total', 'kind="identify"', 1);
  report(3, 'exit 1"} 5\nsmaster_evil 1', {state: 'disconnected', code: 123456, logins: 2, resumes: 1});
  await shows('bot_deaths_total', 'exit="other"', 2);
  await shows('gateway_closes_total', 'code="other"', 1);
});
