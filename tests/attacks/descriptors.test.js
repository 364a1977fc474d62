// Out of descriptors: the first, second, … call that makes one fails (nth_descriptor.cpp), in the server and in the agent.
// Either the program ends at its start and says why, or everything works, at the third try at the latest.
import assert from 'node:assert/strict';
import {mkdirSync, readFileSync, writeFileSync} from 'node:fs';
import path from 'node:path';
import {test} from 'node:test';
import {Server} from '../e2e/harness.js';
import {bin, keys, until} from './harness.js';

const sanitized = Boolean(process.env.SMASTER_SANITIZED);
/** A start takes a second or, with sanitizers, several: not every call is tried each time. SMASTER_EVERY=1 tries them all. */
const step = Number(process.env.SMASTER_EVERY ?? (sanitized ? 3 : 1));
/** The agent opens files all its life. */
const AGENT_CALLS = 30;
const library = path.join(bin, 'libnth-descriptor.so');

/** The environment in which call number `n` of `program` fails. */
const failing = (n, program) => ({LD_PRELOAD: library, ASAN_OPTIONS: 'verify_asan_link_order=0', FAIL_NTH: String(n), FAIL_IN: program});
const failed = (log) => log.match(/\[no descriptor: (\w+)\]/)?.[1];

/** What an operator or a shard does about a failure: tries again. */
async function tries(what, log, work) {
  for (let left = 2; ; --left) {
    try {
      return await work();
    } catch (error) {
      if (left === 0) throw new Error(`${what}: ${error.message}\n${log()}`);
    }
  }
}

/** The end of a program that could not start: by itself, with a sentence. */
function endedAtStart({process: {exitCode, signalCode}}, log) {
  assert.equal(signalCode, null, log);
  assert.ok(exitCode > 0, log);
  assert.match(log.trim().split('\n').at(-1), /Too many open files|unable to open database file/, log);
}

/** A server whose keys are made already. */
function prepared() {
  const server = new Server('');
  server.settings = `[shards]\ncount = 1\n[limits]\nconn_count = 1000\n[server]\nproject_dir = "${server.folder}/project"\n[dashboard]\nlisten = 0\n`;
  mkdirSync(`${server.folder}/project`);
  mkdirSync(server.state, {mode: 0o700});
  writeFileSync(`${server.state}/shardMaster.priv`, keys().privateKey, {mode: 0o600});
  writeFileSync(`${server.state}/shardMaster.pub`, keys().publicKey);
  return server;
}

/** Uses a server; false if it ended at its start. */
async function useServer(server, n) {
  server.wrapper = ['env', ...Object.entries(failing(n, 'smaster-serve')).map((entry) => entry.join('='))];
  try {
    await server.start();
  } catch {
    endedAtStart(server, server.log);
    return false;
  }
  const step = (what, work) => tries(`call ${n} (${failed(server.log)}): ${what}`, () => server.log, work);
  const [config] = await step('shards import', () => server.register(1));
  const shard = server.shard(config);
  const ask = (...question) => new Promise((resolve, reject) => shard.socket.timeout(10_000).emit(...question, (late, error, result) => {
    if (late ?? error) reject(new Error(JSON.stringify(late?.message ?? error)));
    resolve(result);
  }));
  await step('running', () => server.running(1));
  await step('eval', async () => assert.equal((await server.evaluate('1 + 1'))[0].result, 2));
  await step('sql', async () => assert.equal((await server.tool(['sql', 'SELECT 1'])).code, 0));
  await step('a shard\'s SQL', () => ask('sendSQL', 'SELECT 1'));
  await step('writeFile', () => ask('writeFile', 'x.txt', 'hello'));
  await step('metrics', async () => assert.ok((await fetch(`http://127.0.0.1:${server.port}/metrics`)).ok));
  const file = `${server.folder}/smaster.toml`;
  const text = readFileSync(file, 'utf8');
  let goal = 1;
  await step('settings', async () => {
    writeFileSync(file, text.replace('count = 1', `count = ${++goal}`));
    server.process.kill('SIGHUP');
    await until(`the goal ${goal}`, async () => (await server.stats()).goal === goal);
  });
  assert.equal(await server.end(), 0, server.log);
  return true;
}

test('the server', async (t) => {
  let starts = 0;
  for (let n = 1; ; n += step) {
    const server = prepared();
    t.after(() => server.cleanup());
    starts += await useServer(server, n) ? 1 : 0;
    await server.cleanup();
    if (!failed(server.log)) break;
  }
  assert.ok(starts > 10 / step, 'most single failures are survived');
});

test('the agent', async (t) => {
  const server = prepared();
  t.after(() => server.cleanup());
  await server.start();
  const configs = await server.register(1);
  for (let n = 1; n <= AGENT_CALLS; n += step) {
    const agent = server.agent(configs, 'discord-bot.js', {env: failing(n, 'smaster-agent')});
    let ended = false;
    await until(`its bot; ${n}`, async () => {
      ended = agent.process.exitCode !== null || agent.process.signalCode !== null;
      return ended || (await server.evaluate('1'))[0]?.result === 1;
    });
    if (ended) {
      endedAtStart(agent, agent.log);
    } else {
      await tries(`call ${n} (${failed(agent.log)}): respawn`, () => agent.log, async () => {
        const {code, stderr} = await server.tool(['respawn', '--wait', '--delay', '0s', '--timeout', '20s']);
        assert.equal(code, 0, stderr);
      });
      await server.answering(1);
      assert.equal(await agent.end('SIGTERM'), 0, agent.log);
    }
    assert.ok(failed(agent.log), agent.log);
  }
});
