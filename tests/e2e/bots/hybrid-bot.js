// A bot of discord-hybrid-sharding with the two changes of man 7 smaster-migration.
import {Client} from 'discord.js';
import {announce} from './announce.js';

announce();
const client = new Client({intents: []}); // without shards: getInfo().SHARD_LIST, shardCount
client.cluster = client.shard; // instead of new ClusterClient(client)
