// The dashboard: the fleet as a grid, its figures as graphs, what happens, and commands where they are allowed.
import uPlot from '/uPlot.js';

const $ = (id) => document.getElementById(id);
const METRICS = [
  {key: 'memory', title: 'Memory', unit: (v) => scaled(v, 1024, ['B', 'KiB', 'MiB', 'GiB', 'TiB'])},
  {key: 'cpu', title: 'CPU, mean over the cores', unit: (v) => `${(100 * v).toFixed(1)} %`},
  {key: 'messages', title: 'Messages per second', unit: (v) => v.toFixed(v < 10 ? 2 : 0)},
  {key: 'ping', title: 'Ping, mean', unit: (v) => `${Math.round(v)} ms`},
  {key: 'starts', title: 'Starts', unit: (v) => `${Math.round(v)}`},
];
const STATES = ['running', 'logging in', 'starting', 'queued', 'spare', 'drained', 'new', 'silent', 'deaf', 'hung', 'disconnected', 'refused', 'crashing', 'parked', 'offline', 'dead'];
const MANY = 200;

const shards = new Map(); // by name
const chosen = new Set();
const boxes = new Map();
let about = {allow: []};
let head = {};
let onlyState = '';
let focused = '';
let plots = [];
let refresh;

function scaled(value, base, units) {
  let i = 0;
  for (; Math.abs(value) >= base && i + 1 < units.length; ++i) value /= base;
  return `${i ? value.toFixed(1) : Math.round(value)} ${units[i]}`;
}

function span(ms) {
  const s = Math.max(0, Math.round(ms / 1000));
  return s < 120 ? `${s} s` : s < 7200 ? `${Math.floor(s / 60)} min` : s < 172800 ? `${Math.floor(s / 3600)} h` : `${Math.floor(s / 86400)} d`;
}

/** What shards and bots wrote, as the page shows it: nothing that turns the reading direction or hides text (it never becomes HTML). */
const plain = (text) => text.replace(/[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ufff9-\ufffb]/g, ' ');
/** The server's JSON with all its texts so. */
const parse = (text) => JSON.parse(text, (key, value) => typeof value === 'string' ? plain(value) : value);

/** Talks to the server; a request that needs a login shows the form. */
async function ask(path, body) {
  const response = await fetch(path, body === undefined ? {} : {method: 'POST', headers: {'Content-Type': 'application/json'}, body: JSON.stringify(body)});
  if (response.status === 401 && path !== '/api/login') show_login();
  return response;
}

function show_login() {
  $('page').hidden = true;
  $('login').hidden = false;
  $('link').textContent = '';
  $('password').focus();
}

$('login').addEventListener('submit', async (event) => {
  event.preventDefault();
  const response = await ask('/api/login', {password: $('password').value});
  $('login-error').textContent = response.ok ? '' : parse(await response.text()).error;
  $('password').value = '';
  if (response.ok) start();
});

$('logout').addEventListener('click', async () => {
  await ask('/api/logout', {});
  location.reload();
});

// The fleet

const order = (a, b) => (a.master - b.master) || ((a.id < 0) - (b.id < 0)) || a.id - b.id || a.name.localeCompare(b.name);
const visible = () => [...shards.values()].filter((shard) => !onlyState || shard.state === onlyState).sort(order);

function label(shard) {
  return shard.master ? 'M' : shard.id < 0 ? '–' : shard.ids;
}

function describe(shard) {
  const parts = [`shard ${shard.id < 0 ? '–' : shard.ids} (${shard.name})`, shard.state];
  if (shard.state !== 'new') parts.push(`seen ${span(head.now - shard.seen)} ago`);
  if (shard.memory !== undefined) parts.push(METRICS[0].unit(shard.memory), METRICS[1].unit(shard.cpu));
  if (shard.ping >= 0) parts.push(`${Math.round(shard.ping)} ms`);
  if (shard.deaths) parts.push(`${shard.deaths} deaths`);
  if (shard.host || shard.address) parts.push(shard.host || shard.address);
  return parts.join(', ');
}

