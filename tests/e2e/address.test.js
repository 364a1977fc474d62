// Selection of shards by commands, and the end of an eval.
import assert from 'node:assert/strict';
import {test} from 'node:test';
import {serve, until} from './harness.js';

async function fleet(t, count = 6) {
  const server = await serve(t, `[shards]\ncount = ${count}\n[limits]\nconn_count = 1000\n`);
  const shards = (await server.register(count)).map((config) => server.shard(config));
  await server.running(count);
  return {server, shards: shards.sort((a, b) => a.bot.id - b.bot.id)};
}

const asked = async (server, ...flags) => {
  const {stdout, stderr, code} = await server.tool(['eval', 'this.id', ...flags]);
  return {ids: stdout.trim().split('\n').filter(Boolean).map(JSON.parse).map((line) => line.shard).sort((a, b) => a - b), stderr, code};
};

test('eval goes to ids, ranges, the owner of a guild, and to those of which something is true', async (t) => {
  const {server, shards} = await fleet(t);
  assert.deepEqual((await asked(server, '--shard', '0-2,5')).ids, [0, 1, 2, 5]);
  const guild = (7n << 22n).toString(); // 7 mod 6
  assert.deepEqual((await asked(server, '--guild', guild)).ids, [1]);
  assert.deepEqual((await asked(server, '--where', 'currentShardId>=4')).ids, [4, 5]);
  assert.deepEqual((await asked(server, '--where', 'state=running, currentShardId<2')).ids, [0, 1]);
  assert.deepEqual((await asked(server, '--where', `name=${shards[3].config.id}`)).ids, [3]);
  assert.deepEqual((await asked(server, '--where', 'stats.ping=42.0', '--shard', '2-9')).ids, [2, 3, 4, 5], 'both must hold');
  assert.deepEqual((await asked(server, '--where', 'state!=running')).ids, []);
  shards[2].socket.disconnect();
  await until('one away', async () => (await server.stats()).current === 5);
  assert.deepEqual((await asked(server, '--where', 'state=offline')).ids, [2]);
  assert.deepEqual((await asked(server, '--where', 'connected=true')).ids, [0, 1, 3, 4, 5]);

  for (const where of ['', 'state', '=x', ',', 'nonsense=1', 'state~x']) {
    const {code, stderr} = await asked(server, '--where', where);
    assert.equal(code, 64, where);
    assert.match(stderr, /condition|no shard has a field/, where);
  }
  assert.equal((await asked(server, '--guild', 'x')).code, 64);
});

test('--host goes to the shards of one host', async (t) => {
  const server = await serve(t, '[shards]\ncount = 4\n[limits]\nconn_count = 1000\n');
  const configs = await server.register(4);
  configs.forEach((config, i) => server.agent([config], 'plain.js', {flags: ['--host', i < 2 ? 'ams1' : 'fra1']}));
  await server.running(4);
  const hosts = Object.fromEntries((await server.stats()).shards.map((row) => [row.currentShardId, row.host]));
  const own = Object.keys(hosts).filter((id) => hosts[id] === 'ams1').map(Number).sort((a, b) => a - b);
  assert.equal(own.length, 2);
  assert.deepEqual((await asked(server, '--host', 'ams1')).ids, own);
  assert.deepEqual((await asked(server, '--host', 'nowhere')), {ids: [], stderr: 'smaster eval: 0 answered, 0 failed, 0 missing\n', code: 1});
});

test('nobody is respawned or rebooted when the condition fits nobody', async (t) => {
  const {server, shards} = await fleet(t, 2);
  const starts = shards.map((shard) => shard.bot.startTime);
  assert.equal((await server.tool(['respawn', '--where', 'state=silent'])).code, 75);
  assert.equal((await server.tool(['reboot', '--where', 'state=silent'])).code, 0);
  assert.equal((await server.tool(['reboot', '--where', 'state=silent', '--all'])).code, 64);
  assert.equal((await server.tool(['reboot', '--where', 'currentShardId=1'])).code, 0);
  await until('its restart', () => shards[1].bot && shards[1].bot.startTime > starts[1]);
  assert.equal(shards[0].bot.startTime, starts[0]);
});

test('eval sums up on stderr, with the slowest', async (t) => {
  const {server, shards} = await fleet(t, 3);
  const {stderr, code, stdout} = await server.tool(['eval', 'this.id === 2 ? new Promise((done) => setTimeout(done, 400, 2)) : this.id === 1 ? nothing : 0']);
  assert.equal(code, 1);
  assert.match(stderr, new RegExp(`^shard 1 \\(${shards[1].config.id}\\): ReferenceError: nothing is not defined\nsmaster eval: 2 answered, 1 failed, 0 missing, slowest 2 \\(${shards[2].config.id}\\) after 0\\.[4-9] s\n$`));
  assert.equal(stdout.trim().split('\n').length, 3);
  shards[0].socket.disconnect();
  const away = await server.tool(['eval', '1']);
  assert.match(away.stderr, /2 answered, 0 failed, 1 missing/);
});

test('--fail-fast stops at the first failure; --retries asks only those again that failed', async (t) => {
  const {server, shards} = await fleet(t, 3);
  const begun = Date.now();
  const fast = await server.tool(['eval', 'this.id === 1 ? nothing : new Promise(() => {})', '--fail-fast', '--timeout', '60s']);
  assert.equal(fast.code, 1);
  assert.ok(Date.now() - begun < 30_000);
  assert.match(fast.stderr, /0 answered, 1 failed, 0 missing/);

  const flaky = '(this.tries = (this.tries || 0) + 1) && this.id === 1 && this.tries < 3 ? nothing : this.tries';
  const {code, stdout, stderr} = await server.tool(['eval', flaky, '--retries', '3', '--json']);
  assert.equal(code, 0, stderr);
  assert.deepEqual(JSON.parse(stdout).map((line) => line.result), [1, 3, 1]);
  assert.match(stderr, /^smaster eval: 3 answered, 0 failed, 0 missing/);

  const hopeless = await server.tool(['eval', 'this.id === 2 ? nothing : 1', '--retries', '1', '--ndjson']);
  assert.equal(hopeless.code, 1);
  assert.equal(hopeless.stdout.trim().split('\n').length, 3, 'a line a shard, not a try');
  // A shard that was disconnected at the first attempt.
  const [config] = [shards[0].config];
  shards[0].socket.disconnect();
  await until('one away', async () => (await server.stats()).current === 2);
  const asking = server.tool(['eval', 'this.id', '--retries', '20']);
  shards[0].connect();
  assert.equal((await asking).code, 0, config.id);
});
