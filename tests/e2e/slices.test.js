// Answers about the whole fleet are written in slices, as their reader reads them: the server does not buffer them, and
// keeps serving others meanwhile.
import assert from 'node:assert/strict';
import {once} from 'node:events';
import http from 'node:http';
import {test} from 'node:test';
import {gunzipSync} from 'node:zlib';
import {names, request, serve, tls, until} from './harness.js';

const many = 3000;
const settings = '[shards]\ncount = 0\n[limits]\nconn_count = 1000\n';
const past = '/api/public/shard-status-history';

/** The answer to a control request, of which only the header was read. */
async function unread(server, method, path, body) {
  const req = http.request({socketPath: server.socket, path, method, agent: false});
  req.end(body && JSON.stringify(body));
  const [response] = await once(req, 'response');
  return response.setEncoding('utf8').pause();
}

async function read(response) {
  let text = '';
  for await (const piece of response) text += piece;
  return text;
}

test('the stats of 3,000 shards are written as they are read, each shard as it is then', async (t) => {
  const server = await serve(t, settings);
  await server.register(many);
  const all = names(many);
  const response = await unread(server, 'GET', '/v1/stats');
  assert.equal(response.statusCode, 200);
  // Much more data than the sockets' buffers hold is sent before the last rows.
  const [first, last] = [all[0], all.slice().sort().at(-1)];
  assert.equal((await server.tool(['shards', 'rm', first, last])).code, 0);
  assert.equal((await request(server.port, '/healthz')).status, 200);
  const stats = JSON.parse(await read(response));
  const written = stats.shards.map(({id}) => id);
  assert.equal(stats.known, many);
  assert.equal(Object.values(stats.states).reduce((sum, count) => sum + count), many, 'each in one state');
  assert.ok(written.includes(first), 'written before it was removed');
  assert.ok(!written.includes(last), 'removed before it was written');
  assert.equal(new Set(written).size, many - 1);
  assert.deepEqual(written, written.slice().sort());
  assert.equal((await server.stats()).shards.length, many - 2);
});

test('one who does not read the stats holds up no other, and so many are written at once', async (t) => {
  const server = await serve(t, settings);
  await server.register(many);
  const readers = [];
  for (let i = 0; i < 32; ++i) readers.push(await unread(server, 'GET', '/v1/stats'));
  const refused = await unread(server, 'GET', '/v1/stats');
  assert.equal(refused.statusCode, 503);
  assert.match(await read(refused), /32 such answers are being written/);
  assert.equal((await request(server.port, '/metrics')).status, 200);
  for (const reader of readers) reader.destroy();
  await until('their places to be free', async () => {
    const response = await unread(server, 'GET', '/v1/stats');
    response.destroy();
    return response.statusCode === 200;
  });
});

test('the metrics of 3,000 shards have each gauge in one piece, and tell the longest turn of the loop', async (t) => {
  const server = await serve(t, settings);
  await server.register(many);
  const {headers, body} = await request(server.port, '/metrics', {headers: {'accept-encoding': 'gzip'}, raw: true});
  assert.equal(headers['content-encoding'], 'gzip');
  const lines = gunzipSync(body).toString().trim().split('\n');
  const ids = lines.map((line, i) => [line, i]).filter(([line]) => line.startsWith('smaster_shard_id{'));
  assert.equal(ids.length, many);
  assert.equal(ids.at(-1)[1] - ids[0][1], many - 1);
  const value = (name) => Number(lines.find((line) => line.startsWith(`${name} `))?.split(' ')[1]);
  assert.ok(value('smaster_loop_longest_turn_seconds') > 0);
  assert.ok(value('smaster_loop_busy_seconds_total') > value('smaster_loop_longest_turn_seconds'));
});

