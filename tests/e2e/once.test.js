// One id never runs twice: agents that are stopped, cut off, or started with a copied config. Each bot checks at its
// start whether another one with its id is alive (bots/announce.js); server.bots() asserts that none was.
import assert from 'node:assert/strict';
import {cpSync, mkdirSync, readFileSync, writeFileSync} from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import {test} from 'node:test';
import {alive, bin, run, serve, until} from './harness.js';

const one = '[shards]\ncount = 1\n';
const short = '[heartbeat]\ninterval = "300ms"\nassume_dead_after = "10s"\nrequest_reboot_after = "8s"\nexpect_reboot_after = "9s"\n';

/** A network element between an agent and the server, which can be cut on the server's side. */
async function wire(t, port) {
  const pairs = [];
  const proxy = net.createServer((near) => {
    const far = net.connect(port, '127.0.0.1');
    pairs.push({near, far});
    near.on('error', () => far.destroy());
    far.on('error', () => near.destroy());
    near.pipe(far);
    far.pipe(near);
  });
  await new Promise((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    proxy.close();
    for (const {near, far} of pairs) [near, far].forEach((socket) => socket.destroy());
  });
  return {
    port: proxy.address().port,
    /** Closes the connections on the server's side only; the agent does not notice. */
    cut() {
      for (const {near, far} of pairs) {
        far.unpipe(near);
        near.unpipe(far);
        far.destroy();
      }
    },
  };
}

const via = (config, {port}) => ({...config, host: {...config.host, port}});

/** The field of /proc/PID/stat with this number, counted from the state, which is 0. */
const stat = (pid, field) => readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ')[field];

/** A server with one id, whose bot runs behind an agent of its own, and a second agent as a spare. */
async function pair(t) {
  const server = await serve(t, one + short);
  const [first, second] = await server.register(2);
  const cable = await wire(t, server.port);
  const agent = server.agent([via(first, cable)], 'spikey-bot.js', {detached: true});
  const cleanup = server.cleanup.bind(server);
  server.cleanup = () => {
    agent.process.kill('SIGCONT'); // its end is waited for
    return cleanup();
  };
  await server.running(1);
  const bot = await until('the bot to run', () => server.bots()[0]);
  await server.answering(1);
  const spare = server.agent([second], 'spikey-bot.js');
  await spare.says(/proved itself/);
  return {server, agent, bot, spare, cable};
}

test('the bot of an agent that was stopped ends before its id goes to another', async (t) => {
  const {server, agent, bot, cable} = await pair(t);
  await server.evaluate('process.on("SIGTERM", () => {}), 1'); // it will not go by itself
  process.kill(-agent.process.pid, 'SIGSTOP'); // its whole process group, as Control-Z does
  cable.cut();
  await until('the bot to be gone', () => !alive(bot.pid));
  assert.equal(server.bots().length, 1, 'it was gone first');
  await until('the spare\'s bot', () => server.bots().length === 2);
  assert.equal(stat(agent.process.pid, 0), 'T');

  process.kill(-agent.process.pid, 'SIGCONT');
  await agent.says(/nothing was heard of the master for 10s: the bot is stopped/);
  await until('the first agent to be a spare', async () => {
    const {shards} = await server.stats();
    return shards.filter((shard) => shard.state === 'spare').length === 1 && shards.every((shard) => shard.connected);
  });
  assert.equal(server.bots().length, 2, 'it did not start its bot again');
});

test('an agent that hears no master any more, and does not know it, ends its bot in time', async (t) => {
  const {server, agent, bot, cable} = await pair(t);
  cable.cut();
  await until('the bot to be gone', () => !alive(bot.pid));
  await until('another bot', () => server.bots().length === 2);
  await agent.says(/nothing was heard of the master for 10s/);
});

test('a stopped bot is killed too, and the keeper is stopped by nothing that stops the agent', async (t) => {
  const {server, agent, bot, cable} = await pair(t);
  const keeper = Number(stat(bot.pid, 1));
  const sessions = [agent.process.pid, keeper, bot.pid].map((pid) => stat(pid, 3));
  assert.equal(new Set(sessions).size, 3);
  process.kill(bot.pid, 'SIGSTOP');
  agent.process.kill('SIGSTOP');
  cable.cut();
  await until('the bot to be gone', () => !alive(bot.pid));
  await until('the spare\'s bot', () => server.bots().length === 2);
});

test('a master that only listens is not lost', async (t) => {
  const server = await serve(t, `${one}${short}update_style = "event"\n`);
  const [config] = await server.register(1);
  const agent = server.agent([config], 'spikey-bot.js');
  const {pid} = await until('the bot', () => server.bots()[0]);
  const begun = Date.now();
  await until('the time of a heartbeat of Engine.IO and more to pass', () => Date.now() - begun > 48_000);
  assert.ok(alive(pid), agent.log);
  assert.equal(server.bots().length, 1);
});

