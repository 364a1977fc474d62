// HTTP beside Socket.IO: health, metrics (checked by Prometheus' own checker), and the status history.
import assert from 'node:assert/strict';
import {readFileSync} from 'node:fs';
import {test} from 'node:test';
import {gunzipSync} from 'node:zlib';
import {request, run, serve, until} from './harness.js';
import {authorization} from './shard.js';

const bytes = (port, target, headers = {}) => request(port, target, {headers, raw: true});

async function fleet(t, count = 2) {
  const server = await serve(t, `[shards]\ncount = ${count}\n[limits]\nconn_count = 1000\n`);
  const configs = await server.register(count);
  const shards = configs.map((config) => server.shard(config));
  await server.running(count);
  return {server, configs, shards};
}

const metrics = async (server) => {
  const {body} = await request(server.port, '/metrics');
  return Object.fromEntries(body.split('\n').filter((line) => line && !line.startsWith('#')).map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ') + 1))]));
};

test('the metrics count handshakes by outcome, statuses, evals, SQL and files, and promtool finds nothing wrong', async (t) => {
  const {server, configs, shards} = await fleet(t);
  const before = await metrics(server);
  const knock = (header) => request(server.port, '/socket.io/?EIO=4&transport=polling', {headers: header ? {authorization: header} : {}});
  await knock();
  await knock('nonsense');
  await knock(authorization(configs[0], Date.now() - 3600e3));
  await knock(authorization({...configs[0], id: 'zzz'}));
  await server.tool(['eval', 'this.id === 0 ? nothing : 1', '--shard', '0-2']);
  await server.tool(['sql', 'SELECT 1']);
  await server.tool(['sql', 'SELEC 1']);
  await shards[0].socket.timeout(10_000).emitWithAck('writeFile', 'x', 'y');
  const after = await metrics(server);
  const grown = (name) => after[name] - before[name];
  for (const outcome of ['no_header', 'malformed', 'clock', 'refused']) assert.equal(grown(`smaster_handshakes_total{outcome="${outcome}"}`), 1, outcome);
  assert.equal(after['smaster_handshakes_total{outcome="accepted"}'], 2);
  assert.equal(after['smaster_handshake_seconds_count'], 2);
  assert.equal(grown('smaster_evals_total'), 1);
  for (const outcome of ['result', 'error', 'missing']) assert.equal(grown(`smaster_eval_answers_total{outcome="${outcome}"}`), 1, outcome);
  assert.equal(grown('smaster_eval_answer_seconds_bucket{le="+Inf"}'), 2);
  for (const outcome of ['ok', 'error']) assert.equal(grown(`smaster_sql_statements_total{outcome="${outcome}"}`), 1, outcome);
  assert.equal(grown('smaster_files_total{outcome="error"}'), 1);
  await until('more statuses', async () => (await metrics(server)).smaster_statuses_total > after.smaster_statuses_total);
  for (const queue of ['identify', 'sql', 'mail']) assert.equal(after[`smaster_queue_length{queue="${queue}"}`], 0);
  const {body} = await request(server.port, '/metrics');
  const {code, stdout, stderr} = await run('promtool', ['check', 'metrics'], {input: body});
  assert.equal(code, 0, stdout + stderr);
  assert.equal(stdout + stderr, '');

  const dashboard = JSON.parse(readFileSync(new URL('../../packaging/grafana-dashboard.json', import.meta.url), 'utf8'));
  const queries = [...dashboard.panels.flatMap((panel) => panel.targets), ...dashboard.annotations.list].map(({expr}) => expr);
  const used = queries.flatMap((expr) => expr.match(/smaster_\w+/g));
  assert.ok(used.length > 8);
  for (const name of used) assert.match(body, new RegExp(`^# TYPE ${name.replace(/_bucket$/, '')} `, 'm'), name);
  // What the labels select, too.
  for (const [, name, label, words] of queries.join('\n').matchAll(/(smaster_\w+)\{(\w+)(?:=|!=|=~|!~)"([^"]*)"/g)) {
    const family = name === 'smaster_shard_state' ? 'smaster_shards' : name;
    for (const word of words.split('|')) assert.match(body, new RegExp(`^${family}\\{${label}="${word}"\\} `, 'm'), `${name} ${word}`);
  }
});

test('shard-status-history gives the statuses of named shards since a time, compressed for who takes that', async (t) => {
  const {server, configs} = await fleet(t);
  const [a, b] = configs.map((config) => config.id);
  const target = '/api/public/shard-status-history';
  await until('some history', async () => JSON.parse((await request(server.port, `${target}?id=${a}`)).body)[a].length > 2);
  const plain = await bytes(server.port, `${target}?id=${a},${b},zzz`);
  assert.equal(plain.status, 200);
  assert.equal(plain.headers['content-type'], 'application/json');
  assert.equal(plain.headers['content-encoding'], undefined);
  const history = JSON.parse(plain.body);
  assert.deepEqual(Object.keys(history).sort(), [a, b, 'ids'].sort());
  assert.deepEqual(history.ids.sort(), [a, b]);
  assert.ok(history[a].every((sample) => sample.timestamp > 0 && sample.ping === 42));
  const packed = await bytes(server.port, `${target}?id=${a}`, {'accept-encoding': 'deflate, gzip'});
  assert.equal(packed.headers['content-encoding'], 'gzip');
  assert.ok(JSON.parse(gunzipSync(packed.body))[a].length >= history[a].length);
  const since = history[a][1].timestamp;
  const later = JSON.parse((await bytes(server.port, `${target}?id=${a}&since=${since}`)).body)[a];
  assert.ok(later.length >= 1 && later.every((sample) => sample.timestamp > since));
  assert.deepEqual(JSON.parse((await bytes(server.port, target)).body), {ids: [a, b]});
  assert.deepEqual(JSON.parse((await bytes(server.port, `${target}?id=${a}&since=${Date.now() + 1000}`)).body)[a], []);
});

test('health is told, everything else is not implemented', async (t) => {
  const {server} = await fleet(t, 1);
  for (const target of ['/healthz', '/readyz', '/healthz?x=1']) assert.equal((await request(server.port, target)).status, 200, target);
  for (const [target, method] of [['/', 'GET'], ['/metricsx', 'GET'], ['/metrics', 'POST'], ['/api/public/shard-status-history', 'PUT'], ['/v1/stats', 'GET'], ['//healthz', 'GET']]) {
    assert.equal((await request(server.port, target, {method})).status, 501, target);
  }
});
