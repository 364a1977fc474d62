// What the view is about, by the page's address: all shards, those of a host (#/host/fra1), or one (#/shard/7). Its
// facts, commands, output and events.

const MOST_LINES = 2000; // of output and of answers
const MOST_EVENTS = 200;
let scope = {kind: 'fleet'};
let events = []; // of the fleet, newest first

function scope_of(hash) {
  const [, kind, rest] = hash.match(/^#\/(shard|host)\/(.+)$/) ?? [];
  let which = '';
  try {
    which = decodeURIComponent(rest ?? '');
  } catch {
    // the address is not one of ours
  }
  if (kind === 'host' && which) return {kind, host: which};
  if (kind === 'shard' && which) return {kind, which, query: `${/^\d+$/.test(which) ? 'id' : 'name'}=${encodeURIComponent(which)}`};
  return {kind: 'fleet'};
}

/** The members of a request that select the scope's shards; null: it has none with an id. */
function selection() {
  if (scope.kind !== 'shard' && chosen.size === 0) return scope.host ? {host: scope.host} : {};
  const ids = scope.kind === 'shard' ? ids_of(scope.name) : [...chosen].flatMap(ids_of);
  return ids.length ? {shards: ids} : null;
}
const ids_of = (name) => (shards.get(name)?.ids || '').split(',').filter(Boolean).map(Number);
const to_all = () => scope.kind === 'fleet' && chosen.size === 0;

function whom() {
  if (scope.kind === 'shard') return shards.has(scope.name) ? title_of(shards.get(scope.name)) : `shard ${scope.which}`;
  if (scope.kind === 'host' && chosen.size === 0) return `all shards on ${scope.host}`;
  return chosen.size ? `${chosen.size} chosen ${chosen.size === 1 ? 'shard' : 'shards'}` : `all ${head.known} shards`;
}

/** Shows the view of the page's address. */
function navigate() {
  scope = scope_of(location.hash);
  only_host = scope.host ?? '';
  $('fleet').hidden = scope.kind === 'shard';
  $('about').hidden = scope.kind === 'fleet';
  $('facts').replaceChildren();
  $('about-error').textContent = '';
  $('about-title').textContent = scope.kind === 'host' ? `Host ${scope.host}` : `Shard ${scope.which}`;
  $('lines-label').hidden = scope.kind === 'shard';
  const before = [...chosen];
  chosen.clear();
  for (const name of before) draw_cell(shards.get(name));
  draw_chosen();
  $('lines').value = 'sum';
  $('output').hidden = true;
  groups.forEach(count_group);
  if (head.now !== undefined) scope_changed();
  load_shard();
  if (scope.kind !== 'fleet') {
    scrollTo(0, 0);
    $('about-title').focus();
  }
}
addEventListener('hashchange', navigate);
document.addEventListener('keydown', (event) => {
  if (event.key === 'Escape' && !event.defaultPrevented && scope.kind !== 'fleet' && !event.target.matches('input, select')) location.hash = '#/';
});

/** What depends on which shards the view is about. */
function scope_changed() {
  if (scope.kind === 'host' && !groups.has(scope.host)) $('about-error').textContent = `No shard has the host label "${scope.host}"; the labels are in the list of all shards.`;
  draw_commands();
  draw_events();
  load_events();
  load_graphs();
  load_silences();
  follow_logs();
}

// One shard

let shard_loaded = 0;
/** What `smaster shard` says about it. */
async function load_shard() {
  if (scope.kind !== 'shard') return;
  const mine = scope;
  shard_loaded = performance.now();
  let answer;
  try {
    answer = await fetched(`/api/shard?${mine.query}`);
  } catch (error) {
    if (mine === scope && error.name !== 'TypeError') $('about-error').textContent = `${error.message}.`;
    return;
  }
  if (mine !== scope) return;
  $('about-error').textContent = '';
  if ($('facts').contains(getSelection().anchorNode) && !getSelection().isCollapsed) return; // it is being copied
  const [first, ...lines] = answer.text.split('\n').filter(Boolean);
  const shard = shards.get(answer.name);
  $('about-title').replaceChildren(...shard ? [sign()] : [], first);
  $('about-title').className = shard ? `s${severity(shard.state)}` : '';
  $('facts').replaceChildren(...lines.flatMap((line) => {
    const [, name, value] = line.match(/^ {2}(\S[^]{9}| {10}) (.*)$/) ?? [null, '', line];
    return [element('dt', {}, name.trim()), element('dd', {}, name.trim() === 'try' ? element('code', {}, value) : value.trim())];
  }));
  if (mine.name === answer.name) return;
  mine.name = answer.name; // the id has it now; or it has just been found
  scope_changed();
}

// Commands

function draw_commands() {
  const allowed = (what) => about.allow.includes(what);
  const can = selection() !== null;
  $('commands').hidden = !['eval', 'respawn', 'silence'].some(allowed);
  $('eval').hidden = !allowed('eval') || !can;
  $('respawn').hidden = !allowed('respawn') || !can;
  $('silence').hidden = !allowed('silence') || !can || (scope.kind !== 'shard' && chosen.size > 0);
  $('whom').textContent = can ? `For ${whom()}.${scope.kind !== 'shard' ? ' Choose shards (Space, or "Choose several") to command only them.' : ''}` : 'It has no shard id, so there is nothing to command.';
}

const words_of = ({shard, shards: ids, name, ...rest}) => {
  if (rest.end) return `${rest.end.answered} answered, ${rest.end.failed} failed${rest.end.missing.length ? `, ids without an answer: ${rest.end.missing.join()}` : ''}`;
  const who = `shard ${ids ? ids.join() : shard}${name ? ` (${name})` : ''}`;
  if ('result' in rest) return `${who}: ${JSON.stringify(rest.result)}`;
  if (rest.state) return `${who}: ${rest.state}${rest.after_ms !== undefined ? ` after ${(rest.after_ms / 1000).toFixed(1)} s` : ''}${rest.error ? `, ${rest.error}` : ''}`;
  return `${who}: ${rest.error === undefined ? JSON.stringify(rest) : typeof rest.error === 'string' ? rest.error : rest.error?.message ?? JSON.stringify(rest.error)}`;
};

/** Sends a command, and shows the answer as it comes. */
async function command(path, body) {
  const output = $('output');
  output.hidden = false;
  output.textContent = '';
  let lines = 0;
  const print = (text) => {
    if (++lines < MOST_LINES) output.append(`${plain(text)}\n`);
    else output.lastChild.textContent = `… and ${lines - MOST_LINES + 1} more; smaster eval prints all\n`;
  };
  try {
    await stream(path, {...selection(), ...body}, (line) => print(words_of(line)));
  } catch (error) {
    print(error.name === 'TypeError' ? 'The connection to the server is lost; what it was asked to do may go on.' : error.message);
  }
}

$('eval').addEventListener('submit', (event) => {
  event.preventDefault();
  if (to_all() && !confirm(`Run this script in the bots of ${whom()}?\n\n${$('script').value}`)) return;
  command('/api/eval', {script: $('script').value});
});
$('respawn').addEventListener('click', () => {
  if (confirm(`Respawn ${whom()}${scope.kind === 'shard' ? '' : ', one after the other'}?`)) command('/api/respawn', {wait: true});
});

/** What a silence is about. */
const silence_of = () => scope.kind === 'host' ? {host: scope.host} : scope.kind === 'shard' ? {shard: ids_of(scope.name)[0]} : {};

async function change_silence(path, more) {
  try {
    await fetched(path, {...silence_of(), ...more});
    await load_silences();
  } catch (error) {
    $('silenced').textContent = error.message;
  }
}
$('silence').addEventListener('submit', (event) => {
  event.preventDefault();
  if (!to_all() || confirm('Silence all alerts, whatever they are about?')) change_silence('/api/silence', {for_ms: Number($('silence-for').value)});
});
$('unsilence').addEventListener('click', () => change_silence('/api/unsilence', {}));

async function load_silences() {
  const mine = scope;
  $('silenced').textContent = '';
  $('unsilence').hidden = true;
  if ($('silence').hidden) return;
  const {silences} = await fetched('/api/alerts').catch(() => ({silences: []}));
  if (mine !== scope) return;
  const about_it = silence_of();
  const found = silences.find(({host, shard}) => (host || undefined) === about_it.host && (shard ?? undefined) === about_it.shard);
  if (!found) return;
  $('unsilence').hidden = false;
  $('silenced').replaceChildren('Alerts about it are silenced until ', time(found.until), found.by ? `, by ${found.by}` : '', found.why ? `: ${found.why}` : '.');
}

// Events

const concerns = (event) => scope.kind === 'fleet' || (scope.kind === 'host' ? event.host === scope.host : event.shard !== undefined && event.shard === scope.name);
const SEVERITY_OF_EVENTS = {info: 1, warn: 2, error: 3};

function event_item({id, at, kind, severity: how, shard, by, details, text}) {
  const item = element('li', {className: `s${SEVERITY_OF_EVENTS[how] ?? 1}`}, time(at));
  if (how !== 'info') item.append(sign());
  item.dataset.id = id;
  item.dataset.kind = kind;
  item.append(shards.has(shard) && scope.kind !== 'shard' ? element('a', {href: address_of(shards.get(shard))}, text) : text, by ? `, asked for by ${by}` : '');
  if (details) item.append(element('div', {className: 'details'}, details));
  return item;
}

function draw_events() {
  $('events').replaceChildren(...events.filter(concerns).slice(0, MOST_EVENTS).map(event_item));
}

function add_events(more) {
  if (more.length === 0) return;
  const fresh = more.slice(-MOST_EVENTS).reverse();
  events = [...fresh, ...events].slice(0, 500);
  $('events').prepend(...fresh.filter(concerns).map(event_item));
  while ($('events').childElementCount > MOST_EVENTS) $('events').lastChild.remove();
}

/** A shard's earlier events, which the fleet's last ones may not have. */
async function load_events() {
  if (scope.kind !== 'shard' || !scope.name) return;
  const mine = scope;
  const list = [];
  try {
    const response = await ask(`/api/event-list?name=${encodeURIComponent(mine.name)}`);
    if (response.ok) list.push(...(await response.text()).split('\n').filter(Boolean).map(parse));
  } catch {
    return; // the page says that the server does not answer
  }
  if (mine !== scope) return;
  const known = new Set([...$('events').children].map((item) => item.dataset.id));
  $('events').append(...list.reverse().filter(({id}) => id && !known.has(String(id))).map(event_item));
}

// Output

let reading = null; // an AbortController

function add_lines(pending) {
  const log = $('log');
  const below = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
  pending.sort((a, b) => a.at - b.at);
  log.append(...pending.slice(-MOST_LINES).map(({at, kind, who, text}) => {
    const line = element('div', {}, time(at));
    if (scope.kind !== 'shard') line.append(`${who}  `);
    line.append(kind === 2 ? element('b', {title: 'standard error'}, '! ') : '', kind === 0 ? element('i', {}, text) : text);
    return line;
  }));
  while (log.childElementCount > MOST_LINES) log.firstChild.remove();
  if (below) log.scrollTop = log.scrollHeight;
}

/** Follows the output of the view's bots while it can be seen. */
async function follow_logs() {
  reading?.abort();
  reading = null;
  const selected = to_all() ? null : selection();
  $('logs').hidden = selected === null || !about.allow.includes('logs');
  if ($('logs').hidden || document.hidden) return;
  const mine = reading = new AbortController();
  let pending = [];
  let begun = false;
  $('logs-state').textContent = 'asking the agents …';
  const show = () => {
    if (!begun) $('log').replaceChildren();
    begun = true;
    add_lines(pending);
    pending = [];
    $('logs-state').textContent = $('log').childElementCount ? 'Follows as lines come.' : 'No output yet; follows as lines come.';
  };
  const take = ({shard, shards: ids, lines, error, dropped, end, tick}) => {
    const who = ids ? ids.join() : String(shard);
    for (const [at, kind, text] of lines ?? []) pending.push({at, kind, who, text});
    if (error) pending.push({at: Date.now(), kind: 0, who, text: error});
    if (dropped) pending.push({at: Date.now(), kind: 0, who: '', text: `${dropped} lines were left out: the page is too slow`});
    if (end || (begun && tick && pending.length)) show();
  };
  let again = 3000;
  try {
    await stream('/api/logs', {...selected, lines: 200, follow: true}, take, mine.signal);
  } catch (error) {
    if (mine.signal.aborted) return;
    if (error.name !== 'TypeError') {
      again = 10_000;
      $('logs-state').textContent = `${error.message}; trying again`;
    }
  }
  setTimeout(() => reading === mine && follow_logs(), again);
}
document.addEventListener('visibilitychange', follow_logs);
