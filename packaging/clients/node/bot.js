// A bot for Node.js without a Discord library: shows what the channel can. A discord.js client needs none of this: it runs
// unmodified under the agent.
//
//   smaster agent --config shard_abc_config.json --project-dir . -- node bot.js
const {Channel} = require('./index.js'); // in a project of its own: require('smaster-client')

const channel = new Channel();
const bot = {
  channel,
  id: channel.shardId,
  count: channel.shardCount,
  language: 'JavaScript',
  messages: 0,
  run(script) {
    return eval(script);
  },
};
channel.handle({
  eval: (script) => bot.run(script),
  fetch: (path) => path.split('.').reduce((object, part) => object?.[part], bot),
  stats: () => ({memory: process.memoryUsage(), numMessages: ++bot.messages, ping: 42}),
  request: (data, from) => ({'you said': data, 'you are': from, 'I am': bot.id}),
  message: (data, from) => console.log(`shard ${from} says`, data),
});
channel.ready();
console.log(`the Node.js bot runs as shard ${bot.id} of ${bot.count}`);
