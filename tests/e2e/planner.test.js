// The planner's rules in a real server: silence, death and replacement, with timeouts of seconds.
import assert from 'node:assert/strict';
import {test} from 'node:test';
import {alive, serve, until} from './harness.js';

const quick = `[heartbeat]
interval = "200ms"
request_reboot_after = "2s"
expect_reboot_after = "4s"
assume_dead_after = "5s"
`;

test('the id of a dead shard goes to a spare, and the dead one is stopped when it returns', async (t) => {
  const server = await serve(t, `[shards]\ncount = 2\n${quick}`);
  const configs = await server.register(3);
  const first = configs.slice(0, 2).map((config) => server.shard(config));
  await server.running(2);
  const spare = server.shard(configs[2]);
  await until('the spare to be told to wait', () => spare.updates.length > 0);
  assert.equal(spare.updates.at(-1).id, -1);
  const {id} = first[0].updates.at(-1);
  first[0].close();
  await until('the spare to run its id', () => spare.bot?.id === id && spare.bot.count === 2);
  const back = server.shard(configs[0]);
  await until('the one that returned to hear', () => back.updates.length > 0);
  assert.equal(back.updates.at(0).id, -1);
  assert.equal((await server.running(2)).shards.find((shard) => shard.id === configs[2].id).goalShardId, id);
});

test('a shard that talks but counts no messages is told to reboot, and stopped when that does not help', async (t) => {
  const server = await serve(t, `[shards]\ncount = 1\n${quick}`);
  const [config] = await server.register(1);
  const shard = server.shard(config);
  await server.running(1);
  // Its bot hangs: from now on it reports no new messages.
  shard.reports({messageCountDelta: 0});
  shard.respawn = () => shard.respawned = true;
  await until('it to be told to reboot', () => shard.respawned);
  const stopped = await until('it to be stopped', () => shard.updates.find((update) => update.id === -1));
  assert.equal(stopped.count, -1);
  await until('it to be given its id again', () => shard.updates.at(-1).id === 0);
});

test('the bot of an agent that was killed is gone before a spare runs its id', async (t) => {
  const server = await serve(t, `[shards]\ncount = 1\n${quick}`);
  const configs = await server.register(2);
  const agent = server.agent([configs[0]], 'spikey-bot.js');
  await server.running(1);
  const {pid} = await until('its bot', () => server.bots()[0]);
  server.agent([configs[1]], 'spikey-bot.js');
  await until('the spare to be there', async () => (await server.stats()).current === 2);
  await agent.end('SIGKILL');
  await until('the spare to run the id', async () => server.bots().length === 2 && (await server.stats()).configured === 1);
  assert.ok(!alive(pid));
});
