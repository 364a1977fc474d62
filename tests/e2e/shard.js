// A small shard on npm's socket.io-client, in place of a bot's host. It proves itself, verifies the master, simulates a
// bot with the assigned id, really evaluates scripts, and reports its status. Run it as `node shard.js CONFIG.json`, or
// import DemoShard.
import {createSign, createVerify} from 'node:crypto';
import {readFileSync} from 'node:fs';
import {fileURLToPath} from 'node:url';
import os from 'node:os';
import {io} from 'socket.io-client';

/** The authorization header; valid for one handshake. */
export function authorization(config, time = Date.now(), name = config.id) {
  const signature = createSign('RSA-SHA256').update(`${name}${time}`).sign(config.privKey, 'base64');
  return `${name},${signature},${time}`;
}

/** The bot, which scripts access as `this`. */
class Bot {
  constructor(id, count) {
    this.id = id;
    this.count = count;
    this.startTime = Date.now();
    this.messages = 0;
  }
}

export class DemoShard {
  /** `options`: `socket` is for socket.io-client, `restartTime` is the bot's restart time (ms). */
  constructor(config, options = {}) {
    this.config = config;
    this.bot = null;
    this.master = null;
    this.verified = false;
    this.updates = [];
    this.exits = 0;
    this.closed = false;
    this.restartTime = options.restartTime ?? 50;
    this.more = {};
    const {protocol, host, port, path} = config.host;
    this.socket = io(`${protocol}//${host}:${port}`, {
      path: `${path}master/`,
      extraHeaders: {authorization: authorization(config)},
      reconnectionDelay: 100,
      reconnectionDelayMax: 1000,
      ...options.socket,
    });
    this.socket.io.on('reconnect_attempt', () => {
      this.socket.io.opts.extraHeaders = {authorization: authorization(config)};
    });
    this.socket.on('masterVerification', (signature, text) => {
      this.verified = createVerify('RSA-SHA256').update(text).verify(config.masterPubKey, signature, 'base64');
      if (!this.verified) this.close();
    });
    this.socket.on('update', (update) => this.onUpdate(update));
    this.socket.on('evalRequest', (script, done) => this.onEval(script, done));
    this.files = new Map(); // name → {data, mtime}, as the project directory of a shard's host
    this.socket.on('writeFile', (file, data, done) => this.onWriteFile(file, data, done));
    this.socket.on('getFile', (file, done) => this.onGetFile(file, done));
    this.socket.on('respawn', (delay) => {
      this.respawnDelay = delay;
      setTimeout(() => this.respawn(), delay);
    });
  }

  onUpdate(update) {
    this.updates.push(update);
    const {id, count} = update;
    if (id === -2) return this.exit();
    if (id < 0) {
      this.bot = null;
    } else if (!this.bot || this.bot.id !== id || this.bot.count !== count) {
      this.bot = new Bot(id, count);
    }
    this.goal = {id, count};
    if (update.config.heartbeat.updateStyle === 'pull') this.sendStatus();
  }

  async onEval(script, done) {
    try {
      if (!this.bot) throw new Error('no bot is running');
      const result = await function() {
        return eval(script);
      }.call(this.bot);
      done(null, result);
    } catch (error) {
      done({name: error.name, message: error.message, stack: error.stack});
    }
  }

  /** The whole program ends and is restarted by its supervisor. */
  exit() {
    ++this.exits;
    this.bot = null;
    this.goal = null;
    this.socket.disconnect();
    if (!this.closed) setTimeout(() => this.closed || this.connect(), this.restartTime);
  }

  connect() {
    this.socket.io.opts.extraHeaders = {authorization: authorization(this.config)};
    this.socket.connect();
  }

  onWriteFile(file, data, done) {
    const {filename, mtime} = typeof file === 'string' ? {filename: file} : file;
    if (data !== null) {
      this.files.set(filename, {data, mtime});
    } else if (mtime === undefined || mtime === 1) {
      this.files.delete(filename);
    }
    this.lastWrite = {file, data};
    done(null);
  }

  onGetFile(file, done) {
    const name = typeof file === 'string' ? file : file.filename;
    const own = this.files.get(name);
    if (!own) return done(`${name} does not exist`);
    this.socket.emit('writeFile', {filename: name, mtime: own.mtime}, own.data, done);
  }

  respawn() {
    if (!this.bot) return;
    const {id, count} = this.bot;
    this.bot = null;
    setTimeout(() => {
      this.bot = new Bot(id, count);
      this.sendStatus();
    }, this.restartTime);
  }

  /** Its statuses have these members, too, from now on. */
  reports(more) {
    Object.assign(this.more, more);
    return this;
  }

  sendStatus() {
    const memory = process.memoryUsage();
    const cores = os.cpus();
    this.bot && ++this.bot.messages;
    this.socket.emit('status', {
      id: this.config.id,
      isMaster: false,
      startTime: this.bot?.startTime ?? 0,
      stopTime: 0,
      goalShardId: this.goal?.id ?? -1,
      goalShardCount: this.goal?.count ?? -1,
      currentShardId: this.bot?.id ?? -1,
      currentShardCount: this.bot?.count ?? -1,
      timestamp: Date.now(),
      timeDelta: 0,
      messageCountDelta: 1,
      messageCountTotal: this.bot?.messages ?? 0,
      memHeapUsed: memory.heapUsed,
      memHeapTotal: memory.heapTotal,
      memRSS: memory.rss,
      memExternal: memory.external,
      cpuLoad: cores.map(() => Math.min(1, os.loadavg()[0] / cores.length)),
      cpus: cores,
      ping: 42,
      storageUsedTotal: '1024',
      storageUsedUsers: 512,
      ...this.more,
    });
  }

  close() {
    this.closed = true;
    this.socket.close();
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const shard = new DemoShard(JSON.parse(readFileSync(process.argv[2], 'utf8')));
  const say = (text) => console.log(`shard ${shard.config.id}: ${text}`);
  shard.socket.on('connect', () => say('connected'));
  shard.socket.on('disconnect', (reason) => say(`disconnected (${reason})`));
  shard.socket.on('connect_error', (error) => say(`cannot connect: ${error.message}`));
  shard.socket.on('update', ({id, count}) => {
    if (shard.updates.length === 1) say(`runs id ${id} of ${count}`);
  });
  shard.socket.on('respawn', (delay) => say(`respawns in ${delay} ms`));
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => shard.close());
}
