// A bot for Node.js without a Discord library: answers evals and reports its figures. A discord.js client needs none of
// this: it runs unmodified under the agent.
//
//   smaster agent --config shard_abc_config.json -- node bot.js
const bot = {
  id: Number(process.env.SHARD_ID),
  count: Number(process.env.SHARD_COUNT),
  language: 'JavaScript',
  messages: 0,
  getStats() {
    return {memory: process.memoryUsage(), cpus: [], numMessages: ++this.messages, ping: 42};
  },
  run(script) {
    return eval(script);
  },
};

process.on('message', async (message) => {
  if (message._eval) {
    try {
      process.send({_eval: message._eval, _result: await bot.run(message._eval)});
    } catch (error) {
      const {name = 'Error', message: text = `${String(error)} was thrown`, stack} = Object(error); // a script can throw any value
      process.send({_eval: message._eval, _error: {name, message: text, stack}});
    }
  } else if (message._fetchProp) {
    const value = message._fetchProp.split('.').reduce((object, part) => object?.[part], bot);
    process.send({_fetchProp: message._fetchProp, _result: value});
  }
});
process.send({_ready: true});
console.log(`the Node.js bot runs as shard ${bot.id} of ${bot.count}`);
