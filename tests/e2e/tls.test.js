// TLS on the shard port itself: protocol versions, renewal at run time, and the agent's trust. With SMASTER_E2E_TLS=1
// all other tests run over TLS as well.
import assert from 'node:assert/strict';
import {appendFileSync, copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import net from 'node:net';
import {tmpdir} from 'node:os';
import path from 'node:path';
import {test} from 'node:test';
import tls from 'node:tls';
import {certificates} from './certificates.js';
import {bin, run, serve, until} from './harness.js';

/** A server with a certificate for these names; its settings over that. */
async function serveTls(t, {names = 'DNS:localhost,IP:127.0.0.1', settings = '[shards]\ncount = 1\n'} = {}) {
  const folder = mkdtempSync(path.join(tmpdir(), 'smaster-tls-'));
  t.after(() => rmSync(folder, {recursive: true, force: true}));
  const own = certificates(folder, names);
  const server = await serve(t, `[server]\ntls_certificate = "${own.certFile}"\ntls_key = "${own.keyFile}"\n${settings}`);
  return {server, folder, ...own, names};
}

/** A TLS connection to it; returns the negotiated parameters, or the error. */
function greet(port, options) {
  return new Promise((resolve) => {
    const socket = tls.connect({host: '127.0.0.1', port, ...options}, () => {
      const {serialNumber} = socket.getPeerCertificate();
      resolve({protocol: socket.getProtocol(), cipher: socket.getCipher().standardName, serialNumber});
      socket.destroy();
    });
    socket.on('error', (error) => resolve({error: error.code ?? error.message}));
  });
}

const secure = (config) => ({...config, host: {...config.host, protocol: 'https:'}});

test('TLS 1.2 and 1.3 with forward secrecy, nothing older, and nothing without TLS', async (t) => {
  const {server, ca} = await serveTls(t);
  const trust = {ca: readFileSync(ca)};
  assert.equal((await greet(server.port, trust)).protocol, 'TLSv1.3');
  const older = await greet(server.port, {...trust, maxVersion: 'TLSv1.2'});
  assert.match(older.cipher, /^TLS_ECDHE_.*(GCM|POLY1305)/);
  assert.ok((await greet(server.port, {...trust, minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'ALL:@SECLEVEL=0'})).error);
  for (const ciphers of ['AES128-GCM-SHA256', 'ECDHE-RSA-AES128-SHA256', 'ECDHE-RSA-AES256-SHA', 'NULL-SHA256']) {
    assert.ok((await greet(server.port, {...trust, maxVersion: 'TLSv1.2', ciphers: `${ciphers}:@SECLEVEL=0`})).error, ciphers);
  }
  const plain = net.connect(server.port, '127.0.0.1', () => plain.write('GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n'));
  let said = '';
  plain.on('data', (data) => said += data);
  await new Promise((resolve) => plain.on('close', resolve));
  assert.doesNotMatch(said, /HTTP/);
});

test('a renewed certificate is shown to whoever comes next, and nobody is dropped', async (t) => {
  const {server, folder, ca, names, certFile, keyFile} = await serveTls(t);
  const trust = {ca: readFileSync(ca)};
  const [config] = await server.register(1);
  const shard = server.shard(secure(config), {socket: trust});
  await server.running(1);
  const {id} = shard.socket;
  const before = await greet(server.port, trust);
  // A renewal in progress: the certificate of another key. It is made elsewhere: the server watches the two files.
  const elsewhere = `${folder}/renewal`;
  mkdirSync(elsewhere);
  for (const of of ['ca.key', 'ca.pem', 'ca.srl']) copyFileSync(`${folder}/${of}`, `${elsewhere}/${of}`);
  const renewed = certificates(elsewhere, names);
  writeFileSync(certFile, renewed.cert);
  await until('the mismatch to be said', () => server.log.includes('the old certificate stays'));
  assert.equal((await greet(server.port, trust)).serialNumber, before.serialNumber);
  writeFileSync(keyFile, renewed.key);
  await until('the new certificate', async () => (await greet(server.port, trust)).serialNumber !== before.serialNumber);
  assert.equal(shard.socket.id, id, 'the same connection');
  assert.equal((await server.evaluate('this.id'))[0].result, 0);
  // After invalid settings the old ones stay; TLS can be switched by settings at run time.
  server.configure(`[server]\ntls_certificate = "${certFile}"\ntls_key = "/nonexistent"\n[shards]\ncount = 1\n`);
  await until('the refusal', () => server.log.match(/TLS: cannot use the key \/nonexistent .*the old settings stay/));
  assert.equal((await greet(server.port, trust)).error, undefined);
});

test('configs lead to https, and an agent checks the name and the authority', async (t) => {
  const {server, ca} = await serveTls(t, {names: 'DNS:localhost', settings: '[shards]\ncount = 1\n[remote_host]\nhost = "localhost"\n'});
  const made = await server.tool(['genconfig', '--out', '-']);
  const config = JSON.parse(made.stdout);
  assert.deepEqual(config.host, {protocol: 'https:', host: 'localhost', port: server.port, path: '/socket.io/'});
  const file = path.join(server.folder, 'agent.json');
  const check = async (host, ...flags) => {
    writeFileSync(file, JSON.stringify({...config, host: {...config.host, host}}), {mode: 0o600});
    return run(path.join(bin, 'smaster'), ['agent', '--check', '--config', file, ...flags, 'true']);
  };
  assert.equal((await check('localhost', '--ca-file', ca)).code, 0);
  const stranger = await check('localhost');
  assert.match(stranger.stdout + stranger.stderr, /certificate is not trusted: unable to get local issuer/);
  assert.equal(stranger.code, 69);
  const misnamed = await check('127.0.0.1', '--ca-file', ca);
  assert.match(misnamed.stdout + misnamed.stderr, /certificate is not trusted/);
  const agent = server.agent([config], 'spikey-bot.js', {flags: ['--ca-file', ca]});
  await server.running(1);
  assert.equal((await server.evaluate('this.shard ? 1 : 2')).length, 1);
  await agent.end();
});

test('settings that make no TLS are refused at the start', async (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), 'smaster-tls-'));
  t.after(() => rmSync(folder, {recursive: true, force: true}));
  const own = certificates(folder);
  const attempt = async (lines) => {
    const file = path.join(folder, 'smaster.toml');
    writeFileSync(file, `[server]\nport = 0\nstate_dir = "${folder}/state"\n${lines}`);
    return run(path.join(bin, 'smaster'), ['serve', '--config', file, '--socket', `${folder}/control.sock`]);
  };
  const half = await attempt(`tls_certificate = "${own.certFile}"\n`);
  assert.equal(half.code, 78);
  assert.match(half.stderr, /TLS needs both server.tls_certificate and server.tls_key/);
  appendFileSync(`${folder}/junk.pem`, 'junk');
  const junk = await attempt(`tls_certificate = "${folder}/junk.pem"\ntls_key = "${own.keyFile}"\n`);
  assert.equal(junk.code, 78);
  assert.match(junk.stderr, /TLS: cannot use the certificate .*junk.pem/);
});
