// A minimal agent for the hooks of bots: starts bots with a channel, and permits logins one by one, with Discord's
// interval per bucket.
import {spawn} from 'node:child_process';
import path from 'node:path';
import {COMMANDS, environment, kept} from './bots.js';

const HOOKS = path.join(import.meta.dirname, '../../packaging/hooks');
export const CMD = 'NODE_SMASTER';

/** CLOCK_MONOTONIC in ms. */
export function monotonic() {
  return Number(process.hrtime.bigint() / 1_000_000n);
}

/** The environment with which a bot loads the hooks. */
export function hooked(environment) {
  const {NODE_OPTIONS: node, PYTHONPATH: python} = environment;
  return {
    ...environment, SMASTER_HOOKS: '1', NODE_OPTIONS: [`--require "${path.join(HOOKS, 'node.js')}"`, node].filter(Boolean).join(' '),
    PYTHONPATH: [path.join(HOOKS, 'python'), python].filter(Boolean).join(':'),
  };
}

export class Agent {
  /** `margin`: tolerance of the interval between IDENTIFYs at the gateway, on a busy machine. */
  constructor(discord, {margin = 300, answers = true, permits = true, validity = 10_000} = {}) {
    Object.assign(this, {discord, margin, answers, permits, validity, queues: new Map(), events: [], hellos: [], asks: [], cancels: []});
  }

  /** Starts the bot `kind`, or the `command`, with a channel and the hooks. */
  start(t, kind, shards, count, {command = COMMANDS[kind], env = {}, hooks = true} = {}) {
    const [program, ...args] = command;
    const all = {...environment(this.discord, shards, count), SMASTER_CHANNEL_FD: '3', ...env};
    const bot = kept(t, spawn(program, args, {stdio: ['ignore', 'pipe', 'pipe', 'ipc'], env: hooks ? hooked(all) : all}));
    bot.heard = [];
    bot.on('internalMessage', (message) => message.cmd === CMD && this.#told(bot, message));
    bot.on('message', (message) => {
      bot.heard.push(message);
      if (message._sHooks || message._sGateway || message._sIdentify !== undefined) this.#told(bot, message);
    });
    bot.on('error', () => {});
    bot.on('exit', () => this.#gone(bot));
    return bot;
  }

  /** Permits waiting requests, after `permits` was false. */
  permitAll() {
    for (const queue of this.queues.values()) this.#next(queue);
  }

  /** The reports of a bot's shard about its gateway. */
  of(shard, event) {
    return this.events.filter((each) => each.shard === shard && each.event === event);
  }

  #told(bot, message) {
    const {_sHooks: hello, _sGateway: event, _sIdentify: shard, _sId: id} = message;
    bot.answer = message.cmd ? {cmd: CMD} : {}; // what the bot does, and so its answers
    if (hello) {
      this.hellos.push(hello);
      if (this.answers && !bot.greeted) this.#send(bot, {_sHooks: {version: 1}});
      bot.greeted = true;
    } else if (event) {
      this.events.push(event);
      if (event.event === 'identify_sent') this.#sent(bot, event);
    } else if (message.cancel) {
      this.cancels.push(message);
      this.#cancelled(bot, shard, id);
    } else {
      this.asks.push(message);
      this.#queue(shard).waiting.push({bot, shard, id});
      this.#next(this.#queue(shard));
    }
    this.discord.emit('event', {event: 'channel'}); // what waits for the stand-in looks again
  }

  #queue(shard) {
    const bucket = shard % this.discord.options.maxConcurrency;
    if (!this.queues.has(bucket)) this.queues.set(bucket, {waiting: [], out: null, freeAt: 0, timer: null});
    return this.queues.get(bucket);
  }

  #next(queue) {
    clearTimeout(queue.timer);
    if (!this.permits || queue.out || queue.waiting.length === 0) return;
    const wait = queue.freeAt - monotonic();
    if (wait > 0) {
      queue.timer = setTimeout(() => this.#next(queue), wait);
      return;
    }
    queue.out = queue.waiting.shift();
    const {bot, shard, id} = queue.out;
    this.#send(bot, {_sIdentify: shard, _sId: id, _result: {until: monotonic() + this.validity}});
  }

  #sent(bot, {shard, ask, at}) {
    const queue = this.#queue(shard);
    if (queue.out?.bot !== bot || queue.out.id !== ask) return;
    queue.out = null;
    queue.freeAt = at + this.discord.options.identifyInterval + this.margin;
    this.#next(queue);
  }

  #cancelled(bot, shard, id) {
    const queue = this.#queue(shard);
    queue.waiting = queue.waiting.filter((each) => each.bot !== bot || each.id !== id);
    if (queue.out?.bot === bot && queue.out.id === id) queue.out = null;
    this.#next(queue);
  }

  #gone(bot) {
    for (const queue of this.queues.values()) {
      queue.waiting = queue.waiting.filter((each) => each.bot !== bot);
      if (queue.out?.bot === bot) queue.out = null;
      this.#next(queue);
    }
  }

  #send(bot, message) {
    if (bot.connected) bot.send({...bot.answer, ...message}, () => {});
  }
}
