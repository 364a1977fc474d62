// A new host joins by one line: keys made there, proofs in both directions, tokens that are used once.
import assert from 'node:assert/strict';
import {spawn} from 'node:child_process';
import {createHash, createHmac, createPublicKey, createSign, createVerify, generateKeyPairSync, randomBytes} from 'node:crypto';
import {once} from 'node:events';
import {chmodSync, mkdirSync, readFileSync, readdirSync, statSync, writeFileSync} from 'node:fs';
import http from 'node:http';
import os from 'node:os';
import path from 'node:path';
import {test} from 'node:test';
import {bin, keys, next, request, run, serve, tls, until} from './harness.js';
import {certificates} from './certificates.js';

const settings = '[shards]\ncount = 1\n[limits]\nconn_count = 5\nconn_time = "10m"\n';
const bot = path.join(import.meta.dirname ?? path.dirname(new URL(import.meta.url).pathname), 'bots/spikey-bot.js');
const trust = tls ? ['--ca-file', tls.ca] : [];

/** A line of `smaster join-token`. */
async function line(server, ...flags) {
  const {code, stdout, stderr} = await server.tool(['join-token', ...flags]);
  assert.equal(code, 0, stderr);
  assert.match(stdout, /^smaster-1,https?:\/\/127\.0\.0\.1:\d+,[\w-]{43},[\w-]{12},[\w-]{32}\n$/);
  return stdout.trim();
}

const parts = (text) => {
  const [begin, url, fingerprint, token, secret] = text.split(',');
  return {begin, url, fingerprint, token, secret};
};

/** Runs `smaster join` on a host of its own: a folder. */
async function join(server, text, flags = [], options = {}) {
  const folder = path.join(server.folder, `host${readdirSync(server.folder).length}`);
  mkdirSync(folder);
  const ended = await run(path.join(bin, 'smaster'), ['join', text, ...trust, ...flags], {cwd: folder, ...options});
  return {...ended, folder, files: readdirSync(folder)};
}

const pair = () => generateKeyPairSync('rsa', {modulusLength: 2048, publicKeyEncoding: {type: 'spki', format: 'pem'}, privateKeyEncoding: {type: 'pkcs8', format: 'pem'}});
const fingerprint = (pem) => createHash('sha256').update(createPublicKey(pem).export({type: 'spki', format: 'der'})).digest('base64url');

/** The body of a request, by the description in smaster-join(1). */
function body(text, {publicKey = keys().publicKey, nonce = randomBytes(32).toString('base64url'), ...other} = {}) {
  const from = {...parts(text), ...other};
  const wanted = JSON.stringify({token: from.token, nonce, fingerprint: from.fingerprint, publicKey});
  return JSON.stringify({text: wanted, proof: createHmac('sha256', from.secret).update(`smaster join request 1\n${wanted}`).digest('base64url')});
}

/** Sends it; resolves with {status, code} or, verified, {status, name}. */
async function ask(server, sent, options = {}) {
  const {status, body: text} = await request(server.port, '/api/public/join', {method: 'POST', body: sent, headers: {'content-type': 'application/json'}, ...options});
  const answer = JSON.parse(text);
  if (status !== 200) return {status, code: answer.code};
  const {nonce} = JSON.parse(JSON.parse(sent).text);
  assert.ok(createVerify('RSA-SHA256').update(`smaster join answer 1\n${nonce}\n${answer.text}`).verify(answer.key, answer.proof, 'base64'));
  return {status, name: JSON.parse(answer.text).name};
}

const events = async (server, kind) => (await server.tool(['events', '--audit', '--kind', kind, '--json'])).stdout.trim().split('\n').filter(Boolean).map(JSON.parse);
const tokens = async (server) => JSON.parse((await server.tool(['join-token', '--list', '--json'])).stdout).tokens;

