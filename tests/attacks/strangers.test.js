// Attacks by strangers, who reach the shard port (or the dashboard's) without a key.
import assert from 'node:assert/strict';
import {test} from 'node:test';
import {exchange, Raw, request, serve, upgrade} from './harness.js';

const host = 'Host: localhost\r\n';
const get = (target, headers = host, version = 'HTTP/1.1') => `GET ${target} ${version}\r\n${headers}\r\n`;
const post = (headers, body = '') => `POST /healthz HTTP/1.1\r\n${host}${headers}\r\n${body}`;

/** Requests that a server must refuse (RFC 9112): parsed leniently, a proxy in front of us could understand them differently. */
const malformed = {
  'no request': '\0\0\0\0\r\n\r\n',
  'a TLS greeting': '\x16\x03\x01\x02\x00\r\n\r\n',
  'a request line without a version': 'GET /healthz\r\n\r\n',
  'two spaces in the request line': get(' /healthz'),
  'an unknown major version': get('/healthz', host, 'HTTP/2.0'),
  'an unknown minor version': get('/healthz', host, 'HTTP/1.2'),
  'lower-case http': get('/healthz', host, 'http/1.1'),
  'a target without a slash': get('healthz'),
  'a fragment': get('/healthz#x'),
  'bad percent-encoding in the path': get('/health%zz'),
  'bad percent-encoding in the query': get('/healthz?a=%zz'),
  'percent-encoding that is cut off': get('/healthz?a=%4'),
  'bad percent-encoding to Engine.IO': get('/socket.io/?EIO=4&transport=polling&t=%'),
  'bytes above ASCII in the target': get('/healthz?\xff'),
  'an absolute target of another scheme': get('ftp://localhost/healthz'),
  'an absolute target without an authority': get('http:///healthz'),
  'an absolute target with a password': get('http://a:b@localhost/healthz'),
  'an authority as the target': get('localhost:80').replace('GET', 'CONNECT'),
  'an asterisk with another method than OPTIONS': get('*'),
  'no Host': get('/healthz', ''),
  'two Hosts': get('/healthz', host + host),
  'two Hosts of different names': get('/healthz', `${host}Host: other\r\n`),
  'two Hosts in HTTP/1.0': get('/healthz', host + host, 'HTTP/1.0'),
  'a Host with a space': get('/healthz', 'Host: a b\r\n'),
  'a Host with a path': get('/healthz', 'Host: a/b\r\n'),
  'a Host with a user': get('/healthz', 'Host: a@b\r\n'),
  'a Host with a port above 65535': get('/healthz', 'Host: a:99999999\r\n'),
  'a list of Hosts': get('/healthz', 'Host: a, b\r\n'),
  'a space before the colon': get('/healthz', `${host}X : y\r\n`),
  'a tab before the colon': get('/healthz', `${host}X\t: y\r\n`),
  'a space before the first header': get('/healthz', ` X: y\r\n${host}`),
  'a header without a name': get('/healthz', `${host}: y\r\n`),
  'a header without a colon': get('/healthz', `${host}X\r\n`),
  'NUL in a header\'s name': get('/healthz', `${host}X\0: y\r\n`),
  'NUL in a header\'s value': get('/healthz', `${host}X: \0\r\n`),
  'a bare CR in a value': get('/healthz', `${host}X: a\rY: b\r\n`),
  'a bare LF after a header': get('/healthz', `${host}X: a\nY: b\r\n`),
  'bare LFs alone': get('/healthz').replaceAll('\r\n', '\n'),
  'a bare CR before the request': `\r${get('/healthz')}`,
  'a bare LF before the request': `\n${get('/healthz')}`,
  'an unknown coding': post('Transfer-Encoding: xchunked\r\n', '0\r\n\r\n'),
  'a coding before chunked': post('Transfer-Encoding: gzip, chunked\r\n', '0\r\n\r\n'),
  'a coding after chunked': post('Transfer-Encoding: chunked, gzip\r\n', '0\r\n\r\n'),
  'identity': post('Transfer-Encoding: identity\r\n'),
  'no coding': post('Transfer-Encoding:\r\n'),
  'chunked twice': post('Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n', '0\r\n\r\n'),
  'chunked twice in a list': post('Transfer-Encoding: chunked, chunked\r\n', '0\r\n\r\n'),
  'chunked with a quality': post('Transfer-Encoding: chunked;q=1\r\n', '0\r\n\r\n'),
  'chunked behind a vertical tab': post('Transfer-Encoding: \x0bchunked\r\n', '0\r\n\r\n'),
  'chunked and a length': post('Transfer-Encoding: chunked\r\nContent-Length: 5\r\n', '0\r\n\r\n'),
  'a length and chunked': post('Content-Length: 5\r\nTransfer-Encoding: chunked\r\n', '0\r\n\r\n'),
  'chunked in HTTP/1.0': post('Transfer-Encoding: chunked\r\n', '0\r\n\r\n').replace('HTTP/1.1', 'HTTP/1.0'),
  'two lengths': post('Content-Length: 4\r\nContent-Length: 5\r\n', 'abcde'),
  'the same length twice': post('Content-Length: 4\r\nContent-Length: 4\r\n', 'abcd'),
  'a list of lengths': post('Content-Length: 4, 4\r\n', 'abcd'),
  'a length with a plus': post('Content-Length: +4\r\n', 'abcd'),
  'a negative length': post('Content-Length: -4\r\n'),
  'a length in hexadecimal': post('Content-Length: 0x4\r\n', 'abcd'),
  'an empty length': post('Content-Length:\r\n'),
  'a length beyond 64 bits': post('Content-Length: 18446744073709551617\r\n', 'a'),
  'a chunk without a size': post('Transfer-Encoding: chunked\r\n', '\r\n0\r\n\r\n'),
  'a chunk whose size is no number': post('Transfer-Encoding: chunked\r\n', 'zz\r\n0\r\n\r\n'),
  'a chunk size with 0x': post('Transfer-Encoding: chunked\r\n', '0x1\r\na\r\n0\r\n\r\n'),
  'a chunk size beyond 64 bits': post('Transfer-Encoding: chunked\r\n', '10000000000000001\r\na\r\n0\r\n\r\n'),
  'a chunk longer than it says': post('Transfer-Encoding: chunked\r\n', '1\r\nab\r\n0\r\n\r\n'),
  'a trailer': post('Transfer-Encoding: chunked\r\n', '1\r\na\r\n0\r\nX-Forwarded-For: 10.0.0.1\r\n\r\n'),
};

