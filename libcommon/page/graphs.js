// Figures and states over time, of the shards that the view is about.

const whole = (value) => `${Math.round(value)}`;
// Distances of the lines across a graph whose values are best told in such steps.
const WHOLE_STEPS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 50_000];
const BINARY_STEPS = Array.from({length: 50}, (_, i) => 2 ** i);
const METRICS = [
  {key: 'memory', title: 'Memory', unit: (v) => scaled(v, 1024, ['B', 'KiB', 'MiB', 'GiB', 'TiB']), steps: BINARY_STEPS},
  {key: 'cpu', title: 'CPU, mean over the cores', unit: (v) => `${(100 * v).toFixed(1)} %`},
  {key: 'messages', title: 'Messages per second', unit: (v) => v.toFixed(v < 10 ? 2 : 0)},
  {key: 'ping', title: 'Ping, mean', unit: (v) => `${Math.round(v)} ms`, steps: WHOLE_STEPS},
  {key: 'starts', title: 'Starts', unit: whole, steps: WHOLE_STEPS},
];
// Two graphs, since a few shards in trouble are no more to be seen beside thousands that run.
const TOTALS = [
  {key: 'running', title: 'Shards that run', unit: whole, steps: WHOLE_STEPS, has: (state) => state === 'running'},
  {key: 'others', title: 'Shards in other states', unit: whole, steps: WHOLE_STEPS, has: (state) => state !== 'running'},
];
let plots = [];

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const SEVERITY_COLOURS = ['--well', '--going', '--look', '--down'];

/** Cuts off what is before the chosen range. */
function in_range({start, step}, rows) {
  const from = Date.now() / 1000 - Number($('range').value);
  const times = (rows[0]?.values ?? []).map((_, i) => (start + i * step) / 1000);
  const first = Math.max(0, times.findIndex((at) => at >= from));
  return {times: times.slice(first), rows: rows.map((row) => ({...row, values: row.values.slice(first)}))};
}

function label_of(name) {
  const shard = shards.get(name);
  return shard && shard.id >= 0 ? `${label(shard)} ${name}` : name;
}

function lines_of(answer, metric) {
  if (answer.states) {
    const states = Object.keys(STATES).filter((state) => answer.states[state] && metric.has(state));
    const any = Object.values(answer.states)[0];
    if (states.length === 0 && any) return in_range(answer, [{label: 'none', values: any.map((value) => value === null ? null : 0)}]);
    return in_range(answer, states.map((state, i) => ({label: state, values: answer.states[state], stroke: colour(SEVERITY_COLOURS[severity(state)]), dash: i ? [3 * i, 3] : undefined})));
  }
  const own = Object.entries(answer.shards).map(([name, values]) => ({label: label_of(name), values}));
  return in_range(answer, graphs_names() === '' ? [{label: metric.title, values: answer.sum}] : own);
}

/** Times of a day with 24 hours; the date where a day begins, and at the left. */
function ticks(plot, seconds, axis, space, step) {
  let before = '';
  return seconds.map((at) => {
    const date = new Date(at * 1000);
    const words = clock(date).slice(0, step < 60 ? 8 : 5);
    if (day(date) === before) return words;
    before = day(date);
    return `${words}\n${before}`;
  });
}

function graph(holder, metric, {times, rows}) {
  const many = rows.length > 12;
  const width = Math.max(200, holder.clientWidth - 12);
  const axis = {stroke: colour('--soft'), grid: {stroke: colour('--line'), width: 1}, ticks: {stroke: colour('--line')}};
  const stroke = (i) => rows.length === 1 ? colour('--going') : `hsl(${(i * 137.5) % 360} 65% 50%)`;
  const wide = (plot, words) => Math.max(50, 20 + 7 * Math.max(0, ...(words ?? []).map((word) => word.length)));
  return new uPlot({
    width, height: 180,
    cursor: {drag: {x: true, y: false}, sync: {key: 'time'}},
    legend: {show: !many},
    scales: {y: {range: (_, low, high) => [0, high > 0 ? high * 1.08 : 1]}},
    axes: [{...axis, values: ticks}, {...axis, size: wide, values: (_, values) => values.map(metric.unit), ...metric.steps ? {incrs: metric.steps} : {}}],
    hooks: {setSelect: [(plot) => plot.select.width > 2 && ($('unzoom').hidden = false)]},
    series: [{label: 'Time', value: (_, at) => at == null ? '–' : iso(at * 1000)},
      ...rows.map((row, i) => ({label: row.label, stroke: row.stroke ?? stroke(i), dash: row.dash, width: many ? 1 : 1.5, points: {show: false}, spanGaps: false, value: (_, v) => v == null ? '–' : metric.unit(v)}))],
  }, [times, ...rows.map((row) => row.values)], holder);
}

/** The names that the graphs have a line for; '': one line for all together. */
function graphs_names() {
  if (scope.kind === 'shard') return scope.name ?? '';
  return $('lines').value === 'all' ? 'all' : $('lines').value === 'chosen' ? [...chosen].join() : '';
}

let loading = 0;
async function load_graphs() {
  const mine = ++loading;
  if (scope.kind === 'shard' && !scope.name) return;
  const range = Number($('range').value) <= 3600 ? 'hour' : 'day';
  const names = graphs_names();
  const host = scope.kind === 'host' ? `&host=${encodeURIComponent(scope.host)}` : '';
  const metrics = scope.kind === 'fleet' ? [...TOTALS, ...METRICS] : METRICS;
  const drawn = `${names || scope.host || 'sum'} ${$('range').value}`;
  let answers;
  try {
    const totals = scope.kind === 'fleet' ? fetched(`/api/series?metric=states&range=${range}`) : null;
    answers = await Promise.all(metrics.map(({key, has}) => has ? totals : fetched(`/api/series?metric=${key}&range=${range}&shards=${encodeURIComponent(names)}${host}`)));
    $('graphs-error').textContent = '';
  } catch (error) {
    if (mine === loading) $('graphs-error').textContent = error.message;
    return;
  }
  if (mine !== loading) return;
  const zoom = !$('unzoom').hidden && plots[0] ? {min: plots[0].scales.x.min, max: plots[0].scales.x.max} : null;
  for (const plot of plots) plot.destroy();
  const holders = metrics.map((metric) => {
    let holder = $('graphs').querySelector(`[data-metric=${metric.key}]`);
    if (!holder) {
      holder = element('div', {className: 'graph'}, element('h3', {}, metric.title));
      holder.dataset.metric = metric.key;
    }
    return holder;
  });
  $('graphs').replaceChildren(...holders);
  plots = metrics.map((metric, i) => {
    const plot = graph(holders[i], metric, lines_of(answers[i], metric));
    if (zoom) plot.setScale('x', zoom);
    return plot;
  });
  $('graphs').dataset.drawn = drawn;
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
