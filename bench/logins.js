#!/usr/bin/env node
// Tests whether real bots break Discord's rules when they log in: unmodified libraries under `smaster agent`, at a
// stand-in for Discord that enforces the rules; for comparison, the same under discord.js' own ShardingManager. Prints
// a table, and exits with 1 if a row is not as expected. `SMASTER_BIN=build/release/bin bench/logins.js [--only
// PATTERN] [--runs 3] [--busy 2] [--no-manager] [--no-smaster]`
import {spawn} from 'node:child_process';
import {once} from 'node:events';
import path from 'node:path';
import {writeFileSync} from 'node:fs';
import {parseArgs} from 'node:util';
import {BOTS, COMMANDS, environment} from '../tests/discord/bots.js';
import {StandIn} from '../tests/discord/stand-in.js';

const {values: options} = parseArgs({allowNegative: true, options: {
  only: {type: 'string', default: ''}, runs: {type: 'string', default: '1'}, busy: {type: 'string', default: '0'},
  manager: {type: 'boolean', default: true}, smaster: {type: 'boolean', default: true}, verbose: {type: 'boolean', default: false},
}});

const PATIENCE = 180_000;
const seconds = (ms) => Math.round(ms / 100) / 10;
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** A server and agents, with one bot of `kind` per shard. */
class Smaster {
  static name = 'smaster';

  constructor(discord, kind) {
    Object.assign(this, {discord, kind});
  }

  async start(count, {spares = 0, hooks = true} = {}) {
    const {Server} = await import('../tests/e2e/harness.js');
    this.count = count;
    this.server = new Server(); // makes the folder in which the token is
    const token = path.join(this.server.folder, 'token');
    writeFileSync(token, 'the token\n', {mode: 0o600});
    this.server.configure(`[shards]\ncount = ${count}\ntoken_file = "${token}"\n[discord]\napi_base = "${this.discord.api}"\n[limits]\nconn_count = 1000\n[heartbeat]\ninterval = "1s"\n`);
    await this.server.start();
    const configs = await this.server.register(count + spares);
    const {DISCORD_API, DISCORD_GATEWAY} = environment(this.discord, 0, 1);
    this.agent = this.server.agent(configs, COMMANDS[this.kind], {flags: ['--token-file', token, ...(hooks ? [] : ['--no-hooks'])], env: {DISCORD_API, DISCORD_GATEWAY, NO_COLOR: '1'}});
  }

  async respawn() {
    await this.#tool('respawn', '--wait', '--delay', '0s', '--timeout', '10m');
  }

  async reshard(count) {
    await this.#tool('reshard', String(count), '--strategy', 'blue-green', '--wait', '--timeout', '10m');
  }

  async remaining() {
    return (await this.server.stats()).identify.remaining;
  }

  /** The shards' states, such as "running". */
  async states() {
    return (await this.server.stats()).shards.map(({state}) => state);
  }

  async #tool(...args) {
    const {code, stderr} = await this.server.tool(args);
    if (code !== 0) console.error(`smaster ${args.join(' ')} ended with ${code}: ${stderr}`);
  }

  log() {
    return `${this.server?.log}${this.agent?.log}${this.agent?.output}`;
  }

  async stop() {
    await this.server?.cleanup();
  }
}

/** A run under discord.js' ShardingManager. */
class Manager {
  static name = 'ShardingManager';

  constructor(discord) {
    this.discord = discord;
    this.output = '';
  }

  async start(count) {
    this.process = spawn('node', [path.join(BOTS, 'manager.js')], {stdio: ['ignore', 'pipe', 'pipe', 'ipc'], env: {...environment(this.discord, '', count), SHARDING_MANAGER: ''}});
    this.ended = once(this.process, 'exit');
    for (const stream of [this.process.stdout, this.process.stderr]) stream.on('data', (data) => (this.output += data));
  }

  async respawn() {
    this.process.send('respawn');
    await once(this.process, 'message');
  }

  log() {
    return this.output;
  }

  async stop() {
    if (this.process.connected) this.process.disconnect();
    await this.ended;
  }
}

const ids = (count) => Array.from({length: count}, (_, id) => id);

/** The stand-in's counters, and the time from the first IDENTIFY to the last READY; "not all" if a bot was not ready in time. */
async function counted(discord, run) {
  const identifies = [];
  let last = Date.now();
  const listener = ({event, at}) => {
    if (['identify', 'too_early'].includes(event)) identifies.push(at);
    if (event === 'up') last = at;
  };
  discord.on('event', listener);
  discord.clear();
  const begun = Date.now();
  let missing = false;
  await run().catch((error) => {
    if (options.verbose) console.error(error.message);
    missing = true;
  });
  // Superfluous logins may follow after all bots are ready.
  await pause(6000);
  discord.off('event', listener);
  const {identifies: logins, too_early: early, doubles, over_budget: over} = discord.counts;
  return {logins, early, doubles, over, took: missing ? Infinity : seconds(last - (identifies[0] ?? begun)), begun};
}

