// Commands that stop bots or revoke shards ask first on a terminal, and do nothing without one unless --yes is given.
import assert from 'node:assert/strict';
import path from 'node:path';
import {test} from 'node:test';
import {bin, next, run, serve, until} from './harness.js';

/** Runs a command on a terminal, with an answer to its question. */
const onTerminal = (server, answer, args) => run('script', ['-qec', [path.resolve(bin, 'smaster'), ...args].join(' '), '/dev/null'],
  {input: answer, env: {SMASTER_SOCKET: server.socket, TERM: 'xterm', LC_ALL: 'C.UTF-8'}});

test('what would harm is said, asked for on a terminal, and not done without one', async (t) => {
  const server = await serve(t, '[shards]\ncount = 1\nrespawn_delay = "0s"\n[limits]\nconn_count = 1000\n');
  const [config, other] = await server.register(2);
  const shard = server.shard(config);
  await server.running(1);
  assert.equal((await server.tool(['reshard', '3'])).code, 0, 'more shards need no question');
  await until('the new count', async () => (await server.stats()).shards.some((row) => row.currentShardCount === 3));
  const fewer = await onTerminal(server, 'n\n', ['reshard', '1']);
  assert.equal(fewer.code, 1);
  assert.match(fewer.stdout.replaceAll(/\s+/g, ' '), /from 3 to 1 shards, .* This makes 1 shards of 3: the bots log in anew, and ids 1 to 2 end\. Go on\? \[y\/N\]/);
  const script = await server.tool(['reshard', '1']);
  assert.equal(script.code, 64);
  assert.match(script.stdout, /^from 3 to 1 shards, /);
  assert.match(script.stderr, /nothing was done, since nobody can be asked without a terminal; say --yes/);
  assert.equal((await server.stats()).goal, 3, 'nothing was done');
  assert.equal((await server.tool(['reshard', '1', '--yes'])).code, 0);
  await until('the old count', async () => (await server.stats()).configured === 1);
  const {startTime} = shard.bot;
  const questions = [
    [['reshard', '0'], /This stops all bots: 1 shards have ids and get none until the next "smaster reshard"\. Go on\? \[y\/N\]/],
    [['reboot', '--all'], /This stops the bots of all 1 connected shards at once; they log in again as Discord allows/],
    [['reboot', '--hard'], /This stops the programs of all 1 connected shards at once, and restarts the server/],
    [['shards', 'rm', config.id, other.id], new RegExp(`This revokes shards that run, for good: ${config.id}\\. Each needs a new config`)],
    [['stop'], /This stops the server\. 1 shard is connected to it: bots run on for 5m without a server/],
  ];
  for (const [args, question] of questions) {
    const unasked = await server.tool(args);
    assert.equal(unasked.code, 64, args.join(' '));
    assert.match(unasked.stderr, /nothing was done, since nobody can be asked without a terminal; say --yes/);
    for (const answer of ['n\n', '\n', 'what?\n']) {
      const asked = await onTerminal(server, answer, args);
      assert.equal(asked.code, 1, asked.stdout);
      assert.match(asked.stdout.replaceAll(/\s+/g, ' '), question);
      assert.match(asked.stdout, /nothing was done/);
    }
  }
  const stats = await server.running(1);
  assert.deepEqual([stats.goal, stats.known, shard.exits, shard.bot.startTime], [1, 2, 0, startTime]);

  const yes = await onTerminal(server, 'y\n', ['reboot', '--all']);
  assert.equal(yes.code, 0, yes.stdout);
  await until('the bot to restart', () => shard.bot?.startTime > startTime);
  await server.running(1);
  assert.equal((await server.tool(['reshard', '0', '--yes'])).code, 0);
  await until('the bot to stop', async () => (await server.stats()).shards.every((row) => row.goalShardId < 0 && row.currentShardId < 0));
  const exited = next(server.process, 'exit');
  assert.equal((await server.tool(['stop', '--yes'])).code, 0);
  assert.deepEqual(await exited, [0, null]);
});

test('what is harmless is done without a question', async (t) => {
  const server = await serve(t, '[shards]\ncount = 1\n');
  const [config, other] = await server.register(2);
  assert.equal((await server.tool(['reshard', '0', '--dry-run'])).code, 0);
  assert.equal((await server.tool(['reboot', '--all'])).code, 0);
  const shard = server.shard(config);
  await server.running(1);
  assert.equal((await server.tool(['reshard', '2'])).code, 0);
  assert.equal((await server.tool(['reshard', '1', '--yes'])).code, 0);
  assert.equal((await server.tool(['shards', 'rm', other.id])).code, 0, 'it has never connected');
  shard.closed = true;
  shard.socket.disconnect();
  await until('it to be away', async () => (await server.stats()).clients === 0);
  const lost = await server.tool(['shards', 'rm', config.id]);
  assert.equal(lost.code, 64, 'its bot may still run');
  assert.match(lost.stderr, /\(offline, may still run\)/);
  const exited = next(server.process, 'exit');
  assert.equal((await server.tool(['stop'])).code, 0);
  assert.deepEqual(await exited, [0, null]);
});
