// The stand-in enforces Discord's rules: tested with a bare websocket, without any library.
import assert from 'node:assert/strict';
import {test} from 'node:test';
import zlib from 'node:zlib';
import {WebSocket} from 'ws';
import {standIn} from './stand-in.js';

/** A bot with the bare protocol of the gateway. */
class Bare {
  constructor(discord, query = 'v=10&encoding=json') {
    this.socket = new WebSocket(`${discord.gateway}/?${query}`);
    this.received = [];
    this.waiting = [];
    const inflate = query.includes('zlib-stream') ? zlib.createInflate({finishFlush: zlib.constants.Z_SYNC_FLUSH}) : null;
    let text = '';
    inflate?.on('data', (part) => {
      text += part;
      try {
        this.#take(JSON.parse(text));
        text = '';
      } catch (error) {
        if (!(error instanceof SyntaxError)) throw error;
      }
    });
    this.socket.on('message', (data, binary) => (binary ? inflate.write(data) : this.#take(JSON.parse(data))));
    this.socket.on('error', () => {});
    this.closed = new Promise((resolve) => this.socket.on('close', resolve));
  }

  #take(payload) {
    this.received.push(payload);
    for (const waiting of this.waiting.splice(0)) if (!waiting()) this.waiting.push(waiting);
  }

  /** The first payload with this op and event that was not returned yet, received before or from now on. */
  next(op, t) {
    return new Promise((resolve) => {
      const look = () => {
        const at = this.received.findIndex((payload) => payload.op === op && (t === undefined || payload.t === t));
        if (at < 0) return false;
        resolve(this.received.splice(at, 1)[0]);
        return true;
      };
      if (!look()) this.waiting.push(look);
    });
  }

  send(op, d) {
    this.socket.send(JSON.stringify({op, d}));
  }

  async identify(shard, count, token = 'token') {
    await this.next(10);
    this.send(2, {token, intents: 1, properties: {}, shard: [shard, count]});
    return this;
  }

  async resume({d: {session_id: id}}, seq, token = 'token') {
    await this.next(10);
    this.send(6, {token, session_id: id, seq});
    return this;
  }
}

const bare = (discord, query) => new Bare(discord, query);
const get = async (discord, path, token = 'Bot token') => {
  const response = await fetch(`${discord.api}${path}`, {headers: {authorization: token}});
  return {status: response.status, body: await response.json()};
};

test('A login gets READY with the guilds of its shard, and each guild', async (t) => {
  const discord = await standIn(t, {guilds: 10});
  const bot = await bare(discord).identify(1, 4);
  const ready = await bot.next(0, 'READY');
  assert.equal(ready.d.guilds.length, 3); // of 1000 to 1009: 1001, 1005, 1009
  for (const {id} of ready.d.guilds) assert.equal((BigInt(id) >> 22n) % 4n, 1n);
  const guilds = [];
  while (guilds.length < 3) guilds.push((await bot.next(0, 'GUILD_CREATE')).d.id);
  assert.deepEqual(guilds, ready.d.guilds.map(({id}) => id));
});

test('Over all shards each guild is on one shard', async (t) => {
  const discord = await standIn(t, {guilds: 10, identifyInterval: 0});
  const ids = [];
  for (let shard = 0; shard < 3; ++shard) ids.push(...(await (await bare(discord).identify(shard, 3)).next(0, 'READY')).d.guilds.map(({id}) => id));
  assert.equal(new Set(ids).size, 10);
});

test('zlib-stream says the same', async (t) => {
  const discord = await standIn(t, {guilds: 3});
  const bot = await bare(discord, 'v=10&encoding=json&compress=zlib-stream').identify(0, 1);
  assert.equal((await bot.next(0, 'READY')).d.guilds.length, 3);
  for (let guild = 0; guild < 3; ++guild) assert.equal((await bot.next(0, 'GUILD_CREATE')).d.large, false);
});

test('A login within the interval of the last accepted one in its bucket is refused by op 9, and costs a login', async (t) => {
  const discord = await standIn(t, {identifyInterval: 60_000, total: 10});
  await (await bare(discord).identify(0, 2)).next(0, 'READY');
  const early = await bare(discord).identify(1, 2);
  assert.equal((await early.next(9)).d, false);
  assert.equal(discord.counts.too_early, 1);
  assert.equal(discord.startLimit().remaining, 8);
});

test('The interval runs from the last accepted login, not from a refused one', async (t) => {
  const discord = await standIn(t, {identifyInterval: 60_000});
  await (await bare(discord).identify(0, 2)).next(0, 'READY');
  const early = await bare(discord).identify(1, 2);
  await early.next(9);
  discord.lastIdentify.set(0, Date.now() - 60_000); // the interval is over, counted from the first
  early.send(2, {token: 'token', intents: 1, properties: {}, shard: [1, 2]}); // on the same connection
  await early.next(0, 'READY');
});

test('Buckets are shard id modulo max_concurrency', async (t) => {
  const discord = await standIn(t, {identifyInterval: 60_000, maxConcurrency: 2});
  await (await bare(discord).identify(0, 4)).next(0, 'READY');
  await (await bare(discord).identify(1, 4)).next(0, 'READY');
  await (await bare(discord).identify(2, 4)).next(9);
  assert.equal(discord.counts.too_early, 1);
});

test('A login beyond the budget ends all sessions and the token', async (t) => {
  const discord = await standIn(t, {identifyInterval: 0, total: 1});
  const first = await bare(discord).identify(0, 2);
  await first.next(0, 'READY');
  const second = await bare(discord).identify(1, 2);
  assert.deepEqual(await Promise.all([first.closed, second.closed]), [4004, 4004]);
  assert.equal(discord.counts.over_budget, 1);
  assert.equal((await get(discord, '/gateway/bot')).status, 401);
});

test('REST tells the true session_start_limit, which starts again at the reset', async (t) => {
  const discord = await standIn(t, {identifyInterval: 0, total: 100, remaining: 50, shards: 7, maxConcurrency: 16});
  await (await bare(discord).identify(0, 1)).next(0, 'READY');
  const {body} = await get(discord, '/gateway/bot');
  assert.equal(body.shards, 7);
  assert.equal(body.url, discord.gateway);
  const {reset_after: resetAfter, ...limit} = body.session_start_limit;
  assert.deepEqual(limit, {total: 100, remaining: 49, max_concurrency: 16});
  assert.ok(resetAfter > 86_000_000 && resetAfter <= 86_400_000);
  discord.resetAt = Date.now();
  assert.equal((await get(discord, '/gateway/bot')).body.session_start_limit.remaining, 100);
});

test('REST knows the bot, its application, and a wrong token', async (t) => {
  const discord = await standIn(t, {token: 'right'});
  assert.equal((await get(discord, '/users/@me', 'Bot wrong')).status, 401);
  assert.equal((await get(discord, '/users/@me', 'Bot right')).body.bot, true);
  for (const path of ['/applications/@me', '/oauth2/applications/@me']) assert.equal((await get(discord, path, 'Bot right')).body.name, 'stand-in');
  assert.equal((await get(discord, '/nothing', 'Bot right')).status, 404);
});

test('A session is resumed with what it missed, for nothing', async (t) => {
  const discord = await standIn(t, {guilds: 1});
  const bot = await bare(discord).identify(0, 1);
  const ready = await bot.next(0, 'READY');
  const {s} = await bot.next(0, 'GUILD_CREATE');
  discord.drop();
  assert.equal(await bot.closed, 1006);
  await discord.until(({connections}) => connections.size === 0);
  const [session] = discord.sessions.values();
  assert.equal(session.connection, null);
  discord.send({event: 'TYPING_START', data: {}}); // has nobody to go to
  const again = await bare(discord).resume(ready, s - 1);
  assert.equal((await again.next(0)).t, 'GUILD_CREATE');
  assert.equal((await again.next(0)).t, 'RESUMED');
  assert.equal(discord.counts.identifies, 1);
});

test('A session that was dropped, given up by the bot, or another one\'s, cannot be resumed', async (t) => {
  const discord = await standIn(t, {identifyInterval: 0});
  const login = async () => {
    const bot = await bare(discord).identify(0, 1);
    return {bot, ready: await bot.next(0, 'READY')};
  };
  const first = await login();
  discord.drop({sessions: true});
  assert.equal((await (await bare(discord).resume(first.ready, 1)).next(9)).d, false);

  const second = await login();
  second.bot.socket.close(1000);
  await second.bot.closed;
  await discord.until(({counts}) => counts.closes[1000] === 1);
  assert.equal((await (await bare(discord).resume(second.ready, 1)).next(9)).d, false);

  const third = await login();
  assert.equal((await (await bare(discord).resume(third.ready, 1, 'other')).next(9)).d, false);
});

test('Two sessions of one shard, and different counts at once, are counted', async (t) => {
  const discord = await standIn(t, {identifyInterval: 0});
  await (await bare(discord).identify(0, 2)).next(0, 'READY');
  assert.deepEqual([discord.counts.doubles, discord.counts.mixed_counts], [0, 0]);
  await (await bare(discord).identify(0, 2)).next(0, 'READY');
  assert.deepEqual([discord.counts.doubles, discord.counts.mixed_counts], [1, 0]);
  await (await bare(discord).identify(1, 3)).next(0, 'READY');
  assert.equal(discord.counts.mixed_counts, 1);
});

test('Without heartbeats a connection is closed; mute leaves them unanswered, deaf answers them and nothing else', async (t) => {
  const discord = await standIn(t, {heartbeatInterval: 50, identifyInterval: 0, guilds: 1});
  const silent = await bare(discord).identify(0, 1);
  assert.equal(await silent.closed, 4009);

  const bot = await bare(discord).identify(0, 1);
  const beats = setInterval(() => bot.socket.readyState === 1 && bot.send(1, null), 20);
  t.after(() => clearInterval(beats));
  await bot.next(0, 'GUILD_CREATE');
  await bot.next(11);
  discord.deaf();
  bot.received.length = 0;
  assert.equal(discord.send(), 1);
  await bot.next(11);
  assert.ok(bot.received.every(({op}) => op === 11));
  discord.deaf({on: false});
  discord.send();
  await bot.next(0, 'MESSAGE_CREATE');
  discord.mute();
  discord.send({content: 'last'});
  await bot.next(0, 'MESSAGE_CREATE');
  bot.received.length = 0;
  bot.send(1, null);
  bot.send(2, {token: 'token', intents: 1}); // what comes after the heartbeat is answered
  assert.equal(await bot.closed, 4005);
  assert.deepEqual(bot.received, []);
});

test('It refuses, is away, and asks to reconnect, when told over HTTP', async (t) => {
  const discord = await standIn(t, {identifyInterval: 0});
  const command = (body) => fetch(`${discord.address}/control`, {method: 'POST', body: JSON.stringify(body)});
  await command({do: 'refuse', code: 4014});
  assert.equal(await (await bare(discord).identify(0, 1)).closed, 4014);
  await command({do: 'refuse'});
  const bot = await bare(discord).identify(0, 1);
  await bot.next(0, 'READY');
  await command({do: 'reconnect'});
  await bot.next(7);
  await command({do: 'invalidate', resumable: true});
  assert.equal((await bot.next(9)).d, true);
  await command({do: 'away', ms: 60_000});
  assert.equal(await bot.closed, 1006);
  await assert.rejects(get(discord, '/gateway'));
  discord.awayUntil = 0;
  assert.equal((await get(discord, '/gateway')).status, 200);
  const report = await (await fetch(`${discord.address}/control`)).json();
  assert.equal(report.identifies, 2);
  assert.equal(report.refused, 1);
  assert.equal((await command({do: 'dance'})).status, 400);
});

test('Nonsense is closed with the code that Discord has for it', async (t) => {
  const discord = await standIn(t);
  const code = async (act, query) => {
    const bot = bare(discord, query);
    if (!query) await bot.next(10);
    act?.(bot);
    return bot.closed;
  };
  assert.equal(await code((bot) => bot.socket.send('{')), 4002);
  assert.equal(await code((bot) => bot.send(2, {token: 1})), 4002);
  assert.equal(await code((bot) => bot.send(3, {})), 4003);
  assert.equal(await code((bot) => bot.send(77)), 4001);
  assert.equal(await code((bot) => bot.send(2, {token: 't', intents: 0, shard: [2, 2]})), 4010);
  assert.equal(await code(null, 'v=9&encoding=json'), 4012);
  assert.equal(await code((bot) => Array.from({length: 121}, () => bot.send(1, null))), 4008);
});

test('The longest time that a guild had no session is told, over generations of shards', async (t) => {
  const discord = await standIn(t, {guilds: 4});
  const at = (...events) => events.map(([time, event]) => ({at: time, event}));
  discord.timelines.set('0/2', at([100, 'up'], [500, 'down'], [900, 'up']));
  discord.timelines.set('1/2', at([100, 'up'], [600, 'down']));
  assert.equal(discord.longestOutage(100, 950), 400);
  assert.equal(discord.longestOutage(0, 950), 400);
  assert.equal(discord.longestOutage(100, 1200), 600);
  discord.timelines.set('1/4', at([550, 'up'])); // has half of the guilds of 1/2 before that ends
  discord.timelines.set('3/4', at([700, 'up']));
  assert.equal(discord.longestOutage(550, 850), 300, '0/2 is down until 900');
  discord.timelines.set('0/2', at([100, 'up']));
  assert.equal(discord.longestOutage(100, 1200), 100, 'the guilds of 3/4');
});
