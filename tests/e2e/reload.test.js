// Changes of settings, token and keys while the server runs: all ways of saving the file, and a file saved half.
import assert from 'node:assert/strict';
import {execFileSync} from 'node:child_process';
import {closeSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync, writeSync} from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import {test} from 'node:test';
import {next, serve, until} from './harness.js';

const file = (server) => path.join(server.folder, 'smaster.toml');
const says = (server, pattern) => until(`the log to say ${pattern}`, () => server.log.match(pattern));

test('an edit is noticed by itself, and said field by field; secrets are not', async (t) => {
  const server = await serve(t, '[shards]\ncount = 1\n');
  const text = readFileSync(file(server), 'utf8');
  writeFileSync(file(server), text.replace('count = 1', 'count = 3\nbot_args = ["a", "b"]') + '[database]\nurl = "postgresql://u:geheim@localhost/x"\n[mail]\nenv = {PASSWORD = "geheim"}\n');
  await says(server, /settings reloaded, the goal is 3 shards/);
  assert.match(server.log, /setting shards\.count: 1 -> 3\n/);
  assert.match(server.log, /setting shards\.bot_args: \[\] -> \["a", "b"\]\n/);
  assert.match(server.log, /setting database\.url has changed\n/);
  assert.match(server.log, /setting mail\.env has changed\n/);
  assert.doesNotMatch(server.log, /geheim/);
  assert.equal((await server.stats()).goal, 3);
});

test('a save by rename, and a link that is led elsewhere, are edits', async (t) => {
  const server = await serve(t, '[shards]\ncount = 1\n');
  const text = readFileSync(file(server), 'utf8');
  writeFileSync(`${file(server)}.new`, text.replace('count = 1', 'count = 2'));
  renameSync(`${file(server)}.new`, file(server));
  await says(server, /shards\.count: 1 -> 2/);
  mkdirSync(`${server.folder}/versions`);
  writeFileSync(`${server.folder}/versions/4`, text.replace('count = 1', 'count = 4'));
  symlinkSync('versions/4', `${file(server)}.link`);
  renameSync(`${file(server)}.link`, file(server));
  await says(server, /shards\.count: 2 -> 4/);
  // A file that is missing for a while changes nothing.
  rmSync(file(server));
  writeFileSync(file(server), text.replace('count = 1', 'count = 5'));
  await says(server, /shards\.count: 4 -> 5/);
});

test('a pipe or an endless file in place of the settings holds nothing up', async (t) => {
  const server = await serve(t, '[shards]\ncount = 1\n');
  const text = readFileSync(file(server), 'utf8');
  const instead = `${file(server)}.instead`;
  execFileSync('mkfifo', [instead]);
  renameSync(instead, file(server));
  await says(server, /smaster\.toml was edited, but it is a pipe now, not a file/);
  assert.equal((await server.stats()).goal, 1);
  symlinkSync('/dev/zero', instead);
  renameSync(instead, file(server));
  await says(server, /cannot read .*smaster\.toml: File too large; the old settings stay/);
  assert.equal((await server.stats()).goal, 1);
  rmSync(file(server));
  writeFileSync(file(server), text.replace('count = 1', 'count = 2'));
  await says(server, /shards\.count: 1 -> 2/);
});

test('a file that is half written, or wrong, keeps the old settings until it is right', async (t) => {
  const server = await serve(t, '[shards]\ncount = 1\n');
  const text = readFileSync(file(server), 'utf8').replace('count = 1', 'count = 6');
  const fd = openSync(file(server), 'w');
  writeSync(fd, text.slice(0, text.indexOf('count = 6') + 6));
  await server.stats();
  writeSync(fd, text.slice(text.indexOf('count = 6') + 6));
  closeSync(fd);
  await says(server, /shards\.count: 1 -> 6/);
  assert.doesNotMatch(server.log, /old settings stay/);
  writeFileSync(file(server), '');
  await says(server, /smaster\.toml is empty, as while it is being written; the old settings stay/);
  writeFileSync(file(server), text.replace('count = 6', 'count = "six"'));
  await says(server, /smaster\.toml:\d+:9: shards\.count takes a whole number .*; the old settings stay/);
  assert.equal((await server.stats()).goal, 6);
  writeFileSync(file(server), text.replace('count = 6', 'count = 7'));
  await says(server, /shards\.count: 6 -> 7/);
});

