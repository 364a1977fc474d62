// Reboots of bots, of shards' programs and of the server, requested by command and by shards.
import assert from 'node:assert/strict';
import net from 'node:net';
import {test} from 'node:test';
import {next, request, serve, until} from './harness.js';

const settings = (count, more = '') => `[shards]\ncount = ${count}\nrespawn_delay = "0s"\n[limits]\nconn_count = 1000\n${more}`;

async function fleet(t, count, more) {
  const server = await serve(t, settings(count, more));
  const configs = await server.register(count);
  const shards = configs.map((config) => server.shard(config));
  await server.running(count);
  const byId = () => [...shards].sort((a, b) => a.bot?.id - b.bot?.id);
  return {server, configs, shards: byId()};
}

const starts = (shards) => shards.map((shard) => shard.bot?.startTime);
const restarted = (shard, before) => until('a restarted bot', () => shard.bot && shard.bot.startTime > before);

test('reboot stops a bot and starts it again with its id; others run on', async (t) => {
  const {server, shards} = await fleet(t, 3);
  const before = starts(shards);
  const seen = shards[1].updates.length;
  const {code, stdout, stderr} = await server.tool(['reboot', '1', '--json']);
  assert.equal(code, 0, stderr);
  assert.deepEqual(JSON.parse(stdout), {shard: 1, name: shards[1].config.id, state: 'sent'});
  await restarted(shards[1], before[1]);
  await server.running(3);
  const told = shards[1].updates.slice(seen).map(({id}) => id);  // begins with 1 where a heartbeat was quicker
  assert.deepEqual(told.slice(told.indexOf(-1)).slice(0, 2), [-1, 1]);
  assert.deepEqual([shards[0].bot.startTime, shards[2].bot.startTime], [before[0], before[2]]);

  const now = starts(shards);
  assert.equal((await server.tool(['reboot', '--all', '--yes'])).code, 0);
  await Promise.all(shards.map((shard, i) => restarted(shard, now[i])));
  await server.running(3);
});

test('reboot --force ends the program, reboot --hard that of every shard, spare ones too, and the server restarts', async (t) => {
  const {server, shards} = await fleet(t, 2);
  const [config] = await server.register(1, {prefix: 'spare'});
  const spare = server.shard(config);
  await until('the spare shard', () => spare.updates.length > 0);
  assert.equal((await server.tool(['reboot', '0', '--force'])).code, 0);
  await until('an exit', () => shards[0].exits === 1);
  await server.running(2);
  assert.equal(shards[1].exits, 0);

  const {code, stdout} = await server.tool(['reboot', '--hard', '--yes']);
  assert.equal(code, 0);
  assert.match(stdout, /the server has restarted/);
  await until('all to exit', () => shards[0].exits === 2 && shards[1].exits === 1 && spare.exits === 1);
  await server.running(2);
});

test('reboot says what is missing, and takes no nonsense', async (t) => {
  const {server} = await fleet(t, 1);
  const missing = await server.tool(['reboot', '0-1']);
  assert.equal(missing.code, 1);
  assert.match(missing.stdout, /shard 1 \(no shard\) failed: no shard has this id/);
  for (const args of [[], ['x'], ['--all', '--hard'], ['3', '--master']]) {
    assert.equal((await server.tool(['reboot', ...args])).code, 64, args.join(' '));
  }
});

test('reboot --master keeps the process, the port and every connection made meanwhile', async (t) => {
  const {server, shards} = await fleet(t, 2);
  const before = starts(shards);
  // A client connects continuously: neither socket ever refuses it.
  const counts = {tried: 0, refused: 0, going: true};
  const knock = async (options) => {
    while (counts.going) {
      ++counts.tried;
      await new Promise((resolve) => {
        const socket = net.connect(options, () => socket.destroy());
        socket.on('error', (error) => {
          if (error.code === 'ECONNREFUSED' || error.code === 'ENOENT') ++counts.refused;
          resolve();
        });
        socket.on('close', resolve);
      });
    }
  };
  const knocking = [knock({host: '127.0.0.1', port: server.port}), knock({path: server.socket})];
  t.after(() => counts.going = false);
  const {code, stdout, stderr} = await server.tool(['reboot', '--master']);
  assert.equal(code, 0, stderr);
  assert.equal(stdout, 'the server has restarted\n');
  counts.going = false;
  await Promise.all(knocking);
  assert.ok(counts.tried > 20);
  assert.equal(counts.refused, 0);
  assert.equal((await request(server.port, '/healthz')).status, 200);
  assert.equal(server.process.exitCode, null);
  await server.running(2);
  assert.deepEqual(starts(shards), before, 'bots run on');
  // Once more, requested by a shard; then the server still stops regularly.
  const again = next(shards[0].socket, 'disconnect');
  shards[0].socket.emit('reboot', 'reboot master');
  await again;
  await server.running(2);
  assert.equal(await server.end(), 0);
});

test('shards ask for reboots in the original\'s words; what makes no sense is an error and harms nobody', async (t) => {
  const {server, shards} = await fleet(t, 3);
  const before = starts(shards);
  shards[0].socket.emit('reboot', 'reboot 1 2');
  await Promise.all([restarted(shards[1], before[1]), restarted(shards[2], before[2])]);
  shards[0].socket.emit('reboot', 'reboot 2 force');
  await until('an exit', () => shards[2].exits === 1);
  assert.deepEqual([shards[0].exits, shards[1].exits], [0, 0]);
  for (const text of ['', 'rebooted', 'reboot me', 'reboot hard 3', 'reboot master force', {x: 1}, null, 'reboot -1']) {
    const error = await shards[0].socket.timeout(10_000).emitWithAck('reboot', text);
    assert.match(error.message, /is no reboot request/);
  }
  assert.equal(shards[0].bot.startTime, before[0]);
  await server.running(3);
});

test('a shard that was away when all were to respawn does so when it returns, unless it has started anew', async (t) => {
  const {server, shards} = await fleet(t, 3);
  const before = starts(shards);
  shards[1].socket.disconnect();
  shards[2].socket.disconnect();
  await until('two away', async () => (await server.stats()).current === 1);
  const answer = await shards[0].socket.timeout(10_000).emitWithAck('respawnAll');
  assert.equal(answer, undefined);
  await restarted(shards[0], before[0]);
  const {id, count} = shards[2].bot;
  shards[2].bot = {id, count, startTime: Date.now() + 1000, messages: 0}; // by itself, meanwhile
  const own = shards[2].bot.startTime;
  shards[2].connect();
  shards[1].connect();
  await restarted(shards[1], before[1]);
  await server.running(3);
  assert.equal(shards[2].bot.startTime, own);
});
