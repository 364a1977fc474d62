// Bots that request permits by HTTP, like the clients of twilight and Sandwich-Daemon: curl instead of bots, with real
// servers and agents.
import assert from 'node:assert/strict';
import {spawn} from 'node:child_process';
import {once} from 'node:events';
import {existsSync, readFileSync, writeFileSync} from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import {describe, test} from 'node:test';
import {StandIn} from '../discord/stand-in.js';
import {Server, until} from './harness.js';

const INTERVAL = 5000; // ms between two logins in a bucket
const RESERVE = 20; // logins of a day that are kept for the operator, by default

/** An agent with one process that has the ids 0 … count − 1, and the URL for its requests. */
async function bot(t, count, options = {}) {
  const discord = await new StandIn(options).listen();
  t.after(() => discord.close());
  const server = new Server();
  t.after(() => server.cleanup());
  const token = path.join(server.folder, 'token');
  writeFileSync(token, 'the token\n', {mode: 0o600});
  server.configure(`[shards]\ncount = ${count}\ntoken_file = "${token}"\n[discord]\napi_base = "${discord.api}"\n`);
  await server.start();
  await until('the limits', async () => (await server.stats()).identify);
  const told = path.join(server.folder, 'told');
  const configs = await server.register(1);
  // It runs until it is ended, without a channel.
  const command = ['/bin/sh', '-c', `echo "$SMASTER_IDENTIFY_URL" >> ${told}; exec sleep 100000`];
  const agent = server.agent(configs, command, {flags: ['--shards-per-process', String(count), '--restart-delay', '100ms']});
  const addresses = () => (existsSync(told) ? readFileSync(told, 'utf8').split('\n').slice(0, -1) : []);
  const address = async (starts = 1) => {
    await until(`the bot to start ${starts} times`, () => addresses().length >= starts);
    return addresses()[starts - 1];
  };
  return {server, agent, url: await address(), address};
}

/** Runs curl for a URL. `answer` is {status, headers, body, at}; status 0: none. */
function curl(t, url, ...args) {
  const child = spawn('curl', ['-sS', '-i', '-w', '\n%{http_code}', ...args, url], {stdio: ['ignore', 'pipe', 'ignore']});
  t.after(() => child.kill('SIGKILL'));
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text) => (output += text));
  const answer = once(child, 'close').then(() => {
    const [head, body = ''] = output.split('\r\n\r\n');
    return {status: Number(output.split('\n').at(-1)), head: head.toLowerCase(), body: body.slice(0, body.lastIndexOf('\n')), at: Date.now()};
  });
  return {child, answer};
}

const ask = (t, url, shard) => curl(t, `${url}?shard=${shard}`);
const post = (t, url, body) => curl(t, url, '-X', 'POST', '-H', 'Content-Type: application/json', '-d', JSON.stringify(body));
const waiting = (server, count) => until(`${count} to wait`, async () => (await server.stats()).identify.waiting === count);
const remaining = async (server) => (await server.stats()).identify.remaining;

