// The fleet: its shards by host, those in trouble first, and the numbers of the server.

const CHUNK = 240; // cells that the browser lays out together, or leaves out while they are not to be seen
const MOST_TROUBLED = 60; // shards that are listed one by one
const shards = new Map(); // by name: the server's rows
const cells = new Map(); // by name: the links in the grid
const groups = new Map(); // by host
const chosen = new Set(); // names
let head = {};
let only_state = '';
let only_host = ''; // the present view's; empty: all
let focused = '';
let trouble_changed = true;

const by_words = new Intl.Collator(undefined, {numeric: true}).compare;
const by_id = (a, b) => (a.master - b.master) || ((a.id < 0) - (b.id < 0)) || a.id - b.id || (a.name < b.name ? -1 : 1);
const label = (shard) => shard.master ? 'M' : shard.ids ? ranges(shard.ids) : '–';
const address_of = (shard) => `#/shard/${shard.id >= 0 ? shard.id : shard.name}`;
const title_of = (shard) => shard.master ? `master (${shard.name})` : shard.id >= 0 ? `shard ${ranges(shard.ids)} (${shard.name})` : `${shard.name} (no id)`;

const cell_pattern = element('a', {className: 'cell', tabIndex: -1});

function draw_cell(shard) {
  let cell = cells.get(shard.name);
  if (!cell) {
    cell = cell_pattern.cloneNode();
    cell.dataset.name = shard.name;
    cells.set(shard.name, cell);
  }
  const words = `${title_of(shard)}, ${shard.state}${chosen.has(shard.name) ? ', chosen' : ''}`;
  cell.textContent = label(shard);
  cell.dataset.state = shard.state;
  cell.className = `cell s${severity(shard.state)}${chosen.has(shard.name) ? ' chosen' : ''}`;
  cell.href = address_of(shard);
  cell.title = words;
  cell.ariaLabel = words;
  cell.hidden = only_state !== '' && shard.state !== only_state;
  return cell;
}

function group_of(host) {
  let group = groups.get(host);
  if (!group) {
    const words = element('span');
    const link = host ? element('a', {href: `#/host/${encodeURIComponent(host)}`, textContent: host}) : 'no host label';
    group = {host, names: new Set(), words, trouble: 0, box: element('div', {className: 'group'}, element('h3', {}, link, ' ', words))};
    group.box.dataset.host = host;
    groups.set(host, group);
  }
  return group;
}

/** The group's cells in order, in chunks; those that are right stay. */
function lay_out(group) {
  const list = [...group.names].map((name) => shards.get(name)).sort(by_id);
  const longest = Math.max(2, ...list.map((shard) => label(shard).length));
  group.box.style.setProperty('--cell', `${Math.min(longest, 40) * 0.5 + 1.5}em`);
  const boxes = [...group.box.children].slice(1);
  for (let i = 0; i * CHUNK < list.length; ++i) {
    const wanted = list.slice(i * CHUNK, (i + 1) * CHUNK).map((shard) => cells.get(shard.name));
    const box = boxes[i] ?? group.box.appendChild(element('div', {className: 'cells'}));
    if (box.childElementCount !== wanted.length || wanted.some((cell, at) => box.children[at] !== cell)) box.replaceChildren(...wanted);
  }
  for (const box of boxes.slice(Math.ceil(list.length / CHUNK))) box.remove();
}

function count_group(group) {
  const counts = new Map();
  let shown = 0;
  group.trouble = 0;
  for (const name of group.names) {
    const shard = shards.get(name);
    counts.set(shard.state, (counts.get(shard.state) ?? 0) + 1);
    group.trouble += is_trouble(shard) ? 1 : 0;
    shown += !only_state || shard.state === only_state ? 1 : 0;
  }
  group.words.textContent = Object.keys(STATES).filter((state) => counts.has(state)).map((state) => `${counts.get(state)} ${state}`).join(', ');
  group.box.hidden = shown === 0 || (only_host !== '' && group.host !== only_host);
}

