// Attacks, each in a process of its own, so that they do not slow down the measuring process: `attacker.js NAME`.
// Parameters on stdin, counters on stdout, both JSON.
import {createSign, randomBytes} from 'node:crypto';
import {readFileSync} from 'node:fs';
import net from 'node:net';
import {authorization, LightShard, WebSocket} from './light_shard.js';

const [name] = process.argv.slice(2);
const parameters = JSON.parse(readFileSync(0, 'utf8'));
const {port, count = 0, seconds = 0} = parameters;
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

function connect(onData = () => {}) {
  return new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1', () => resolve(socket));
    socket.on('data', onData);
    socket.on('error', () => resolve(socket));
    socket.on('close', () => {
      socket.gone = true;
      resolve(socket);
    });
  });
}

async function many(number, make) {
  const all = [];
  for (let i = 0; i < number; i += 200) {
    all.push(...await Promise.all(Array.from({length: Math.min(200, number - i)}, (_, n) => make(i + n))));
  }
  return all;
}

const target = '/socket.io/master/?EIO=4&transport=';
/** A shard's websocket, open and in its namespace. */
function websocket(config, options = {}) {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(`ws://127.0.0.1:${port}${target}websocket`, {headers: {authorization: authorization(config)}, perMessageDeflate: false, ...options});
    socket.on('error', reject);
    socket.on('message', (data) => {
      if (String(data)[0] === '0') socket.send('40');
      if (String(data).startsWith('40')) resolve(socket);
    });
  });
}

/** One frame (RFC 6455, 5.2), masked with zeros. */
function frame(opcode, payload, {fin = true, rsv1 = false} = {}) {
  const length = payload.length;
  const head = length < 126 ? [0x80 | length] : length < 65_536 ? [0xfe, length >> 8, length & 255] : [0xff, ...new Uint8Array(new BigUint64Array([BigInt(length)]).buffer).reverse()];
  return Buffer.concat([Buffer.from([(fin ? 0x80 : 0) | (rsv1 ? 0x40 : 0) | opcode, ...head, 0, 0, 0, 0]), payload]);
}

/** Writes as fast as the other side reads, until the time is up or it disconnects. */
async function pour(socket, bytes, until) {
  while (!socket.destroyed && Date.now() < until) {
    if (socket.writableNeedDrain) {
      await sleep(10);
    } else {
      socket.write(bytes);
      await sleep(0);
    }
  }
}

