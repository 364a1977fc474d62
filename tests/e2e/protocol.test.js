// The two echo servers with real clients: socket.io-client over each transport, and edge cases of the raw protocol.
import assert from 'node:assert/strict';
import {spawn} from 'node:child_process';
import net from 'node:net';
import path from 'node:path';
import {after, before, describe, test} from 'node:test';
import {io} from 'socket.io-client';
import WebSocket from 'ws';
import {bin, next, request, until} from './harness.js';

const servers = [];
let complaints = '';
async function echo(name) {
  const child = spawn(path.join(bin, '../tests/conformance', name), ['--port', '0', '--ping-timeout', '60000']);
  servers.push(child);
  child.stderr.on('data', (data) => complaints += data);
  let output = '';
  child.stdout.on('data', (data) => output += data);
  return until(`${name} to listen`, () => Number(output.match(/listening on (\d+)/)?.[1]));
}
after(() => {
  for (const child of servers) {
    assert.equal(child.exitCode, null, complaints);
    child.kill();
  }
  assert.equal(complaints, '');
});

describe('socket.io-client', () => {
  let port;
  before(async () => port = await echo('socketio-echo'));

  for (const [how, options] of [
    ['polling only', {transports: ['polling']}],
    ['websocket only', {transports: ['websocket']}],
    ['upgrading', {transports: ['polling', 'websocket']}],
    ['polling only, binary as text', {transports: ['polling'], forceBase64: true}],
    ['websocket only, binary as text', {transports: ['websocket'], forceBase64: true}],
    ['upgrading, binary as text', {transports: ['polling', 'websocket'], forceBase64: true}],
  ]) {
    test(`${how}: auth, events, acks and binary both ways`, async (t) => {
      const socket = io(`http://127.0.0.1:${port}`, {...options, auth: {token: 'é✓'}, forceNew: true});
      t.after(() => socket.close());
      assert.deepEqual(await next(socket, 'auth'), [{token: 'é✓'}]);

      const everything = [1, 'zwei', {three: [true, null, '✓']}, Buffer.from([0, 1, 255]), {deep: [Buffer.from('x')]}];
      const bothWays = async () => {
        const back = next(socket, 'message-back');
        socket.emit('message', ...everything);
        assert.deepEqual(await back, everything);
        const acked = await new Promise((resolve) => socket.emit('message-with-ack', ...everything, (...args) => resolve(args)));
        assert.deepEqual(acked, everything);
      };
      await bothWays();

      // Longer than several pings.
      const seen = socket.io.engine.id;
      await new Promise((resolve) => setTimeout(resolve, 1200));
      assert.equal(socket.io.engine.id, seen, 'the session survived its heartbeats');
      assert.equal(socket.io.engine.transport.name, options.transports.at(-1));
      await bothWays();
    });

    test(`${how}: a thousand messages arrive once and in order`, async (t) => {
      const socket = io(`http://127.0.0.1:${port}`, {...options, forceNew: true});
      t.after(() => socket.close());
      await next(socket, 'auth');
      const received = [];
      socket.on('message-back', (n) => received.push(n));
      for (let n = 0; n < 1000; ++n) {
        socket.emit('message', n);
        if (n % 50 === 0) await new Promise((resolve) => setImmediate(resolve));
      }
      await until('all to come back', () => received.length >= 1000);
      assert.deepEqual(received, Array.from({length: 1000}, (_, n) => n));
    });
  }

  test('upgrades really happen, with messages under way', async (t) => {
    for (let round = 0; round < 20; ++round) {
      const socket = io(`http://127.0.0.1:${port}`, {forceNew: true});
      const received = [];
      socket.on('message-back', (n) => received.push(n));
      const upgraded = next(socket.io.engine, 'upgrade');
      await next(socket, 'connect');
      let sent = 0;
      const pump = setInterval(() => socket.emit('message', sent++), 0);
      await upgraded;
      clearInterval(pump);
      await until('all to come back', () => received.length === sent);
      assert.deepEqual(received, Array.from({length: sent}, (_, n) => n));
      assert.equal(socket.io.engine.transport.name, 'websocket');
      socket.close();
    }
  });

  for (const [b64, isBinary] of [['&b64=1', false], ['', true]]) {
    test(`who connects with "${b64}" is sent binary in ${isBinary ? 'binary' : 'text'} frames, and may send it in either`, async (t) => {
      const socket = new WebSocket(`ws://127.0.0.1:${port}/socket.io/?EIO=4&transport=websocket${b64}`);
      t.after(() => socket.terminate());
      const received = [];
      socket.on('message', (data, binary) => received.push([binary, data.toString(binary ? 'hex' : 'utf8')]));
      await next(socket, 'message');
      socket.send('40');
      for (const attachment of ['bAP8=', Buffer.from([0, 255])]) {
        const before = received.length;
        socket.send('451-["message",{"_placeholder":true,"num":0}]');
        socket.send(attachment);
        const [binary] = await until('the echo', () => received.slice(before).find(([, text]) => ['00ff', 'bAP8='].includes(text)));
        assert.equal(binary, isBinary);
      }
    });
  }

  test('namespaces are apart, unknown ones are refused', async (t) => {
    const custom = io(`http://127.0.0.1:${port}/custom`, {auth: {a: 1}, forceNew: true});
    t.after(() => custom.close());
    assert.deepEqual(await next(custom, 'auth'), [{a: 1}]);
    const unknown = io(`http://127.0.0.1:${port}/nowhere`, {forceNew: true});
    t.after(() => unknown.close());
    const [error] = await next(unknown, 'connect_error');
    assert.equal(error.message, 'Invalid namespace');
  });

  test('a client that never joins is closed', async () => {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/socket.io/?EIO=4&transport=websocket`);
    socket.on('message', (data) => String(data) === '2' && socket.send('3'));
    await next(socket, 'close');
  });

  for (const packet of ['4abc', '42{}', '42[]', '42abc["x"]', '451-["x"]', '43abc[]', '4511-["x"]', '42["x"', '44{"message":"x"}']) {
    test(`the malformed packet ${packet} closes the connection`, async () => {
      const socket = new WebSocket(`ws://127.0.0.1:${port}/socket.io/?EIO=4&transport=websocket`);
      await next(socket, 'message');
      socket.send('40');
      await next(socket, 'message');
      const closed = next(socket, 'close');
      socket.send(packet);
      if (packet.startsWith('451-')) socket.send('42["early"]');
      await closed;
    });
  }
});