/** Hosts with trouble come first. */
function order_groups() {
  const list = [...groups.values()].sort((a, b) => (b.trouble > 0) - (a.trouble > 0) || (a.host === '') - (b.host === '') || by_words(a.host, b.host));
  let at = $('grid').firstChild;
  for (const {box} of list) {
    if (at === box) at = at.nextSibling;
    else $('grid').insertBefore(box, at);
  }
}

/** Takes changed rows, and names that are gone. */
function change_rows(rows, gone) {
  const moved = new Set();
  const changed = new Set();
  const leave = (shard) => {
    const group = groups.get(shard.host);
    group.names.delete(shard.name);
    moved.add(group);
  };
  for (const name of gone) {
    const shard = shards.get(name);
    if (!shard) continue;
    leave(shard);
    trouble_changed ||= is_trouble(shard);
    shards.delete(name);
    chosen.delete(name);
    cells.delete(name);
  }
  for (const row of rows) {
    const old = shards.get(row.name);
    if (old && old.host !== row.host) leave(old);
    const group = group_of(row.host);
    if (!old || old.host !== row.host || old.ids !== row.ids) moved.add(group);
    trouble_changed ||= is_trouble(row) || (old !== undefined && is_trouble(old));
    group.names.add(row.name);
    changed.add(group);
    shards.set(row.name, row);
    draw_cell(row);
  }
  for (const group of moved) {
    if (group.names.size > 0) {
      lay_out(group);
      changed.add(group);
    } else {
      group.box.remove();
      groups.delete(group.host);
      changed.delete(group);
    }
  }
  changed.forEach(count_group);
  if (moved.size + changed.size > 0) order_groups();
}

/** After a choice that all cells depend on. */
function draw_all_cells() {
  shards.forEach(draw_cell);
  groups.forEach(count_group);
  draw_legend();
  draw_chosen();
}

const few = (list, most) => list.length > most ? `${list.slice(0, most).join('; ')}; and ${list.length - most} more` : list.join('; ');

function draw_trouble() {
  const alerts = head.alerts ?? [];
  // Troubles of the server itself have alerts, too.
  const own = [head.connections_trouble, ...head.troubles ?? []].filter(Boolean).map((text) => ({text}));
  const shown = [...own, ...alerts.filter(({key}) => !own.length || (key !== 'store' && key !== 'connections' && !key.startsWith('server ')))].sort((a, b) => (a.silenced ?? false) - (b.silenced ?? false));
  const words = JSON.stringify(shown);
  if ($('alerts').dataset.words !== words) {
    $('alerts').dataset.words = words;
    $('alerts').replaceChildren(...shown.slice(0, MOST_TROUBLED).map(({text, since, silenced}) => {
      const item = element('li', {className: silenced ? 'silenced s1' : 's3'}, sign(), text);
      if (since) item.append(', since ', time(since));
      if (silenced) item.append(' (silenced)');
      return item;
    }));
    if (shown.length > MOST_TROUBLED) $('alerts').append(element('li', {}, `and ${shown.length - MOST_TROUBLED} more: smaster doctor lists them`));
    trouble_changed = true;
  }
  if (!trouble_changed) return;
  trouble_changed = false;
  const list = [...shards.values()].filter(is_trouble).sort((a, b) => severity(b.state) - severity(a.state) || by_id(a, b));
  const focus = document.activeElement?.closest('#troubled a')?.hash;
  $('troubled').replaceChildren(...list.slice(0, MOST_TROUBLED).map((shard) => {
    const item = element('li', {className: `s${severity(shard.state)}`}, sign(), element('a', {href: address_of(shard)}, title_of(shard)), `: ${shard.state}`);
    if (shard.since) item.append(' since ', time(shard.since));
    if (shard.host) item.append(`, ${shard.host}`);
    if (shard.deaths) item.append(`, ${shard.deaths} deaths`);
    return item;
  }));
  if (focus) $('troubled').querySelector(`a[href="${focus}"]`)?.focus();
  $('troubled-more').hidden = list.length <= MOST_TROUBLED;
  $('troubled-more').textContent = `and ${list.length - MOST_TROUBLED} more: choose a state below to see its shards`;
  const loud = shown.filter(({silenced}) => !silenced).length;
  const calm = list.length + shown.length === 0;
  $('trouble').className = calm ? 'calm' : '';
  $('trouble-title').textContent = calm ? 'No trouble' : 'Trouble';
  $('attention').className = list.length + loud ? 's3' : 's0';
  $('attention').replaceChildren(sign(), list.length ? `${list.length} ${list.length === 1 ? 'shard needs' : 'shards need'} attention` : loud ? `${loud} ${loud === 1 ? 'alert' : 'alerts'}` : 'all well');
  document.title = list.length + loud ? `(${list.length || loud}) smaster` : 'smaster';
}