test('none of what is asked of 3,000 shards is a long turn of work', async (t) => {
  const server = await serve(t, `${settings}[dashboard]\nlisten = 0\n`);
  await server.register(many);
  const [, page] = await until('the dashboard to listen', () => server.log.match(/the dashboard is on (\S+)/));
  const longTurns = async () => Number((await request(server.port, '/metrics')).body.match(/^smaster_loop_long_turns_total\{cause="work"\} (\d+)$/m)[1]);
  const series = async (metric) => (await fetch(new URL(`/api/series?metric=${metric}&range=day&shards=`, page))).json();
  await until('the page to know all', async () => (await (await fetch(new URL('/api/fleet', page))).json()).rows.length === many);
  const before = await longTurns();
  for (let i = 0; i < 3; ++i) {
    assert.equal((await server.stats()).shards.length, many);
    assert.equal((await server.tool(['eval', '1', '--where', 'state=new'])).code, 1, 'nobody is connected');
    assert.equal((await request(server.port, `${past}?id=aaa`)).status, 200);
    await Promise.all(['memory', 'cpu', 'ping'].map(series));
  }
  // Sanitizers make all work several times as long.
  assert.ok(await longTurns() - before <= (process.env.SMASTER_SANITIZED ? 30 : 0));
});

test('an id that is asked for thousands of times is answered once, and all ids are in the answer of an old client, too', async (t) => {
  const server = await serve(t, settings);
  const [a, b] = (await server.register(2)).map(({id}) => id);
  const target = `${past}?id=${Array(3000).fill(a).join()}&id=${b},${a},${b},nobody`;
  const {status, body} = await request(server.port, target);
  assert.equal(status, 200);
  assert.equal(body.split(`"${a}":[`).length - 1, 1);
  assert.equal(body.split(`"${b}":[`).length - 1, 1);
  assert.deepEqual(JSON.parse(body), {[a]: [], [b]: [], ids: [a, b]});
  if (tls) return;
  // HTTP/1.0 has no chunks: the body ends with the connection.
  const old = await new Promise((resolve, reject) => {
    const socket = http.Agent.prototype.createConnection({host: '127.0.0.1', port: server.port});
    let text = '';
    socket.on('data', (data) => text += data).on('end', () => resolve(text)).on('error', reject);
    socket.end(`GET ${past}?id=${a} HTTP/1.0\r\n\r\n`);
  });
  assert.doesNotMatch(old, /chunked/i);
  assert.deepEqual(JSON.parse(old.slice(old.indexOf('\r\n\r\n'))), {[a]: [], ids: [a, b]});
});

test('the past of at most 256 shards is in one answer; the others are named', async (t) => {
  const server = await serve(t, settings);
  const all = (await server.register(300)).map(({id}) => id).sort();
  const {body} = await request(server.port, `${past}?id=${all.join()}`);
  const answer = JSON.parse(body);
  assert.deepEqual(answer.ids, all);
  assert.deepEqual(answer.left_out, all.slice(256));
  assert.equal(Object.keys(answer).length, 256 + 2);
});

test('answers to an eval that nobody reads are dropped beyond 64 MiB, and each is told of', async (t) => {
  const count = 20;
  const server = await serve(t, `[shards]\ncount = ${count}\n[limits]\nconn_count = 1000\nmax_payload = 8000000\n`);
  for (const config of await server.register(count)) server.shard(config);
  await server.running(count);
  const response = await unread(server, 'POST', '/v1/eval', {script: '"x".repeat(5000000)', timeout_ms: 120_000});
  const answers = async () => (await request(server.port, '/metrics')).body.match(/smaster_eval_answers_total\{outcome="result"\} (\d+)/)[1];
  await until('all shards to have answered', async () => Number(await answers()) === count);
  const lines = (await read(response)).trim().split('\n').map((line) => JSON.parse(line));
  const {end} = lines.pop();
  assert.deepEqual(lines.map(({shard}) => shard).sort((a, b) => a - b), Array.from({length: count}, (_, i) => i));
  const whole = lines.filter(({result}) => result?.length === 5_000_000);
  const dropped = lines.filter(({error}) => /^the answer, of 50\d+ bytes, was dropped: the reader of the answers is too slow$/.test(error));
  assert.equal(whole.length + dropped.length, count);
  // The stream has room for thirteen; one more is being written.
  assert.ok(whole.length >= 13 && dropped.length >= 5, `${whole.length} whole, ${dropped.length} dropped`);
  assert.deepEqual(end, {answered: whole.length, failed: dropped.length, missing: []});
  const some = await server.tool(['eval', '"x".repeat(2000000)']);
  assert.equal(some.code, 0, some.stderr);
  assert.equal(some.stdout.trim().split('\n').length, count);
});
