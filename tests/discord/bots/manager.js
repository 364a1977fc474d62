// discord.js' own ShardingManager, with discordjs.js as its bot. Its parent may send "respawn", and receives a message
// when that is done.
import path from 'node:path';
import {ShardingManager} from 'discord.js';

const manager = new ShardingManager(path.join(import.meta.dirname, 'discordjs.js'), {totalShards: Number(process.env.SHARD_COUNT), token: process.env.DISCORD_TOKEN});
const complain = (error) => console.log(error.message); // it gives up on a shard that is not ready within 30 s
process.on('unhandledRejection', complain);
process.on('message', async (message) => {
  if (message !== 'respawn') return;
  await manager.respawnAll().catch(complain);
  process.send('respawned');
});
process.on('disconnect', () => {
  for (const shard of manager.shards.values()) shard.kill();
  process.exit();
});
await manager.spawn().catch(complain);
