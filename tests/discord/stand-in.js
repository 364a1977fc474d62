#!/usr/bin/env node
// A stand-in for Discord: the part of its REST API that libraries use when they log in, and its gateway, version 10, in
// JSON, plain or zlib-stream. It enforces Discord's rules on logins and counts violations; it knows nothing about
// smaster. Written from Discord's documentation.
//
//   node tests/discord/stand-in.js --port 0 --max-concurrency 1
//
// prints its address, then a line of JSON per event. POST /control sends it commands, such as {"do": "drop",
// "sessions": false}; GET /control returns its counters.
import {EventEmitter} from 'node:events';
import http from 'node:http';
import {randomBytes} from 'node:crypto';
import {pathToFileURL} from 'node:url';
import {parseArgs} from 'node:util';
import zlib from 'node:zlib';
import {WebSocketServer} from 'ws';
import {APPLICATION_ID, application, guild, guildId, message, shardOf, user} from './payloads.js';

const OP = {dispatch: 0, heartbeat: 1, identify: 2, presence: 3, voice: 4, resume: 6, reconnect: 7, members: 8, invalid_session: 9, hello: 10, ack: 11};
const REPLAYED_AT_MOST = 1000; // events kept for a session that may be resumed
const SENDS_PER_MINUTE = 120; // Discord's limit for what a connection sends
const WITHOUT_HEARTBEAT = 1.5; // intervals until the gateway closes a connection
const TIMELINE_AT_MOST = 10_000; // entries kept for a shard

/** The configuration. Times are in milliseconds. */
export const DEFAULTS = {
  host: '127.0.0.1',
  port: 0,
  maxConcurrency: 1,
  total: 1000, // logins a day
  remaining: undefined, // the same as total
  resetAfter: 86_400_000,
  shards: 1, // what it recommends
  guilds: 32, // of the bot, spread over its shards as Discord does
  token: undefined, // the only one that is right; any is, without it
  identifyInterval: 5000,
  heartbeatInterval: 41_250,
  readyDelay: 50, // from IDENTIFY to READY
  resumeWindow: 180_000, // how long a session can be resumed after its connection was lost
};

/** A shard's session; it outlives its connection for a while. */
class Session {
  constructor(id, shard, count, token) {
    Object.assign(this, {id, shard, count, token, sequence: 0, sent: [], connection: null, lostAt: 0, over: false});
  }
  get key() {
    return `${this.shard}/${this.count}`;
  }
}

/** One websocket of a bot. */
class Connection {
  constructor(socket, compress) {
    Object.assign(this, {socket, session: null, identified: false, deaf: false, mute: false, sends: 0, sendsSince: Date.now(), lastHeartbeat: Date.now(), timers: new Set()});
    if (!compress) return;
    this.deflate = zlib.createDeflate({flush: zlib.constants.Z_SYNC_FLUSH});
    let chunks = [];
    this.deflate.on('data', (chunk) => chunks.push(chunk));
    this.flushed = () => {
      const whole = Buffer.concat(chunks);
      chunks = [];
      if (whole.length > 0 && socket.readyState === socket.OPEN) socket.send(whole);
    };
  }

  write(payload) {
    const text = JSON.stringify(payload);
    if (!this.deflate) {
      if (this.socket.readyState === this.socket.OPEN) this.socket.send(text);
      return;
    }
    this.deflate.write(text);
    this.deflate.flush(zlib.constants.Z_SYNC_FLUSH, this.flushed);
  }
}

