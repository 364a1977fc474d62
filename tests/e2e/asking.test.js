// Evals answer correctly, whatever the bot does: each requester gets at once the answer to its own question, or the
// reason why there is none.
import assert from 'node:assert/strict';
import {test} from 'node:test';
import {alive, serve, until} from './harness.js';

const one = '[shards]\ncount = 1\n';

/** A server with one bot that answers, its agent, and a function that returns a script's result or error message. */
async function asked(t, bot, settings = one) {
  const server = await serve(t, settings);
  const [config] = await server.register(1);
  const agent = server.agent([config], bot, {flags: ['--restart-delay', '100ms']});
  await server.running(1);
  await server.answering(1);
  const ask = async (script, ...flags) => {
    const [line] = await server.evaluate(script, flags);
    return line.error ? line.error.message ?? line.error : line.result;
  };
  return {server, agent, ask};
}

for (const bot of ['discord-bot.js', 'spikey-bot.js']) {
  test(`a script that never ends does not keep the same one from its answer (${bot})`, async (t) => {
    const {ask} = await asked(t, bot);
    const script = '(() => { this.n = (this.n ?? 0) + 1; return this.n === 1 ? new Promise(() => {}) : this.n; })() // counted';
    assert.match(await ask(script, '--timeout', '1s'), /no answer/);
    assert.equal(await ask(script), 2);
    assert.equal(await ask(script), 3);
    // A late answer is dropped.
    const late = 'new Promise((done) => { const n = this.m = (this.m ?? 0) + 1; setTimeout(() => done(n), n === 1 ? 3000 : 0); })';
    assert.match(await ask(late, '--timeout', '1s'), /no answer/);
    assert.equal(await ask(late), 2);
    const ends = Date.now() + 3000;
    await until('the late answer to be over', async () => Date.now() > ends);
    assert.equal(await ask(late), 3);
  });

  test(`who asks is told how the bot ended (${bot})`, async (t) => {
    const {server, ask} = await asked(t, bot);
    const ends = async (script, how) => {
      assert.equal(await ask(script), `the bot ended before it answered (${how})`);
      await server.answering(1);
    };
    await ends('process.exit(5)', 'exit status 5');
    await ends('process.kill(process.pid, "SIGKILL"), new Promise(() => {})', 'SIGKILL');
    await ends('process.abort()', 'SIGABRT');
    // Both kinds of bot look for a name in the thrown value, and crash if it is null.
    await ends('throw null', 'exit status 1');
  });
}

test('the bot\'s end is told while what it has started goes on', async (t) => {
  const {server, ask} = await asked(t, 'spikey-bot.js');
  const child = 'import("node:child_process").then(({spawn}) => { const child = spawn("/bin/sh", ["-c", "trap \'\' TERM; echo ready; while :; do sleep 1; done"], {detached: true}); return new Promise((done) => child.stdout.once("data", () => done(child.pid))); })';
  const pid = await ask(child);
  assert.ok(alive(pid));
  assert.equal(await ask('process.exit(5)'), 'the bot ended before it answered (exit status 5)');
  assert.ok(alive(pid), 'it was not waited for');
  await server.answering(1);
  assert.ok(!alive(pid));
});

test('an answer that cannot be passed on is said at once', async (t) => {
  const {ask} = await asked(t, 'spikey-bot.js');
  const own = 'writeFileSync(3, `{"_eval":${JSON.stringify(this.own)},"_result":NaN}\\n`), new Promise(() => {})';
  await ask(`this.own = ${JSON.stringify(own)}, 1`);
  assert.match(await ask(own), /^the bot's answer is not valid JSON/);
  assert.equal(await ask('"x".repeat(17 << 20)'), 'the bot\'s answer is longer than the 16777216 bytes that a line may have');
  const nested = (depth) => `(() => { let value = 1; for (let i = 0; i < ${depth}; ++i) value = [value]; return value; })()`;
  assert.match(await ask(nested(505)), /^the bot's answer nests 505 levels deep, more than the 500/);
  assert.ok(Array.isArray(await ask(nested(100))));
  assert.equal(await ask('1'), 1);
});

test('a bot that has closed its channel cannot be asked, and stats says so', async (t) => {
  const {server, ask} = await asked(t, 'discord-bot.js');
  const closed = /^the bot has closed its channel, as process\.disconnect\(\) does: it cannot be asked/;
  const askable = (value) => until(`stats to say that it is ${value}`, async () => (await server.stats()).shards[0].stats.bot.askable === value);
  await askable(true);
  // discord.js crashes when it cannot send an answer, so the script never answers.
  assert.match(await ask('setInterval(() => {}, 1e6), setTimeout(() => process.disconnect(), 50), new Promise(() => {})'), closed);
  assert.match(await ask('1'), closed);
  await askable(false);
  assert.equal((await server.stats()).shards[0].state, 'running');
  assert.match((await server.tool(['stats'])).stdout, /^shard \w+ \(id 0\): its bot has closed its channel and cannot be asked$/m);
  assert.match((await server.tool(['stats', '--prometheus'])).stdout, /smaster_shard_bot_askable\{name="\w+"\} 0/);
  await server.tool(['respawn', '--shard', '0']);
  await server.answering(1);
  await askable(true);
});
