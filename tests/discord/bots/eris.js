// A minimal bot with eris.
import {Agent} from 'node:http';
import Eris from 'eris';

// eris speaks nothing but https to port 443 of rest.domain: this agent makes it plain http to another port.
const api = new URL(process.env.DISCORD_API);
const agent = Object.assign(new Agent(), {protocol: 'https:', defaultPort: Number(api.port)});

const shards = [JSON.parse(process.env.SHARDS)].flat();
const bot = new Eris(`Bot ${process.env.DISCORD_TOKEN}`, {
  intents: ['guilds', 'guildMessages'],
  firstShardID: shards[0],
  lastShardID: shards.at(-1),
  maxShards: Number(process.env.SHARD_COUNT),
  rest: {domain: api.hostname, baseURL: api.pathname, agent},
});
bot.on('ready', () => console.log(`ready: ${bot.guilds.size} guilds`));
bot.on('shardResume', (id) => console.log(`resumed: ${id}`));
bot.on('error', (error, id) => console.log(`shard ${id}: ${error.message}`));
bot.connect();