const attacks = {
  async silent() {
    let connected = 0;
    const sockets = await many(count, async () => {
      const socket = await connect();
      if (!socket.pending) ++connected;
      return socket;
    });
    await sleep(seconds * 1000);
    return {count, connected, closed: sockets.filter((socket) => socket.gone).length};
  },

  async slowloris() {
    const sockets = await many(count, async (i) => {
      const socket = await connect();
      socket.write(i % 2 ? 'GET /socket.io/master/?EIO=4&transport=polling HTTP/1.1\r\nHost: x\r\nX-Slow: ' :
        'POST /socket.io/master/?EIO=4&transport=polling HTTP/1.1\r\nHost: x\r\nContent-Length: 4000\r\n\r\n');
      return socket;
    });
    const until = Date.now() + seconds * 1000;
    while (Date.now() < until && sockets.some((socket) => !socket.gone)) {
      for (const socket of sockets) if (!socket.gone) socket.write('x');
      await sleep(1000);
    }
    return {count, closed: sockets.filter((socket) => socket.gone).length};
  },

  /** Until SIGTERM. */
  async readers() {
    const {configs, asks} = parameters;
    const over = new Promise((resolve) => process.once('SIGTERM', resolve));
    const readers = await Promise.all(configs.map(async (config, i) => {
      if (i % 2 === 0) {
        const socket = await websocket(config);
        for (let n = 0; n < asks; ++n) socket.send(`42${n}["broadcastEval","big"]`);
        socket._socket.pause();
        socket.on('close', () => socket.gone = true);
        const timer = setInterval(() => socket._socket.read(1), 1000);
        return {socket: socket._socket, timer};
      }
      // By polling: a hand-written session that reads the answers one byte per second.
      const header = `Host: x\r\nAuthorization: ${authorization(config)}\r\n`;
      let said = '';
      const first = await connect((data) => said += data);
      first.write(`GET ${target}polling HTTP/1.1\r\n${header}\r\n`);
      while (!said.includes('"sid"')) await sleep(10);
      const sid = said.match(/"sid":"([^"]+)"/)[1];
      const post = async (body) => {
        const before = said.length;
        first.write(`POST ${target}polling&sid=${sid} HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
        while (said.length === before) await sleep(10);
      };
      await post('40');
      await post(Array.from({length: asks}, (_, n) => `42${n}["broadcastEval","big"]`).join('\x1e'));
      await sleep(3000);
      const socket = await connect();
      socket.pause();
      socket.write(`GET ${target}polling&sid=${sid} HTTP/1.1\r\nHost: x\r\n\r\n`);
      const timer = setInterval(() => socket.read(1), 1000);
      return {socket, timer};
    }));
    await over;
    readers.forEach(({socket, timer}) => {
      clearInterval(timer);
      socket.destroy();
    });
    return {count: configs.length};
  },

  async oversize() {
    let refused = 0;
    const shard = await websocket(parameters.config);
    const sent = Date.now() + 5000;
    const gone = new Promise((resolve) => shard._socket.on('close', resolve));
    await pour(shard._socket, frame(1, Buffer.alloc(100_000_000, 120)), sent);
    await gone;
    await many(count - 1, async (i) => {
      let said = '';
      const socket = await connect((data) => said += data);
      const closed = new Promise((resolve) => socket.on('close', resolve));
      if (i % 2) {
        socket.write(`GET /x HTTP/1.1\r\nHost: x\r\nX-Large: ${'x'.repeat(1_000_000)}\r\n\r\n`);
      } else {
        socket.write(`POST ${target}polling HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n`);
        pour(socket, Buffer.alloc(65_536, 120), Date.now() + 3000);
      }
      await closed;
      if (!said || /^HTTP\/1.1 (4\d\d)/.test(said)) ++refused;
    });
    return {count, refused: refused + 1};
  },

  /** Well-formed wrong signatures, over 50 persistent connections with several requests in progress on each. */
  async signatures() {
    const {config, addresses} = parameters;
    const good = createSign('RSA-SHA256').update('something else').sign(config.privKey);
    const answers = {};
    let left = count;
    const begun = Date.now();
    await Promise.all(Array.from({length: 50}, async () => {
      while (left > 0) {
        const socket = await connect();
        let rest = '';
        let waiting;
        socket.on('close', () => waiting?.());
        socket.on('data', (data) => {
          rest += data;
          for (let end; (end = rest.indexOf('}')) >= 0; rest = rest.slice(end + 1)) {
            const status = rest.match(/HTTP\/1.1 (\d+)/)?.[1] ?? 'other';
            answers[status] = (answers[status] ?? 0) + 1;
            waiting?.();
          }
        });
        while (left-- > 0 && !socket.gone) {
          const bytes = Buffer.from(good);
          randomBytes(8).copy(bytes, 16);
          const address = addresses > 1 ? `X-Forwarded-For: 10.${Math.floor(Math.random() * addresses / 65_536)}.${Math.floor(Math.random() * addresses / 256) % 256}.${Math.floor(Math.random() * 256)}\r\n` : '';
          const answered = new Promise((resolve) => waiting = resolve);
          socket.write(`GET ${target}polling HTTP/1.1\r\nHost: x\r\n${address}Authorization: ${config.id},${bytes.toString('base64')},${Date.now() - Math.floor(Math.random() * 100_000)}\r\n\r\n`);
          await answered;
        }
        socket.destroy();
      }
    }));
    return {count, answers, perSecond: Math.round(count / ((Date.now() - begun) / 1000))};
  },

  /** Each requests one shard as often as fits into a request, and reads the answer. */
  async past() {
    const ids = Array(Math.floor(14_000 / (parameters.id.length + 1))).fill(parameters.id).join();
    const answers = {};
    let bytes = 0;
    await Promise.all(Array.from({length: count}, async () => {
      let head = '';
      const socket = await connect((data) => {
        bytes += data.length;
        if (head.length < 32) head += data.toString('latin1', 0, 32);
      });
      const closed = new Promise((resolve) => socket.once('close', resolve));
      socket.write(`GET /api/public/shard-status-history?id=${ids} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAccept-Encoding: gzip\r\n\r\n`);
      await closed;
      const status = head.match(/^HTTP\/1.1 (\d+)/)?.[1] ?? 'none';
      answers[status] = (answers[status] ?? 0) + 1;
    }));
    return {count, answers, bytes};
  },

  async fragments() {
    const {configs} = parameters;
    const piece = frame(0, Buffer.alloc(16_384, 120), {fin: false});
    const empty = frame(0, Buffer.alloc(0), {fin: false});
    const sockets = await Promise.all(configs.map((config) => websocket(config)));
    const until = Date.now() + seconds * 1000;
    await Promise.all(sockets.map(async (socket, i) => {
      socket._socket.write(frame(1, Buffer.from('4'), {fin: false}));
      // Half of them pause repeatedly: their message never becomes too large, but they never answer a ping. The others
      // send until they are disconnected, however long that takes on a busy machine.
      await pour(socket._socket, i % 2 ? Buffer.concat(Array(100).fill(empty)) : piece, i % 2 ? until : until + 60_000);
    }));
    const closed = sockets.filter((socket) => socket._socket.destroyed).length;
    sockets.filter((_, i) => i % 2).forEach((socket) => socket.terminate());
    return {count: configs.length / 2, closed};
  },

  async pings() {
    const {configs} = parameters;
    const sockets = await Promise.all(configs.map((config) => websocket(config)));
    const until = Date.now() + seconds * 1000;
    const noise = Buffer.concat(Array(200).fill(0).flatMap(() => [frame(9, Buffer.alloc(125)), frame(10, Buffer.alloc(125)), frame(1, Buffer.from('3'))]));
    sockets.forEach((socket) => socket._socket.pause()); // its pongs are not even read
    await Promise.all(sockets.map((socket) => pour(socket._socket, noise, until)));
    sockets.forEach((socket) => socket.terminate());
    const bomb = await websocket(configs[0], {perMessageDeflate: true});
    const deflate = bomb.extensions ? 'agreed on' : 'not agreed on';
    const closed = new Promise((resolve) => bomb._socket.on('close', () => resolve('closed')));
    bomb._socket.write(frame(1, Buffer.alloc(1000), {rsv1: true}));
    return {count: configs.length, deflate, compressed: await Promise.race([closed, sleep(5000).then(() => 'taken')])};
  },

  async upgrades() {
    const {configs, rounds} = parameters;
    const outcomes = {};
    for (let round = 0; round < rounds; round += 20) {
      await Promise.all(Array.from({length: 20}, async (_, i) => {
        const config = configs[(round + i) % configs.length];
        let said = '';
        const first = await connect((data) => said += data);
        first.write(`GET ${target}polling HTTP/1.1\r\nHost: x\r\nAuthorization: ${authorization(config)}\r\n\r\n`);
        for (let n = 0; n < 6000 && !/\}\s*$/.test(said); ++n) await sleep(10);
        const sid = said.match(/"sid":"([^"]+)"/)?.[1];
        if (!sid) return;
        const query = `${target}polling&sid=${sid}`;
        const others = await Promise.all(Array.from({length: 6}, () => connect((data) => {
          const status = String(data).match(/^HTTP\/1.1 (\d+)/)?.[1];
          if (status) outcomes[status] = (outcomes[status] ?? 0) + 1;
        })));
        const key = randomBytes(16).toString('base64');
        others[0].write(`POST ${query} HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n40`);
        others[1].write(`GET ${query} HTTP/1.1\r\nHost: x\r\n\r\n`);
        others[2].write(`GET ${query} HTTP/1.1\r\nHost: x\r\n\r\n`);
        for (const socket of others.slice(3)) {
          socket.write(`GET ${target}websocket&sid=${sid} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${key}\r\n\r\n`);
          socket.write(frame(1, Buffer.from('2probe')));
          socket.write(frame(1, Buffer.from('5')));
        }
        await sleep(Math.random() * 50);
        [first, ...others].forEach((socket) => socket.destroy());
      }));
    }
    return {rounds, outcomes};
  },

  async storm() {
    const {configs} = parameters;
    const shards = [];
    const begun = Date.now();
    const connected = () => shards.filter((shard) => shard.goal.count >= 0 || shard.joined).length;
    for (const config of configs) {
      const shard = new LightShard(config);
      const receive = shard.receive.bind(shard);
      shard.receive = (data) => {
        if (data.startsWith('42["masterVerification"')) shard.joined = true;
        receive(data);
      };
      shards.push(shard);
      if (shards.length % 50 === 0) await sleep(0);
    }
    while (connected() < configs.length && Date.now() - begun < 300_000) await sleep(50);
    const first = Date.now() - begun;
    // Once more, all at the same time.
    for (const shard of shards) {
      shard.joined = false;
      shard.goal = {id: -1, count: -1};
      shard.socket.terminate();
    }
    const again = Date.now();
    while (connected() < configs.length && Date.now() - again < 300_000) await sleep(50);
    const result = {count: configs.length, connected: connected(), first_ms: first, again_ms: Date.now() - again};
    shards.forEach((shard) => shard.stop());
    return result;
  },
};

console.log(JSON.stringify(await attacks[name]()));
process.exit(0);