function draw_legend() {
  const counts = head.states ?? {};
  const states = Object.keys(STATES).filter((state) => counts[state] || state === only_state);
  const words = states.map((state) => `${state} ${counts[state]}`).join() + only_state;
  if ($('legend').dataset.words === words) return;
  $('legend').dataset.words = words;
  const active = document.activeElement?.dataset.only;
  $('legend').replaceChildren(...states.map((state) => {
    const button = element('button', {className: `s${severity(state)}`}, sign(), `${state} ${counts[state]}`);
    button.dataset.only = state;
    button.ariaPressed = String(state === only_state);
    button.addEventListener('click', () => {
      only_state = only_state === state ? '' : state;
      draw_all_cells();
    });
    return element('li', {}, button);
  }));
  if (active) $('legend').querySelector(`[data-only="${CSS.escape(active)}"]`)?.focus();
}

function draw_head() {
  $('counts').textContent = `${head.configured} of ${Math.max(head.goal, 0)} ids run, ${head.current} of ${head.known} shards connected, up ${span(head.uptime_ms)}`;
  const {reshard, identify} = head;
  const up = Math.min(head.configured, head.goal);
  $('progress').hidden = head.goal <= 0 || up === head.goal;
  $('progress').max = Math.max(head.goal, 1);
  $('progress').value = up;
  const words = [];
  if (reshard) words.push(`${reshard.rebalancing ? 'rebalancing' : `to ${reshard.count} shards, ${reshard.strategy}`}: ${reshard.up} up, ${reshard.moving} starting, ${reshard.old} with ids of another count`);
  if (head.drained) words.push(`drained hosts: ${few(head.drained, 20)}`);
  const reserved = identify?.waiting && identify.remaining != null && identify.next_needs > identify.remaining - identify.reserve;
  if (reserved) words.push(`${identify.waiting} wait to log in until Discord allows more: ${identify.reserve} logins are reserved, and the next process needs ${identify.next_needs}`);
  else if (identify?.waiting) words.push(`${identify.waiting} wait to log in, the next in ${span(identify.next_in_ms)}, all have in ${span(identify.all_started_in_ms)}`);
  if (identify?.remaining != null) words.push(`${identify.remaining} logins are left, more in ${span(identify.reset_in_ms)}`);
  $('queue').textContent = words.join('; ');
}