test('a host joins by one line, and its agent runs under the config', async (t) => {
  const server = await serve(t, settings);
  const text = await line(server, '--host', 'fra1', '--processes', '2', '--shards-per-process', '4');
  assert.equal(parts(text).fingerprint, fingerprint(readFileSync(`${server.state}/shardMaster.pub`, 'utf8')));
  const joined = await join(server, text);
  assert.equal(joined.code, 0, joined.stderr);
  const file = joined.stdout.trim();
  assert.match(file, /\/shard_[a-z]{3}_config\.json$/);
  assert.equal(statSync(file).mode & 0o777, 0o600);
  const config = JSON.parse(readFileSync(file, 'utf8'));
  assert.equal(path.basename(file), `shard_${config.id}_config.json`);
  const flags = ['--host', 'fra1', '--processes', '2', '--shards-per-process', '4'];
  assert.ok(joined.stderr.includes(`next: smaster agent --config ${file} ${flags.join(' ')}`), joined.stderr);
  // The private key was made there, and is nowhere on the server.
  assert.ok(config.privKey.includes('PRIVATE KEY'));
  for (const name of readdirSync(server.state).filter((each) => each.startsWith('smaster.db'))) {
    assert.ok(!readFileSync(path.join(server.state, name)).includes('PRIVATE KEY'));
  }
  server.agent([config], 'spikey-bot.js', {flags, folder: joined.folder});
  await server.running(1);
  assert.deepEqual((await server.stats()).shards.map((shard) => shard.id).sort(), [config.id, `${config.id}-1`]);

  const again = await join(server, text);
  assert.equal(again.code, 77);
  assert.match(again.stderr, /the token is used up/);
  assert.deepEqual(again.files, []);
  const {token, secret} = parts(text);
  const [registered] = await events(server, 'registered');
  assert.match(registered.text, new RegExp(`a host joined: host fra1, shard ${config.id}, address 127.0.0.1, join token ${token}`));
  const [refused] = await events(server, 'join-refused');
  assert.match(refused.text, /a host may not join: join token .* is used up/);
  assert.equal(refused.by, '127.0.0.1');
  assert.match((await events(server, 'control'))[0].text, /join token .* made for host fra1, for 1 use, valid for 1h/);
  assert.ok(!server.log.includes(secret));
  assert.deepEqual((await tokens(server)).map(({id, state, shards, secret: none}) => ({id, state, shards, none})), [{id: token, state: 'used up', shards: [config.id], none: undefined}]);
});

test('join -- COMMAND becomes the agent', async (t) => {
  const server = await serve(t, settings);
  const text = await line(server, '--host', 'fra1');
  const child = spawn(path.join(bin, 'smaster'), ['join', '-', ...trust, '--output', `${server.folder}/new`, '--', process.execPath, bot], {env: {...process.env, BOT_LOG: server.botLog}});
  child.stdin.end(`${text}\n`);
  const exited = once(child, 'exit');
  await server.running(1);
  assert.deepEqual(readdirSync(`${server.folder}/new`).filter((name) => name.endsWith('.json')).length, 1);
  child.kill('SIGTERM');
  assert.deepEqual(await exited, [0, null]);
});

test('over TLS, the certificate is checked as well', async (t) => {
  const folder = path.join(os.tmpdir(), `smaster-join-${process.pid}`);
  mkdirSync(folder, {recursive: true});
  const own = certificates(folder, 'DNS:localhost,IP:127.0.0.1');
  const server = await serve(t, `[server]\ntls_certificate = "${own.certFile}"\ntls_key = "${own.keyFile}"\n${settings}`);
  const text = await line(server);
  assert.equal(new URL(parts(text).url).protocol, 'https:');
  const run_ = (...flags) => run(path.join(bin, 'smaster'), ['join', text, '--output', folder, ...flags]);
  const stranger = await run_();
  assert.equal(stranger.code, 69);
  assert.match(stranger.stderr, /certificate is not trusted/);
  const joined = await run_('--ca-file', own.ca);
  assert.equal(joined.code, 0, joined.stderr);
  assert.ok(joined.stderr.includes(`--ca-file ${own.ca}`));
  const {host} = JSON.parse(readFileSync(joined.stdout.trim(), 'utf8'));
  assert.equal(host.protocol, 'https:');
});