function draw_grid() {
  const grid = $('grid');
  const list = visible();
  grid.classList.toggle('many', list.length > MANY);
  const wanted = new Set(list.map((shard) => shard.name));
  for (const [name, box] of boxes) {
    if (!wanted.has(name)) box.remove(), boxes.delete(name);
  }
  if (!wanted.has(focused)) focused = list[0]?.name ?? '';
  list.forEach((shard, i) => {
    let box = boxes.get(shard.name);
    if (!box) {
      box = document.createElement('div');
      box.setAttribute('role', 'option');
      box.dataset.name = shard.name;
      boxes.set(shard.name, box);
    }
    if (grid.children[i] !== box) grid.insertBefore(box, grid.children[i] ?? null);
    const name = shard.state.replace(' ', '-');
    if (box.className !== name) box.className = name;
    if (box.textContent !== label(shard)) box.textContent = label(shard);
    const words = describe(shard);
    if (box.title !== words) box.title = words, box.setAttribute('aria-label', words);
    box.setAttribute('aria-selected', chosen.has(shard.name));
    box.tabIndex = shard.name === focused ? 0 : -1;
  });
}

function draw_legend() {
  const counts = new Map();
  for (const {state} of shards.values()) counts.set(state, (counts.get(state) ?? 0) + 1);
  const words = STATES.filter((state) => counts.has(state)).map((state) => `${state} ${counts.get(state)}`).join() + onlyState;
  if ($('legend').dataset.words === words) return;
  $('legend').dataset.words = words;
  $('legend').replaceChildren(...STATES.filter((state) => counts.has(state)).map((state) => {
    const item = document.createElement('li');
    const button = document.createElement('button');
    const dot = document.createElement('span');
    dot.className = `dot ${state.replace(' ', '-')}`;
    button.append(dot, `${state} ${counts.get(state)}`);
    button.setAttribute('aria-pressed', state === onlyState);
    button.addEventListener('click', () => {
      onlyState = onlyState === state ? '' : state;
      draw();
    });
    item.append(button);
    return item;
  }));
}

function draw_head() {
  $('counts').textContent = `goal ${head.goal}, current ${head.current}, configured ${head.configured}, known ${head.known}, up ${span(head.uptime_ms)}`;
  const {reshard, identify} = head;
  const up = Math.min(head.configured, head.goal);
  $('progress').hidden = head.goal <= 0 || up === head.goal;
  $('progress').max = Math.max(head.goal, 1);
  $('progress').value = up;
  // Troubles of the server itself have alerts, too.
  const alerts = (head.alerts ?? []).filter(({key, silenced}) => !silenced && key !== 'store' && key !== 'connections' && !key.startsWith('server '));
  const words = [...head.troubles ?? [], ...alerts.map(({text}) => text)];
  if (reshard) words.push(`${reshard.rebalancing ? 'rebalancing' : `to ${reshard.count} shards, ${reshard.strategy}`}: ${reshard.up} up, ${reshard.moving} starting, ${reshard.old} with ids of another count`);
  if (head.drained) words.push(`drained hosts: ${head.drained.join(', ')}`);
  const reserved = identify?.waiting && identify.remaining != null && identify.next_needs > identify.remaining - identify.reserve;
  if (reserved) words.push(`${identify.waiting} wait to log in until Discord allows more: ${identify.reserve} logins are reserved, and the next process needs ${identify.next_needs}`);
  else if (identify?.waiting) words.push(`${identify.waiting} wait to log in, the next in ${span(identify.next_in_ms)}, all have in ${span(identify.all_started_in_ms)}`);
  if (identify?.remaining != null) words.push(`${identify.remaining} logins are left, more in ${span(identify.reset_in_ms)}`);
  $('queue').textContent = words.join('; ');
}

function draw_chosen() {
  const list = [...chosen].map((name) => shards.get(name)).filter(Boolean);
  $('chosen').textContent = list.length === 0 ? 'Choose shards to see them, and to command only them.'
    : list.length > 3 ? `${list.length} chosen: ${list.map((shard) => shard.name).join(', ')}` : list.map(describe).join(' · ');
}

function draw() {
  draw_head();
  draw_legend();
  draw_grid();
  draw_chosen();
}

