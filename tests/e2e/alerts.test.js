// Alerts: one message for a dead host, one when it is over, by webhook, program and mail; silences; strict readiness.
import assert from 'node:assert/strict';
import {chmodSync, existsSync, mkdtempSync, readFileSync, writeFileSync} from 'node:fs';
import http from 'node:http';
import {tmpdir} from 'node:os';
import path from 'node:path';
import {test} from 'node:test';
import {request, serve, until} from './harness.js';

/** A web server that keeps what is posted to it; `answers` are the status codes of the next requests. */
async function receiver(t) {
  const hook = {posts: [], gets: 0, answers: []};
  const server = http.createServer((asked, answer) => {
    let body = '';
    asked.on('data', (data) => { body += data; });
    asked.on('end', () => {
      const status = hook.answers.shift() ?? 200;
      if (asked.method === 'GET') ++hook.gets;
      else if (status === 200) hook.posts.push({url: asked.url, body: JSON.parse(body)});
      answer.writeHead(status, status === 429 ? {'Retry-After': '1'} : {});
      answer.end();
    });
  });
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  t.after(() => server.closeAllConnections() ?? server.close());
  hook.base = `http://127.0.0.1:${server.address().port}`;
  return hook;
}

const beats = '[heartbeat]\ninterval = "500ms"\nrequest_reboot_after = "1s"\nexpect_reboot_after = "2s"\nassume_dead_after = "3s"\n';
const notices = (hook) => hook.posts.filter((post) => post.body.notices).flatMap((post) => post.body.notices);
const told = (hook, kind, pattern) => notices(hook).filter((notice) => notice.kind === kind && pattern.test(notice.text));

test('a dead host is one alert, by every way, and its recovery follows', async (t) => {
  const hook = await receiver(t);
  const folder = mkdtempSync(path.join(tmpdir(), 'smaster-e2e-'));
  const [program, got, mails] = ['program', 'got', 'mails'].map((name) => path.join(folder, name));
  writeFileSync(program, `#!/bin/sh\ncat >> ${got}; echo >> ${got}\n`);
  chmodSync(program, 0o755);
  const mailer = path.join(folder, 'mailer');
  writeFileSync(mailer, `#!/bin/sh\ncat >> ${mails}; echo >> ${mails}\n`);
  chmodSync(mailer, 0o755);
  const server = await serve(t, `[shards]\ncount = 5\n${beats}[mail]\nenabled = true\ncommand = "${mailer}"\n` +
    `[alerts]\nwebhooks = ["${hook.base}/plain", "${hook.base}/api/webhooks/1/secret?wait=true"]\ncommand = ["${program}"]\nalive_url = "${hook.base}/alive"\nalive_interval = "1s"\n`);
  const configs = await server.register(5);
  const lost = server.agent(configs.slice(0, 4), 'spikey-bot.js', {flags: ['--host', 'fra1']});
  server.agent(configs.slice(4), 'spikey-bot.js', {flags: ['--host', 'fra2']});
  await server.running(5);
  await until('the sign of life', () => hook.gets >= 2);
  assert.deepEqual((await server.stats()).alerts, []);
  await lost.end('SIGKILL');
  await until('the alert', () => told(hook, 'begins', /^host fra1 is down: 4 ids \(.*\) without a connected shard$/).length === 1);
  assert.equal(notices(hook).filter((notice) => /dead|down|no running/.test(notice.text)).length, 1, 'one for the host, not four');
  await until('Discord\'s', () => hook.posts.some((post) => post.url.startsWith('/api/webhooks/')));
  const {url, body} = hook.posts.find((post) => post.url.startsWith('/api/webhooks/'));
  assert.equal(url, '/api/webhooks/1/secret?wait=true');
  assert.match(body.content, /^smaster on \S+: host fra1 is down/);
  assert.deepEqual(body.allowed_mentions, {parse: []});
  await until('the program', () => existsSync(got) && readFileSync(got, 'utf8').includes('\n'));
  assert.equal(JSON.parse(readFileSync(got, 'utf8').split('\n')[0]).notices[0].key, 'host fra1');
  await until('the mail', () => existsSync(mails) && /host fra1 is down/.test(readFileSync(mails, 'utf8')));
  assert.match((await server.tool(['stats'])).stdout, /degraded for \d+\s?m?s: host fra1 is down/);
  assert.match((await server.tool(['silence', '--list'])).stdout, /^alert {4}since .* host fra1 is down/m);

  const ready = await request(server.port, '/readyz?strict');
  assert.equal(ready.status, 503);
  assert.match(ready.body, /degraded: 4 of 5 shard ids have no running bot/);
  assert.equal((await request(server.port, '/readyz')).status, 200);

  lost.start();
  await until('the recovery', () => told(hook, 'over', /^host fra1 is down/).length === 1);
  assert.ok(told(hook, 'over', /fra1/)[0].lasted_ms > 0);
  await until('strict readiness', async () => (await request(server.port, '/readyz?strict')).status === 200);
  const kinds = (await server.tool(['events', '--json'])).stdout.trim().split('\n').map((line) => JSON.parse(line).kind);
  assert.ok(kinds.includes('alert') && kinds.includes('recovered'), `${kinds}`);
});