test('tokens end by time, by use and by revocation, and outlast a server that is killed', async (t) => {
  const server = await serve(t, settings.replace('= 5', '= 100'));
  const short = await line(server, '--valid', '1s');
  const once = await line(server);
  const twice = await line(server, '--uses', '2');
  const revoked = await line(server);
  assert.equal((await server.tool(['join-token', '--revoke', parts(revoked).token])).code, 0);
  const unknown = await server.tool(['join-token', '--revoke', parts(revoked).token]);
  assert.equal(unknown.code, 64);
  assert.match(unknown.stderr, /no join token has the id/);
  await server.end('SIGKILL');
  await server.start();
  await until('the token to expire', async () => (await tokens(server))[0].state === 'expired');
  const late = await join(server, short);
  assert.equal(late.code, 77);
  assert.match(late.stderr, /the token has expired, by the clock of/);
  assert.deepEqual(await ask(server, body(revoked)), {status: 403, code: 'unknown-token'});
  const sent = body(once);
  const {name} = await ask(server, sent);
  // The recorded request is refused; the same host that has not got the answer has it again.
  assert.deepEqual(await ask(server, sent), {status: 403, code: 'used-up'});
  assert.equal((await ask(server, body(once))).name, name);
  await server.end('SIGKILL');
  await server.start();
  assert.deepEqual(await ask(server, sent), {status: 403, code: 'used-up'});
  assert.deepEqual(await ask(server, body(once, pair())), {status: 403, code: 'used-up'});
  // Whoever is revoked stays so.
  assert.equal((await server.tool(['shards', 'rm', '--yes', name])).code, 0);
  assert.deepEqual(await ask(server, body(once)), {status: 403, code: 'used-up'});
  // Several at once: as many as there are uses.
  const all = await Promise.all([pair(), pair(), pair()].map((each) => ask(server, body(twice, each))));
  assert.deepEqual(all.map(({status}) => status).sort(), [200, 200, 403]);
  assert.equal(new Set(all.filter((each) => each.name).map((each) => each.name)).size, 2);
  assert.equal((await server.stats()).known, 2);
});

