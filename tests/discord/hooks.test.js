// Unmodified bots with the hooks, at the stand-in, under a minimal agent: each login requests a permit, and the
// gateway's state is reported.
import assert from 'node:assert/strict';
import {mkdirSync, mkdtempSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import path from 'node:path';
import {describe, test} from 'node:test';
import {Agent} from './agent.js';
import {COMMANDS} from './bots.js';
import {standIn} from './stand-in.js';
import {Server} from '../e2e/harness.js';

const INTERVAL = Number(process.env.IDENTIFY_INTERVAL ?? 1500); // ms; Discord's are 5000
const PATIENCE = 120_000;

/** Bots of a kind, one process for each entry of `processes`, which is a shard id or a list of them. */
async function fleet(t, kind, processes, {discord: options, agent: agentOptions, ...more} = {}) {
  const discord = await standIn(t, {guilds: 16, identifyInterval: INTERVAL, heartbeatInterval: 5000, ...options});
  const agent = new Agent(discord, agentOptions);
  const ids = processes.flat();
  const bots = processes.map((shards) => agent.start(t, kind, shards, ids.length, more));
  return {discord, agent, bots, ids};
}

/** Adds the bots' output to an error. */
async function explained(bots, run) {
  try {
    await run();
  } catch (error) {
    throw new Error(`${error.message}\n${bots.map(({output}) => output).join('--\n')}`, {cause: error});
  }
}

function neverEarly({counts}, identifies) {
  const {too_early: early, over_budget: over, doubles} = counts;
  assert.deepEqual({identifies: counts.identifies, early, over, doubles}, {identifies, early: 0, over: 0, doubles: 0});
}

const FLEETS = {
  'discord.js': [0, 1, 2, 3, 4, 5, 6, 7],
  eris: [0, 1, 2, 3],
  'oceanic.js': [0, 1, 2, 3],
  discordeno: [0, 1, 2, 3],
  'discord.py': [0, 1, 2, 3],
};

/** A custom bot program, in a folder where it finds the libraries. */
function program(t, name, source) {
  const folder = mkdtempSync(path.join(import.meta.dirname, 'node_modules', '.test-'));
  t.after(() => rmSync(folder, {recursive: true, force: true}));
  const file = path.join(folder, name);
  writeFileSync(file, source);
  return file;
}

/** The beginning of a discord.py bot's program. */
const AT_STAND_IN = `import os, discord, yarl
discord.http.Route.BASE = os.environ["DISCORD_API"]
discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(os.environ["DISCORD_GATEWAY"])`;

// These tests mostly wait: run several at once.
describe('hooks', {concurrency: 3}, () => {
  for (const [kind, processes] of Object.entries(FLEETS)) {
    test(`${kind}: ${processes.length} shards log in with as many logins, at the start and after all sessions are lost`, async (t) => {
      const {discord, agent, bots, ids} = await fleet(t, kind, processes);
      await explained(bots, async () => {
        await discord.untilReady(ids, ids.length, PATIENCE);
        neverEarly(discord, ids.length);
        await discord.until(() => ids.every((id) => agent.of(id, 'ready').length === 1), PATIENCE, 'each ready told');

        discord.drop({sessions: true});
        await discord.until(({counts}) => counts.ready === 2 * ids.length, PATIENCE, 'all back after their sessions were dropped');
        neverEarly(discord, 2 * ids.length);

        discord.invalidate();
        await discord.until(({counts}) => counts.ready === 3 * ids.length, PATIENCE, 'all back after op 9');
        neverEarly(discord, 3 * ids.length);
        await discord.until(() => ids.every((id) => agent.of(id, 'ready').length === 3), PATIENCE, 'each ready told');

        assert.equal(agent.asks.length - agent.cancels.length, 3 * ids.length, 'each ask was used or given back');
        for (const id of ids) {
          assert.equal(agent.of(id, 'identify_sent').length, 3);
          assert.ok(agent.of(id, 'identify_sent').every(({ask, at}) => ask > 0 && at > 0));
          assert.equal(agent.of(id, 'ready')[0].guilds, 16 / ids.length);
          assert.ok(agent.of(id, 'closed').length > 0);
          assert.ok(agent.of(id, 'invalid_session').length > 0);
        }
        assert.ok(agent.hellos.some(({library, identify, gateway}) => library?.startsWith(`${kind === 'discordeno' ? '@discordeno/gateway' : kind} `) && identify && gateway));
      });
    });

    test(`${kind}: two shards in one process ask for each`, async (t) => {
      const {discord, agent, bots, ids} = await fleet(t, kind, [[0, 1], [2, 3]], {discord: {maxConcurrency: 2}});
      await explained(bots, async () => {
        await discord.untilReady(ids, ids.length, PATIENCE);
        discord.drop({sessions: true});
        await discord.until(({counts}) => counts.ready === 2 * ids.length, PATIENCE, 'all back');
        neverEarly(discord, 2 * ids.length);
        assert.equal(agent.asks.length - agent.cancels.length, 2 * ids.length);
      });
    });

    test(`${kind}: a resume is not asked for, and is told`, async (t) => {
      const {discord, agent, bots} = await fleet(t, kind, [0]);
      await explained(bots, async () => {
        await bots[0].writes(/ready: 16 guilds/);
        agent.permits = false;
        discord.drop();
        await discord.until(() => agent.of(0, 'resumed').length === 1, PATIENCE, 'a resume that is told');
        neverEarly(discord, 1);
        assert.equal(agent.asks.length, 1);
        assert.ok(agent.of(0, 'closed').some(({code}) => code === 1006));
      });
    });

    test(`${kind}: it can wait for a permit, with a connection that lives on or without one, also after op 9`, async (t) => {
      const {discord, agent, bots} = await fleet(t, kind, [0], {agent: {permits: false}, discord: {heartbeatInterval: 2000}});
      const waits = async (asks) => {
        await discord.until(() => agent.asks.length - agent.cancels.length === asks && (kind === 'discord.py' || discord.connections.size > 0), PATIENCE, 'an ask');
        const closes = () => discord.counts.closes[4009] ?? 0; // after 3 s without a heartbeat
        const before = closes();
        const until = Date.now() + 4000;
        const poll = setInterval(() => discord.emit('event', {event: 'time'}), 100);
        await discord.until(() => Date.now() > until, PATIENCE);
        clearInterval(poll);
        assert.equal(closes(), before);
      };
      await explained(bots, async () => {
        await waits(1);
        agent.permits = true;
        agent.permitAll();
        await bots[0].writes(/ready: 16 guilds/);
        agent.permits = false;
        discord.invalidate();
        await waits(2);
      });
    });

    test(`${kind}: it comes back when Discord was away, early for nobody, and does not say the same over and over`, async (t) => {
    const {discord, agent, bots} = await fleet(t, kind, [0, 1]);
    await explained(bots, async () => {
      await discord.untilReady([0, 1], 2, PATIENCE);
      discord.away({ms: 4000});
      await discord.until(({connections}) => connections.size === 0, PATIENCE, 'all gone');
      await discord.untilReady([0, 1], 2, PATIENCE);
      assert.deepEqual([discord.counts.too_early, discord.counts.doubles], [0, 0]);
      for (const id of [0, 1]) {
        const closed = agent.of(id, 'closed').length;
        assert.ok(closed >= 1 && closed <= 8, `${closed} times closed`);
      }
    });
  });

  test(`${kind}: a login that the gateway refuses is told with its code`, async (t) => {
      const {discord, agent, bots} = await fleet(t, kind, [0]);
      discord.refuse({code: 4014});
      await explained(bots, async () => {
        await discord.until(() => agent.of(0, 'closed').some(({code}) => code === 4014), PATIENCE, 'closed with 4014');
        await discord.until(() => agent.of(0, 'gave_up').some(({code}) => code === 4014), PATIENCE, 'gave up');
      });
    });
  }

  for (const kind of ['discord.js', 'discord.py']) {
    test(`${kind}: a permit that is over is given back and asked for anew`, async (t) => {
      const {discord, agent, bots} = await fleet(t, kind, [0], {agent: {validity: -1}});
      await explained(bots, async () => {
        await discord.until(() => agent.cancels.length > 3, PATIENCE, 'permits given back');
        assert.equal(discord.counts.identifies, 0);
        agent.validity = 10_000;
        await discord.untilReady([0], 1, PATIENCE);
        neverEarly(discord, 1);
      });
    });

    test(`${kind}: figures come every ten seconds`, async (t) => {
      const {discord, agent, bots} = await fleet(t, kind, [0], {discord: {heartbeatInterval: 1000}});
      await explained(bots, async () => {
        await discord.until(() => agent.of(0, 'figures').length === 2, PATIENCE, 'figures');
        const {ping, events, loopDelay, lastEvent, ...rest} = agent.of(0, 'figures')[1];
        assert.ok(ping >= 0 && ping < 5000 && events >= 17 && loopDelay >= 0 && lastEvent > 5000, JSON.stringify({ping, events, loopDelay, lastEvent}));
        assert.ok(rest.acksMissed <= 1);
        assert.deepEqual({...rest, acksMissed: 0}, {shard: 0, event: 'figures', state: 'ready', acksMissed: 0, guilds: 16, logins: 1, resumes: 0});
      });
    });

    test(`${kind}: without an answer to its hello it logs in by itself`, async (t) => {
      const {discord, agent, bots} = await fleet(t, kind, [0], {agent: {answers: false}});
      await explained(bots, async () => {
        await discord.untilReady([0], 1, PATIENCE);
        assert.deepEqual([agent.asks, agent.events], [[], []]);
      });
    });

    test(`${kind}: without an agent that asks for them nothing is hooked`, async (t) => {
      const {discord, agent, bots} = await fleet(t, kind, [0], {hooks: false});
      await explained(bots, async () => {
        await discord.untilReady([0], 1, PATIENCE);
        assert.deepEqual([agent.hellos, agent.asks, agent.events], [[], [], []]);
      });
    });
  }

  test('A bot that sets its own identify throttler keeps it', async (t) => {
    const file = program(t, 'bot.mjs', `
      import {Client} from 'discord.js';
      const client = new Client({intents: [1], rest: {api: process.env.DISCORD_API.replace('/v10', '')},
        ws: {buildIdentifyThrottler: () => ({async waitForIdentify() { console.log('its own'); }})}});
      client.login();`);
    const {discord, agent, bots} = await fleet(t, 'discord.js', [0], {command: ['node', file]});
    await explained(bots, async () => {
      await discord.until(() => agent.of(0, 'ready').length === 1, PATIENCE, 'a ready that is told');
      await bots[0].writes(/its own/);
      assert.deepEqual(agent.asks, []);
      assert.ok(agent.hellos.some(({identify, gateway, why}) => identify === false && gateway && /of its own/.test(why)));
    });
  });

  test('A discord.js bot with its shards in threads asks for each', async (t) => {
    const file = program(t, 'bot.mjs', `
      import {Client} from 'discord.js';
      import {WorkerShardingStrategy} from '@discordjs/ws';
      const client = new Client({intents: [1], rest: {api: process.env.DISCORD_API.replace('/v10', '')},
        ws: {buildStrategy: (manager) => new WorkerShardingStrategy(manager, {shardsPerWorker: 1})}});
      client.login();`);
    const {discord, agent, bots, ids} = await fleet(t, 'discord.js', [[0, 1]], {command: ['node', file]});
    await explained(bots, async () => {
      await discord.untilReady(ids, ids.length, PATIENCE);
      neverEarly(discord, 2);
      for (const id of ids) await discord.until(() => agent.of(id, 'ready').length === 1, PATIENCE, 'a ready that is told');
      for (const id of ids) assert.equal(agent.of(id, 'identify_sent')[0].ask > 0, true);
      assert.deepEqual(agent.cancels, []);
    });
  });

  test('@discordjs/ws as an ES module, and discordeno as CommonJS, ask as well', async (t) => {
    const ws = program(t, 'bot.mjs', `
      import {WebSocketManager} from '@discordjs/ws';
      import {REST} from '@discordjs/rest';
      const rest = new REST({api: process.env.DISCORD_API.replace('/v10', '')}).setToken(process.env.DISCORD_TOKEN);
      await new WebSocketManager({token: process.env.DISCORD_TOKEN, intents: 1, rest, shardIds: [0], shardCount: 1}).connect();`);
    const deno = program(t, 'bot.cjs', `
      const {createGatewayManager} = require('@discordeno/gateway');
      const sessionStartLimit = {total: 9, remaining: 9, resetAfter: 0, maxConcurrency: 1};
      createGatewayManager({token: 't', intents: 1, connection: {url: process.env.DISCORD_GATEWAY, shards: 1, sessionStartLimit}, totalShards: 1,
        resharding: {enabled: false}, events: {}}).spawnShards();`);
    for (const file of [ws, deno]) {
      const {discord, agent, bots} = await fleet(t, '', [0], {command: ['node', file], agent: {permits: false}});
      await explained(bots, async () => {
        await discord.until(() => agent.asks.length === 1, PATIENCE, `an ask of ${file}`);
        assert.equal(discord.counts.identifies, 0);
      });
    }
  });

  test('The hooks leave a program\'s messages, its environment and its end alone', async (t) => {
    const file = program(t, 'bot.cjs', `
      setTimeout(() => {
        process.on('message', (message) => {
          console.log('got ' + JSON.stringify(message));
          setImmediate(() => process.disconnect());
        });
      }, 300);
      console.log(JSON.stringify([process.env.SMASTER_HOOKS, process.env.NODE_OPTIONS, process.env.PYTHONPATH]));`);
    const {bots: [bot], agent} = await fleet(t, '', [0], {command: ['node', file], env: {NODE_OPTIONS: '--no-warnings', PYTHONPATH: '/theirs'}});
    bot.send({before: 'the listener'});
    await bot.ended;
    assert.match(bot.output, /\[null,"--no-warnings","\/theirs"\]/);
    assert.match(bot.output, /got \{"before":"the listener"\}/);
    assert.equal(bot.exitCode, 0, bot.output);
    assert.deepEqual(bot.heard, []);
    assert.equal(agent.hellos.length, 1);
    assert.equal(agent.hellos[0].library, undefined);

    const idle = program(t, 'idle.cjs', `console.log('nothing to do')`);
    const begun = Date.now();
    const {bots: [quick]} = await fleet(t, '', [0], {command: ['node', idle]});
    await quick.ended;
    assert.equal(quick.exitCode, 0);
    assert.ok(Date.now() - begun < 19_000, 'it ended before the hooks\' own timers');
  });

  test('A Python bot that speaks on its channel itself has it to itself, and its own sitecustomize', async (t) => {
    const folder = mkdtempSync(path.join(tmpdir(), 'hooks-'));
    t.after(() => rmSync(folder, {recursive: true, force: true}));
    writeFileSync(path.join(folder, 'sitecustomize.py'), 'print("theirs", flush=True)');
    const file = path.join(folder, 'bot.py');
    writeFileSync(file, `
import asyncio, os, sys
import discord
from smaster_channel import Channel
print([os.environ.get(name) for name in ("SMASTER_HOOKS", "NODE_OPTIONS", "SMASTER_CHANNEL_FD", "NODE_CHANNEL_FD", "PYTHONPATH")], flush=True)
discord.Client(intents=discord.Intents.none())
channel = Channel()
channel.on_eval = eval
channel.start()
channel.ready()
print(channel.sql("SELECT 1"), flush=True)
asyncio.run(asyncio.sleep(0.1))
channel.resumed()
sys.exit(0)
`);
    const examples = path.join(import.meta.dirname, '../../packaging/clients/python');
    const {bots: [bot], agent} = await fleet(t, 'discord.py', [0], {
      command: ['/usr/bin/python3', file], env: {PYTHONPATH: `${folder}:${examples}`, SHARD_ID: '0', NODE_OPTIONS: '--no-warnings'},
    });
    bot.send({_eval: '6 * 7'});
    bot.on('message', (message) => message._sSQL && bot.send({...message, _result: [{one: 1}]}));
    await bot.ended;
    assert.equal(bot.exitCode, 0, bot.output);
    assert.match(bot.output, /^theirs$/m);
    assert.ok(bot.output.includes(`[None, '--no-warnings', '`), bot.output);
    assert.ok(bot.output.includes(`', '${folder}:${examples}']`), bot.output);
    assert.match(bot.output, /^\[\{'one': 1\}\]$/m);
    assert.deepEqual(bot.heard.find(({_eval: script}) => script), {_eval: '6 * 7', _result: 42});
    assert.ok(bot.heard.some((message) => message._ready));
    assert.deepEqual(bot.heard.at(-1), {_resume: true}, 'the last line, too, before its end');
    assert.ok(agent.hellos.some(({library, identify}) => /^discord.py /.test(library) && identify));
  });

  test('A Python program without a Discord library hands on what it was given', async (t) => {
    const {bots: [bot], agent} = await fleet(t, 'discord.py', [0], {
      command: ['/usr/bin/python3', '-c', 'import os, sys; os.set_inheritable(3, True); os.execv(sys.argv[1], sys.argv[1:])', ...COMMANDS['discord.py']],
    });
    await explained([bot], () => agent.discord.until(() => agent.of(0, 'ready').length === 1, PATIENCE, 'a ready that is told'));
  });

  test('A discord.py bot with a before_identify_hook of its own keeps it', async (t) => {
    const file = program(t, 'bot.py', `${AT_STAND_IN}
import asyncio
class Bot(discord.Client):
    async def before_identify_hook(self, shard_id, *, initial=False):
        print("its own", flush=True)
asyncio.run(Bot(intents=discord.Intents(guilds=True)).start("token"))
`);
    const {bots: [bot], agent} = await fleet(t, 'discord.py', [0], {command: ['/usr/bin/python3', file]});
    await explained([bot], async () => {
      await agent.discord.until(() => agent.of(0, 'ready').length === 1, PATIENCE, 'a ready that is told');
      await bot.writes(/its own/);
      assert.deepEqual(agent.asks, []);
      assert.ok(agent.hellos.some(({identify, gateway, why}) => identify === false && gateway && /of its own/.test(why)));
    });
  });

  test('A process that has loaded a library and starts others is not one that asks, until it does', async (t) => {
    const fork = program(t, 'fork.cjs', `
      require('discord.js');
      require('node:child_process').fork(process.argv[1].replace('fork.cjs', 'child.cjs')).on('exit', () => process.exit());`);
    writeFileSync(path.join(path.dirname(fork), 'child.cjs'), 'setTimeout(() => {}, 1000)');
    const thread = program(t, 'thread.mjs', `
      import 'discord.js';
      import {Worker} from 'node:worker_threads';
      new Worker('setTimeout(() => {}, 1000)', {eval: true});`);
    for (const file of [fork, thread]) {
      const {agent, bots: [bot]} = await fleet(t, 'discord.js', [0], {command: ['node', file]});
      await explained([bot], () => bot.ended);
      assert.ok(agent.hellos.length > 0 && agent.hellos.every(({identify}) => !identify), JSON.stringify(agent.hellos));
    }
    const both = program(t, 'both.mjs', `
      import {Worker} from 'node:worker_threads';
      import {Client} from 'discord.js';
      new Worker('setTimeout(() => {}, 100_000)', {eval: true});
      new Client({intents: [1], rest: {api: process.env.DISCORD_API.replace('/v10', '')}}).login();`);
    const {agent, bots} = await fleet(t, 'discord.js', [0], {command: ['node', both]});
    await explained(bots, () => agent.discord.until(() => agent.of(0, 'ready').length === 1, PATIENCE, 'a ready that is told'));
    assert.equal(agent.hellos.at(-1).identify, true);
  });

  test('A discord.py bot in a forked child logs in, without the hooks; the parent is not one that asks', async (t) => {
    const file = program(t, 'bot.py', `${AT_STAND_IN}
import multiprocessing
class Once(discord.Client):
    async def on_ready(self):
        await self.close()
def run():
    Once(intents=discord.Intents(guilds=True)).run("token", log_handler=None)
child = multiprocessing.get_context("fork").Process(target=run)
child.start()
child.join()
`);
    const {discord, agent, bots} = await fleet(t, 'discord.py', [0], {command: ['/usr/bin/python3', file]});
    await explained(bots, () => discord.until(({counts}) => counts.ready === 1, PATIENCE, 'a login'));
    await explained(bots, () => bots[0].ended);
    assert.deepEqual(agent.asks, []);
    assert.ok(agent.hellos.every(({identify}) => !identify), JSON.stringify(agent.hellos));
  });

  test('A second event loop in one process tells its figures as well', async (t) => {
    const file = program(t, 'bot.py', `${AT_STAND_IN}
class Once(discord.Client):
    async def on_ready(self):
        await self.close()
Once(intents=discord.Intents(guilds=True)).run("token", log_handler=None)
discord.Client(intents=discord.Intents(guilds=True)).run("token", log_handler=None)
`);
    const {agent, bots} = await fleet(t, 'discord.py', [0], {command: ['/usr/bin/python3', file]});
    await explained(bots, async () => {
      await agent.discord.until(() => agent.of(0, 'ready').length === 2, PATIENCE, 'two logins');
      const before = agent.of(0, 'figures').length;
      await agent.discord.until(() => agent.of(0, 'figures').length >= before + 2, PATIENCE, 'figures of the second loop');
    });
  });

  test('Light bots ask by themselves, whatever the gateway does', async (t) => {
    const {discord, agent, bots, ids} = await fleet(t, 'light', [[0, 1, 2, 3, 4, 5, 6, 7], [8, 9, 10, 11, 12, 13, 14, 15]], {
      hooks: false, discord: {maxConcurrency: 4, identifyInterval: 200, heartbeatInterval: 2000}, agent: {margin: 100},
    });
    const all = () => discord.connected.size === ids.length;
    await explained(bots, async () => {
      await discord.until(all, PATIENCE, 'all there');
      neverEarly(discord, ids.length);
      let random = 12345;
      const pick = () => ids.filter(() => (random = (random * 1103515245 + 12345) % 2 ** 31) % 3 === 0);
      for (let round = 0; round < 5; ++round) {
        for (const disturb of [() => discord.invalidate({shards: pick()}), () => discord.drop({shards: pick()}), () => discord.drop({shards: pick(), sessions: true}),
          () => discord.drop({shards: pick(), code: 4000}), () => discord.reconnect({shards: pick()})]) {
          disturb();
          await new Promise((resolve) => discord.once('event', resolve)); // something happens before the next
        }
        await discord.until(all, PATIENCE, 'all back');
      }
      const {too_early: early, doubles, accepted, identifies} = discord.counts;
      assert.deepEqual({early, doubles, refused: identifies - accepted}, {early: 0, doubles: 0, refused: 0});
      assert.ok(accepted > 2 * ids.length);
      assert.equal(agent.hellos.length, 2);
    });
  });

  test('A library that is not known is left alone, and told of once', async (t) => {
    const folder = mkdtempSync(path.join(tmpdir(), 'hooks-'));
    t.after(() => rmSync(folder, {recursive: true, force: true}));
    mkdirSync(path.join(folder, 'node_modules/eris/lib/gateway'), {recursive: true});
    writeFileSync(path.join(folder, 'node_modules/eris/package.json'), '{"name": "eris", "version": "0.99.0", "main": "lib/gateway/Shard.js"}');
    writeFileSync(path.join(folder, 'node_modules/eris/lib/gateway/Shard.js'), 'module.exports = class Shard { identifyYourself() { return 1; } };');
    const file = path.join(folder, 'bot.cjs');
    writeFileSync(file, 'const Shard = require("eris"); delete require.cache[require.resolve("eris")]; require("eris"); console.log(new Shard().identifyYourself());');
    const {bots: [bot], agent} = await fleet(t, '', [0], {command: ['node', file]});
    await bot.ended;
    assert.match(bot.output, /^1$/m);
    assert.deepEqual(agent.hellos.filter(({library}) => library), [
      {version: 1, runtime: `node ${process.versions.node}`, library: 'eris 0.99.0', identify: false, gateway: false, why: 'this version is not known'},
    ]);
  });
});

test('--check says which libraries a bot could load, and whether they ask', async (t) => {
  const server = new Server();
  t.after(() => server.cleanup());
  await server.start();
  const [config] = await server.register(1);
  const file = path.join(server.folder, 'check.json');
  writeFileSync(file, JSON.stringify(config), {mode: 0o600});
  const hooksOf = async (...command) => (await server.tool(['agent', '--check', '--config', file, ...command])).stdout.match(/^(\w+) +hooks +(.*)$/m).slice(1);
  const [verdict, found] = await hooksOf('--', ...COMMANDS['discord.js']);
  assert.equal(verdict, 'ok');
  for (const library of ['discord.js', 'eris', 'oceanic.js', '@discordeno/gateway']) assert.match(found, new RegExp(`${library} \\d+[\\d.]+(,|$)`));
  const [good, python] = await hooksOf('--', ...COMMANDS['discord.py']);
  assert.equal(good, 'ok');
  assert.match(python, /discord\.py \d+[\d.]+/);
  assert.deepEqual(await hooksOf('--', 'node', '/nowhere/bot.js'), ['skipped', 'no library that they know is found from /nowhere/bot.js']);
  assert.equal((await hooksOf('--', './my-bot'))[0], 'skipped');
  assert.equal((await hooksOf('--no-hooks', '--', ...COMMANDS['discord.js']))[0], 'skipped');
});