test('a shorter assume_dead_after ends no bot that its master can be heard of', async (t) => {
  const server = await serve(t, `${one}[heartbeat]\ninterval = "300ms"\n`);
  const [config] = await server.register(1);
  const agent = server.agent([config], 'spikey-bot.js');
  const {pid} = await until('the bot', () => server.bots()[0]);
  await server.running(1);
  const heard = async () => (await server.stats()).shards[0].stats.timestamp;
  const begun = await heard();
  await until('the new time to pass since the agent asked for its lease', async () => await heard() > begun + 6000);
  const file = path.join(server.folder, 'smaster.toml');
  writeFileSync(file, readFileSync(file, 'utf8').replace('[heartbeat]', '[heartbeat]\nrequest_reboot_after = "3s"\nexpect_reboot_after = "4s"\nassume_dead_after = "5s"'));
  await until('the reload', () => server.log.includes('setting heartbeat.assume_dead_after'));
  const changed = await heard();
  await until('the new time to pass', async () => await heard() > changed + 6000);
  assert.ok(alive(pid), agent.log);
  assert.equal(server.bots().length, 1);
  assert.doesNotMatch(agent.log, /nothing was heard/);
});

/** Another folder for an agent, with a copy of the config, and of the lock beside it. */
function copied(agent, name) {
  const folder = path.join(agent.server.folder, name);
  mkdirSync(folder);
  cpSync(path.join(agent.folder, `shard_${agent.configs[0].id}_config.json.lock`), path.join(folder, `shard_${agent.configs[0].id}_config.json.lock`));
  return folder;
}

test('an agent with a copy of a config is refused until the first is surely gone', async (t) => {
  const server = await serve(t, one + short);
  const [config] = await server.register(1);
  const first = server.agent([config], 'spikey-bot.js');
  await server.running(1);
  const {pid} = await until('the bot', () => server.bots()[0]);
  const folder = copied(first, 'copy');
  const second = server.agent([config], 'spikey-bot.js', {folder});
  const refused = new RegExp(`the master refused us: shard ${config.id} has an agent on the same host, with another copy of its config \\(127\\.0\\.0\\.1\\), which is connected; .*runs no bot, and tries again`);
  await second.says(refused);
  await until('it to try again', () => second.log.match(/runs no bot, and tries again/g).length >= 2);
  assert.ok(alive(pid));
  assert.equal(server.bots().length, 1);

  const {shards: [row]} = await server.stats();
  assert.equal(row.state, 'running');
  assert.deepEqual([row.duplicate, row.duplicateRefused, row.duplicateAddress], [true, true, '127.0.0.1']);
  assert.match((await server.tool(['stats'])).stdout, /^shard \w+ \(id 0\): its config is used by an agent on \S+ \(127\.0\.0\.1\), too, which is refused$/m);
  assert.match((await server.tool(['stats', '--prometheus'])).stdout, /smaster_shard_duplicate\{name="\w+"\} 1/);
  const third = path.join(copied(first, 'third'), `shard_${config.id}_config.json`);
  writeFileSync(third, JSON.stringify(config), {mode: 0o600});
  const check = await run(path.join(bin, 'smaster'), ['agent', '--check', '--config', third]);
  assert.equal(check.code, 69, check.stdout + check.stderr);
  assert.match(check.stdout, /FAILED +connection +the master refused us: shard \w+ has an agent/);
  assert.equal((await server.stats()).shards[0].connected, true, 'a check takes nobody\'s place');

  // Server and agent are killed: neither forgets which agent holds the shard.
  await server.end('SIGKILL');
  const before = second.log.length;
  await server.start();
  await server.running(1);
  await until('it to be refused again', () => second.log.slice(before).match(refused));
  assert.equal(server.bots().length, 1);

  // An agent that leaves regularly frees the shard at once; one that is killed does so when its bot must have ended.
  assert.equal(await first.end('SIGTERM'), 0);
  assert.ok(!alive(pid));
  const {pid: next} = await until('the second one\'s bot', () => server.bots()[1]);
  await server.running(1);
  first.start();
  await first.says(refused);
  await second.end('SIGKILL');
  await first.says(/which may still run its bot for \d+s/);
  await until('the first one\'s bot', () => server.bots()[2]);
  assert.ok(!alive(next));
});

test('the same agent, killed and started again, takes its place at once', async (t) => {
  const server = await serve(t, `${one}[heartbeat]\ninterval = "300ms"\nassume_dead_after = "1h"\n`);
  const [config] = await server.register(1);
  const agent = server.agent([config], 'spikey-bot.js');
  await server.running(1);
  await until('the bot', () => server.bots()[0]);
  await agent.end('SIGKILL');
  agent.start();
  await until('another bot', () => server.bots()[1]);
  await server.running(1);
  assert.doesNotMatch(agent.log, /refused/);
});

test('unmodified shards with one config, which replace each other in turn, are an alert', async (t) => {
  const server = await serve(t, `${one}${short}[limits]\nconn_count = 100\n`);
  const [config] = await server.register(1);
  const socket = {transports: ['websocket'], reconnectionDelay: 50, reconnectionDelayMax: 50};
  server.shard(config, {socket});
  server.shard(config, {socket});
  await until('the alert', () => server.log.match(/shard \w+ connects again and again while its last connection is alive, from 127\.0\.0\.1: its config seems to be used twice, and id 0 may run twice/));
  const {shards: [row]} = await server.stats();
  assert.deepEqual([row.duplicate, row.duplicateRefused, row.duplicateHost], [true, false, '']);
  assert.match((await server.tool(['stats'])).stdout, /its config seems to be used twice, also from 127\.0\.0\.1: its id may run twice/);
});