function choose(name, more) {
  if (!more) {
    const only = chosen.size === 1 && chosen.has(name);
    chosen.clear();
    if (!only) chosen.add(name);
  } else if (!chosen.delete(name)) {
    chosen.add(name);
  }
  focused = name;
  draw();
  if ($('lines').value === 'sum' && chosen.size > 0) $('lines').value = 'chosen';
  if ($('lines').value === 'chosen' && chosen.size === 0) $('lines').value = 'sum';
  load_graphs();
}

$('grid').addEventListener('click', (event) => {
  const name = event.target.dataset?.name;
  if (name) choose(name, event.ctrlKey || event.metaKey || event.shiftKey), boxes.get(name)?.focus();
});

$('grid').addEventListener('keydown', (event) => {
  const list = [...$('grid').children];
  const at = list.findIndex((box) => box.dataset.name === focused);
  const columns = getComputedStyle($('grid')).gridTemplateColumns.split(' ').length;
  const step = {ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns, Home: -list.length, End: list.length}[event.key];
  if (step !== undefined) {
    focused = list[Math.min(Math.max(at + step, 0), list.length - 1)]?.dataset.name ?? '';
    draw_grid();
    boxes.get(focused)?.focus();
  } else if (event.key === 'Enter' || event.key === ' ') {
    choose(focused, event.key === ' ');
  } else if (event.key === 'Escape') {
    chosen.clear();
    $('lines').value = 'sum';
    draw();
    load_graphs();
  } else {
    return;
  }
  event.preventDefault();
});

// Graphs

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function lines_of(answer, metric) {
  const {start, step, sum, shards: own} = answer;
  const from = Date.now() / 1000 - Number($('range').value);
  const times = sum.map((_, i) => (start + i * step) / 1000);
  const first = Math.max(0, times.findIndex((time) => time >= from));
  const cut = (values) => values.slice(first);
  const which = $('lines').value;
  if (which === 'sum') return {times: cut(times), rows: [{label: metric.title, values: cut(sum)}]};
  const names = Object.keys(own);
  return {times: cut(times), rows: names.map((name) => ({label: label_of(name), values: cut(own[name])}))};
}

function label_of(name) {
  const shard = shards.get(name);
  return shard && shard.id >= 0 ? `${shard.ids} ${name}` : name;
}

function graph(holder, metric, {times, rows}) {
  const many = rows.length > 12;
  const width = Math.max(200, holder.clientWidth - 12);
  const axis = {stroke: colour('--soft'), grid: {stroke: colour('--line'), width: 1}, ticks: {stroke: colour('--line')}};
  const stroke = (i) => rows.length === 1 ? colour('--going') : `hsl(${(i * 137.5) % 360} 65% 50%)`;
  return new uPlot({
    width, height: 180,
    cursor: {drag: {x: true, y: false}, sync: {key: 'time'}},
    legend: {show: !many},
    scales: {y: {range: (_, low, high) => [0, high > 0 ? high * 1.08 : 1]}},
    axes: [axis, {...axis, size: 70, values: (_, ticks) => ticks.map(metric.unit)}],
    hooks: {setSelect: [(plot) => plot.select.width > 2 && ($('unzoom').hidden = false)]},
    series: [{}, ...rows.map((row, i) => ({label: row.label, stroke: stroke(i), width: many ? 1 : 1.5, points: {show: false}, spanGaps: false, value: (_, v) => v == null ? '–' : metric.unit(v)}))],
  }, [times, ...rows.map((row) => row.values)], holder);
}