/** A server, and its three HTTP endpoints. */
async function places(t) {
  const server = await serve(t, '[limits]\nconn_count = 1000\n[dashboard]\nlisten = 0\n');
  const dashboard = Number(server.log.match(/the dashboard is on \S+:(\d+)/)[1]);
  return {server, dashboard, everywhere: {'the shard port': server.port, 'the dashboard': dashboard, 'the control socket': server.socket}};
}

test('malformed requests are answered by 400 and the end of their connection, at each place that takes HTTP', async (t) => {
  const {everywhere} = await places(t);
  for (const [place, where] of Object.entries(everywhere)) {
    const answers = await Promise.all(Object.entries(malformed).map(async ([what, bytes]) => [what, await exchange(where, Buffer.from(bytes, 'latin1'))]));
    for (const [what, answer] of answers) {
      assert.match(answer, /^HTTP\/1\.1 400 /, `${what}, at ${place}`);
      assert.equal(answer.match(/HTTP\/1\.1 /g).length, 1, `${what}, at ${place}: what followed was taken for another request: ${answer}`);
    }
  }
});

test('what RFC 9112 has a server take is taken', async (t) => {
  const {server, dashboard} = await places(t);
  for (const [what, bytes, status = 200] of [
    ['an absolute target', get('http://elsewhere/healthz')],
    ['an absolute target in capitals, with a port and a query', get('HTTP://Elsewhere:80/healthz?a=b')],
    ['https in an absolute target', get('https://elsewhere/healthz')],
    ['an absolute target without a path', get('http://elsewhere'), 501],
    ['an absolute target without a path but a query', get('http://elsewhere?a'), 501],
    ['an asterisk', get('*').replace('GET', 'OPTIONS'), 501],
    ['an empty Host', get('/healthz', 'Host:\r\n')],
    ['an address as the Host', get('/healthz', 'Host: [::1]:8024\r\n')],
    ['HTTP/1.0 without a Host', get('/healthz', '', 'HTTP/1.0')],
    ['an empty line before', `\r\n${get('/healthz')}`],
    ['two empty lines before', `\r\n\r\n${get('/healthz')}`],
    ['a value that goes on in the next line', get('/healthz', `${host}X: a\r\n b\r\n`)],
    ['Chunked', `GET /healthz HTTP/1.1\r\n${host}Transfer-Encoding: Chunked\r\n\r\n1;a="b\\"c"\r\nx\r\n0\r\n\r\n`],
    ['percent-encoding', get('/he%61lthz?a=%20%C3%A9')],
  ]) {
    const raw = await Raw.open(server.port);
    const [, got] = await raw.send(bytes).gets(/^HTTP\/1\.\d (\d+) /);
    assert.equal(Number(got), status, what);
    if (raw.text.startsWith('HTTP/1.1')) {
      const before = raw.received.length;
      raw.send(`\r\n${get('/healthz')}`); // the connection is good for another
      await raw.gets(new RegExp(`^[^]{${before}}HTTP/1\\.1 200 `));
    }
    raw.close();
  }
  // Byte by byte.
  const slow = await Raw.open(server.port);
  slow.socket.setNoDelay(true);
  for (const byte of `\r\n${get('http://elsewhere/healthz')}`) await new Promise((resolve) => slow.socket.write(byte, resolve));
  await slow.gets(/^HTTP\/1\.1 200 /);
  slow.close();
  // The host of an absolute target counts, not that of the header: a page whose name resolves to this address is
  // refused.
  const page = await Raw.open(dashboard);
  await page.send(get('http://evil.example/')).gets(/^HTTP\/1\.1 403 /);
  page.close();
});

