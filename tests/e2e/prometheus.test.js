// Prometheus with our alert rules: each fires while its thing is broken, and not before or afterwards.
import assert from 'node:assert/strict';
import {spawn} from 'node:child_process';
import {mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import path from 'node:path';
import {fileURLToPath} from 'node:url';
import {test} from 'node:test';
import {run, serve, tls, until} from './harness.js';

const rules = fileURLToPath(new URL('../../packaging/prometheus-alerts.yml', import.meta.url));
const names = [...readFileSync(rules, 'utf8').matchAll(/- alert: (\w+)/g)].map((match) => match[1]);

const dashboard = JSON.parse(readFileSync(new URL('../../packaging/grafana-dashboard.json', import.meta.url), 'utf8'));
const queries = [...dashboard.panels.flatMap(({title, targets}) => targets.map(({expr}) => ({title, expr}))), ...dashboard.annotations.list];
/** Panels that have something to draw while a bot runs. */
const drawn = new Set(['Shard ids', 'Without a running bot', 'Alerts', 'Parked', 'Store writable', 'Servers that lead', 'Shards: goal, connected, configured',
  'Shards by state', 'Memory of each shard', 'Age of the oldest statuses', 'Longest turn of the server\'s event loop']);

function folder(t) {
  const made = mkdtempSync(path.join(tmpdir(), 'smaster-e2e-'));
  t.after(() => rmSync(made, {recursive: true, force: true}));
  return made;
}

test('each rule fires after its time while its figures are bad, and not while they are good', async (t) => {
  const series = {
    SmasterServerDown: ['up{job="smaster",instance="a"}', 0, 1],
    SmasterNoLeader: ['smaster_leads{job="smaster"}', 0, 1],
    SmasterShardIdsDown: ['smaster_shard_ids_down', 1, 0],
    SmasterShardsDead: ['smaster_shards{state="dead"}', 2, 0],
    SmasterBotsFail: ['smaster_shards{state="parked"}', 1, 0],
    SmasterBotsRefused: ['smaster_shards{state="refused"}', 1, 0],
    SmasterBotsUnwell: ['smaster_shards{state="deaf"}', 1, 0],
    SmasterStoreFails: ['smaster_store_writable', 0, 1],
    SmasterConnectionsFull: ['smaster_connections_full{share="shards"}', 1, 0],
    SmasterLoopSlow: ['smaster_loop_long_turns_total', '0+30x', '7'],
    SmasterFleetDown: ['smaster_shard_ids_down', 5, 4],
  };
  assert.deepEqual(Object.keys(series).sort(), [...names].sort(), 'a rule without a test');
  const values = (value) => typeof value === 'string' && value.endsWith('x') ? `${value}30` : `${value}x30`;
  const tests = Object.entries(series).flatMap(([alert, [name, bad, good]]) => [bad, good].map((value) => {
    const fires = value === bad;
    const all = alert === 'SmasterFleetDown' ? `      - {series: 'smaster_shard_ids', values: '5x30'}\n` : '';
    return `  - interval: 1m\n    input_series:\n      - {series: '${name}', values: '${values(value)}'}\n${all}    promql_expr_test:\n` +
      `      - {expr: 'count(ALERTS{alertname="${alert}",alertstate="firing"}) or vector(0)', eval_time: 25m, exp_samples: [{labels: '{}', value: ${fires ? 1 : 0}}]}\n` +
      `      - {expr: 'count(ALERTS{alertname="${alert}",alertstate="firing"}) or vector(0)', eval_time: 0m, exp_samples: [{labels: '{}', value: 0}]}\n`;
  }));
  const file = path.join(folder(t), 'tests.yml');
  writeFileSync(file, `rule_files: ['${rules}']\nevaluation_interval: 1m\ntests:\n${tests.join('')}`);
  const {code, stdout, stderr} = await run('promtool', ['test', 'rules', file]);
  assert.equal(code, 0, stdout + stderr);
});

test('Prometheus itself fires for dead shards and for a server that is gone, and clears both', async (t) => {
  const server = await serve(t, '[shards]\ncount = 1\n[heartbeat]\ninterval = "500ms"\nrequest_reboot_after = "1s"\nexpect_reboot_after = "2s"\nassume_dead_after = "3s"\n');
  const configs = await server.register(1);
  const agent = server.agent(configs, 'spikey-bot.js');
  await server.running(1);
  const home = folder(t);
  // The times of the rules are tested above.
  writeFileSync(path.join(home, 'rules.yml'), readFileSync(rules, 'utf8').replaceAll(/for: \d+m/g, 'for: 1s'));
  const scheme = tls ? `    scheme: https\n    tls_config: {insecure_skip_verify: true}\n` : '';
  writeFileSync(path.join(home, 'prometheus.yml'), 'global: {scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}\nrule_files: [rules.yml]\n' +
    `scrape_configs:\n  - job_name: smaster\n${scheme}    static_configs: [{targets: ['127.0.0.1:${server.port}']}]\n`);
  const prometheus = spawn('prometheus', [`--config.file=${home}/prometheus.yml`, `--storage.tsdb.path=${home}/data`, '--web.listen-address=127.0.0.1:0']);
  t.after(() => new Promise((done) => prometheus.once('exit', done) && prometheus.kill('SIGKILL')));
  let log = '';
  prometheus.stderr.on('data', (data) => { log += data; });
  const port = await until(`Prometheus to listen`, () => log.match(/address=127\.0\.0\.1:([1-9]\d*)/)?.[1]);
  const firing = async () => {
    try {
      const answer = await fetch(`http://127.0.0.1:${port}/api/v1/alerts`);
      return (await answer.json()).data.alerts.filter((alert) => alert.state === 'firing').map((alert) => alert.labels.alertname);
    } catch {
      return ['none yet'];
    }
  };
  // A machine that is busy with other tests may make the loop slow.
  const clear = async (what) => {
    let last = [];
    try {
      await until(`no alert ${what}`, async () => (last = (await firing()).filter((name) => name !== 'SmasterLoopSlow')).length === 0);
    } catch (error) {
      throw new Error(`${error.message}; there were: ${last}`);
    }
  };
  await clear('while all is well');
  for (const {title, name, expr} of queries) {
    await until(`"${title ?? name}"`, async () => {
      const answer = await (await fetch(`http://127.0.0.1:${port}/api/v1/query?query=${encodeURIComponent(expr)}`)).json();
      assert.equal(answer.status, 'success', `${title ?? name}: ${answer.error}`);
      return !drawn.has(title) || answer.data.result.length > 0;
    });
  }
  await agent.end('SIGKILL');
  for (const name of ['SmasterShardsDead', 'SmasterShardIdsDown', 'SmasterFleetDown']) await until(`${name}; ${log}`, async () => (await firing()).includes(name));
  agent.start();
  await clear('when the agent is back');
  await server.end('SIGKILL');
  await until('SmasterServerDown', async () => (await firing()).includes('SmasterServerDown'));
  await server.start();
  await clear('when the server is back');
});
