// The promises of man 7 smaster-migration to bots of discord-hybrid-sharding. Those to discord.js are in agent.test.js,
// SpikeyBot's files in registry.test.js.
import assert from 'node:assert/strict';
import {test} from 'node:test';
import {serve} from './harness.js';

test('a bot of discord-hybrid-sharding runs as clusters of shards after the two changes of the page', async (t) => {
  const server = await serve(t, '[shards]\ncount = 4\n');
  server.agent(await server.register(1), 'hybrid-bot.js', {flags: ['--processes', '2', '--shards-per-process', '2', '--host', 'fra1']});
  await server.running(4);
  await server.answering(2);
  const ask = async (script) => (await server.evaluate(script, ['--shard', '0']))[0].result;
  assert.deepEqual(await ask('this.options.shards'), [0, 1], 'discord.js has them from the environment');
  assert.deepEqual(await ask('this.cluster.broadcastEval((c) => c.cluster.ids)'), [[0, 1], [2, 3]]);
  assert.deepEqual(await ask('this.cluster.broadcastEval((c) => c.cluster.ids, {shard: 2})'), [2, 3]);
  assert.deepEqual(await ask('this.cluster.fetchClientValues("guilds.cache.size")'), [0, 0]);
  assert.deepEqual(await ask('[this.cluster.count, this.cluster.ids[0]]'), [4, 0]);
});
