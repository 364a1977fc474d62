// A minimal bot with @discordeno/gateway, which leaves REST to other packages.
import {createGatewayManager} from '@discordeno/gateway';

const authorization = `Bot ${process.env.DISCORD_TOKEN}`;
const answer = await (await fetch(`${process.env.DISCORD_API}/gateway/bot`, {headers: {authorization}})).json();
const {total, remaining, reset_after: resetAfter, max_concurrency: maxConcurrency} = answer.session_start_limit;
const shards = [JSON.parse(process.env.SHARDS)].flat();
const logger = {...console, debug() {}, info() {}, fatal: console.error};
const gateway = createGatewayManager({
  token: process.env.DISCORD_TOKEN,
  intents: 1 | 512,
  connection: {url: answer.url, shards: answer.shards, sessionStartLimit: {total, remaining, resetAfter, maxConcurrency}},
  totalShards: Number(process.env.SHARD_COUNT),
  firstShardId: shards[0],
  lastShardId: shards.at(-1),
  resharding: {enabled: false},
  logger,
  events: {
    message(shard, {t, d}) {
      if (t === 'READY') console.log(`ready: ${d.guilds.length} guilds`);
      if (t === 'RESUMED') console.log(`resumed: ${shard.id}`);
    },
  },
});
await gateway.spawnShards();
