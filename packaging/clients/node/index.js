// The channel from a bot to its smaster agent, for Node.js 16 and later, without dependencies. Beside discord.js, whose
// client.shard uses the same channel for evals, and for any other library or none. The protocol: smaster-channel(7).
'use strict';

/** An answer that is an error: the other side's `name`, `message` and `stack`. */
class ChannelError extends Error {
  constructor({name = 'Error', message = '', stack} = {}) {
    super(message);
    this.name = name;
    if (stack) this.stack = stack;
  }
}

const plainError = (error) => {
  const {name = 'Error', message = `${String(error)} was thrown`, stack = ''} = Object(error); // a script can throw any value
  return {name, message, stack};
};
const ids = (text) => (text ? JSON.parse(`[${text.replace(/[[\]]/g, '')}]`) : []);

class Channel {
  #waiting = new Map();
  #lastId = 0;
  #handlers = {};

  /** Begins to listen. Throws if this process does not run under `smaster agent`. Make it once. */
  constructor() {
    if (!process.send) throw new Error('there is no channel: run this bot under "smaster agent -- node bot.js", not by npm or another program between');
    this.shardId = Number(process.env.SHARD_ID);
    this.shardCount = Number(process.env.SHARD_COUNT);
    this.shards = process.env.SHARDS ? ids(process.env.SHARDS) : [this.shardId];
    process.on('message', (message) => this.#take(Object(message)));
    process.once('disconnect', () => {
      for (const {reject} of this.#waiting.values()) reject(new ChannelError({message: 'the agent closed the channel'}));
      this.#waiting.clear();
    });
  }

  /**
   * What answers what the fleet asks of this bot. Each may be asynchronous; what it throws is the answer's error.
   * Beside discord.js leave eval, fetch and stats out: its client answers them.
   *   eval(script) → the result          fetch(path) → a value of the client, such as "guilds.cache.size"
   *   stats() → {memory, numMessages, ping}, each optional
   *   request(data, from) → the reply    message(data, from): a message that wants no reply; `from` is a shard id
   */
  handle(handlers) {
    Object.assign(this.#handlers, handlers);
    return this;
  }

  // Reports of the bot. discord.js' client makes them itself.
  ready() { this.#send({_ready: true}); }
  disconnected() { this.#send({_disconnect: true}); }
  reconnecting() { this.#send({_reconnecting: true}); }
  resumed() { this.#send({_resume: true}); }

  /** Runs a script in the bot of one shard; or in all, for a list of their results. */
  eval(script, {shard} = {}) { return this.#ask({_sEval: String(script), ...(shard === undefined ? {} : {_sEvalShard: shard})}); }
  /** The value at a path of the client of one shard; or a list of the values of all. */
  fetch(path, {shard} = {}) { return this.#ask({_sFetchProp: path, ...(shard === undefined ? {} : {_sFetchPropShard: shard})}); }
  /** Runs a query on the server's database: rows, or {affectedRows, insertId, changedRows}. */
  sql(query) { return this.#ask({_sSQL: query}); }
  /** Sends a file of the project directory to the server. */
  writeFile(name) { return this.#ask({_sWriteFile: name}); }
  /** Fetches a file into the project directory, if the server's is newer than `mtime` (unix ms). */
  getFile(name, {mtime} = {}) { return this.#ask({_sGetFile: name, ...(mtime === undefined ? {} : {_sGetFileM: mtime})}); }
  /** Restarts all bots one after another. Milliseconds. */
  respawnAll({shardDelay = 5000, timeout = 30000} = {}) { this.#send({_sRespawnAll: {shardDelay, timeout}}); }
  /** Requests a reboot from the server, in its syntax: "hard", "3 7 force". */
  reboot(words = '') { this.#send(`reboot ${words}`.trimEnd()); }

  /** Sends data to a shard, to the shard of a guild, or to all others; the number of receivers. */
  send(data, {shard, guild} = {}) { return this.#ask({_sMessage: data, _sTo: address(shard, guild)}); }
  /** The same, and the reply; for all others, a list of {shard, result} or {shard, error}. `timeout` in milliseconds. */
  request(data, {shard, guild, timeout = 15000} = {}) { return this.#ask({_sRequest: data, _sTo: address(shard, guild), _sTimeout: timeout}); }

  // Logins. Not needed with discord.js, eris, oceanic.js and @discordeno/gateway, which the agent's hooks let ask.

  /** Declares that this bot asks before each login. Otherwise its starts wait for each other. */
  asksBeforeLogins(library = 'own') { this.#send({_sHooks: {version: 1, library, identify: true, gateway: true}}); }
  /**
   * Waits until this shard may log in, however long that takes. Send the IDENTIFY at once, then call `sent`; or give the
   * permit back with `cancel`. Rejects when the shard must not log in.
   */
  async identify(shard) {
    const id = ++this.#lastId;
    const {until} = await this.#ask({_sIdentify: shard}, id);
    return {
      /** When the permit ends: CLOCK_MONOTONIC in milliseconds, as `process.hrtime()` counts. */
      until,
      sent: () => this.gateway(shard, 'identify_sent', {ask: id}),
      cancel: () => this.#send({_sIdentify: shard, _sId: id, cancel: true}),
    };
  }
  /** Reports a gateway event: ready {guilds}, resumed, invalid_session {resumable}, closed {code}, gave_up {code}. */
  gateway(shard, event, more = {}) { this.#send({_sGateway: {shard, event, ...more}}); }

  #send(message) {
    if (process.connected) process.send(message);
  }

  #ask(message, id = ++this.#lastId) {
    return new Promise((resolve, reject) => {
      if (!process.connected) return void reject(new ChannelError({message: 'the agent closed the channel'}));
      this.#waiting.set(id, {resolve, reject});
      this.#send({...message, _sId: id});
    });
  }

  #take(message) {
    const id = message._sReply ?? message._sId;
    const waiting = this.#waiting.get(id);
    if (waiting) {
      this.#waiting.delete(id);
      if (message._error) waiting.reject(new ChannelError(message._error));
      else waiting.resolve(message._result);
      return;
    }
    const {eval: evaluate, fetch, stats, request, message: heard} = this.#handlers;
    if (message._eval !== undefined) {
      const of = message._eval.trimEnd() === 'this.getStats(true)' && stats ? () => stats() : evaluate && (() => evaluate(message._eval));
      if (of) this.#answer({_eval: message._eval}, of);
    } else if (message._fetchProp !== undefined) {
      if (fetch) this.#answer({_fetchProp: message._fetchProp}, () => fetch(message._fetchProp));
    } else if (message._id !== undefined && '_request' in message) {
      this.#answer({_reply: message._id}, () => {
        if (!request) throw new Error('not supported by this bot');
        return request(message._request, message._from);
      });
    } else if ('_message' in message) {
      heard?.(message._message, message._from);
    }
  }

  async #answer(head, work) {
    try {
      this.#send({...head, _result: await work()});
    } catch (error) { // also a result that JSON cannot represent
      this.#send({...head, _error: plainError(error)});
    }
  }
}

function address(shard, guild) {
  if (guild !== undefined) return {guild: String(guild)};
  return shard === undefined ? 'all' : {shard};
}

module.exports = {Channel, ChannelError};