test('wrong requests look alike, count against their address, and are in the list of events', async (t) => {
  const server = await serve(t, settings);
  const text = await line(server);
  const wrong = [body(text, {secret: 'x'.repeat(32)}), body(text, {token: 'x'.repeat(12)}), body(text).replace(/(?<="proof":")./, (first) => (first === '-' ? 'x' : '-'))];
  for (const each of wrong) assert.deepEqual(await ask(server, each), {status: 403, code: 'unknown-token'});
  assert.deepEqual(await ask(server, 'nonsense'), {status: 400, code: 'malformed'});
  assert.deepEqual(await ask(server, body(text, {fingerprint: fingerprint(keys().publicKey)})), {status: 403, code: 'other-key'});
  assert.deepEqual(await ask(server, body(text)), {status: 429, code: 'too-many'});
  const limited = await join(server, text);
  assert.equal(limited.code, 69);
  assert.match(limited.stderr, /has refused too many requests from this address; try again/);
  assert.equal((await ask(server, body(text), {localAddress: '127.0.0.2'})).status, 200);
  assert.equal((await events(server, 'join-refused')).length, 5);
});

test('whoever stands between learns nothing, and gives the host nothing', async (t) => {
  const server = await serve(t, settings);
  const text = await line(server);
  const own = keys();
  let answer;
  let received = '';
  const between = http.createServer(async (req, res) => {
    received = '';
    for await (const piece of req) received += piece;
    const {status, body: sent} = await answer(received);
    res.writeHead(status, {'content-type': 'application/json'}).end(sent);
  });
  between.listen(0, '127.0.0.1');
  await next(between, 'listening');
  t.after(() => between.close());
  const through = text.replace(parts(text).url, `http://127.0.0.1:${between.address().port}`);
  const relay = (sent) => request(server.port, '/api/public/join', {method: 'POST', body: sent});

  /** Signs an answer with its own key. */
  const signed = (sent, more) => {
    const {nonce, publicKey} = JSON.parse(JSON.parse(sent).text);
    const config = JSON.stringify({host: {protocol: 'http:', host: '127.0.0.1', port: 1, path: '/socket.io/'}, pubKey: publicKey, masterPubKey: own.publicKey, id: 'abc', signAlgorithm: 'RSA-SHA256'});
    const said = JSON.stringify({name: 'abc', config, host: '', processes: 1, shardsPerProcess: 1, time: Date.now(), ...more});
    return {status: 200, body: JSON.stringify({text: said, key: own.publicKey, proof: createSign('RSA-SHA256').update(`smaster join answer 1\n${nonce}\n${said}`).sign(own.privateKey, 'base64')})};
  };
  // It has another key, and signs correctly with that.
  answer = (sent) => signed(sent);
  const fooled = await join(server, through);
  assert.equal(fooled.code, 77);
  assert.match(fooled.stderr, /does not prove that it has the key of the line: somebody may stand between/);
  assert.deepEqual(fooled.files, []);
  assert.ok(!received.includes(parts(text).secret) && !received.includes('PRIVATE'));
  // It puts its own key into the request.
  answer = (sent) => {
    const sealed = JSON.parse(sent);
    sealed.text = JSON.stringify({...JSON.parse(sealed.text), publicKey: own.publicKey});
    return relay(JSON.stringify(sealed));
  };
  assert.match((await join(server, through)).stderr, /knows no such token/);
  // It changes the answer.
  answer = async (sent) => {
    const {status, body: got} = await relay(sent);
    return {status, body: got.replaceAll(String(server.port), '1')};
  };
  assert.match((await join(server, through)).stderr, /does not prove that it has the key/);
  // Even a server that has the key of the line names no file elsewhere; and if the clocks differ, that is said.
  const believed = through.replace(parts(text).fingerprint, fingerprint(own.publicKey));
  answer = (sent) => signed(sent, {name: '../abc'});
  const named = await join(server, believed);
  assert.deepEqual([named.code, named.files], [65, []]);
  answer = (sent) => signed(sent, {time: Date.now() - 600_000});
  const early = await join(server, believed);
  assert.equal(early.code, 0, early.stderr);
  assert.match(early.stderr, /this machine's clock is \w+ ahead of the server's: agents may be refused; set it/);
  // It is no smaster server at all.
  answer = () => ({status: 404, body: 'no'});
  const other = await join(server, through);
  assert.equal(other.code, 69);
  assert.match(other.stderr, /answers 404 to .*: it is no smaster server, an older version, or a proxy/);
  // A server that follows names the one that leads; a line may have both.
  const second = await line(server);
  answer = () => ({status: 503, body: JSON.stringify({code: 'follows', leader: parts(second).url})});
  const led = await join(server, second.replace(parts(second).url, `http://127.0.0.1:${between.address().port}`));
  assert.equal(led.code, 0, led.stderr);
});

test('--systemd enables the unit with the command', async (t) => {
  const server = await serve(t, settings);
  const user = os.userInfo().username;
  const programs = path.join(server.folder, 'programs');
  mkdirSync(programs);
  const systemctl = (state) => {
    writeFileSync(`${programs}/systemctl`, `#!/bin/sh\necho "$*" >> ${programs}/log\ncase $1 in show) printf 'LoadState=${state}\\nUser=${user}\\n' ;; esac\n`);
    chmodSync(`${programs}/systemctl`, 0o755);
  };
  const text = await line(server, '--host', 'fra1');
  const attempt = (env) => join(server, text, ['--systemd', '--output', `${server.folder}/configs`, '--unit-dir', `${server.folder}/units`, '--token-file', '/etc/token', '--', 'node', '/srv/my bot.js', '$HOME 100% "x"'], {env});
  const none = await attempt({PATH: '/nonexistent'});
  assert.equal(none.code, 69);
  assert.match(none.stderr, /systemctl cannot be run: .*; join without --systemd/);
  systemctl('not-found');
  const env = {PATH: `${programs}:${process.env.PATH}`};
  assert.match((await attempt(env)).stderr, /systemd does not know smaster-agent@\.service; install smaster's package/);
  assert.equal((await tokens(server))[0].state, 'valid');
  systemctl('loaded');
  const joined = await attempt(env);
  assert.equal(joined.code, 0, joined.stderr);
  const [, name] = joined.stdout.match(/shard_([a-z]+)_config\.json\n$/);
  const calls = readFileSync(`${programs}/log`, 'utf8').trim().split('\n');
  assert.deepEqual(calls.slice(-2), ['daemon-reload', `enable --now smaster-agent@${name}.service`]);
  const file = `${server.folder}/units/smaster-agent@${name}.service.d/join.conf`;
  const written = readFileSync(file, 'utf8');
  assert.ok(written.includes(`WorkingDirectory=-${joined.folder}\n`));
  assert.ok(written.includes(`ReadWritePaths="${server.folder}/configs"\n`));
  const [start] = written.match(/^ExecStart=.+$/m);
  assert.ok(start.endsWith(`/smaster-agent" "--host" "fra1" "--token-file" "/etc/token"${trust.map((word) => ` "${word}"`).join('')} --config "${joined.stdout.trim()}" $AGENT_FLAGS -- "node" "/srv/my bot.js" "$$HOME 100%% \\"x\\""`), start);
  // systemd itself understands it.
  const template = readFileSync(new URL('../../packaging/systemd/smaster-agent@.service.in', import.meta.url), 'utf8');
  writeFileSync(`${server.folder}/units/smaster-agent@.service`, template.replace('@bindir@', path.resolve(bin)));
  const verified = await run('systemd-analyze', ['verify', '--man=no', `${server.folder}/units/smaster-agent@${name}.service`], {env: {SYSTEMD_UNIT_PATH: `${server.folder}/units:`}});
  assert.equal((verified.stdout + verified.stderr).split('\n').filter((said) => said.includes('smaster')).join('\n'), '');
  assert.match((await join(server, text, ['--systemd'], {env})).stderr, /--systemd needs the bot's command/);
});

test('what cannot work is refused before the token is used', async (t) => {
  const server = await serve(t, settings);
  const text = await line(server);
  for (const [wrong, why] of [['nonsense', /does not begin with "smaster-1,"/], [text.slice(0, -20), /the token is cut off/], [text.split(',').slice(0, 4).join(','), /its end is missing/], [text.replace('smaster-1', 'smaster-9'), /which this version does not know/]]) {
    const refused = await join(server, wrong);
    assert.equal(refused.code, 65, wrong);
    assert.match(refused.stderr, why);
  }
  writeFileSync(`${server.folder}/file`, '');
  const full = await join(server, text, ['--output', `${server.folder}/file`]);
  assert.equal(full.code, 73);
  assert.equal((await tokens(server))[0].shards.length, 0);
  const unreachable = await join(server, text.replace(/:\d+,/, ':1,'));
  assert.equal(unreachable.code, 69);
  assert.match(unreachable.stderr, /cannot reach 127.0.0.1:1/);
  // Tokens are bounded.
  const make = () => new Promise((resolve, reject) => {
    http.request({socketPath: server.socket, path: '/v1/join-tokens', method: 'POST'}, (res) => resolve(res.resume().statusCode)).on('error', reject).end('{"valid_ms":600000}');
  });
  for (let i = 1; i < 100; ++i) assert.equal(await make(), 200);
  const one = await server.tool(['join-token']);
  assert.equal(one.code, 77);
  assert.match(one.stderr, /there may be 100 join tokens, for 1,000 hosts in all: revoke some first/);
});
