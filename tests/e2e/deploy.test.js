// The deployment examples, as far as they can run here: the configurations of nginx and HAProxy, and the pods' start
// command.
import assert from 'node:assert/strict';
import {spawn} from 'node:child_process';
import {chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import net from 'node:net';
import {tmpdir} from 'node:os';
import path from 'node:path';
import {test} from 'node:test';
import {certificates} from './certificates.js';
import {cluster} from './cluster.js';
import {run, serve, until} from './harness.js';

const deploy = new URL('../../packaging/deploy/', import.meta.url).pathname;

function temporary(t) {
  const folder = mkdtempSync(path.join(tmpdir(), 'smaster-deploy-'));
  t.after(() => rmSync(folder, {recursive: true, force: true}));
  return folder;
}

async function free_port() {
  const probe = net.createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => probe.once('listening', resolve));
  const {port} = probe.address();
  await new Promise((resolve) => probe.close(resolve));
  return port;
}

/**
 * Starts a proxy on a free port. It cannot choose one by itself: when another program was quicker, it gets another one.
 * `configure(port, folder)` gives its configuration, `command(file, folder)` what runs it with that.
 */
async function proxy(t, configure, command) {
  const folder = temporary(t);
  for (let tries = 0; tries < 5; ++tries) {
    const port = await free_port();
    writeFileSync(`${folder}/proxy.conf`, configure(port, folder));
    const [program, ...args] = command(`${folder}/proxy.conf`, folder);
    const child = spawn(program, args, {env: {...process.env, PATH: `${process.env.PATH}:/usr/sbin`}});
    let said = '';
    child.stderr.on('data', (data) => said += data);
    const up = await until(`${program} to listen or to end`, () => child.exitCode !== null ? {ended: true} : new Promise((resolve) => {
      const socket = net.connect(port, '127.0.0.1').on('connect', () => resolve({port}) || socket.destroy()).on('error', () => resolve(null));
    }));
    if (!up.ended) {
      t.after(() => child.kill('SIGTERM'));
      return port;
    }
    assert.match(said, /Address already in use/);
  }
  throw new Error('the proxy found no port');
}

/** nginx with this in its `http` section. */
const nginx = (t, configure) => proxy(t, (port, folder) =>
  `daemon off;\nworker_processes 1;\npid ${folder}/pid;\nerror_log stderr;\nevents {}\nhttp {\naccess_log off;\nclient_body_temp_path ${folder}/body;\nproxy_temp_path ${folder}/proxy;\nfastcgi_temp_path ${folder}/f;\nuwsgi_temp_path ${folder}/u;\nscgi_temp_path ${folder}/s;\n${configure(port)}}\n`,
(file, folder) => ['nginx', '-p', folder, '-e', 'stderr', '-c', file]);

test('agents come through nginx with TLS, by websocket, with large answers', async (t) => {
  const {ca, certFile, keyFile} = certificates(temporary(t), 'DNS:localhost,IP:127.0.0.1');
  const server = await serve(t, '[server]\ntrusted_proxies = ["127.0.0.1"]\n[shards]\ncount = 2\n');
  const port = await nginx(t, (port) => readFileSync(`${deploy}nginx.conf`, 'utf8')
    .replace('listen 443 ssl', `listen 127.0.0.1:${port} ssl`)
    .replace('http://127.0.0.1:8024', `http://127.0.0.1:${server.port}`)
    .replace('/etc/letsencrypt/live/shards.example.org/fullchain.pem', certFile)
    .replace('/etc/letsencrypt/live/shards.example.org/privkey.pem', keyFile));
  const configs = await server.register(2);
  for (const config of configs) {
    config.host = {protocol: 'https:', host: 'localhost', port, path: '/socket.io/'};
    server.agent([config], 'discord-bot.js', {flags: ['--ca-file', ca]});
  }
  await server.running(2);
  await server.answering(2);
  assert.match(server.agents[0].log, /connected to https:.* by websocket/);
  const [{result}] = await server.evaluate('"x".repeat(900000)', ['--shard', '0']);
  assert.equal(result.length, 900_000);
});

test('unmodified shards that know one address follow the leader behind HAProxy', async (t) => {
  const servers = await cluster(t, 2, {settings: '[server]\ntrusted_proxies = ["127.0.0.1"]\n[shards]\ncount = 2\n'});
  const configs = await servers.register(2);
  const port = await proxy(t, (port) => readFileSync(`${deploy}haproxy.cfg`, 'utf8')
    .replace(/bind :443 .*/, `bind 127.0.0.1:${port}`)
    .replace(/( {2}server ).*\n.*\n.*\n/, servers.fronts.map((front, i) => `  server m${i} 127.0.0.1:${front.port}\n`).join('')),
  (file) => ['haproxy', '-db', '-f', file]);
  const home = servers.servers[0];
  const shards = configs.map((config) => home.shard({...config, host: {...config.host[0], port}}));
  const leader = await servers.leader();
  await leader.running(2);
  const born = shards.map(({bot}) => bot);

  await leader.end('SIGKILL');
  const second = await servers.leader();
  await second.running(2);
  await leader.start();
  assert.equal((await second.tool(['step-down'])).code, 0);
  await (await servers.leader(second)).running(2);
  for (const [i, shard] of shards.entries()) assert.equal(shard.bot, born[i], 'bots go on');
});

test('each pod takes a config of its own', async (t) => {
  const folder = temporary(t);
  mkdirSync(`${folder}/configs`);
  mkdirSync(`${folder}/bin`);
  for (const name of ['aaa', 'aab', 'aac']) writeFileSync(`${folder}/configs/shard_${name}_config.json`, '{}');
  writeFileSync(`${folder}/bin/smaster`, '#!/bin/sh\necho "$@"\n');
  chmodSync(`${folder}/bin/smaster`, 0o755);
  const yaml = readFileSync(`${deploy}kubernetes.yaml`, 'utf8');
  const [, block] = yaml.match(/args:\n\s+- \|\n((?: {14}.*\n)+)/);
  const script = block.replaceAll(/^ {14}/gm, '').replaceAll('/configs', `${folder}/configs`);
  const taken = [];
  for (const pod of [0, 1, 2]) {
    const {code, stdout} = await run('sh', ['-c', script], {env: {PATH: `${folder}/bin:${process.env.PATH}`, HOSTNAME: `bot-${pod}`, NODE: 'node1'}});
    assert.equal(code, 0);
    taken.push(stdout.trim());
  }
  assert.deepEqual(taken, ['aaa', 'aab', 'aac'].map((name) => `agent --config ${folder}/configs/shard_${name}_config.json --host node1 -- node bot.js`));
});
