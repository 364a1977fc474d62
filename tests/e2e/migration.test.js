// The moves of man 7 smaster-migration, by the page's own text. Its promises to discord.js' bots are in agent.test.js.
import assert from 'node:assert/strict';
import {spawn} from 'node:child_process';
import {generateKeyPairSync} from 'node:crypto';
import {once} from 'node:events';
import {existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import path from 'node:path';
import {test} from 'node:test';
import {bin, keys, run, serve, until} from './harness.js';

test('a bot of discord-hybrid-sharding runs as clusters of shards after the two changes of the page', async (t) => {
  const server = await serve(t, '[shards]\ncount = 4\n');
  server.agent(await server.register(1), 'hybrid-bot.js', {flags: ['--processes', '2', '--shards-per-process', '2', '--host', 'fra1']});
  await server.running(4);
  await server.answering(2);
  const ask = async (script) => (await server.evaluate(script, ['--shard', '0']))[0].result;
  assert.deepEqual(await ask('this.options.shards'), [0, 1], 'discord.js has them from the environment');
  assert.deepEqual(await ask('this.cluster.broadcastEval((c) => c.cluster.ids)'), [[0, 1], [2, 3]]);
  assert.deepEqual(await ask('this.cluster.broadcastEval((c) => c.cluster.ids, {shard: 2})'), [2, 3]);
  assert.deepEqual(await ask('this.cluster.fetchClientValues("guilds.cache.size")'), [0, 0]);
  assert.deepEqual(await ask('[this.cluster.count, this.cluster.ids[0]]'), [4, 0]);
});

const page = readFileSync(new URL('../../man/smaster-migration.7', import.meta.url), 'utf8');
/** The literal blocks of a section of the page. */
const blocks = (title) => [...page.split(`.Ss From ${title}`)[1].split('\n.Ss ')[0].matchAll(/^\.Bd -literal -offset indent\n([^]*?)^\.Ed$/gm)].map(([, text]) => text.replaceAll('\\e', '\\'));

/** A machine on which the page's blocks run: /etc/smaster is a folder, and systemctl starts the server. */
class Machine {
  constructor(t) {
    this.folder = mkdtempSync(path.join(tmpdir(), 'smaster-migration-'));
    this.socket = path.join(this.folder, 'socket');
    const programs = path.join(this.folder, 'bin');
    mkdirSync(programs);
    writeFileSync(path.join(programs, 'systemctl'), `#!/bin/sh
[ "$*" = "enable --now smaster" ] || exit 64
smaster serve --config ${this.folder}/smaster.toml >${this.folder}/log 2>&1 &
while kill -0 $! && ! smaster stats >/dev/null 2>&1; do sleep 0.1; done
`, {mode: 0o755});
    writeFileSync(path.join(this.folder, 'token'), 'a token', {mode: 0o600});
    this.env = {...process.env, PATH: `${programs}:${path.resolve(bin)}:${process.env.PATH}`, SMASTER_SOCKET: this.socket, XDG_STATE_HOME: `${this.folder}/state`, BOT_LOG: `${this.folder}/bots`};
    this.agents = [];
    t.after(async () => {
      for (const agent of this.agents) {
        if (agent.exitCode !== null || agent.signalCode !== null) continue;
        agent.kill('SIGTERM');
        await once(agent, 'exit');
      }
      await this.run('smaster stop --yes');
      await until('the server to end', () => !existsSync(this.socket));
      rmSync(this.folder, {recursive: true, force: true});
    });
  }

  /** What is on the page, for this machine: its folder, a free port, and without a login to Discord. */
  here(text) {
    return text.replaceAll('/etc/smaster', this.folder).replaceAll('shards.example.org', '127.0.0.1').replace('"0.0.0.0"', '"127.0.0.1"\nport = 0').replace(/^token_file.*\n/m, '');
  }

  async run(text) {
    const file = path.join(this.folder, 'script');
    writeFileSync(file, this.here(text));
    return run('/bin/bash', ['-e', file], {cwd: this.folder, env: this.env});
  }

  /** The block of a bots' host. */
  host(text, line, bot) {
    const host = mkdtempSync(path.join(this.folder, 'host-'));
    const script = this.here(text).replace('LINE', line).replace('bot.js', bot);
    const agent = spawn('/bin/bash', ['-ec', `exec ${script}`], {cwd: host, env: this.env, stdio: ['ignore', 'ignore', 'inherit']});
    this.agents.push(agent);
  }

  async stats() {
    const {code, stdout} = await this.run('smaster stats --json');
    return code === 0 ? JSON.parse(stdout) : {};
  }
}

const bots = new URL('bots', import.meta.url).pathname;

test("the page's blocks move four shards of discord.js' ShardingManager to two hosts", async (t) => {
  const [settings, host] = blocks("discord.js' ShardingManager");
  const machine = new Machine(t);
  const {code, stdout, stderr} = await machine.run(settings);
  assert.equal(code, 0, stderr);
  const line = stdout.trim().split('\n').at(-1);
  for (let i = 0; i < 2; ++i) machine.host(host, line, `${bots}/discord-bot.js`);
  const stats = await until('four shards', async () => {
    const stats = await machine.stats();
    return stats.configured === 4 && stats;
  });
  assert.deepEqual(stats.shards.map(({goalShardId}) => goalShardId).sort(), [0, 1, 2, 3]);
  assert.equal(new Set(stats.shards.map(({id}) => id.split('-')[0])).size, 2, 'a config for each host, and no others');
  await until('evals to be answered', async () => /^4$/m.test((await machine.run("smaster eval --raw --shard 0 'this.shard.broadcastEval(() => 1).then((all) => all.length)'")).stdout));
});

test("the page's blocks move clusters of discord-hybrid-sharding", async (t) => {
  const machine = new Machine(t);
  assert.equal((await machine.run(blocks("discord.js' ShardingManager")[0].replace('count = 4', 'count = 32').replace(/smaster join-token.*/, ''))).code, 0);
  const [token, host] = blocks('discord-hybrid-sharding and discord-cross-hosting');
  const {stdout} = await machine.run(token);
  machine.host(host, stdout.trim(), `${bots}/hybrid-bot.js`);
  const stats = await until('32 shards', async () => {
    const stats = await machine.stats();
    return stats.configured === 32 && stats;
  });
  assert.equal(stats.shards.length, 4);
  await until('four clusters to answer', async () => (await machine.run("smaster eval --raw 'this.cluster.ids.length'")).stdout === '8\n8\n8\n8\n');
});

test("the page's blocks move SpikeyBot's files, with configs made meanwhile", async (t) => {
  const machine = new Machine(t);
  const {publicKey} = keys();
  const master = generateKeyPairSync('rsa', {modulusLength: 2048, publicKeyEncoding: {type: 'spki', format: 'pem'}, privateKeyEncoding: {type: 'pkcs8', format: 'pem'}});
  const file = (name, text) => writeFileSync(path.join(machine.folder, name), text);
  file('smaster.toml', '[server]\nport = 0\n[shards]\ncount = 2\n');
  file('knownShards.json', JSON.stringify(Object.fromEntries(['abc', 'abd'].map((id) => [id, {id, key: publicKey, lastSeen: Date.now()}]))));
  file('shardStatsHistory.json', '{}');
  file('shardMaster.priv', master.privateKey);
  const {code, stdout, stderr} = await machine.run(blocks("SpikeyBot's ShardingMaster")[0]);
  assert.equal(code, 0, stderr);
  assert.match(stdout, /^imported 2, already known 0$/m);
  assert.deepEqual((await machine.stats()).shards.map(({id}) => id).sort(), ['abc', 'abd']);
});

test("the page's lines give the ids to discord.py's AutoShardedBot and to eris", async (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), 'smaster-migration-'));
  t.after(() => rmSync(folder, {recursive: true, force: true}));
  const env = {...process.env, SHARD_ID: '4', SHARDS: '[4,5]', SHARD_COUNT: '8'};
  const [python] = blocks("discord.py's AutoShardedBot");
  const py = await run('/usr/bin/python3', ['-c', `import discord\nfrom discord.ext import commands\nintents = discord.Intents.none()\n${python}\nprint(bot.shard_ids, bot.shard_count)`], {env});
  assert.equal(py.stdout, '[4, 5] 8\n', py.stderr);
  const [eris] = blocks('eris-fleet, and eris alone');
  const js = await run(process.execPath, ['-e', `const Eris = require('eris');\nconst token = 'x';\n${eris}\nconsole.log(bot.options.firstShardID, bot.options.lastShardID, bot.options.maxShards)`], {env, cwd: new URL('../discord', import.meta.url).pathname});
  assert.equal(js.stdout, '4 4 8\n', js.stderr);
});
