// Shared by the tests of the dashboard's page: a server with a dashboard, the page in Debian's Chromium, and a stand-in
// for the server's data, whose fleet has any size and does what a test wants.
import assert from 'node:assert/strict';
import {readFileSync} from 'node:fs';
import http from 'node:http';
import {chromium} from 'playwright-core';
import {next, patience, serve, until} from './harness.js';

const axe = readFileSync(new URL('node_modules/axe-core/axe.min.js', import.meta.url), 'utf8');

/** A server with a dashboard, and its address. */
export async function dashboard(t, {settings = '', shards = 3, lines = ''} = {}) {
  const server = await serve(t, `[shards]\ncount = ${shards}\nauto_generate = false\nrespawn_delay = "100ms"\n[heartbeat]\ninterval = "500ms"\n${lines}[dashboard]\nlisten = 0\n${settings}`);
  const [, url] = await until('the dashboard to listen', () => server.log.match(/the dashboard is on (\S+)/));
  return {server, url};
}

/** A page of the dashboard; its errors fail the test. `before`: what to do with it before it loads. */
export async function open(t, url, {before = () => {}, ...options} = {}) {
  const browser = await chromium.launch({executablePath: '/usr/bin/chromium', args: ['--no-sandbox']});
  const page = await browser.newPage(options);
  page.setDefaultTimeout(patience);
  const errors = [];
  page.on('pageerror', (error) => errors.push(`${error}`));
  page.on('console', (message) => message.type() === 'error' && !/Failed to load resource/.test(message.text()) && errors.push(message.text()));
  page.on('request', (request) => !request.url().startsWith(url) && errors.push(`asks for ${request.url()}`));
  t.after(async () => {
    await browser.close();
    assert.deepEqual(errors, []);
  });
  await before(page);
  await page.goto(url);
  return page;
}

/** Axe finds nothing wrong with what the page shows; looks again while the page is grey, since the server is slow. */
export async function axe_finds_nothing(page) {
  let found;
  await until('axe to look at a page that is not grey', async () => {
    found = await axe_finds(page);
    return !found.length || !await page.evaluate(() => document.body.classList.contains('stale'));
  });
  assert.deepEqual(found, []);
}

async function axe_finds(page) {
  await page.evaluate(axe); // by the debugger: the page's policy forbids other scripts
  return page.evaluate(async () => (await globalThis.axe.run()).violations.map(({id, nodes}) => `${id}: ${nodes.slice(0, 3).map(({html}) => html.slice(0, 200)).join(' | ')}`));
}

/** True if nothing sticks out to the right. */
export const fits = (page) => page.evaluate(() => document.documentElement.scrollWidth <= innerWidth);

/** The cells whose words are not whole to be seen. */
export const clipped = (page) => page.evaluate(() => [...document.querySelectorAll('.cell, button, h3, dd, li')].filter((box) => box.checkVisibility() && (box.scrollWidth > box.clientWidth + 1 && getComputedStyle(box).display !== 'inline')).map((box) => box.textContent));

const STATES = ['running', 'logging in', 'starting', 'queued', 'spare', 'drained', 'new', 'silent', 'deaf', 'hung', 'disconnected', 'refused', 'crashing', 'parked', 'offline', 'dead'];

/** Serves the page's files of a server at `url`, and in place of its data those of a fleet of rows as FleetView makes them. */
export class StandIn {
  constructor(count, {hosts = 10} = {}) {
    this.rows = new Map(Array.from({length: count}, (_, id) => [`n${id}`, {name: `n${id}`, ids: `${id}`, id, count, master: false, state: 'running', host: `host${id % hosts}`, address: '10.0.0.1', since: 1_700_000_000_000, deaths: 0}]));
    this.readers = new Set();
    this.alerts = [];
  }

  async start(t, url) {
    const files = new Map();
    for (const path of ['/', '/page.css', '/page.js', '/icon.svg', '/uPlot.css', '/uPlot.js']) {
      const response = await fetch(new URL(path, url));
      files.set(path, {headers: Object.fromEntries(['content-type', 'content-security-policy'].map((name) => [name, response.headers.get(name)])), body: Buffer.from(await response.arrayBuffer())});
    }
    this.server = http.createServer((request, response) => this.answer(files, new URL(request.url, 'http://x'), response));
    this.server.listen(0, '127.0.0.1');
    await next(this.server, 'listening');
    t.after(() => {
      this.server.closeAllConnections();
      this.server.close();
    });
    this.url = `http://127.0.0.1:${this.server.address().port}/`;
    return this;
  }

  answer(files, {pathname}, response) {
    const file = files.get(pathname);
    if (file) return response.writeHead(200, file.headers).end(file.body);
    if (pathname === '/api/events') {
      response.writeHead(200, {'content-type': 'text/event-stream'});
      response.write(this.message([...this.rows.values()]));
      this.readers.add(response);
      response.on('close', () => this.readers.delete(response));
      return undefined;
    }
    const answers = {'/api/about': {allow: [], login: false, version: ''}, '/api/alerts': {alerts: [], silences: []}, '/api/series': {start: 0, step: 30_000, shards: {}, sum: [], states: {}}};
    if (pathname === '/api/shard') answers['/api/shard'] = {name: 'n0', text: 'shard 0 (n0): running\n'};
    return response.writeHead(answers[pathname] ? 200 : 404, {'content-type': 'application/json'}).end(JSON.stringify(answers[pathname] ?? ''));
  }

  message(rows, events = []) {
    const count = (state) => [...this.rows.values()].filter((row) => row.state === state).length;
    const states = Object.fromEntries(STATES.map((state) => [state, count(state)]));
    const head = {goal: this.rows.size, current: this.rows.size - states.offline - states.dead, known: this.rows.size, registered: this.rows.size, configured: states.running, states, alerts: this.alerts, uptime_ms: 1000, now: Date.now()};
    return `data: ${JSON.stringify({head, rows, events, gone: []})}\n\n`;
  }

  /** Sends a tick in which these shards' rows have changed. */
  change(changes) {
    const rows = Object.entries(changes).map(([name, change]) => Object.assign(this.rows.get(name), change));
    for (const reader of this.readers) reader.write(this.message(rows));
  }
}