// They mostly wait.
describe('logins asked for by HTTP', {concurrency: 4}, () => {
  test('eight that ask at once, in two buckets, are answered an interval apart in each', async (t) => {
    const {server, url} = await bot(t, 8, {maxConcurrency: 2});
    const answers = await Promise.all(Array.from({length: 8}, (_, shard) => ask(t, url, shard).answer));
    for (const {status, body} of answers) assert.deepEqual([status, body], [200, '{"message":"this shard may log in now"}\n']);
    for (const bucket of [0, 1]) {
      const at = answers.filter((_, shard) => shard % 2 === bucket).map((answer) => answer.at);
      const took = Math.max(...at) - Math.min(...at);
      assert.ok(took >= 3 * INTERVAL, `four in a bucket took ${took} ms`);
    }
    await until('eight logins to be counted', async () => (await remaining(server)) === 1000 - 8);
  });

  test('whoever gives up does not wait any more, and keeps nobody from a login', async (t) => {
    // When the day's logins are used up, requests wait until the next day.
    const {server, url} = await bot(t, 3, {maxConcurrency: 4, remaining: RESERVE + 3, resetAfter: 45_000});
    const first = await Promise.all([0, 1, 2].map((shard) => ask(t, url, shard).answer));
    assert.deepEqual(first.map(({status}) => status), [200, 200, 200]);
    const patient = ask(t, url, 1);
    const impatient = ask(t, url, 0);
    await waiting(server, 2);
    impatient.child.kill('SIGKILL');
    await waiting(server, 1);
    assert.equal((await patient.answer).status, 200);
  });

  test('Sandwich-Daemon\'s POST is answered with 204', async (t) => {
    const {server, url} = await bot(t, 2);
    const {status, body} = await post(t, url, {shard_id: 1, shard_count: 2, max_concurrency: 1, token: 'the token', token_hash: 'hash'}).answer;
    assert.deepEqual([status, body], [204, '']);
    await until('a login to be counted', async () => (await remaining(server)) === 1000 - 1);
    assert.equal((await post(t, url, {shard_id: 1, shard_count: 0}).answer).status, 204, 'a count that is left to Discord');
  });

  test('without a master a POST is told when to come back, a GET waits for one', async (t) => {
    const {server, agent, url} = await bot(t, 2);
    await server.end();
    await agent.says(/the bot goes on/);
    const get = ask(t, url, 0);
    const {status, head} = await post(t, url, {shard_id: 1, shard_count: 2}).answer;
    assert.equal(status, 429);
    assert.match(head, /^x-retry-after-ms: \d+\r$/m);
    await server.start();
    assert.equal((await get.answer).status, 200);
  });

  test('what is not this process\'s is refused in a sentence', async (t) => {
    const {agent, url} = await bot(t, 2);
    const refused = async (request, status, sentence) => {
      const answer = await request.answer;
      assert.equal(answer.status, status, answer.body);
      assert.match(JSON.parse(answer.body).message, sentence);
    };
    await refused(ask(t, url, 7), 403, /shard 7 is not this process's/);
    await refused(post(t, url, {shard_id: 0, shard_count: 16}), 403, /runs shards of 2, not of 16/);
    await refused(curl(t, url), 403, /which shard/);
    await refused(ask(t, new URL('/', url), 0), 404, /SMASTER_IDENTIFY_URL/);
    await refused(ask(t, new URL('/0123456789abcdef0123456789abcdef/', url), 0), 404, /SMASTER_IDENTIFY_URL/);
    await refused(ask(t, url, 'x'), 400, /\?shard=3/);
    await refused(post(t, url, [0]), 400, /JSON object/);
    await refused(curl(t, url, '-X', 'DELETE'), 405, /GET and POST/);
    await refused(post(t, url, {shard_id: 0, token: 'x'.repeat(10_000)}), 413, /too large/);
    await agent.says(/shard 7 is not this process's/);
  });

  test('a proxy\'s request line is read, and a client that waits to be told to go on is told', async (t) => {
    const {url} = await bot(t, 2);
    assert.equal((await curl(t, `${url}?shard=0`, '-x', new URL(url).origin, '--noproxy', '').answer).status, 200);
    const {status, head} = await curl(t, url, '-H', 'Expect: 100-continue', '--expect100-timeout', '60', '-d', '{"shard_id": 1, "shard_count": 2}').answer;
    assert.match(head, /^http\/1\.1 100 continue/);
    assert.equal(status, 204);
    assert.equal((await curl(t, `${url}?shard=0`, '-H', 'Host:').answer).status, 400);
  });

  test('an address ends with its process', async (t) => {
    const {server, agent, url, address} = await bot(t, 2);
    assert.equal((await ask(t, url, 0).answer).status, 200);
    const waits = ask(t, url, 1);
    await waiting(server, 1);
    const {stats} = (await server.stats()).shards[0];
    process.kill(stats.bot.pid, 'SIGKILL');
    assert.equal((await waits.answer).status, 0);
    const next = await address(2);
    assert.notEqual(next, url);
    assert.equal((await ask(t, url, 1).answer).status, 404);
    assert.equal((await ask(t, next, 1).answer).status, 200);
    assert.doesNotMatch(agent.log, /asks by HTTP/);
  });

  test('connections that say nothing keep no bot from asking', async (t) => {
    const {url} = await bot(t, 1);
    const silent = Array.from({length: 200}, () => net.connect(Number(new URL(url).port), '127.0.0.1').on('error', () => {}).resume());
    t.after(() => silent.forEach((socket) => socket.destroy()));
    await Promise.all(silent.map((socket) => once(socket, 'connect')));
    const {status} = await curl(t, url).answer;
    assert.equal(status, 200, 'without an id, since it has one');
    await until('most of the silent ones to be dropped', () => silent.filter(({destroyed}) => destroyed).length >= 200 - 64);
  });
});