test('a webhook that fails gets the message later; a silence holds back, and ends', async (t) => {
  const hook = await receiver(t);
  hook.answers.push(500, 429);
  const server = await serve(t, `[shards]\ncount = 1\n${beats}[alerts]\nwebhooks = ["${hook.base}/"]\nid_down_after = "1s"\n`);
  await until('the alert about the id without a shard', () => told(hook, 'begins', /^id 0 has had no running bot for 1\s?s or more$/).length === 1);
  assert.match(server.log, /alerts: http:\/\/127.0.0.1:\d+\/… did not take one: it answered with HTTP status 500/);

  assert.equal((await server.tool(['silence'])).code, 64, 'all alerts: asked first');
  const silenced = await server.tool(['silence', '--for', '1h', '--why', 'new disk', '--yes']);
  assert.equal(silenced.stdout, 'all alerts: silenced for 1h\n');
  assert.match((await server.tool(['silence', '--list'])).stdout, /\nsilence {2}until .* all alerts, by \S+: new disk\n/);
  await server.end();
  await server.start();
  assert.match((await server.tool(['silence', '--list'])).stdout, /silence {2}until/, 'it outlives a restart');
  await until('the alert to be there, silenced', async () => (await server.stats()).alerts[0]?.silenced);
  assert.equal((await server.tool(['silence', '--end'])).code, 0);
  const again = await server.tool(['silence', '--end']);
  assert.equal(again.code, 64);
  assert.match(again.stderr, /there is no such silence/);
  const [config] = await server.register(1);
  server.shard(config);
  await until('its end', () => told(hook, 'over', /id 0/).length === 1);
  assert.equal(told(hook, 'begins', /id 0/).length, 1, 'the new server does not tell its beginning again');
});

test('an alert that is in force outlives a restart: its beginning is not told again, its end is', async (t) => {
  const hook = await receiver(t);
  const server = await serve(t, `[shards]\ncount = 2\n${beats}[alerts]\nwebhooks = ["${hook.base}/"]\nid_down_after = "1s"\n`);
  const configs = await server.register(2);
  const [lost] = ['fra1', 'fra2'].map((host, i) => server.agent([configs[i]], 'spikey-bot.js', {flags: ['--host', host]}));
  await server.running(2);
  await lost.end('SIGKILL');
  await until('the alert', () => told(hook, 'begins', /^host fra1 is down/).length === 1);
  const {since} = (await server.stats()).alerts.find(({key}) => key === 'host fra1');
  await server.end();
  await server.start();
  assert.equal((await until('the alert to be there', async () => (await server.stats()).alerts.find(({key}) => key === 'host fra1'))).since, since);
  await until('the other host', async () => (await server.stats()).shards.some((row) => row.host === 'fra2' && row.state === 'running'));
  await until('its shard to be dead for this server, too', async () => (await server.stats()).shards.some((row) => row.host === 'fra1' && row.state === 'dead'));
  lost.start();
  await until('its end', () => told(hook, 'over', /^host fra1 is down/).length === 1);
  assert.equal(told(hook, 'begins', /fra1/).length, 1);
  await server.end();
  await server.start();
  await until('the other host', async () => (await server.stats()).configured === 2);
  await until('no alert', async () => !(await server.stats()).alerts.some(({key}) => key === 'host fra1'));
  assert.equal(told(hook, 'over', /fra1/).length, 1, 'what is over is forgotten');
});