export class StandIn extends EventEmitter {
  constructor(options = {}) {
    super();
    this.options = {...DEFAULTS};
    for (const [name, value] of Object.entries(options)) {
      if (!(name in DEFAULTS)) throw new Error(`the stand-in has no option ${name}`);
      if (value !== undefined) this.options[name] = value;
    }
    this.remaining = this.options.remaining ?? this.options.total;
    this.resetAt = Date.now() + this.options.resetAfter;
    this.sessions = new Map();
    this.timelines = new Map(); // by "id/count": what happened to the shard, and when
    this.connections = new Set();
    this.lastIdentify = new Map(); // by bucket: when the last one was accepted
    this.refusal = null;
    this.tokenReset = false;
    this.awayUntil = 0;
    this.startedAt = Date.now();
    this.nextMessage = 1n << 40n;
    this.clear();

    this.server = http.createServer((request, response) => this.#http(request, response));
    this.sockets = new WebSocketServer({noServer: true, perMessageDeflate: false, maxPayload: 4096});
    this.server.on('upgrade', (request, socket, head) => {
      socket.on('error', () => {});
      if (this.#away()) return socket.destroy();
      this.sockets.handleUpgrade(request, socket, head, (websocket) => this.#connected(websocket, new URL(request.url, 'http://gateway')));
    });
  }

  async listen() {
    await new Promise((resolve, reject) => {
      this.server.once('error', reject);
      this.server.listen(this.options.port, this.options.host, resolve);
    });
    const {port} = this.server.address();
    this.port = port;
    this.address = `http://${this.options.host}:${port}`;
    this.api = `${this.address}/api/v10`;
    this.gateway = `ws://${this.options.host}:${port}`;
    return this;
  }

  async close() {
    for (const connection of this.connections) connection.socket.terminate();
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  /** Resets the counters; the shards' events stay known. */
  clear() {
    this.counts = {
      identifies: 0, accepted: 0, too_early: 0, over_budget: 0, doubles: 0, mixed_counts: 0, refused: 0, resumes: 0, resumed: 0, invalid_sessions: 0, ready: 0, closes: {}, rest: {},
    };
    this.earliest = null; // the shortest time, in ms, between an accepted IDENTIFY and the next one in its bucket
  }

  // Queries.

  report() {
    const live = [...this.sessions.values()].filter(({connection}) => connection);
    return {
      ...this.counts, remaining: this.#budget(), connections: this.connections.size, sessions: this.sessions.size, connected: live.map(({key}) => key).sort(),
      earliest_ms: this.earliest, shards: Object.fromEntries([...this.timelines].map(([key, timeline]) => [key, timeline])),
    };
  }

  /** The shards, as "id/count", that have a session with a connection, READY or resumed. */
  get connected() {
    return new Set([...this.sessions.values()].filter(({connection}) => connection?.identified).map(({key}) => key));
  }

  /** Resolves when `test(this)` is true; called after each event. */
  async until(test, timeout = 60_000, what = 'what was waited for') {
    if (test(this)) return;
    await new Promise((resolve, reject) => {
      const listener = () => {
        if (!test(this)) return;
        clearTimeout(timer);
        this.off('event', listener);
        resolve();
      };
      const timer = setTimeout(() => {
        this.off('event', listener);
        const {shards, ...counts} = this.report();
        reject(new Error(`${what} did not happen within ${timeout} ms: ${JSON.stringify(counts)}`));
      }, timeout);
      this.on('event', listener);
    });
  }

  /** Resolves when exactly the shards `ids` of `count` have sessions. */
  async untilReady(ids, count, timeout) {
    const wanted = [...ids].map((id) => `${id}/${count}`);
    await this.until(({connected}) => wanted.every((key) => connected.has(key)), timeout, `shards ${wanted.join(', ')} ready`);
  }

  /** The longest time, in ms, within [from, to] in which some guild was on no shard with a session and a connection, of any shard count. */
  longestOutage(from = this.startedAt, to = Date.now()) {
    const changes = Array.from({length: this.options.guilds}, () => []);
    for (const [key, timeline] of this.timelines) {
      const [shard, count] = key.split('/').map(Number);
      const steps = timeline.filter(({event}) => event === 'up' || event === 'down');
      changes.forEach((list, index) => shardOf(index, count) === shard && list.push(...steps));
    }
    return Math.max(0, ...changes.map((list) => {
      list.sort((a, b) => a.at - b.at || (a.event === 'up' ? -1 : 1));
      let sessions = 0;
      let since = from;
      let longest = 0;
      for (const {at, event} of list) {
        if (sessions === 0) longest = Math.max(longest, Math.min(at, to) - since);
        sessions += event === 'up' ? 1 : -1;
        if (sessions === 0) since = Math.max(at, from);
      }
      return sessions === 0 ? Math.max(longest, to - since) : longest;
    }));
  }

  // Commands.

  /** Ends shards' connections, abruptly (or with a close code); with `sessions` true also their sessions. */
  drop({shards, sessions = false, code} = {}) {
    const hit = this.#of(shards);
    for (const connection of hit) {
      if (sessions && connection.session) this.#forget(connection.session, 'dropped');
      if (code) this.#close(connection, code, 'told to close');
      else connection.socket.terminate();
    }
    this.#event('drop', {shards, sessions, code, connections: hit.length});
    return hit.length;
  }

  /** Invalidates sessions with op 9; the connections stay. */
  invalidate({shards, resumable = false} = {}) {
    const hit = this.#of(shards);
    for (const connection of hit) this.#invalid(connection, resumable, 'told to');
    return hit.length;
  }

  /** Requests a reconnection with op 7. */
  reconnect({shards} = {}) {
    const hit = this.#of(shards);
    for (const connection of hit) connection.write({op: OP.reconnect, d: null, s: null, t: null});
    this.#event('reconnect', {shards, connections: hit.length});
    return hit.length;
  }

  /** Stops sending events to shards while heartbeats are still answered; or resumes. */
  deaf({shards, on = true} = {}) {
    const hit = this.#of(shards);
    for (const connection of hit) connection.deaf = on;
    this.#event('deaf', {shards, on});
    return hit.length;
  }

  /** Stops answering shards' heartbeats; or resumes. */
  mute({shards, on = true} = {}) {
    const hit = this.#of(shards);
    for (const connection of hit) connection.mute = on;
    this.#event('mute', {shards, on});
    return hit.length;
  }

  /** Refuses logins with a code such as 4004 or 4014: those of `shards`, or all. Without a code: accepts them again. */
  refuse({code = null, shards} = {}) {
    this.refusal = code === null ? null : {code, shards};
    this.#event('refuse', {code, shards});
  }

  /** Unreachable for a while, gateway and REST. Connections are lost; sessions stay unless `sessions` is true. */
  away({ms, sessions = false} = {}) {
    if (!(ms > 0)) throw new Error('away: ms is to be a number above 0');
    this.awayUntil = Date.now() + ms;
    this.drop({sessions});
    this.#event('away', {ms});
  }

  /** Sends an event to the shards: a message in each one's first guild, or any `event` with `data`. */
  send({shards, event, data, content = 'hello'} = {}) {
    let sent = 0;
    for (const {session} of this.#of(shards)) {
      if (!session) continue;
      const index = this.#guildsOf(session)[0];
      if (event) this.#dispatch(session, event, data);
      else if (index !== undefined) this.#dispatch(session, 'MESSAGE_CREATE', message(index, this.nextMessage++, content));
      else continue;
      ++sent;
    }
    return sent;
  }

  /** Executes a command received over HTTP. */
  control(command) {
    const {do: name, ...options} = command;
    const commands = ['drop', 'invalidate', 'reconnect', 'deaf', 'mute', 'refuse', 'away', 'send', 'clear'];
    if (!commands.includes(name)) throw new Error(`"do" is to be one of ${commands.join(', ')}`);
    return this[name](options) ?? null;
  }

  // REST.

  #http(request, response) {
    const url = new URL(request.url, 'http://api');
    const answer = (status, body) => {
      response.writeHead(status, {'content-type': 'application/json'});
      response.end(JSON.stringify(body));
    };
    if (url.pathname === '/control') return this.#controlled(request, answer);
    if (this.#away()) return request.socket.destroy();
    request.resume();
    const path = url.pathname.replace(/^\/api(\/v\d+)?/, '');
    const key = `${request.method} ${path}`;
    this.counts.rest[key] = (this.counts.rest[key] ?? 0) + 1;
    const right = this.#rightToken(request.headers.authorization?.replace(/^Bot /, ''));
    const status = this.#rest(key, right, answer);
    this.#event('rest', {request: key, status});
  }

  #rest(key, right, answer) {
    const reply = (status, body) => {
      answer(status, body);
      return status;
    };
    if (key === 'GET /gateway') return reply(200, {url: this.gateway});
    if (!right) return reply(401, {message: '401: Unauthorized', code: 0});
    switch (key) {
      case 'GET /gateway/bot':
        return reply(200, {url: this.gateway, shards: this.options.shards, session_start_limit: this.startLimit()});
      case 'GET /users/@me':
        return reply(200, user());
      case 'GET /applications/@me':
      case 'GET /oauth2/applications/@me':
        return reply(200, application());
      case `GET /applications/${APPLICATION_ID}/commands`:
      case `PUT /applications/${APPLICATION_ID}/commands`:
        return reply(200, []);
      default:
        return reply(404, {message: '404: Not Found', code: 0});
    }
  }

  #controlled(request, answer) {
    if (request.method === 'GET') return answer(200, this.report());
    let body = '';
    request.on('data', (part) => (body += part));
    request.on('end', () => {
      try {
        answer(200, {result: this.control(JSON.parse(body))});
      } catch (error) {
        answer(400, {error: error.message});
      }
    });
  }

  /** Discord's session_start_limit, as of now. */
  startLimit() {
    const remaining = this.#budget();
    return {total: this.options.total, remaining, reset_after: Math.max(0, this.resetAt - Date.now()), max_concurrency: this.options.maxConcurrency};
  }

  #budget() {
    if (Date.now() >= this.resetAt) {
      this.remaining = this.options.total;
      this.resetAt = Date.now() + this.options.resetAfter;
    }
    return this.remaining;
  }

  #rightToken(token) {
    return !this.tokenReset && Boolean(token) && (this.options.token === undefined || token === this.options.token);
  }