let loading = 0;
async function load_graphs() {
  const mine = ++loading;
  const range = Number($('range').value) <= 3600 ? 'hour' : 'day';
  const names = $('lines').value === 'all' ? 'all' : $('lines').value === 'chosen' ? [...chosen].join() : '';
  const answers = await Promise.all(METRICS.map(async ({key}) => {
    const response = await ask(`/api/series?metric=${key}&range=${range}&shards=${encodeURIComponent(names)}`);
    const answer = parse(await response.text());
    if (!response.ok) $('chosen').textContent = answer.error;
    return response.ok ? answer : null;
  }));
  if (mine !== loading || answers.includes(null)) return;
  const zoom = !$('unzoom').hidden && plots[0] ? {min: plots[0].scales.x.min, max: plots[0].scales.x.max} : null;
  for (const plot of plots) plot.destroy();
  plots = METRICS.map((metric, i) => {
    let holder = $('graphs').children[i];
    if (!holder) {
      holder = document.createElement('div');
      holder.className = 'graph';
      holder.dataset.metric = metric.key;
      const title = document.createElement('h3');
      title.textContent = metric.title;
      holder.append(title);
      $('graphs').append(holder);
    }
    const plot = graph(holder, metric, lines_of(answers[i], metric));
    if (zoom) plot.setScale('x', zoom);
    return plot;
  });
  $('graphs').dataset.drawn = `${names || 'sum'} ${$('range').value}`;
}

function unzoom() {
  $('unzoom').hidden = true;
  load_graphs();
}
$('unzoom').addEventListener('click', unzoom);
$('graphs').addEventListener('dblclick', unzoom);
for (const id of ['range', 'lines']) $(id).addEventListener('change', unzoom);
addEventListener('resize', () => {
  for (const plot of plots) plot.setSize({width: Math.max(200, plot.root.parentElement.clientWidth - 12), height: 180});
});
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', load_graphs);

// Events and commands

function add_events(events) {
  for (const {at, name, ids, what} of events) {
    const item = document.createElement('li');
    const time = document.createElement('time');
    time.dateTime = new Date(at).toISOString();
    time.textContent = new Date(at).toLocaleTimeString();
    item.append(time, `${name ? `${ids ? `shard ${ids} ` : ''}(${name}) ` : ''}${what}`);
    $('events').prepend(item);
  }
  while ($('events').children.length > 500) $('events').lastChild.remove();
}

const ids_chosen = () => [...chosen].flatMap((name) => (shards.get(name)?.ids || '').split(',').filter(Boolean).map(Number));

/** Shows the answer as it comes. */
async function command(path, body) {
  const ids = ids_chosen();
  if (chosen.size > 0) body.shards = ids;
  $('output').textContent = '';
  const response = await ask(path, body);
  if (!response.ok) {
    $('output').textContent = parse(await response.text()).error;
    return;
  }
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  for (;;) {
    const {value, done} = await reader.read();
    if (done) break;
    $('output').append(plain(value));
  }
}

$('eval').addEventListener('submit', (event) => {
  event.preventDefault();
  command('/api/eval', {script: $('script').value});
});
$('respawn').addEventListener('click', () => {
  const whom = chosen.size > 0 ? `${chosen.size} shards` : 'all shards, one after the other';
  if (confirm(`Respawn ${whom}?`)) command('/api/respawn', {wait: true});
});

// Live

function take({head: counts, rows, gone, events}) {
  head = counts;
  for (const name of gone) shards.delete(name), chosen.delete(name);
  for (const row of rows) shards.set(row.name, row);
  add_events(events);
  draw();
}

let source;
async function start() {
  const response = await ask('/api/about');
  if (!response.ok) return;
  about = parse(await response.text());
  $('login').hidden = true;
  $('page').hidden = false;
  $('logout').hidden = !about.login;
  $('commands').hidden = about.allow.length === 0;
  $('eval').hidden = !about.allow.includes('eval');
  $('respawn').hidden = !about.allow.includes('respawn');
  source?.close();
  source = new EventSource('/api/events');
  let first = true;
  source.onopen = () => {
    // After an interruption everything comes again.
    first = true;
    $('link').textContent = 'live';
    $('link').className = '';
  };
  source.onmessage = ({data}) => {
    if (first) shards.clear(), $('events').replaceChildren();
    take(parse(data));
    if (first) load_graphs();
    first = false;
  };
  source.onerror = () => {
    $('link').textContent = 'the server does not answer; trying again';
    $('link').className = 'lost';
    if (source.readyState === EventSource.CLOSED) setTimeout(start, 2000);
  };
  clearInterval(refresh);
  refresh = setInterval(() => $('unzoom').hidden && !document.hidden && load_graphs(), 30000);
}
start();