test('a silence about a host that there is not is refused', async (t) => {
  const server = await serve(t, '[shards]\ncount = 1\n');
  const none = await server.tool(['silence', '--host', 'fra1']);
  assert.equal(none.code, 64);
  assert.match(none.stderr, /no shard is on a host "fra1"; no agent has a --host/);
  server.agent(await server.register(1), 'spikey-bot.js', {flags: ['--host', 'fra1']});
  await server.running(1);
  const wrong = await server.tool(['silence', '--host', 'fra2']);
  assert.equal(wrong.code, 64);
  assert.match(wrong.stderr, /no shard is on a host "fra2"; hosts with shards: fra1/);
  assert.equal((await server.tool(['silence', '--host', 'fra1'])).code, 0);
});

test('a storm of events is a few messages, not one for each', async (t) => {
  const hook = await receiver(t);
  const server = await serve(t, `[shards]\ncount = 6\n[alerts]\nwebhooks = ["${hook.base}/"]\n`);
  const shards = (await server.register(6)).map((config) => server.shard(config));
  await server.running(6);
  const refused = /^Discord refuses the bot of shard/;
  for (const [i, shard] of shards.entries()) {
    shard.reports({bot: {state: 'running', gateways: [{id: 0, state: 'refused', code: 4014}]}}).sendStatus();
    if (i === 0) await until('the first', () => told(hook, 'begins', refused).length === 1);
    else await until('it to be recorded', async () => (await server.tool(['events', '--kind', 'refused', '--json'])).stdout.trim().split('\n').length === i + 1);
  }
  await until('the others', () => told(hook, 'begins', refused).length === 6);
  assert.equal(hook.posts.filter((post) => post.body.notices?.some(({text}) => refused.test(text))).length, 2);
});

test('silences that are asked for at the same time are all kept', async (t) => {
  const server = await serve(t);
  const ids = ['1', '2', '3', '4', '5', '6', '7', '8'];
  const all = await Promise.all(ids.map((id) => server.tool(['silence', '--shard', id])));
  for (const {code, stderr} of all) assert.equal(code, 0, stderr);
  const list = async () => JSON.parse((await server.tool(['silence', '--list', '--json'])).stdout).silences.map(({shard}) => String(shard)).sort();
  assert.deepEqual(await list(), ids);
  await server.end();
  await server.start();
  await until('those of the earlier run', async () => (await list()).length > 0);
  assert.deepEqual(await list(), ids);
});

test('a silence about a host is for its outage, whether its ids are dead or only without a bot', async (t) => {
  const hook = await receiver(t);
  const server = await serve(t, `[shards]\ncount = 2\n${beats}[alerts]\nwebhooks = ["${hook.base}/"]\nid_down_after = "1s"\n`);
  const configs = await server.register(2);
  const [lost, other] = ['h1', 'h2'].map((host, i) => server.agent([configs[i]], 'spikey-bot.js', {flags: ['--host', host]}));
  await server.running(2);
  assert.equal((await server.tool(['silence', '--host', 'h1'])).stdout, 'host h1: silenced for 1h\n');
  await lost.end('SIGKILL');
  await until('the alert, silenced', async () => (await server.stats()).alerts.some(({key, silenced}) => key === 'host h1' && silenced));
  await other.end('SIGKILL');
  await until('the whole fleet', () => told(hook, 'begins', /^the whole fleet is down: none of its 2 ids/).length === 1);
  assert.deepEqual(told(hook, 'begins', /h1/), []);
  for (const [flags, words] of [[['--host', 'no such'], /no host is called "no such"/], [['--host', ''], /no host is called ""/], [['--for', '0s'], /--for is more than 0/]]) {
    const wrong = await server.tool(['silence', ...flags]);
    assert.equal(wrong.code, 64);
    assert.match(wrong.stderr, words);
  }
});