test('smaster config shows what is in force, as a settings file; and says what is wrong in one', async (t) => {
  const server = await serve(t, '[shards]\ncount = 2\nbot_args = ["a\\"b", "✓\\u0001\\u007f"]\n[mail]\nenv = {PASSWORD = "geheim"}\n[database]\nurl = "postgresql://u:geheim@localhost/x"\n',
    ['--log-level', 'debug']);
  const shown = await server.tool(['config', 'show']);
  assert.equal(shown.code, 0, shown.stderr);
  for (const line of ['# url is not shown', '# env is not shown', '# token_file is not set']) assert.ok(shown.stdout.includes(`\n${line}\n`), line);
  assert.doesNotMatch(shown.stdout, /geheim/);
  const {shards, log, remote_host: remote} = JSON.parse((await server.tool(['config', 'show', '--json'])).stdout);
  assert.deepEqual([shards.count, shards.bot_args, shards.respawn_delay], [2, ['a"b', '✓\u0001\x7f'], '5s']);
  assert.deepEqual([log.level, remote.port], ['debug', null], 'flags count; what is not set is null');

  const check = (text) => server.tool(['config', 'check', '-'], {input: text});
  assert.deepEqual(await check(shown.stdout), {code: 0, stdout: '- is right\n', stderr: ''});
  const other = await serve(t, '');
  const own = /^.*(state_dir|control_socket|url|env|level)\b.*\n/gm;
  writeFileSync(file(other), shown.stdout.replace(own, '').replace('[server]', `[server]\nstate_dir = "${other.state}"`));
  await says(other, /settings reloaded/);
  assert.equal((await other.tool(['config', 'show'])).stdout.replace(own, ''), shown.stdout.replace(own, ''));

  for (const [text, complaint] of [
    ['[shards]\ncount = "six"\n', /-:2:9: shards\.count takes/],
    ['[shards]\ntoken_file = "/nowhere"\n', /-: shards\.token_file: cannot read \/nowhere: No such file/],
    [`[server]\ntls_certificate = "${server.state}/shardMaster.pub"\ntls_key = "${server.state}/shardMaster.priv"\n`, /server\.tls_certificate, server\.tls_key: cannot use the certificate/],
    [`[cluster]\nca_file = "${server.state}/shardMaster.pub"\n`, /cluster\.ca_file: cannot read certificates from/],
  ]) {
    const {code, stderr, stdout} = await check(text);
    assert.deepEqual([code, stdout], [78, '']);
    assert.match(stderr, complaint);
  }
});

test('what cannot change while it runs says so, and does with a restart in place', async (t) => {
  const server = await serve(t, '[shards]\ncount = 1\n');
  const text = readFileSync(file(server), 'utf8');
  writeFileSync(file(server), text.replace('[server]', '[server]\npath = "/other/"').replace('count = 1', 'count = 2'));
  await says(server, /shards\.count: 1 -> 2/);
  assert.match(server.log, /setting server\.path: "\/socket\.io\/" -> "\/other\/" takes effect with a restart, "smaster reboot --master"/);
  const path_ = async () => JSON.parse((await server.tool(['stats', '--json'])).stdout) && (await new Promise((resolve) => {
    http.get({socketPath: server.socket, path: '/v1/server'}, (res) => {
      let body = '';
      res.on('data', (chunk) => body += chunk);
      res.on('end', () => resolve(JSON.parse(body).path));
    });
  }));
  assert.equal(await path_(), '/socket.io/');
  assert.equal((await server.tool(['reboot', '--master'])).code, 0);
  assert.equal(await path_(), '/other/');
});

test('the master\'s key pair is read again when it changes; a broken one is refused and the old one stays', async (t) => {
  const server = await serve(t, '[shards]\ncount = 1\n[limits]\nconn_count = 1000\n');
  const [config] = await server.register(1);
  const keyFile = `${server.folder}/state/shardMaster.priv`;
  const old = readFileSync(keyFile, 'utf8');
  writeFileSync(keyFile, old.slice(0, 500));
  await says(server, /shardMaster\.priv: .*; the old keys stay/);
  const shard = server.shard(config);
  await server.running(1);
  assert.ok(shard.verified);
  const {code} = await server.tool(['keygen', '--out', server.folder, '--bits', '2048']);
  assert.equal(code, 0);
  renameSync(`${server.folder}/shardMaster.priv`, keyFile);
  await says(server, /the master's key pair has changed/);
  const fresh = readFileSync(`${server.folder}/shardMaster.pub`, 'utf8');
  assert.equal(readFileSync(`${server.folder}/state/shardMaster.pub`, 'utf8'), fresh);
  const gone = next(shard.socket, 'disconnect');
  shard.socket.disconnect();
  await gone;
  shard.connect();
  await until('the old key to fail', () => shard.verified === false);
  const again = server.shard({...config, masterPubKey: fresh});
  await until('the new key to verify', () => again.verified);
});

test('another token is used at once', async (t) => {
  const tokens = [];
  const discord = http.createServer((req, res) => {
    tokens.push(req.headers.authorization);
    res.setHeader('content-type', 'application/json');
    res.end(JSON.stringify({url: 'wss://x', shards: 2, session_start_limit: {total: 1000, remaining: 1000, reset_after: 0, max_concurrency: 1}}));
  });
  await new Promise((resolve) => discord.listen(0, '127.0.0.1', resolve));
  t.after(() => discord.close());
  const server = await serve(t, '');
  writeFileSync(`${server.folder}/token`, 'first\n');
  server.configure(`[shards]\ncount = "auto"\ntoken_file = "${server.folder}/token"\n[discord]\napi_base = "http://127.0.0.1:${discord.address().port}/api"\n`);
  await until('the first token', () => tokens.includes('Bot first'));
  writeFileSync(`${server.folder}/token`, 'second\n');
  await until('the second token', () => tokens.includes('Bot second'));
  assert.match(server.log, /the token file .* has changed/);
  assert.doesNotMatch(server.log, /second\b/);
});
