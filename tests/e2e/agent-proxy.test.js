// The agent with network equipment in between: TLS, and proxies without websockets.
import assert from 'node:assert/strict';
import {writeFileSync} from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import net from 'node:net';
import path from 'node:path';
import {test} from 'node:test';
import {certificates} from './certificates.js';
import {bin, run, serve, until} from './harness.js';

/** A proxy in front of the server. `onUpgrade(request, socket, head, port)` handles websockets. */
async function proxy(t, port, {tls, onUpgrade}) {
  const handle = (request, response) => {
    const onward = http.request({port, host: '127.0.0.1', path: request.url, method: request.method, headers: request.headers}, (answer) => {
      response.writeHead(answer.statusCode, answer.headers);
      answer.pipe(response);
    });
    onward.on('error', () => response.destroy());
    response.on('close', () => onward.destroy());
    request.pipe(onward);
  };
  const server = tls ? https.createServer(tls, handle) : http.createServer(handle);
  server.on('upgrade', (request, socket, head) => onUpgrade(request, socket, head, port));
  server.on('tlsClientError', () => {});
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return server.address().port;
}

/** Forwards websockets. */
function pass(request, socket, head, port) {
  const onward = net.connect(port, '127.0.0.1', () => {
    const headers = request.rawHeaders.reduce((text, value, i) => text + value + (i % 2 ? '\r\n' : ': '), '');
    onward.write(`${request.method} ${request.url} HTTP/1.1\r\n${headers}\r\n`);
    onward.write(head);
    onward.pipe(socket).pipe(onward);
  });
  onward.on('error', () => socket.destroy());
  socket.on('error', () => onward.destroy());
}

/** A config with the proxy's address. */
const via = (config, port, host = {}) => ({...config, host: {...config.host, host: '127.0.0.1', port, ...host}});

const refusals = {
  'answers 400': (request, socket) => socket.end('HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n'),
  'answers 403 with a page of its own': (request, socket) => socket.end('HTTP/1.1 403 Forbidden\r\nContent-Type: text/html\r\nContent-Length: 13\r\nConnection: close\r\n\r\n<p>blocked</p'),
  'hangs up': (request, socket) => socket.destroy(),
};

for (const [how, onUpgrade] of Object.entries(refusals)) {
  test(`behind a proxy that ${how} to websockets it polls`, async (t) => {
    const server = await serve(t, '[shards]\ncount = 1\n');
    const [config] = await server.register(1);
    const port = await proxy(t, server.port, {onUpgrade});
    const agent = server.agent([via(config, port)], 'spikey-bot.js');
    await server.running(1);
    assert.match(agent.log, /by polling/);
    assert.deepEqual((await server.evaluate('40 + 2')).map((line) => line.result), [42]);
    const [{pid}] = await until('the bot', () => server.bots().length && server.bots());
    await server.end('SIGKILL');
    await server.start();
    await server.running(1);
    assert.equal(server.bots().at(-1).pid, pid, 'the bot went on');
    assert.equal(await agent.end(), 0);
    await until('its farewell', () => server.log.includes('disconnected: client closed'));
  });
}

test('over TLS it checks the certificate and its name', async (t) => {
  const server = await serve(t, '[shards]\ncount = 1\n');
  const [config] = await server.register(1);
  const {key, cert, ca} = certificates(server.folder);
  const port = await proxy(t, server.port, {tls: {key, cert}, onUpgrade: pass});
  const check = async (host, ...flags) => {
    const file = path.join(server.folder, 'tls_config.json');
    writeFileSync(file, JSON.stringify(via(config, port, {protocol: 'https:', ...host})), {mode: 0o600});
    return run(path.join(bin, 'smaster'), ['agent', '--check', '--config', file, ...flags]);
  };
  const unknown = await check({host: 'localhost'});
  assert.equal(unknown.code, 69);
  assert.match(unknown.stdout, /its certificate is not trusted: .*(self.signed|unable to get local issuer)/);
  const elsewhere = await check({host: '127.0.0.1'}, '--ca-file', ca);
  assert.equal(elsewhere.code, 69);
  assert.match(elsewhere.stdout, /certificate/);

  const agent = server.agent([via(config, port, {protocol: 'https:', host: 'localhost'})], 'spikey-bot.js', {flags: ['--ca-file', ca]});
  await server.running(1);
  assert.match(agent.log, /connected to https:.* by websocket/);
  await until('the bot', () => server.bots().length === 1);
  const [{result}] = await server.evaluate('"x".repeat(200000)');
  assert.equal(result.length, 200_000);
});

test('over TLS, where no websocket gets through, it polls as well', async (t) => {
  const server = await serve(t, '[shards]\ncount = 1\n');
  const [config] = await server.register(1);
  const {key, cert, ca} = certificates(server.folder);
  const port = await proxy(t, server.port, {tls: {key, cert}, onUpgrade: refusals['answers 400']});
  const agent = server.agent([via(config, port, {protocol: 'https:', host: 'localhost'})], 'spikey-bot.js', {flags: ['--ca-file', ca]});
  await server.running(1);
  assert.match(agent.log, /connected to https:.* by polling/);
  await until('the bot', () => server.bots().length === 1);
  assert.deepEqual((await server.evaluate('[1, 2]')).map((line) => line.result), [[1, 2]]);
});
