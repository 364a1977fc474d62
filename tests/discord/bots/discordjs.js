// A minimal bot with discord.js. The library itself reads its shards from SHARDS and SHARD_COUNT, which its parent
// sets.
import {Client, Events, GatewayIntentBits} from 'discord.js';

const client = new Client({intents: [GatewayIntentBits.Guilds, GatewayIntentBits.GuildMessages], rest: {api: process.env.DISCORD_API.replace(/\/v10$/, '')}});
client.on(Events.ClientReady, () => console.log(`ready: ${client.guilds.cache.size} guilds`));
client.on(Events.ShardResume, (id) => console.log(`resumed: ${id}`));
client.on(Events.ShardError, (error, id) => console.log(`shard ${id}: ${error.message}`));
client.on(Events.Error, (error) => console.log(error.message));
await client.login();