const started = (count, kind, maxConcurrency, limit) => ({
  name: `cold start, ${count} × ${kind}${maxConcurrency > 1 ? `, max_concurrency ${maxConcurrency}` : ''}`, kind, maxConcurrency, limit: {logins: count, early: 0, doubles: 0, over: 0, took: limit},
  run: (discord, parent) => counted(discord, async () => {
    await parent.start(count);
    await discord.untilReady(ids(count), count, PATIENCE);
  }),
});

/** Bots without hooks: their starts wait instead of their logins. */
const cannotAsk = (count, kind) => ({
  name: `cold start, ${count} × ${kind} that cannot ask`, kind, maxConcurrency: 1, smasterOnly: true, limit: {logins: count, early: 0, doubles: 0, over: 0},
  run: (discord, parent) => counted(discord, async () => {
    await parent.start(count, {hooks: false});
    await discord.untilReady(ids(count), count, PATIENCE);
  }),
});

const lost = (count, kind, maxConcurrency = 1) => ({
  name: `all sessions lost, ${count} × ${kind}`, kind, maxConcurrency, limit: {logins: count, early: 0, doubles: 0, over: 0, took: 5 * count / maxConcurrency + 5},
  async run(discord, parent) {
    await parent.start(count);
    await discord.untilReady(ids(count), count, PATIENCE);
    await pause(6000);
    return counted(discord, async () => {
      discord.drop({sessions: true});
      await discord.until(({counts}) => counts.ready >= count && discord.connected.size === count, PATIENCE, 'all back');
    });
  },
});

/** Time of one bot from its start to READY, without waiting. */
async function bootTime(kind) {
  const discord = await new StandIn({guilds: 8}).listen();
  const begun = Date.now();
  const bot = spawn(COMMANDS[kind][0], COMMANDS[kind].slice(1), {stdio: 'ignore', env: {...environment(discord, 0, 1), SHARDING_MANAGER: ''}});
  await discord.untilReady([0], 1, PATIENCE);
  bot.kill('SIGKILL');
  await discord.close();
  return Date.now() - begun;
}

const respawned = (count, kind) => ({
  name: `respawn --wait of ${count} × ${kind}`, kind, maxConcurrency: 1,
  async run(discord, parent) {
    const boot = await bootTime(kind);
    this.limit = {logins: count, early: 0, doubles: 0, over: 0, outage: seconds(boot + 6000)};
    await parent.start(count);
    await discord.untilReady(ids(count), count, PATIENCE);
    await pause(6000);
    const result = await counted(discord, async () => {
      await parent.respawn();
      await discord.until(() => discord.connected.size === count, PATIENCE, 'all back');
    });
    return {...result, outage: seconds(discord.longestOutage(result.begun, Date.now()) )};
  },
});

const blueGreen = (from, to, kind) => ({
  name: `blue/green ${from} → ${to}, ${kind}`, kind, maxConcurrency: 1, smasterOnly: true, limit: {logins: to, early: 0, doubles: 0, over: 0, outage: 0, upWhenSaid: to},
  async run(discord, parent) {
    await parent.start(from, {spares: to});
    await discord.untilReady(ids(from), from, PATIENCE);
    await pause(6000);
    let upWhenSaid = 0;
    const result = await counted(discord, async () => {
      await parent.reshard(to);
      upWhenSaid = [...discord.connected].filter((key) => key.endsWith(`/${to}`)).length;
      await discord.untilReady(ids(to), to, PATIENCE);
    });
    return {...result, outage: seconds(discord.longestOutage(result.begun, Date.now())), upWhenSaid};
  },
});

const refused = (code, kind) => ({
  name: `the gateway ${code === 'away' ? 'cannot be reached' : `refuses with ${code}`}, ${kind}`, kind, maxConcurrency: 1, smasterOnly: true, limit: {said: 10},
  async run(discord, parent) {
    if (code !== 'away') discord.refuse({code});
    await parent.start(1);
    if (code === 'away') {
      await discord.untilReady([0], 1, PATIENCE);
      discord.away({ms: 600_000});
    } else {
      await discord.until(({counts}) => counts.refused > 0, PATIENCE, 'a refused login');
    }
    const begun = Date.now();
    const wanted = code === 'away' ? 'disconnected' : 'refused';
    for (;;) {
      if ((await parent.states()).includes(wanted)) return {said: seconds(Date.now() - begun)};
      if (Date.now() - begun > 60_000) return {said: Infinity};
      await pause(100);
    }
  },
});

