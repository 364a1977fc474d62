// Loaded by node.js before a bot that smaster's agent has started. Makes each supported Discord library request a permit
// from the agent before each login, and reports the gateway's state to the agent: smaster-channel(7), "Logins". Without an
// agent that answers, it does nothing. It changes no file, adds no message listener, and does not keep the process alive.
// `SMASTER_HOOKS=survey node …/node.js BOT.js` only prints, as lines of JSON, what it can do for the libraries that the bot
// could load.
'use strict';

const childProcess = require('node:child_process');
const fs = require('node:fs');
const Module = require('node:module');
const path = require('node:path');
const {monitorEventLoopDelay} = require('node:perf_hooks');
const {setTimeout: sleep} = require('node:timers/promises');
const workerThreads = require('node:worker_threads');

const VERSION = 1;
const ENTRY = path.join(__dirname, 'node.js');
const CMD = 'NODE_SMASTER'; // Node.js keeps messages whose cmd begins with NODE_ from the bot's own listeners
const HELLO_SECONDS = 20; // without an answer, the hooks then disable themselves
const ASK_AGAIN = 5000; // after an error
const FIGURES = 10_000;
const CHANGES = 20; // maximum number reported per shard within FIGURES
const LATE = 1000; // ms: an unused permit is returned this long before it expires
const FINAL_CODES = new Set([4004, 4010, 4011, 4012, 4013, 4014]); // the gateway will never accept this login
const LIBRARY = Symbol.for('smaster.hooks');
const OP = {dispatch: 0, heartbeat: 1, identify: 2, resume: 6, invalid_session: 9, ack: 11};

/** CLOCK_MONOTONIC in ms: the same for all processes of a host. */
function monotonic() {
  return Number(process.hrtime.bigint() / 1_000_000n);
}

/** The agent, at the other end of the IPC channel. */
class Agent {
  #send = process.send.bind(process);
  #runtime = `node ${process.versions.node}`;
  #answers = new Map();
  #nextAsk = 1;
  #libraries = new Map(); // what can be done for each library
  #unsaid = new Set(); // libraries that ask, which was not said yet
  #asked = false;
  #othersStarted = false;