describe('Engine.IO', () => {
  let port;
  const url = '/engine.io/?EIO=4&transport=polling';
  const open = async () => JSON.parse((await request(port, url)).body.slice(1)).sid;
  before(async () => port = await echo('engineio-echo'));

  for (const [target, method, status, code] of [
    ['/engine.io/?EIO=4&transport=abc', 'GET', 400, 0],
    ['/engine.io/?EIO=4', 'GET', 400, 0],
    [`${url}&sid=nobody`, 'GET', 400, 1],
    [url, 'POST', 400, 2],
    [url, 'PUT', 400, 2],
    ['/engine.io/?EIO=4&transport=websocket', 'GET', 400, 3],
    ['/engine.io/?EIO=3&transport=polling', 'GET', 400, 5],
    ['/engine.io/?transport=polling', 'GET', 400, 5],
  ]) {
    test(`${method} ${target} is answered ${status} with code ${code}`, async () => {
      const answer = await request(port, target, {method});
      assert.equal(answer.status, status);
      assert.equal(JSON.parse(answer.body).code, code);
      assert.deepEqual(Object.keys(JSON.parse(answer.body)).sort(), ['code', 'message']);
    });
  }

  test('every URL that starts with the prefix is served', async () => {
    assert.equal((await request(port, '/engine.io/master/?EIO=4&transport=polling')).status, 200);
    assert.equal((await request(port, '/engine.iox/?EIO=4&transport=polling')).status, 404);
  });

  test('a cancelled poll closes the session', async () => {
    const sid = await open();
    const client = net.connect(port, '127.0.0.1');
    await next(client, 'connect');
    client.write(`GET ${url}&sid=${sid} HTTP/1.1\r\nHost: x\r\n\r\n`);
    client.end();
    client.destroy();
    await until('the session to end', async () => {
      const answer = await request(port, `${url}&sid=${sid}`, {method: 'POST', body: '4x'});
      return answer.status === 400;
    });
  });

  test('sessions that end in the middle of a request are gone, and nothing else is', async () => {
    for (const body of ['1', '4a\x1e1\x1e4b', 'abc', '0', '']) {
      const sid = await open();
      const poll = request(port, `${url}&sid=${sid}`);
      // The poll may still be on its way when the body arrives; both must be answered.
      const posted = await request(port, `${url}&sid=${sid}`, {method: 'POST', body});
      assert.equal(posted.status, body.includes('1') ? 200 : 400, body);
      assert.ok([200, 400].includes((await poll).status));
      assert.equal((await request(port, `${url}&sid=${sid}`)).status, 400);
      // Also without a poll that keeps it alive.
      assert.notEqual((await request(port, `${url}&sid=${await open()}`, {method: 'POST', body})).status, 500);
    }
    assert.equal((await request(port, url)).status, 200);
  });

  test('a body above maxPayload is refused with 413 without being taken in', async () => {
    const sid = await open();
    const answer = await request(port, `${url}&sid=${sid}`, {
      method: 'POST', body: '4' + 'x'.repeat(1_000_000), headers: {'content-type': 'text/plain'},
    }).catch((error) => ({status: error.code}));
    assert.equal(answer.status, 413);
    // Only announced: it is refused before any of it is sent.
    const client = net.connect(port, '127.0.0.1');
    await next(client, 'connect');
    client.write(`POST ${url}&sid=${await open()} HTTP/1.1\r\nHost: x\r\nContent-Length: 999999999\r\n\r\n`);
    const [head] = await next(client, 'data');
    assert.match(String(head), /^HTTP\/1.1 413 /);
    client.destroy();
  });

  test('a frame above maxPayload closes the websocket with 1009, one at the limit comes back', async () => {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/engine.io/?EIO=4&transport=websocket`);
    await next(socket, 'message');
    const whole = '4' + 'x'.repeat(999_999);
    socket.send(whole);
    let [back] = await next(socket, 'message');
    if (String(back) === '2') [back] = await next(socket, 'message');
    assert.equal(back.length, whole.length);
    socket.send(whole + 'x');
    const [code] = await next(socket, 'close');
    assert.equal(code, 1009);
  });

  test('a fragmented message above maxPayload is refused as well', async () => {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/engine.io/?EIO=4&transport=websocket`);
    await next(socket, 'message');
    const closed = next(socket, 'close');
    for (let i = 0; i < 11; ++i) socket.send('4' + 'x'.repeat(99_999), {fin: false});
    const [code] = await closed;
    assert.equal(code, 1009);
  });

  test('a text frame that is no UTF-8 closes the websocket', async () => {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/engine.io/?EIO=4&transport=websocket`);
    await next(socket, 'message');
    const closed = next(socket, 'close');
    socket.send(Buffer.from([0x34, 0xff, 0xfe]), {binary: false});
    const [code] = await closed;
    assert.equal(code, 1007);
  });

  test('CORS headers are there because this server asks for them', async () => {
    const answer = await request(port, url, {headers: {origin: 'http://elsewhere'}});
    assert.equal(answer.headers['access-control-allow-origin'], '*');
    assert.equal((await request(port, url, {method: 'OPTIONS'})).status, 204);
  });

  test('headers without end are refused with 431', async () => {
    const client = net.connect(port, '127.0.0.1');
    client.on('error', () => {});
    await next(client, 'connect');
    client.write(`GET ${url} HTTP/1.1\r\nHost: x\r\nX: ${'y'.repeat(20_000)}\r\n\r\n`);
    const [head] = await next(client, 'data');
    assert.match(String(head), /^HTTP\/1.1 431 /);
    client.destroy();
  });
});
