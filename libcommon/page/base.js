// The dashboard. The build joins base.js, fleet.js, graphs.js, scope.js and live.js to one module: this file has the
// words, the times, and the requests to the server that the others use.
import uPlot from '/uPlot.js';

const $ = (id) => document.getElementById(id);

/** A new element. `content`: elements, and texts that never become HTML. */
function element(tag, properties = {}, ...content) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...content);
  return made;
}

/** States by severity: 0 well, 1 on its way or a spare, 2 unwell, 3 without a running bot. */
const STATES = {
  running: 0, 'logging in': 1, starting: 1, queued: 1, spare: 1, drained: 1, new: 1, silent: 2, deaf: 2, hung: 2,
  disconnected: 2, refused: 3, crashing: 3, parked: 3, offline: 3, dead: 3,
};
const severity = (state) => STATES[state] ?? 2;
/** A shard without an id is missed by nobody. */
const is_trouble = (shard) => severity(shard.state) >= 2 && shard.id >= 0;
const sign = () => {
  const made = element('span', {className: 'sign'});
  made.ariaHidden = 'true';
  return made;
};

let about = {allow: []};

function scaled(value, base, units) {
  let i = 0;
  for (; Math.abs(value) >= base && i + 1 < units.length; ++i) value /= base;
  return `${i ? value.toFixed(1) : Math.round(value)} ${units[i]}`;
}

function span(ms) {
  const s = Math.max(0, Math.round(ms / 1000));
  return s < 120 ? `${s} s` : s < 7200 ? `${Math.floor(s / 60)} min` : s < 172800 ? `${Math.floor(s / 3600)} h` : `${Math.floor(s / 86400)} d`;
}

/** "4–7,9" for "4,5,6,7,9". */
function ranges(ids) {
  if (!ids.includes(',')) return ids;
  const parts = [];
  for (const id of ids.split(',').map(Number)) {
    const last = parts.at(-1);
    if (last && last[1] + 1 === id) last[1] = id;
    else parts.push([id, id]);
  }
  return parts.map(([from, to]) => from === to ? from : to === from + 1 ? `${from},${to}` : `${from}–${to}`).join();
}

const two = (number) => String(number).padStart(2, '0');
const day = (date) => `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
const clock = (date) => `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
const iso = (ms) => `${day(new Date(ms))} ${clock(new Date(ms))}`;
const ZONE = Intl.DateTimeFormat().resolvedOptions().timeZone;
/** "local time, Europe/Berlin, UTC+01:00" */
function zone(ms) {
  const offset = -new Date(ms).getTimezoneOffset();
  const hours = Math.abs(offset);
  return `local time, ${ZONE}, UTC${offset < 0 ? '-' : '+'}${two(Math.floor(hours / 60))}:${two(hours % 60)}`;
}
const time = (ms) => element('time', {dateTime: new Date(ms).toISOString(), title: zone(ms), textContent: iso(ms)});

const UNSAFE = '\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}';
const unsafe = new RegExp(`[${UNSAFE}]`, 'gu');
/** Finds JSON that may have such characters: as they are, or as an escape other than \" \\ \/ \n. */
const maybe_unsafe = new RegExp(`[${UNSAFE}]|\\\\[^"\\\\/n]`, 'u');
/** What shards and bots wrote, as the page shows it: nothing that turns the reading direction or hides text (it never becomes HTML). */
const plain = (text) => text.replace(unsafe, ' ');
/** The server's JSON with all its texts so. */
const parse = (text) => maybe_unsafe.test(text) ? JSON.parse(text, (key, value) => typeof value === 'string' ? plain(value) : value) : JSON.parse(text);

/** Talks to the server; a request that needs a login shows the form. */
async function ask(path, body, signal) {
  const response = await fetch(path, body === undefined ? {signal} : {method: 'POST', headers: {'Content-Type': 'application/json'}, body: JSON.stringify(body), signal});
  if (response.status === 401 && path !== '/api/login') show_login();
  return response;
}

/** The answer's object. Throws the server's sentence. */
async function fetched(path, body) {
  const response = await ask(path, body);
  const answer = parse(await response.text());
  if (!response.ok) throw new Error(answer.error);
  return answer;
}

/** Calls `on_line` with each object of an answer in lines, as it comes. Throws the server's sentence. */
async function stream(path, body, on_line, signal) {
  const response = await ask(path, body, signal);
  if (!response.ok) throw new Error(parse(await response.text()).error);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (;;) {
    const {value, done} = await reader.read();
    if (done) break;
    const lines = (rest + value).split('\n');
    rest = lines.pop();
    for (const line of lines) {
      if (line) on_line(parse(line));
    }
  }
}
