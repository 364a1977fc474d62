// A child process like those of SpikeyBot: evaluates scripts that it receives, has getStats, and sends the arguments of
// `ask` to its parent.
import {writeFileSync} from 'node:fs';
import {announce} from './announce.js';

announce();
let waiting = [];

/** Sends a line and returns the answer that has its keys. */
function ask(message) {
  return new Promise((resolve, reject) => {
    waiting.push({message, resolve, reject});
    process.send(message);
  });
}

class Bot {
  constructor() {
    this.ask = ask;
    this.messages = 7;
    this.received = [];
  }
  /** Leaves a message for the test without using any channel. */
  note(value) {
    writeFileSync(`${process.env.BOT_LOG}.note`, JSON.stringify(value));
  }
  getStats() {
    return {memory: {heapUsed: 11, heapTotal: 22, rss: 33, external: 44}, cpus: [], numMessages: this.messages++, ping: 12};
  }
  run(script) {
    return eval(script);
  }
}
const bot = new Bot();
// Tests without another way to reach it send a signal.
process.on('SIGUSR2', () => bot.onSignal());

process.on('message', async (message) => {
  if (message._eval) {
    try {
      process.send({_eval: message._eval, _result: await bot.run(message._eval)});
    } catch (error) {
      process.send({_eval: message._eval, _error: {name: error.name, message: error.message, stack: error.stack}});
    }
  } else if ('_message' in message) {
    bot.received.push({data: message._message, from: message._from});
  } else if ('_request' in message) {
    const {_request: request, _id: id, _from: from} = message;
    if (request === 'never') return;
    if (request === 'fail') process.send({_reply: id, _error: {name: 'RangeError', message: 'no', stack: 'here'}});
    else process.send({_reply: id, _result: {echo: request, from, by: process.env.SHARD_ID}});
  } else {
    const at = waiting.findIndex(({message: sent}) => '_sReply' in message ? sent._sId === message._sReply :
      ['_sSQL', '_sWriteFile', '_sGetFile'].some((key) => key in sent && sent[key] === message[key]));
    if (at < 0) return;
    const [{resolve, reject}] = waiting.splice(at, 1);
    if (message._error) reject(Object.assign(new Error(message._error.message), {name: message._error.name}));
    else resolve(message._result);
  }
});
