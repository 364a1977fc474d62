// The connection to the server: login, the stream of changes, and whether the server still answers.

const STALE = 5000; // the server sends something each second
const AGAIN = 20_000; // a stream that has been silent for so long is replaced
let source = null;
let heard = 0; // when the server has last sent something
let connected = 0;
let lost = false; // the stream has ended
let patience = AGAIN; // of the present stream: a large fleet on a slow link takes longer
let retry = 0;

function start_soon() {
  clearTimeout(retry);
  retry = setTimeout(start, 2000);
}

function show_login() {
  source?.close();
  source = null;
  clearTimeout(retry);
  reading?.abort();
  document.body.classList.remove('stale');
  $('stale').hidden = $('page').hidden = true;
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

function draw_link() {
  const silent = performance.now() - heard;
  const stale = lost || silent > STALE;
  const words = `no answer since ${span(silent)}`;
  document.body.classList.toggle('stale', stale);
  $('stale').hidden = !stale;
  $('stale-words').textContent = words;
  $('link').textContent = stale ? words : 'live';
  $('link').className = stale ? 'lost' : '';
}

function take_changes({head: counts, rows, gone, events: news}, fresh) {
  head = counts;
  if (fresh) {
    // After an interruption everything comes again: what is not in it is gone.
    const now = new Set(rows.map(({name}) => name));
    gone = [...shards.keys()].filter((name) => !now.has(name));
    events = [];
  }
  change_rows(rows, gone);
  add_events(news);
  draw();
  keep_a_tab_stop();
  if (fresh) scope_changed();
  if (rows.length + gone.length > 0) {
    draw_chosen();
    draw_commands();
  }
  if (scope.kind === 'shard' && performance.now() - shard_loaded > 2000) load_shard();
}

function connect() {
  source?.close();
  const mine = source = new EventSource('/api/events');
  connected = performance.now();
  let fresh = true;
  source.onopen = () => fresh = true;
  source.onmessage = ({data}) => {
    heard = performance.now();
    patience = AGAIN;
    lost = false;
    take_changes(parse(data), fresh);
    fresh = false;
    draw_link();
  };
  source.onerror = () => {
    lost = true;
    draw_link();
    if (mine.readyState === EventSource.CLOSED && mine === source) start_soon();
  };
}

async function start() {
  try {
    const response = await fetch('/api/about', {signal: AbortSignal.timeout(10_000)});
    if (response.status === 401) return show_login();
    if (!response.ok) throw new Error(`${response.status}`);
    about = parse(await response.text());
  } catch {
    start_soon();
    return;
  }
  $('login').hidden = true;
  $('page').hidden = false;
  $('logout').hidden = !about.login;
  if (source === null) {
    heard = performance.now();
    lost = false;
    navigate();
  }
  connect();
}

setInterval(() => {
  if (source === null) return;
  draw_link();
  if (source.readyState === EventSource.CLOSED || performance.now() - Math.max(heard, connected) < patience) return;
  patience = Math.min(2 * patience, 320_000);
  connect();
}, 1000);
setInterval(() => source && $('stale').hidden && $('unzoom').hidden && !document.hidden && load_graphs(), 30_000);
start();
