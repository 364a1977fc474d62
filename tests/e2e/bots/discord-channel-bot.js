// An unmodified discord.js client beside which the bot uses the client of packaging/clients.
import {createRequire} from 'node:module';
import {Client} from 'discord.js';
import {announce} from './announce.js';

announce();
const {Channel} = createRequire(import.meta.url)('../../../packaging/clients/node');
const client = new Client({intents: []});
client.smaster = new Channel().handle({request: (said, from) => ({said, from})});
