// Runs the conformance suite on the stores that servers can share (the unit tests run it on the embedded one), and
// copies between stores.
import assert from 'node:assert/strict';
import {mkdtempSync, rmSync} from 'node:fs';
import {tmpdir} from 'node:os';
import path from 'node:path';
import {test} from 'node:test';
import {certificates} from './certificates.js';
import {cluster} from './cluster.js';
import {postgres} from './databases.js';
import {etcd} from './etcd.js';
import {bin, run, serve, until} from './harness.js';

async function conforms(url, env = {}) {
  const {code, stdout, stderr} = await run(path.join(bin, 'unit-tests'), ['--gtest_filter=*Conformance*'], {env: {SMASTER_TEST_STORE: url, ...env}});
  assert.equal(code, 0, stdout + stderr);
  assert.match(stdout, /\[  PASSED  \] 7 tests/);
}

test('etcd keeps what a store promises', async (t) => {
  await conforms((await etcd(t)).url());
});

test('three etcds keep it', async (t) => {
  await conforms((await etcd(t, 3)).url('some/prefix'));
});

test('etcd over TLS, with a user who may only do what is needed', async (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), 'smaster-etcd-tls-'));
  t.after(() => rmSync(folder, {recursive: true, force: true}));
  const tls = certificates(folder, 'IP:127.0.0.1');
  const store = await etcd(t, 1, {user: 'sm@ster', password: 'ge:h/eim', tls});
  await conforms(store.url(), {SMASTER_TEST_STORE_CA: tls.ca});

  const copy = (url, ...flags) => run(path.join(bin, 'smaster'), ['store', 'copy', url, `sqlite:${folder}/copy.db`, ...flags]);
  const untrusted = await copy(store.url());
  assert.equal(untrusted.code, 69);
  assert.match(untrusted.stderr, /certificate is not trusted/);
  const refused = await copy(store.url().replace('ge%3Ah%2Feim', 'wrong'), '--ca-file', tls.ca);
  assert.equal(refused.code, 77);
  assert.match(refused.stderr, /etcd refuses us: [^]*user and password/);
  assert.doesNotMatch(refused.stderr, /wrong/);
  const good = await copy(store.url(), '--ca-file', tls.ca);
  assert.equal(good.code, 0, good.stderr);
});

test('a server shows etcd a certificate where one is wanted', async (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), 'smaster-etcd-tls-'));
  t.after(() => rmSync(folder, {recursive: true, force: true}));
  const tls = {...certificates(folder, 'IP:127.0.0.1'), wanted: true};
  const store = await etcd(t, 1, {tls});
  const settings = `[store]\nurl = "${store.url()}"\nca_file = "${tls.ca}"\n`;
  const stranger = await serve(t, settings);
  await until('it to be refused', () => /warning etcd: cannot reach/.test(stranger.log));
  const server = await serve(t, `${settings}certificate = "${tls.certFile}"\nkey = "${tls.keyFile}"\n`);
  await until('it to lead', () => /leads from now on/.test(server.log));
  assert.doesNotMatch(stranger.log, /leads/);
});

test('smaster store copy moves a registry there and back, and says that it has', async (t) => {
  const server = await serve(t, '[shards]\ncount = 3\n');
  await server.register(40);
  const url = (await etcd(t)).url();
  const copy = (from, to) => run(path.join(bin, 'smaster'), ['store', 'copy', from, to]);
  const file = `sqlite:${server.state}/smaster.db`;
  const early = await copy(file, url);
  assert.equal(early.code, 77);
  assert.match(early.stderr, /a server uses \S+smaster\.db: stop it first/);
  await server.end();
  const there = await copy(file, url);
  assert.equal(there.code, 0, there.stderr);
  const [, sum] = there.stdout.match(/^40 shards and \d notes copied and read back, SHA-256 ([0-9a-f]{64})\n$/);
  const back = await copy(url, `sqlite:${server.folder}/back.db`);
  assert.match(back.stdout, new RegExp(sum));

  const twice = await copy(file, url);
  assert.equal(twice.code, 77);
  assert.match(twice.stderr, /has 40 shards already; nothing was written/);
  const servers = await cluster(t, 1, {url});
  const busy = await copy(url, `sqlite:${server.folder}/other.db`);
  assert.equal(busy.code, 77);
  assert.match(busy.stderr, /the server at http:\S+ leads: stop all servers that share the store first/);
  assert.equal((await servers.servers[0].stats()).known, 40);
  for (const [from, to, code] of [['nonsense', url, 78], [file, 'etcd:///', 78], [file, 'etcd://127.0.0.1:1', 69], ['sqlite:/nowhere/x.db', url, 69], [file, 'sqlite:/nowhere/x.db', 73]]) {
    const {code: ended, stderr} = await copy(from, to);
    assert.equal(ended, code, stderr);
  }
});

test('PostgreSQL keeps it', async (t) => {
  await conforms((await postgres(t)).url);
});