  #away() {
    return Date.now() < this.awayUntil;
  }

  // The gateway.

  #connected(socket, url) {
    const compress = url.searchParams.get('compress');
    const connection = new Connection(socket, compress === 'zlib-stream');
    this.connections.add(connection);
    socket.on('error', () => {});
    socket.on('close', (code) => this.#lost(connection, code));
    socket.on('message', (data) => this.#received(connection, data));
    this.#event('connect', {compress});
    if (url.searchParams.get('v') !== '10') return this.#close(connection, 4012, 'Invalid API version');
    if (url.searchParams.get('encoding') !== 'json' || (compress && compress !== 'zlib-stream')) return this.#close(connection, 4002, 'Only JSON, plain or zlib-stream');
    connection.write({op: OP.hello, d: {heartbeat_interval: this.options.heartbeatInterval, _trace: ['stand-in']}, s: null, t: null});
    const patience = this.options.heartbeatInterval * WITHOUT_HEARTBEAT;
    this.#repeat(connection, this.options.heartbeatInterval / 2, () => {
      if (Date.now() - connection.lastHeartbeat > patience) this.#close(connection, 4009, 'Session timed out');
    });
  }

  #received(connection, data) {
    if (connection.socket.readyState !== connection.socket.OPEN) return;
    if (Date.now() - connection.sendsSince > 60_000) Object.assign(connection, {sends: 0, sendsSince: Date.now()});
    if (++connection.sends > SENDS_PER_MINUTE) return this.#close(connection, 4008, 'You are being rate limited');
    let payload;
    try {
      payload = JSON.parse(data.toString());
    } catch {
      return this.#close(connection, 4002, 'Error while decoding payload');
    }
    if (payload === null || typeof payload !== 'object') return this.#close(connection, 4002, 'Error while decoding payload');
    switch (payload.op) {
      case OP.heartbeat:
        connection.lastHeartbeat = Date.now();
        if (!connection.mute) connection.write({op: OP.ack, d: null, s: null, t: null});
        return;
      case OP.identify:
        return this.#identify(connection, payload.d);
      case OP.resume:
        return this.#resume(connection, payload.d);
      case OP.presence:
      case OP.voice:
      case OP.members:
        if (!connection.session) this.#close(connection, 4003, 'Not authenticated');
        return;
      default:
        return this.#close(connection, 4001, 'Unknown opcode');
    }
  }

  #identify(connection, d) {
    const now = Date.now();
    if (connection.session) return this.#close(connection, 4005, 'Already authenticated');
    if (d === null || typeof d !== 'object' || typeof d.token !== 'string' || typeof d.intents !== 'number') return this.#close(connection, 4002, 'Error while decoding payload');
    const [shard, count] = d.shard ?? [0, 1];
    const bucket = shard % this.options.maxConcurrency;
    const since = now - (this.lastIdentify.get(bucket) ?? -Infinity);
    const seen = {shard, count, bucket, since_ms: Number.isFinite(since) ? since : null};
    ++this.counts.identifies;
    if (!this.#rightToken(d.token.replace(/^Bot /, ''))) return this.#refused(connection, seen, 4004, 'Authentication failed');
    if (!(Number.isInteger(shard) && Number.isInteger(count) && shard >= 0 && shard < count)) return this.#refused(connection, seen, 4010, 'Invalid shard');
    if (this.refusal && (this.refusal.shards === undefined || this.refusal.shards.includes(shard))) return this.#refused(connection, seen, this.refusal.code, 'told to refuse');

    if (this.#budget() === 0) {
      ++this.counts.over_budget;
      this.#shardEvent(shard, count, 'over_budget', seen);
      this.tokenReset = true;
      for (const each of this.connections) {
        if (each.session) this.#forget(each.session, 'over budget');
        this.#close(each, 4004, 'Authentication failed');
      }
      return;
    }
    --this.remaining;
    if (Number.isFinite(since) && (this.earliest === null || since < this.earliest)) this.earliest = since;
    if (since < this.options.identifyInterval) {
      ++this.counts.too_early;
      this.#shardEvent(shard, count, 'too_early', seen);
      this.#invalid(connection, false, 'too early');
      return;
    }
    this.lastIdentify.set(bucket, now);
    ++this.counts.accepted;
    this.#shardEvent(shard, count, 'identify', seen);

    for (const other of this.sessions.values()) {
      if (!other.connection) continue;
      if (other.shard === shard && other.count === count) {
        ++this.counts.doubles;
        this.#shardEvent(shard, count, 'double', {});
      } else if (other.count !== count && !this.#mixed.has([other.count, count].sort().join())) {
        this.#mixed.add([other.count, count].sort().join());
        ++this.counts.mixed_counts;
        this.#event('mixed_counts', {counts: [other.count, count]});
      }
    }

    const session = new Session(randomBytes(16).toString('hex'), shard, count, d.token);
    this.sessions.set(session.id, session);
    this.#attach(session, connection);
    this.#later(connection, this.options.readyDelay, () => this.#ready(session));
  }

  #mixed = new Set();

  #ready(session) {
    const indexes = this.#guildsOf(session);
    session.connection.identified = true;
    this.#dispatch(session, 'READY', {
      v: 10, user: user(), session_id: session.id, resume_gateway_url: this.gateway, session_type: 'normal', shard: [session.shard, session.count], application: {id: APPLICATION_ID, flags: 565248},
      guilds: indexes.map((index) => ({id: guildId(index), unavailable: true})), private_channels: [], relationships: [], presences: [], guild_join_requests: [], user_settings: {},
      geo_ordered_rtc_regions: [], auth: {}, _trace: ['stand-in'],
    });
    for (const index of indexes) this.#dispatch(session, 'GUILD_CREATE', guild(index));
    ++this.counts.ready;
    this.#up(session);
    this.#shardEvent(session.shard, session.count, 'ready', {guilds: indexes.length});
  }

  #resume(connection, d) {
    if (connection.session) return this.#close(connection, 4005, 'Already authenticated');
    if (d === null || typeof d !== 'object') return this.#close(connection, 4002, 'Error while decoding payload');
    ++this.counts.resumes;
    const session = this.sessions.get(d.session_id);
    const first = session?.sent[0]?.s ?? 1;
    const good = session && session.token === d.token && Number.isInteger(d.seq) && d.seq <= session.sequence && d.seq >= first - 1 &&
      (session.connection || Date.now() - session.lostAt < this.options.resumeWindow);
    if (!good) {
      if (session) this.#forget(session, 'cannot be resumed');
      return this.#invalid(connection, false, 'cannot be resumed');
    }
    if (session.connection) {
      const old = session.connection;
      this.#detach(session);
      this.#close(old, 4000, 'Resumed elsewhere');
    }
    this.#attach(session, connection);
    connection.identified = true;
    const missed = session.sent.filter(({s}) => s > d.seq);
    for (const payload of missed) connection.write(payload);
    this.#dispatch(session, 'RESUMED', {_trace: ['stand-in']});
    ++this.counts.resumed;
    this.#up(session);
    this.#shardEvent(session.shard, session.count, 'resumed', {replayed: missed.length});
  }

  #refused(connection, seen, code, reason) {
    ++this.counts.refused;
    this.#shardEvent(seen.shard, seen.count, 'refused', {...seen, code});
    this.#close(connection, code, reason);
  }

  /** Op 9. */
  #invalid(connection, resumable, reason) {
    ++this.counts.invalid_sessions;
    const {session} = connection;
    if (session && !resumable) this.#forget(session, reason);
    this.#event('invalid_session', {shard: session?.shard, count: session?.count, resumable, reason});
    connection.write({op: OP.invalid_session, d: resumable, s: null, t: null});
  }

  #dispatch(session, event, data) {
    const payload = {op: OP.dispatch, t: event, s: ++session.sequence, d: data};
    if (event !== 'RESUMED') session.sent.push(payload);
    if (session.sent.length > REPLAYED_AT_MOST) session.sent.shift();
    if (session.connection && !session.connection.deaf) session.connection.write(payload);
  }

  #attach(session, connection) {
    session.connection = connection;
    connection.session = session;
  }

  #detach(session) {
    const {connection} = session;
    if (!connection) return;
    if (connection.identified) this.#shardEvent(session.shard, session.count, 'down', {});
    session.connection = null;
    session.lostAt = Date.now();
    connection.session = null;
    connection.identified = false;
  }

  #up(session) {
    this.#shardEvent(session.shard, session.count, 'up', {});
  }

  #forget(session, reason) {
    this.#detach(session);
    if (this.sessions.delete(session.id)) this.#shardEvent(session.shard, session.count, 'session_over', {reason});
  }

  #lost(connection, code) {
    for (const timer of connection.timers) clearInterval(timer);
    this.connections.delete(connection);
    connection.deflate?.close();
    const {session} = connection;
    this.counts.closes[code] = (this.counts.closes[code] ?? 0) + 1;
    this.#event('close', {shard: session?.shard, count: session?.count, code});
    if (!session) return;
    const ended = (code === 1000 || code === 1001) && !connection.closing; // a client that closes so gives its session up
    if (ended || !connection.identified) this.#forget(session, `closed with ${code}`);
    else this.#detach(session);
  }

  #close(connection, code, reason) {
    connection.closing = true;
    connection.socket.close(code, reason);
    setTimeout(() => connection.socket.terminate(), 2000).unref();
  }

  #guildsOf({shard, count}) {
    return Array.from({length: this.options.guilds}, (_, index) => index).filter((index) => shardOf(index, count) === shard);
  }

  #of(shards) {
    return [...this.connections].filter(({session}) => shards === undefined || (session && shards.includes(session.shard)));
  }

  #repeat(connection, ms, run) {
    connection.timers.add(setInterval(run, ms));
  }

  #later(connection, ms, run) {
    const timer = setTimeout(() => connection.timers.delete(timer) && connection.session && run(), ms);
    connection.timers.add(timer);
  }

  #shardEvent(shard, count, event, more) {
    const key = `${shard}/${count}`;
    if (!this.timelines.has(key)) this.timelines.set(key, []);
    const timeline = this.timelines.get(key);
    if (timeline.length < TIMELINE_AT_MOST) timeline.push({at: Date.now(), event});
    this.#event(event, {...more, shard, count});
  }

  #event(event, more) {
    this.emit('event', {at: Date.now(), event, ...more});
  }
}

/** Starts a stand-in for a test, and ends it with the test. */
export async function standIn(t, options) {
  const discord = await new StandIn(options).listen();
  t.after(() => discord.close());
  return discord;
}

async function main() {
  const kebab = (name) => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  const texts = ['host', 'token'];
  const {values} = parseArgs({options: Object.fromEntries(Object.keys(DEFAULTS).map((name) => [kebab(name), {type: 'string'}]))});
  const options = {};
  for (const name of Object.keys(DEFAULTS)) {
    const value = values[kebab(name)];
    if (value === undefined) continue;
    options[name] = texts.includes(name) ? value : Number(value);
    if (Number.isNaN(options[name])) throw new Error(`--${kebab(name)} is to be a number, not "${value}"`);
  }
  const discord = new StandIn(options);
  discord.on('event', (event) => console.log(JSON.stringify(event)));
  await discord.listen();
  console.log(JSON.stringify({at: Date.now(), event: 'listening', address: discord.address, api: discord.api, gateway: discord.gateway}));
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => discord.close().then(() => process.exit(0)));
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  main().catch((error) => {
    console.error(error.message);
    process.exitCode = 64;
  });
}
