// An unmodified discord.js client without a login, since there is no Discord here. Tests make it ready by evals.
import {Client, Events} from 'discord.js';
import {announce} from './announce.js';

announce();
const client = new Client({intents: []});
client.counter = 0;
client.favourites = {colour: `blue${process.env.SHARD_ID}`};
if (process.env.BOT_READY) setTimeout(() => client.emit(Events.ShardReady, Number(process.env.SHARD_ID)), Number(process.env.BOT_READY));
