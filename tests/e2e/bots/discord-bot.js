// An unmodified discord.js client, without a login: there is no Discord here. Tests tell it by evals when to be ready.
import {Client, Events} from 'discord.js';
import {announce} from './announce.js';

announce();
const client = new Client({intents: []});
client.counter = 0;
client.favourites = {colour: `blue${process.env.SHARD_ID}`};
if (process.env.BOT_READY) setTimeout(() => client.emit(Events.ShardReady, Number(process.env.SHARD_ID)), Number(process.env.BOT_READY));
