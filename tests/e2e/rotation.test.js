// Rotation of the master's key pair while shards stay connected: agents change automatically, other shards when their
// config is changed.
import assert from 'node:assert/strict';
import {existsSync, readFileSync} from 'node:fs';
import path from 'node:path';
import {test} from 'node:test';
import {serve, until} from './harness.js';

const settings = '[shards]\ncount = 3\n[limits]\nconn_count = 1000\n';
const status = async (server) => JSON.parse((await server.tool(['rotate-key', '--status', '--json'])).stdout);

test('agents take the new key, unmodified shards follow, nobody is disconnected, and then the old key is gone', async (t) => {
  const server = await serve(t, settings);
  const configs = await server.register(3);
  const agent = server.agent([configs[0]], 'spikey-bot.js');
  const plain = [configs[1], configs[2]].map((config) => server.shard(config));
  await server.running(3);
  assert.deepEqual(await status(server), {active: false});
  const connections = plain.map((shard) => shard.socket.id);
  const old = readFileSync(`${server.state}/shardMaster.pub`, 'utf8');

  const begun = await server.tool(['rotate-key', '--json']);
  assert.equal(begun.code, 0, begun.stderr);
  assert.deepEqual((await server.tool(['rotate-key'])).code, 77, 'one at a time');
  await until('the agent to have it', async () => (await status(server)).behind.length === 2);
  const file = path.join(server.folder, `shard_${configs[0].id}_config.json`);
  const fresh = JSON.parse(readFileSync(file, 'utf8')).masterPubKey;
  assert.notEqual(fresh, old);
  assert.equal(JSON.parse((await server.tool(['genconfig', '--out', '-'])).stdout).masterPubKey, fresh, 'new configs have it');
  // However long it stays on the connection on which it received the old key's proof.
  const seen = (await server.stats()).shards.find(({id}) => id === configs[0].id).lastSeen;
  await until('later statuses', async () => (await server.stats()).shards.find(({id}) => id === configs[0].id).lastSeen > seen + 2500);
  assert.deepEqual((await status(server)).behind, [configs[1].id, configs[2].id]);
  assert.deepEqual(plain.map((shard) => shard.socket.id), connections);

  // Both keys work, also after the server was killed.
  await server.end('SIGKILL');
  await server.start();
  await server.running(3);
  assert.ok(plain.every((shard) => shard.verified));
  const refused = await server.tool(['rotate-key', '--finish']);
  assert.equal(refused.code, 77);
  assert.match(refused.stderr, /2 shards trust the old key still, "aab" among them/);

  // An operator changes the other shards' configs; a supervisor restarts a shard that ends.
  for (const shard of plain) {
    shard.close();
    await until('it to be gone', async () => !(await server.stats()).shards.find(({id}) => id === shard.config.id).connected);
    let again;
    await until('it to be taken', async () => {
      if (!again || again.closed) again = server.shard({...shard.config, masterPubKey: fresh});
      return again.verified;
    });
  }
  await until('all to trust the new key', async () => (await status(server)).behind.length === 0);
  const finished = await server.tool(['rotate-key', '--finish']);
  assert.equal(finished.stdout, 'there is one key pair\n');
  assert.equal(readFileSync(`${server.state}/shardMaster.pub`, 'utf8'), fresh);
  assert.ok(!existsSync(`${server.state}/shardMaster.next.priv`));
  await agent.end('SIGKILL');
  agent.configs = [JSON.parse(readFileSync(file, 'utf8'))];
  agent.start();
  await server.end();
  await server.start();
  await server.running(3);
});

test('a forced end leaves those behind who were', async (t) => {
  const server = await serve(t, settings.replace('3', '1'));
  const [config] = await server.register(1);
  const shard = server.shard(config);
  await server.running(1);
  assert.equal((await server.tool(['rotate-key', '--finish'])).code, 77, 'nothing to finish');
  assert.equal((await server.tool(['rotate-key', '--force'])).code, 64);
  await server.tool(['rotate-key']);
  assert.equal((await server.tool(['rotate-key', '--finish', '--force'])).code, 0);
  shard.socket.disconnect();
  shard.verified = null;
  shard.connect();
  await until('it to refuse the master', () => shard.closed);
});