test('the answer to HEAD has GET\'s headers and no body', async (t) => {
  const {server, dashboard} = await places(t);
  for (const port of [server.port, dashboard]) {
    for (const target of ['/healthz', '/metrics', '/nothing', '/socket.io/?EIO=4&transport=polling', '/']) {
      const raw = await Raw.open(port);
      await raw.send(get(target).replace('GET', 'HEAD')).gets(/^HTTP\/1\.1 \d+ [^]*?\r\n\r\n/);
      const end = raw.text.indexOf('\r\n\r\n') + 4;
      if (/^connection: close/im.test(raw.text)) {
        assert.equal((await raw.end()).length, end, target);
      } else {
        raw.send(get('/healthz')); // which is answered right behind it
        await raw.gets(new RegExp(`^[^]{${end}}HTTP/1\\.1 `));
      }
      raw.close();
    }
  }
  const healthy = await Raw.open(server.port);
  await healthy.send(get('/healthz').replace('GET', 'HEAD')).gets(/^HTTP\/1\.1 200 [^]*content-length: [1-9]/i);
  healthy.close();
});

test('a request without end is cut off at its bound, wherever it does not end', async (t) => {
  const {everywhere} = await places(t);
  const chunked = `POST /healthz HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\n\r\n`;
  for (const [place, where] of Object.entries(everywhere)) {
    for (const [what, start, more, status] of [
      ['target', 'GET /', 'a', 431],
      ['header', `GET / HTTP/1.1\r\n${host}X: `, 'a', 431],
      ['headers', `GET / HTTP/1.1\r\n${host}`, 'X: y\r\n', 431],
      ['chunk extension', `${chunked}1;a=`, 'a', 400],
      ['chunk size', chunked, '0', 400],
      ['trailers', `${chunked}0\r\n`, 'X: y\r\n', 400],
      ['empty lines', '\r\n', '\r\n', 400],
    ]) {
      const raw = await Raw.open(where);
      raw.send(start);
      const piece = Buffer.from(more.repeat(4096));
      const pour = setInterval(() => raw.socket.writableLength < 1e6 && raw.socket.write(piece), 1);
      try {
        await raw.gets(new RegExp(`^HTTP/1\\.1 ${status} `));
        await raw.end();
      } catch (error) {
        throw new Error(`${what}, at ${place}: ${error.message}`);
      } finally {
        clearInterval(pour);
        raw.close();
      }
    }
  }
});

test('requests to join that are nonsense, from everywhere, are refused alike and do not fill the list of events', async (t) => {
  const server = await serve(t, '');
  const sealed = (text) => JSON.stringify({text, proof: 'x'.repeat(43)});
  const bodies = [sealed(JSON.stringify({token: 'x', nonce: 'y', fingerprint: 'z', publicKey: 'k'})), '', '[', '\xff\xfe', '{"text":1,"proof":2}', sealed('['.repeat(1000)), sealed('{"token":1}'),
    sealed(JSON.stringify({token: 'x'.repeat(3000), nonce: 'y', publicKey: 'k'}))];
  const codes = new Set();
  for (let host = 1; host <= 20; ++host) {
    for (const body of bodies) codes.add((await request(server.port, '/api/public/join', {method: 'POST', body, localAddress: `127.0.1.${host}`})).status);
  }
  assert.deepEqual([...codes].sort(), [400, 403, 429]);
  assert.equal((await request(server.port, '/api/public/join', {method: 'POST', body: 'x'.repeat(5000)})).status, 413);
  assert.equal((await request(server.port, '/api/public/join')).status, 501);
  const {stdout} = await server.tool(['events', '--kind', 'join-refused', '--json']);
  assert.equal(stdout.trim().split('\n').length, 30);
});

test('who changes the protocol must wait for the answer before speaking the new one', async (t) => {
  const server = await serve(t, '');
  assert.match(await exchange(server.port, upgrade('/socket.io/?EIO=4&transport=websocket') + '\x81\x80\0\0\0\0'), /^HTTP\/1\.1 400 /);
  assert.match(await exchange(server.port, upgrade('/control').replace('websocket', 'smaster-control') + get('/v1/stats')), /^HTTP\/1\.1 400 /);
  for (const bytes of [
    upgrade('/socket.io/?EIO=4&transport=websocket').replace(': 13', ': 12'),
    upgrade('/socket.io/?EIO=4&transport=websocket').replace('GET', 'POST'),
    upgrade('/socket.io/?EIO=4&transport=websocket').replace('HTTP/1.1', 'HTTP/1.0'),
    upgrade('/socket.io/?EIO=4&transport=websocket').replace('Connection: Upgrade\r\n', ''),
    upgrade('/socket.io/?EIO=4&transport=websocket').replace('Upgrade: websocket', 'Upgrade: h2c'),
    upgrade('/socket.io/?EIO=4&transport=polling'),
    upgrade('/socket.io/?EIO=4&transport=websocket&sid=nobody'),
  ]) {
    const raw = await Raw.open(server.port);
    await raw.send(bytes).gets(/^HTTP\/1\.[01] 4\d\d /);
    raw.close();
  }
  assert.equal((await request(server.port, '/healthz')).status, 200);
});
