// A minimal bot with oceanic.js.
import {Client} from 'oceanic.js';

const shards = [JSON.parse(process.env.SHARDS)].flat();
const client = new Client({
  auth: `Bot ${process.env.DISCORD_TOKEN}`,
  rest: {baseURL: process.env.DISCORD_API},
  gateway: {intents: ['GUILDS', 'GUILD_MESSAGES'], shardIDs: shards, maxShards: Number(process.env.SHARD_COUNT)},
});
client.on('ready', () => console.log(`ready: ${client.guilds.size} guilds`));
client.on('shardResume', (id) => console.log(`resumed: ${id}`));
client.on('error', (error, id) => console.log(`shard ${id}: ${error.message ?? error}`));
client.connect();