const numberTrue = (count, kind) => ({
  name: `logins left after one loss of ${count} × ${kind}: smaster's number less Discord's`, kind, maxConcurrency: 4, smasterOnly: true, limit: {difference: 0},
  async run(discord, parent) {
    await parent.start(count);
    await discord.untilReady(ids(count), count, PATIENCE);
    discord.drop({sessions: true});
    await discord.until(({counts}) => counts.ready >= 2 * count, PATIENCE, 'all back').catch(() => {});
    await pause(6000);
    return {difference: await parent.remaining() - discord.startLimit().remaining};
  },
});

const ROWS = [
  started(8, 'discord.js', 1, 36),
  started(16, 'discord.js', 4, 16),
  started(8, 'eris', 1, 36),
  started(4, 'oceanic.js', 1, 16),
  started(4, 'discordeno', 1, 16),
  started(4, 'discord.py', 1, 16),
  cannotAsk(8, 'discord.js'),
  cannotAsk(8, 'eris'),
  lost(8, 'discord.js'),
  lost(16, 'discord.js'),
  lost(4, 'eris'),
  lost(4, 'oceanic.js'),
  lost(4, 'discordeno'),
  lost(4, 'discord.py'),
  respawned(8, 'discord.js'),
  blueGreen(2, 4, 'discord.js'),
  refused(4004, 'discord.js'),
  refused(4014, 'discord.js'),
  refused('away', 'discord.js'),
  numberTrue(16, 'discord.js'),
];

const WORDS = {
  logins: (value) => `${value} logins`, early: (value) => `${value} too early`, doubles: (value) => `${value} twice`, over: (value) => `${value} over budget`,
  took: (value) => (value === Infinity ? 'not all' : `${value} s`), outage: (value) => `${value} s without a session`, upWhenSaid: (value) => `${value} up when it says so`,
  said: (value) => (value === Infinity ? 'not said' : `said after ${value} s`), difference: (value) => String(value),
};
const AT_MOST = new Set(['took', 'outage', 'said']); // the others are to be exactly this

function shown(result, limit) {
  const keys = Object.keys(limit).filter((key) => result[key] !== 0 || !['doubles', 'over'].includes(key));
  return keys.map((key) => WORDS[key](result[key])).join(', ');
}

function asItShouldBe(result, limit) {
  return Object.entries(limit).every(([key, value]) => (AT_MOST.has(key) ? result[key] <= value : result[key] === value));
}

async function measure(row, Parent) {
  const discord = await new StandIn({guilds: 64, maxConcurrency: row.maxConcurrency}).listen();
  if (options.verbose) discord.on('event', (event) => console.error(JSON.stringify(event)));
  const parent = new Parent(discord, row.kind);
  try {
    return await row.run(discord, parent);
  } catch (error) {
    console.error(`${row.name}, ${Parent.name}: ${error.message}${options.verbose ? `\n${parent.log()}` : ''}`);
    return null;
  } finally {
    await parent.stop();
    await discord.close();
  }
}

const busy = ids(Number(options.busy)).map(() => spawn('sh', ['-c', 'while :; do :; done'], {stdio: 'ignore'}));
const rows = ROWS.filter(({name}) => name.includes(options.only));
let good = true;
const lines = [];
for (const row of rows) {
  const results = [];
  for (let run = 0; options.smaster && run < Number(options.runs); ++run) {
    const result = await measure(row, Smaster);
    const right = result !== null && asItShouldBe(result, row.limit);
    good &&= right;
    results.push(result === null ? 'failed' : `${shown(result, row.limit)}${right ? '' : ' (!)'}`);
  }
  let manager = '';
  if (options.manager && row.kind === 'discord.js' && !row.smasterOnly) {
    const result = await measure(row, Manager);
    manager = result === null ? 'failed' : shown(result, row.limit);
  }
  const atMost = Object.fromEntries(Object.entries(row.limit ?? {}).filter(([key]) => !['doubles', 'over'].includes(key)));
  const should = Object.entries(atMost).map(([key, value]) => `${AT_MOST.has(key) && value > 0 ? '≤ ' : ''}${WORDS[key](value)}`).join(', ');
  lines.push(`| ${row.name} | ${should} | ${[...new Set(results)].join('; ')} | ${manager} |`);
  console.error(lines.at(-1));
}
for (const each of busy) each.kill('SIGKILL');
console.log('| tried | should be | smaster | discord.js\' ShardingManager |\n|---|---|---|---|');
for (const line of lines) console.log(line);
process.exit(good ? 0 : 1);