  constructor() {
    let heard;
    const answer = new Promise((resolve) => (heard = resolve));
    process.on('internalMessage', (message) => {
      if (message?.cmd !== CMD) return;
      if (message._sHooks?.version === VERSION) heard(true);
      const waiting = this.#answers.get(message._sId);
      if (!waiting) return;
      this.#answers.delete(message._sId);
      waiting(message);
    });
    /** Whether there is an agent that supports these messages: true, or false after the timeout. */
    this.answered = Promise.race([answer, this.#unanswered()]).then((good) => (this.active = good));
    this.active = false;
    this.send({_sHooks: {version: VERSION, runtime: this.#runtime}});
  }

  /** Counts only seconds in which the event loop runs: a bot that takes long to load reads its channel late. */
  async #unanswered() {
    // The process that `node --watch` runs has the watcher at the other end of its channel.
    const seconds = process.env.WATCH_REPORT_DEPENDENCIES ? 1 : HELLO_SECONDS;
    for (let second = 0; second < seconds && this.connected; ++second) await sleep(1000, undefined, {ref: false});
    return false;
  }

  get connected() {
    return process.connected === true;
  }

  send(message) {
    if (this.connected) this.#send({cmd: CMD, ...message}, () => {}); // the callback ignores errors
  }

  /**
   * Reports what can be done for a library. That it asks lets other bots of its kind start at once, and is not said while
   * this process may only be the parent of those that log in: not before the next turn of the event loop, and if it has
   * started others by then, not before its own first question.
   */
  found(library, what) {
    if (JSON.stringify(this.#libraries.get(library)) === JSON.stringify(what)) return;
    this.#libraries.set(library, what);
    this.#unsaid.delete(library);
    if (!what.identify || this.#asked) return this.#say(library);
    this.#unsaid.add(library);
    setImmediate(() => this.#othersStarted || this.#sayAll()).unref();
  }

  /** The bot starts another process or thread, which the hooks do not see. */
  startsOthers() {
    if (this.#asked || this.#othersStarted) return;
    this.#othersStarted = true;
    for (const [library, {identify, gateway}] of this.#libraries) {
      if (!identify || this.#unsaid.has(library)) continue;
      this.#say(library, {identify: false, gateway, why: 'the bot has started other processes or threads, which may be the ones that log in'});
      this.#unsaid.add(library);
    }
  }

  #sayAll() {
    for (const library of this.#unsaid) this.#say(library);
    this.#unsaid.clear();
  }

  #say(library, {identify, gateway, why} = this.#libraries.get(library)) {
    this.send({_sHooks: {version: VERSION, runtime: this.#runtime, library, identify, gateway, ...(why && {why})}});
  }

  ask(shard, answer) {
    this.#asked = true;
    this.#sayAll();
    const id = this.#nextAsk++;
    this.#answers.set(id, answer);
    this.send({_sIdentify: shard, _sId: id});
    return id;
  }

  withdraw(shard, id) {
    this.#answers.delete(id);
    this.send({_sIdentify: shard, _sId: id, cancel: true});
  }

  /** The channel was closed: all waiting requests end without a permit. */
  release() {
    this.active = false;
    const waiting = [...this.#answers.values()];
    this.#answers.clear();
    for (const answer of waiting) answer(null);
  }
}

/** The state of a shard, and its permit to log in. */
class Shard {
  #agent;
  #ask = null; // {id, until}: no `until` while there is no answer
  #changes = 0;
  #guilds = new Set();
  #state = 'connecting';
  #code = null;
  #figured = false;
  #sentAt = 0;
  #lastEvent = 0;
  #figures = {ping: -1, acksMissed: 0, events: 0, logins: 0, resumes: 0};

  constructor(agent, id) {
    this.#agent = agent;
    this.id = id;
  }

  /** Resolves to true when the shard may log in, to false without an agent; rejects when the signal is aborted. */
  async allowed(signal) {
    if (!(await this.#agent.answered)) return false;
    this.#begin();
    for (;;) {
      signal?.throwIfAborted();
      this.withdraw();
      this.#state = 'waiting';
      const answer = await this.#answer(signal);
      if (answer === null) return false;
      const until = answer._result?.until;
      if (answer._error || typeof until !== 'number') {
        this.#ask = null;
        await sleep(ASK_AGAIN, undefined, {signal, ref: false});
      } else if (monotonic() < until) {
        this.#ask.until = until;
        setTimeout(() => this.#ask?.until === until && this.withdraw(), until - monotonic() - LATE).unref();
        return true;
      }
    }
  }

  #answer(signal) {
    return new Promise((resolve, reject) => {
      if (!this.#agent.connected) return resolve(null);
      const aborted = () => {
        this.withdraw();
        reject(signal.reason);
      };
      const id = this.#agent.ask(this.id, (answer) => {
        signal?.removeEventListener('abort', aborted);
        resolve(answer);
      });
      this.#ask = {id};
      signal?.addEventListener('abort', aborted, {once: true});
    });
  }

  /** Returns an unused request or permit. */
  withdraw() {
    if (!this.#ask) return;
    this.#agent.withdraw(this.id, this.#ask.id);
    this.#ask = null;
  }

  /** Whether an IDENTIFY may be written now. */
  get permitted() {
    return !this.#agent.active || !this.#agent.connected || this.#ask?.until !== undefined;
  }

  /** A payload was written, by its op. */
  wrote(op) {
    if (op === OP.heartbeat) {
      ++this.#figures.acksMissed;
      this.#sentAt = monotonic();
    } else if (op === OP.resume) {
      this.#state = 'resuming';
    } else if (op === OP.identify) {
      ++this.#figures.logins;
      this.#state = 'identifying';
      this.#tell('identify_sent', {...(this.#ask && {ask: this.#ask.id}), at: monotonic()});
      this.#ask = null;
    }
  }

  acknowledged(ping = monotonic() - this.#sentAt) {
    this.#figures.acksMissed = 0;
    this.#figures.ping = Math.round(ping);
  }

  /** A payload was received. */
  received({op, t, d}) {
    if (op === OP.ack) return this.acknowledged();
    if (op === OP.invalid_session) return this.#tell('invalid_session', {resumable: d === true});
    if (op !== OP.dispatch) return;
    ++this.#figures.events;
    this.#lastEvent = monotonic();
    switch (t) {
      case 'READY':
        this.#guilds = new Set(d.guilds?.map(({id}) => id));
        this.#up('ready', {guilds: this.#guilds.size});
        break;
      case 'RESUMED':
        ++this.#figures.resumes;
        this.#up('resumed', {});
        break;
      case 'GUILD_CREATE':
        this.#guilds.add(d.id);
        break;
      case 'GUILD_DELETE':
        if (!d.unavailable) this.#guilds.delete(d.id);
    }
  }

  #up(event, more) {
    this.#state = 'ready';
    this.#code = null;
    this.#tell(event, more);
  }

  /** The connection was lost. Reported once, not for every reconnection that fails in the same way. */
  closed(code) {
    this.#figures.acksMissed = 0;
    this.#state = 'disconnected';
    if (this.#code === code) return;
    this.#code = code;
    this.#tell('closed', {code});
    if (!FINAL_CODES.has(code)) return;
    this.#state = 'refused';
    this.#tell('gave_up', {code});
  }

  /** The library closed the connection, possibly after it was lost. */
  disconnected() {
    if (this.#state !== 'disconnected' && this.#state !== 'refused') this.closed(1000);
  }

  /** Sends the first figures at once: the agent notices when they cease, also if the bot hangs before it is logged in. */
  #begin() {
    if (!this.#figured && this.#agent.active) this.tellFigures(-1);
  }

  #tell(event, more) {
    this.#begin();
    const always = event === 'identify_sent' || event === 'ready';
    if (!this.#agent.active || (++this.#changes > CHANGES && !always)) return;
    this.#agent.send({_sGateway: {shard: this.id, event, ...more}});
  }

  tellFigures(loopDelay) {
    this.#figured = true;
    this.#changes = 0;
    const lastEvent = this.#lastEvent ? monotonic() - this.#lastEvent : -1;
    this.#agent.send({
      _sGateway: {shard: this.id, event: 'figures', state: this.#state, ...this.#figures, lastEvent, guilds: this.#guilds.size, loopDelay},
    });
  }
}

/** The shards of this process, by id; each is created by its first event, and its figures are reported from then on. */
class Shards {
  #shards = new Map();
  #agent;

  constructor(agent) {
    this.#agent = agent;
  }

  get(id) {
    if (this.#shards.size === 0) this.#tellFigures();
    if (!this.#shards.has(id)) this.#shards.set(id, new Shard(this.#agent, id));
    return this.#shards.get(id);
  }

  #tellFigures() {
    const delay = monitorEventLoopDelay();
    delay.enable();
    setInterval(() => {
      if (!this.#agent.connected) return this.#agent.release();
      const longest = Math.round(delay.max / 1e6);
      delay.reset();
      if (this.#agent.active) for (const shard of this.#shards.values()) shard.tellFigures(longest);
    }, FIGURES).unref();
  }
}

/** Whether this version of a library has all these methods: only then it is supported. */
function has(prototype, ...names) {
  return names.every((name) => typeof prototype?.[name] === 'function');
}

/** Replaces a method; the new one gets the original as its first argument. */
function wrap(prototype, name, replacement) {
  const original = prototype[name];
  prototype[name] = function (...args) {
    return replacement.call(this, original, ...args);
  };
}

const observed = new WeakSet();

/** Observes what is written to a shard's websocket: the library may queue a payload, even for longer than a permit is valid. */
function observe(socket, shard) {
  if (!socket || observed.has(socket)) return;
  observed.add(socket);
  const {send} = socket;
  socket.send = function (data, ...rest) {
    // Binary data is a library's own encoding: of these payloads, only the one that waits for a permit is identified.
    const op = typeof data === 'string' ? Number(/^\{"op":(\d+)/.exec(data)?.[1]) : shard.permitted && OP.identify;
    if (op === OP.identify && !shard.permitted) return whenAllowed(shard, () => socket, undefined, () => socket.send(data, ...rest));
    send.call(this, data, ...rest);
    shard.wrote(op);
  };
}

/** Calls `login` when the shard may log in, if it still has the same connection. */
function whenAllowed(shard, socket, signal, login) {
  const ours = socket();
  observe(ours, shard);
  shard.allowed(signal).then(
    () => {
      if (ours && socket() === ours && ours.readyState === 1) login();
      else shard.withdraw();
    },
    () => {}, // no longer wanted
  );
}

/** For each shard of a library, the function that ends its wait for a permit. */
class Waits {
  #controllers = new WeakMap();

  start(shard) {
    this.stop(shard);
    const controller = new AbortController();
    this.#controllers.set(shard, controller);
    return controller.signal;
  }

  stop(shard) {
    this.#controllers.get(shard)?.abort();
  }
}

// The hooks of each library. Each function returns whether it supports this version.

/** @discordjs/ws, which discord.js 14 uses: replaces the default of its option `buildIdentifyThrottler`; a bot that sets the option keeps its own. */
function discordjs(library, exports, agent, shards) {
  const {WebSocketManager, WebSocketShard, SimpleShardingStrategy, DefaultWebSocketManagerOptions: defaults} = exports;
  if (!has(defaults, 'buildIdentifyThrottler') || !has(WebSocketManager?.prototype, 'connect', 'on') || !has(WebSocketShard?.prototype, 'send') || !SimpleShardingStrategy) return false;
  const build = defaults.buildIdentifyThrottler;
  const ours = (manager) => {
    let own;
    return {
      async waitForIdentify(id, signal) {
        if (!(await shards.get(id).allowed(signal))) await (await (own ??= build(manager))).waitForIdentify(id, signal);
      },
    };
  };
  defaults.buildIdentifyThrottler = ours;

  const seen = new WeakSet();
  wrap(WebSocketManager.prototype, 'connect', function (connect, ...args) {
    if (!seen.has(this)) {
      seen.add(this);
      if (this.options.buildIdentifyThrottler !== ours) {
        agent.found(library, {identify: false, gateway: true, why: 'the bot has an identify throttler of its own'});
      }
      this.on('dispatch', ({data, shardId}) => shards.get(shardId).received(data));
      this.on('heartbeat', ({latency, shardId}) => shards.get(shardId).acknowledged(latency));
      this.on('closed', ({code, shardId}) => shards.get(shardId).closed(code));
      this.on('debug', ({message, shardId}) => {
        const [, resumable] = /^Invalid session; will attempt to resume: (\w+)/.exec(message) ?? [];
        if (resumable) shards.get(shardId).received({op: OP.invalid_session, d: resumable === 'true'});
        // A strategy with threads runs its shards there, where payloads cannot be observed.
        else if (message.startsWith('Identifying') && !(this.strategy instanceof SimpleShardingStrategy)) shards.get(shardId).wrote(OP.identify);
      });
    }
    return connect.apply(this, args);
  });
  wrap(WebSocketShard.prototype, 'send', function (send, payload) {
    const sent = send.call(this, payload);
    shards.get(this.id).wrote(payload?.op);
    return sent;
  });
  return true;
}

/** eris and oceanic.js are alike: their shards send IDENTIFY by themselves, at HELLO and right after op 9. */
function erisLike(Class, closed, shards) {
  const prototype = Class?.prototype;
  if (!has(prototype, 'identify', 'onPacket', 'disconnect', closed)) return false;
  const waits = new Waits();
  wrap(prototype, 'identify', function (identify, ...args) {
    this.status = 'handshaking'; // a state in which the library sends heartbeats, as it must while it waits
    whenAllowed(shards.get(this.id), () => this.ws, waits.start(this), () => identify.apply(this, args));
  });
  wrap(prototype, 'onPacket', function (onPacket, packet) {
    const shard = shards.get(this.id);
    observe(this.ws, shard);
    if (packet) shard.received(packet);
    return onPacket.call(this, packet);
  });
  wrap(prototype, closed, function (close, code, ...args) {
    waits.stop(this);
    shards.get(this.id).closed(code || 1006);
    return close.call(this, code, ...args);
  });
  wrap(prototype, 'disconnect', function (disconnect, ...args) {
    waits.stop(this);
    if (this.ws) shards.get(this.id).disconnected();
    return disconnect.apply(this, args);
  });
  return true;
}

function eris(library, exports, agent, shards) {
  return erisLike(exports, '_onWSClose', shards);
}

function oceanic(library, exports, agent, shards) {
  return erisLike(exports?.default, 'onWSClose', shards);
}

/** @discordeno/gateway: its shards send IDENTIFY with `send`, whoever calls it. */
function discordeno(library, exports, agent, shards) {
  const prototype = (exports?.DiscordenoShard ?? exports?.default)?.prototype;
  if (!has(prototype, 'send', 'identify', 'handleDiscordPacket', 'handleClose')) return false;
  const waits = new Waits();
  wrap(prototype, 'send', function (send, message, ...args) {
    if (message?.op !== OP.identify) return send.call(this, message, ...args);
    whenAllowed(shards.get(this.id), () => this.socket, waits.start(this), () => send.call(this, message, ...args));
    return Promise.resolve();
  });
  wrap(prototype, 'handleDiscordPacket', function (handle, packet) {
    const shard = shards.get(this.id);
    observe(this.socket, shard);
    if (packet) shard.received(packet);
    return handle.call(this, packet);
  });
  wrap(prototype, 'handleClose', function (handle, close) {
    waits.stop(this);
    shards.get(this.id).closed(close?.code || 1006);
    return handle.call(this, close);
  });
  return true;
}

/** The file of each hooked library, once it is loaded. */
const LIBRARIES = [
  {file: /[/\\]@discordjs[/\\]ws[/\\]dist[/\\]index\.(?:js|mjs)$/, hook: discordjs, exports: '{WebSocketManager, WebSocketShard, SimpleShardingStrategy, DefaultWebSocketManagerOptions}'},
  {file: /[/\\]eris[/\\]lib[/\\]gateway[/\\]Shard\.js$/, hook: eris},
  {file: /[/\\]oceanic\.js[/\\]dist[/\\]lib[/\\]gateway[/\\]Shard\.js$/, hook: oceanic},
  {file: /[/\\]@discordeno[/\\]gateway[/\\]dist[/\\](?:(?:esm|cjs)[/\\])?Shard\.c?js$/, hook: discordeno, exports: '{DiscordenoShard}'},
  // Libraries known by name only: reported, not hooked. discord.js 14 is hooked through @discordjs/ws.
  {file: /[/\\]discord\.js[/\\]src[/\\]index\.js$/, hook: () => hooked.has('discord.js')},
  {file: /[/\\](?:detritus-client-socket|@spectacles[/\\]gateway|cloudstorm|tiny-discord)[/\\].*\.c?js$/, hook: () => false},
];
const hooked = new Set();

/** The package that a file belongs to, as "name version". */
function packageOf(file) {
  for (let folder = path.dirname(file); folder !== path.dirname(folder); folder = path.dirname(folder)) {
    try {
      const {name, version} = JSON.parse(fs.readFileSync(path.join(folder, 'package.json'), 'utf8'));
      if (name && version) return `${name} ${version}`;
    } catch {
      // no package.json here
    }
  }
  return path.basename(file);
}

function loaded(file, exports, outer, agent, shards) {
  const entry = LIBRARIES.find(({file: pattern}) => pattern.test(file));
  if (!entry) return;
  // Loaded by discord.js, @discordjs/ws is reported as discord.js.
  const library = packageOf((entry.hook === discordjs && outer.find((each) => /[/\\]discord\.js[/\\]src[/\\]/.test(each))) || file);
  const name = library.replace(/ [^ ]*$/, '');
  let why = 'this version is not known';
  try {
    if (entry.hook(library, exports, agent, shards)) {
      hooked.add(name);
      return agent.found(library, {identify: true, gateway: true});
    }
  } catch (error) {
    why = error.message;
  }
  agent.found(library, {identify: false, gateway: false, why});
}

/** Hooks CommonJS modules, also those imported by an ES module. */
function watchRequires(seen) {
  const {load} = Module.prototype;
  const outer = []; // files being loaded that wait for this one
  Module.prototype.load = function (file) {
    outer.push(file);
    try {
      load.call(this, file);
    } finally {
      outer.pop();
    }
    seen(file, this.exports, outer);
  };
}

/** Hooks ES modules. They cannot be changed from outside, so a line is appended to the libraries' files, in memory. */
function watchImports(seen) {
  globalThis[LIBRARY] = seen;
  const entries = LIBRARIES.filter(({exports}) => exports).map(({file, exports}) => ({file: file.source, exports}));
  const append = (entries, url, loaded) => {
    const entry = loaded.format === 'module' && entries.find(({file}) => new RegExp(file).test(decodeURIComponent(new URL(url).pathname)));
    if (!entry) return loaded;
    const line = `\n;globalThis[Symbol.for('smaster.hooks')]?.(decodeURIComponent(new URL(import.meta.url).pathname), ${entry.exports});\n`;
    return {...loaded, source: String(typeof loaded.source === 'string' ? loaded.source : new TextDecoder().decode(loaded.source)) + line};
  };
  if (Module.registerHooks) {
    Module.registerHooks({load: (url, context, next) => (url.startsWith('file:') ? append(entries, url, next(url, context)) : next(url, context))});
  } else if (Module.register && (installed('@discordeno/gateway') || depends('@discordjs/ws'))) {
    // Older versions of Node.js need a thread for this: start it only if it is of use.
    const source = `const entries = ${JSON.stringify(entries)}; const append = ${append};
      export async function load(url, context, next) { const loaded = await next(url, context); return url.startsWith('file:') ? append(entries, url, loaded) : loaded; }`;
    Module.register(`data:text/javascript,${encodeURIComponent(source)}`);
  }
}

/** The first result of `look` that is not undefined, from the folder of the bot's program upwards. */
function upwards(look) {
  const program = path.resolve(process.argv[1] ?? '.');
  let folder = fs.statSync(program, {throwIfNoEntry: false})?.isDirectory() ? program : path.dirname(program);
  for (;;) {
    const found = look(folder);
    if (found !== undefined || folder === path.dirname(folder)) return found;
    folder = path.dirname(folder);
  }
}

/** Whether the bot's program could import a package. */
function installed(name) {
  return upwards((folder) => fs.existsSync(path.join(folder, 'node_modules', name)) || undefined) === true;
}

/** Whether the bot's own package.json names a package. */
function depends(name) {
  return upwards((folder) => {
    try {
      return name in (JSON.parse(fs.readFileSync(path.join(folder, 'package.json'), 'utf8')).dependencies ?? {});
    } catch {
      return undefined; // no package.json here
    }
  }) === true;
}

/** Tells the agent when the bot starts other programs of its kind. */
function watchStarts(agent) {
  wrap(childProcess, 'fork', function (fork, ...args) {
    agent.startsOthers();
    return fork.apply(this, args);
  });
  wrap(childProcess, 'spawn', function (spawn, program, ...args) {
    if (program === process.execPath || /^node(?:js)?$/.test(path.basename(String(program)))) agent.startsOthers();
    return spawn.call(this, program, ...args);
  });
  const {Worker} = workerThreads;
  workerThreads.Worker = class extends Worker {
    constructor(...args) {
      agent.startsOthers();
      super(...args);
    }
  };
  Module.syncBuiltinESMExports();
}

/** Restores the user's environment for programs that the bot starts. */
function restoreEnvironment() {
  delete process.env.SMASTER_HOOKS;
  const real = (file) => {
    try {
      return fs.realpathSync(file);
    } catch {
      return file;
    }
  };
  const without = (name, value) => {
    if (value) process.env[name] = value;
    else delete process.env[name];
  };
  const options = process.env.NODE_OPTIONS ?? '';
  const [ours, file] = /^--require "((?:[^"\\]|\\.)*)" ?/.exec(options) ?? [];
  if (ours && real(file.replace(/\\(.)/g, '$1')) === ENTRY) without('NODE_OPTIONS', options.slice(ours.length));
  const [first, ...rest] = (process.env.PYTHONPATH ?? '').split(path.delimiter);
  if (first && real(first) === path.join(__dirname, 'python')) without('PYTHONPATH', rest.join(path.delimiter));
}

/** Loads each library from the bot's folder, without the bot, and prints what it finds. */
async function survey(bot) {
  const require = Module.createRequire(path.resolve(bot));
  const said = new Set();
  const agent = {
    found(library, {identify, gateway, why}) {
      if (said.has(library)) return;
      said.add(library);
      fs.writeSync(1, `${JSON.stringify({_sHooks: {library, identify, gateway, ...(why && {why})}})}\n`);
    },
  };
  const shards = new Shards(agent);
  watchRequires((file, exports, outer = []) => loaded(file, exports, outer, agent, shards));
  for (const name of ['discord.js', '@discordjs/ws', 'eris', 'oceanic.js', '@discordeno/gateway']) {
    try {
      require.resolve(name);
    } catch {
      continue; // not installed
    }
    try {
      require(name);
    } catch (error) {
      agent.found(name, {identify: false, gateway: false, why: `it cannot be loaded: ${error.message.split('\n')[0]}`});
    }
  }
  process.exit(0);
}

if (process.env.SMASTER_HOOKS === 'survey' && require.main?.filename === ENTRY) {
  survey(process.argv[2] ?? 'bot.js');
} else if (workerThreads.isMainThread && process.env.SMASTER_HOOKS === '1' && process.send) {
  try {
    restoreEnvironment();
    const agent = new Agent();
    const shards = new Shards(agent);
    const seen = (file, exports, outer = []) => loaded(file, exports, outer, agent, shards);
    watchStarts(agent);
    watchRequires(seen);
    watchImports(seen);
  } catch (error) {
    process.emitWarning(`smaster: the hooks cannot be loaded: ${error.message}`); // a bot must start even if the hooks fail
  }
}
