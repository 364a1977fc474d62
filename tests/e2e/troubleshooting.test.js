// Provokes each symptom of man 7 smaster-troubleshooting; the program's message must be the one that the page quotes.
import assert from 'node:assert/strict';
import {execFileSync} from 'node:child_process';
import {mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import net from 'node:net';
import path from 'node:path';
import {test} from 'node:test';
import {io} from 'socket.io-client';
import {certificates} from './certificates.js';
import {discord} from './discord.js';
import {Server, bin, keys, run, serve, tls, until} from './harness.js';
import {authorization} from './shard.js';

const page = readFileSync(new URL('../../man/smaster-troubleshooting.7', import.meta.url), 'utf8');
const symptoms = new Map([...page.matchAll(/^\.Ss (.*)\n\.Dl (.*)$/gm)].map(([, title, words]) => [title, words]));

/** The page's text, with dots as wildcards. */
const pattern = (title) => new RegExp(symptoms.get(title).replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&').replaceAll('\\.\\.\\.', '.*'));

const provoke = {
  'A command finds no server': async (t) => (await run(path.join(bin, 'smaster'), ['stats', '--socket', `${tmpdir()}/nowhere.sock`])).stderr,
  'The server does not answer': async (t) => {
    const server = await serve(t);
    server.process.kill('SIGSTOP');
    return (await server.tool(['doctor', '--timeout', '1s', '--config', `${server.folder}/smaster.toml`])).stdout;
  },
  'The disk is full': async (t) => {
    const server = await serve(t);
    execFileSync('prlimit', ['--pid', `${server.process.pid}`, '--fsize=1:1']); // the same for SQLite
    return until('the store to fail', async () => {
      await server.tool(['shards', 'import', '-'], {input: JSON.stringify({abc: {id: 'abc', key: keys().publicKey}})});
      return (await server.tool(['doctor'])).stdout.match(/^FAILED +store .*/m)?.[0];
    });
  },
  'The certificate has expired': async (t) => {
    const folder = mkdtempSync(path.join(tmpdir(), 'smaster-trouble-'));
    t.after(() => rmSync(folder, {recursive: true}));
    const {keyFile} = certificates(folder);
    execFileSync('openssl', ['x509', '-req', '-in', 'server.csr', '-signkey', 'server.key', '-days', '-1', '-out', 'old.pem'], {cwd: folder, stdio: 'pipe'});
    const server = await serve(t, `[server]\ntls_certificate = "${folder}/old.pem"\ntls_key = "${keyFile}"\n`);
    assert.match((await server.tool(['stats'])).stdout, /^the certificate \S*old\.pem has expired; renew it$/m);
    return (await server.tool(['doctor'])).stdout.match(/^FAILED +certificate .*/m)[0];
  },
  'Discord refuses the server\'s token': async (t) => {
    const folder = mkdtempSync(path.join(tmpdir(), 'smaster-trouble-'));
    t.after(() => rmSync(folder, {recursive: true}));
    writeFileSync(`${folder}/token`, 'sesame', {mode: 0o600});
    const api = await discord(t, folder, () => ({status: 401, body: {message: '401: Unauthorized', code: 0}}));
    const server = await serve(t, `[shards]\ntoken_file = "${folder}/token"\n[discord]\napi_base = "${api.base}"\nca_file = "${api.ca}"\n`);
    await until('the figures to say it', async () => /^Discord says that the bot's token is wrong \(401\)$/m.test((await server.tool(['stats'])).stdout));
    return examined(server, 'token');
  },
  'The server does not start: the port is taken': async (t) => {
    const server = await serve(t);
    return started(t, `[server]\nport = ${server.port}\n`);
  },
  'The server does not start: the settings are wrong': (t) => started(t, '[shards]\ncuont = 4\n'),
  'The server does not start: the state folder is in use': async (t) => {
    const server = await serve(t);
    return started(t, `[server]\nport = 0\nstate_dir = "${server.state}"\n`);
  },
  'A shard is refused: its clock': async (t) => {
    const server = await serve(t);
    const [config] = await server.register(1);
    return refused(server, authorization(config, Date.now() + 3_600_000));
  },
  'A shard is refused: its name or key': async (t) => {
    const server = await serve(t);
    const [config] = await server.register(1);
    return refused(server, authorization(config, Date.now(), 'zzz'));
  },
  'Connections are dropped, or shards refused': async (t) => {
    const server = new Server('');
    t.after(() => server.cleanup());
    server.wrapper = ['prlimit', '--nofile=128:128'];
    await server.start();
    for (let i = 0; i < 128; i++) {
      const socket = net.connect(server.port, '127.0.0.1').on('error', () => {});
      t.after(() => socket.destroy());
    }
    return until('the server to say so', () => server.log.match(/too many connections.*/)?.[0]);
  },
  'An agent does not find the server': async (t) => {
    const server = await serve(t);
    const configs = await server.register(1);
    await server.end('SIGTERM');
    return says(server.agent(configs, 'discord-bot.js'), /refused/);
  },
  'A host cannot join': async (t) => {
    const server = await serve(t);
    const {stdout} = await server.tool(['join-token', '--valid', '1ms']);
    const {stderr} = await run(path.join(bin, 'smaster'), ['join', stdout.trim(), '--output', server.folder, ...(tls ? ['--ca-file', tls.ca] : [])]);
    return stderr.replace('https://', 'http://');
  },
  'No server leads': async (t) => {
    const server = await serve(t, '[store]\nurl = "etcd://127.0.0.1:1"\n');
    return until('it to have tried', async () => {
      const {stderr} = await server.tool(['stats']);
      return /cannot reach/.test(stderr) && stderr;
    });
  },
  'An agent waits for another one': async (t) => {
    const server = await serve(t);
    const configs = await server.register(1);
    server.agent(configs, 'discord-bot.js');
    await server.running(1);
    return says(server.agent(configs, 'discord-bot.js'), /waiting/);
  },
  'An agent is refused': async (t) => {
    const server = await serve(t, '[shards]\ncount = 1\n');
    const configs = await server.register(1);
    server.agent(configs, ['/bin/sleep', '1000']);
    await server.running(1);
    const folder = path.join(server.folder, 'copy');
    mkdirSync(folder);
    return says(server.agent(configs, ['/bin/sleep', '1000'], {folder}), /refused us/);
  },
  'A config is used twice': async (t) => {
    const server = await serve(t, '[limits]\nconn_count = 1000\n');
    const [config] = await server.register(1);
    const socket = {transports: ['websocket'], reconnectionDelay: 50, reconnectionDelayMax: 50};
    for (let i = 0; i < 2; ++i) server.shard(config, {socket});
    return until('the server to say so', () => server.log.match(/shard \w+ connects again and again.*/)?.[0]);
  },
  'A bot dies again and again': async (t) => {
    const server = await serve(t);
    return says(server.agent(await server.register(1), ['/bin/sh', '-c', 'exit 3']), /again and again/);
  },
  'Discord refuses a bot': (t) => withStatus(t, {bot: {state: 'running', gateways: [{id: 0, state: 'refused', code: 4014}]}}),
  'A bot hangs': (t) => withStatus(t, {bot: {state: 'running', gateways: [{id: 0, state: 'ready', heard: 40_000}]}}),
  'A host is dead': async (t) => {
    const server = await serve(t);
    const shard = server.shard((await server.register(1))[0]);
    await server.running(1);
    shard.close();
    return examined(server, 'shards');
  },
  'A change of the shard count makes no progress': async (t) => {
    const server = await serve(t, '[shards]\ncount = 2\nreshard_strategy = "rolling"\n');
    const [spare, ...others] = await server.register(3);
    for (const config of others) server.shard(config);
    await server.running(2);
    server.shard(spare).reports({currentShardId: -1, currentShardCount: -1, bot: {state: 'waiting', crashLoop: true}});
    await until('the spare', async () => (await server.stats()).current === 3);
    await server.tool(['reshard', '3']);
    return examined(server, 'reshard');
  },
  'An eval is not supported': async (t) => {
    const server = await serve(t);
    server.agent(await server.register(1), ['/bin/sleep', '1000']);
    await server.running(1);
    return (await server.tool(['eval', '1'])).stdout;
  },
  'An eval gets no answer': async (t) => {
    const server = await serve(t);
    server.agent(await server.register(1), 'discord-bot.js');
    await server.running(1);
    await server.answering(1);
    return (await server.tool(['eval', 'new Promise(() => {})', '--timeout', '1s'])).stdout;
  },
  'A shard has no id': async (t) => {
    const server = await serve(t);
    server.agent(await server.register(2), 'discord-bot.js');
    await until('both to be there', async () => (await server.stats()).current === 2);
    return (await server.tool(['stats'])).stdout;
  },
};

/** The output of a server that cannot start. */
async function started(t, settings) {
  const folder = mkdtempSync(path.join(tmpdir(), 'smaster-trouble-'));
  t.after(() => rmSync(folder, {recursive: true}));
  writeFileSync(`${folder}/smaster.toml`, settings.includes('state_dir') ? settings : `${settings}\n${settings.includes('[server]') ? '' : '[server]\n'}state_dir = "${folder}/state"\n`);
  const {code, stderr} = await run(path.join(bin, 'smaster'), ['serve', '--config', `${folder}/smaster.toml`, '--socket', `${folder}/socket`]);
  assert.notEqual(code, 0);
  return stderr;
}

/** The line of this check, once it is a problem. */
function examined(server, check) {
  return until(`${check} to be a problem`, async () => (await server.tool(['doctor'])).stdout.match(new RegExp(`^(WARN|FAILED) +${check} .*`, 'm'))?.[0]);
}

/** What is found about a bot of which the statuses say this. */
async function withStatus(t, more) {
  const server = await serve(t);
  server.shard((await server.register(1))[0]).reports(more);
  return examined(server, 'bots');
}

/** The server's log about a handshake with this header. */
async function refused(server, header) {
  const socket = io(`http://127.0.0.1:${server.port}`, {path: '/socket.io/master/', extraHeaders: {authorization: header}, reconnection: false});
  await new Promise((resolve) => socket.once('connect_error', resolve));
  socket.close();
  await until('the log to have it', () => /refused/.test(server.log));
  return server.log;
}

async function says(agent, words) {
  await agent.says(words);
  return agent.log;
}

test('every symptom of the page is known to this test', () => {
  assert.deepEqual([...symptoms.keys()], Object.keys(provoke));
  assert.equal(page.match(/^\.Ss /gm).length, symptoms.size, 'each quotes the program first');
});

for (const [title, act] of Object.entries(provoke)) {
  test(title, async (t) => assert.match(await act(t), pattern(title)));
}