/** What to do next while no shard has ever connected. */
function draw_empty() {
  $('empty').hidden = head.registered > 0;
  if ($('empty').hidden) return;
  const step = (words, command) => element('li', {}, `${words}: `, element('code', {}, command));
  const steps = [];
  if (head.goal <= 0) steps.push(step('Set how many shards the bot has, in smaster.toml', '[shards] count = 2'));
  if (head.known === 0) steps.push(step('On this machine, make a config for each shard', `smaster genconfig --count ${Math.max(head.goal, 1)}`));
  steps.push(step('Copy each config to the host that is to run the shard, for example', 'scp shard_abc_config.json HOST:'));
  steps.push(step('On that host, start the bot with its config', 'smaster agent --config shard_abc_config.json --token-file token -- node bot.js'));
  const words = `${head.known} ${head.goal}`;
  if ($('empty').dataset.words === words) return;
  $('empty').dataset.words = words;
  $('empty-title').textContent = head.known === 0 ? 'No shards yet. What to do next:' : `No shard has connected yet; ${head.known} ${head.known === 1 ? 'has a config' : 'have configs'}. What to do next:`;
  $('empty-steps').replaceChildren(...steps, element('li', {}, 'It appears here at once. If it does not, ', element('code', {}, 'smaster agent --check --config shard_abc_config.json'), ' on its host says why.'));
}

function draw() {
  draw_head();
  draw_trouble();
  draw_legend();
  draw_empty();
}

// Choosing

function draw_chosen() {
  const list = [...chosen].map((name) => shards.get(name)).filter(Boolean).sort(by_id);
  $('chosen').textContent = list.length ? `${list.length} chosen: ${few(list.map(title_of), 8)}` : '';
}

function choose(name) {
  if (!chosen.delete(name)) chosen.add(name);
  focused = name;
  draw_cell(shards.get(name));
  chosen_changed();
}

function chosen_changed() {
  draw_chosen();
  $('lines').value = chosen.size > 0 ? 'chosen' : 'sum';
  scope_changed();
}

$('choosing').addEventListener('click', () => {
  const on = $('choosing').ariaPressed !== 'true';
  $('choosing').ariaPressed = String(on);
  if (!on) choose_none();
});

function choose_none() {
  const names = [...chosen];
  chosen.clear();
  for (const name of names) draw_cell(shards.get(name));
  chosen_changed();
}

$('grid').addEventListener('click', (event) => {
  const name = event.target.dataset?.name;
  if (!name) return;
  focused = name;
  if ($('choosing').ariaPressed !== 'true') return;
  event.preventDefault();
  choose(name);
});

/** One cell can be reached by Tab, the others by the arrows. */
function focus_cell(cell) {
  cells.get(focused)?.setAttribute('tabindex', '-1');
  focused = cell.dataset.name;
  cell.tabIndex = 0;
}
$('grid').addEventListener('focusin', (event) => event.target.dataset?.name && focus_cell(event.target));

function keep_a_tab_stop() {
  const cell = cells.get(focused);
  if (cell && !cell.hidden && cell.tabIndex === 0 && cell.isConnected && !cell.closest('.group').hidden) return;
  const first = $('grid').querySelector('.group:not([hidden]) .cell:not([hidden])');
  if (first) focus_cell(first);
}

$('grid').addEventListener('keydown', (event) => {
  if (!event.target.dataset?.name) return;
  const list = [...$('grid').querySelectorAll('.group:not([hidden]) .cell:not([hidden])')];
  const at = list.indexOf(event.target);
  const columns = getComputedStyle(event.target.parentElement).gridTemplateColumns.split(' ').length;
  const step = {ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns, Home: -list.length, End: list.length}[event.key];
  if (step !== undefined) list[Math.min(Math.max(at + step, 0), list.length - 1)].focus();
  else if (event.key === ' ') choose(event.target.dataset.name);
  else if (event.key === 'Escape') choose_none();
  else return;
  event.preventDefault();
});

$('find').addEventListener('submit', (event) => {
  event.preventDefault();
  const text = $('find-text').value.trim();
  const shard = shards.get(text) ?? [...shards.values()].find(({ids}) => ids.split(',').includes(text));
  $('find-error').textContent = '';
  if (shard) location.hash = address_of(shard);
  else if (text && groups.has(text)) location.hash = `#/host/${encodeURIComponent(text)}`;
  else $('find-error').textContent = `No shard or host is called "${text}": give an id such as 7, a name or a host's label.`;
});
