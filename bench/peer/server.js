// A master on npm's socket.io, for comparison by bench/run. It authenticates shards, proves its identity, keeps a day of
// statuses, answers each status with the shard's update, and broadcasts evals and respawns. `server.js PUBLIC_KEY.pem
// COUNT ENGINE` prints its port. Engines: `ws`, socket.io's own; `uws`, µWebSockets; `bun`, Bun's (under Bun). With
// `quiet` it does not answer statuses; with `once` it signs its proof once, not for every shard.
import {createSign, createVerify, generateKeyPairSync} from 'node:crypto';
import {readFileSync} from 'node:fs';
import {createServer} from 'node:http';
import {Server} from 'socket.io';

const [keyFile, countText, engine, ...how] = process.argv.slice(2);
const publicKey = readFileSync(keyFile, 'utf8');
const count = Number(countText);
const {privateKey} = generateKeyPairSync('rsa', {modulusLength: 4096});

const isGood = (authorization) => {
  const [name, signature, time] = (authorization ?? '').split(',');
  return Boolean(signature) && Math.abs(Date.now() - Number(time)) < 300_000 &&
    createVerify('RSA-SHA256').update(name + time).verify(publicKey, signature, 'base64');
};
const allowRequest = ({headers}, done) => {
  const good = isGood(headers.authorization);
  done(good ? null : 'Forbidden', good);
};
const path = '/socket.io/master/';
const tell = (port) => console.log(port);

/** Makes the socket.io server on an engine; `listen` says its port. */
const engines = {
  ws() {
    const http = createServer((request, response) => {
      response.writeHead(501);
      response.end();
    });
    return {io: new Server(http, {path, serveClient: false, allowRequest}), listen: () => http.listen(0, '127.0.0.1', () => tell(http.address().port))};
  },
  async uws() {
    const {default: uws} = await import('@btc-vision/uwebsockets.js');
    const io = new Server({path, serveClient: false, allowRequest});
    const app = uws.App();
    io.attachApp(app);
    return {io, listen: () => app.listen('127.0.0.1', 0, (socket) => tell(uws.us_socket_local_port(socket)))};
  },
  async bun() {
    const {Server: Engine} = await import('@socket.io/bun-engine');
    const engine = new Engine({path, async allowRequest({headers}) {
      if (!isGood(headers.get('authorization'))) throw new Error('Forbidden');
    }});
    const io = new Server();
    io.bind(engine);
    return {io, listen: () => tell(Bun.serve({hostname: '127.0.0.1', port: 0, ...engine.handler()}).port)};
  },
};
const {io, listen} = await engines[engine]();

const sign = (text) => [createSign('RSA-SHA256').update(text).sign(privateKey, 'base64'), text];
const proof = sign('Look at me');
const shards = new Map(); // name → {socket, id, history}
const day = 24 * 3600_000;
const config = {botName: 'release', nodeArgs: [], botArgs: [], heartbeat: {updateStyle: 'push', interval: 30_000, requestRebootAfter: 120_000, expectRebootAfter: 180_000, assumeDeadAfter: 300_000, useMessageStats: true}};

io.on('connection', (socket) => {
  const [name] = socket.handshake.headers.authorization.split(',');
  const shard = shards.get(name) ?? {id: shards.size < count ? shards.size : -1, history: []};
  shards.set(name, shard);
  shard.socket?.disconnect(true);
  shard.socket = socket;
  const text = `Look at me, I'm the captain now. ${Date.now()}`;
  socket.emit('masterVerification', ...(how.includes('once') ? proof : sign(text)));
  const update = () => socket.emit('update', {id: shard.id, count, master: false, config});
  update();
  socket.on('disconnect', () => {
    if (shard.socket === socket) shard.socket = null;
  });
  socket.on('status', (status) => {
    shard.status = status;
    shard.lastSeen = Date.now();
    shard.history.push(status);
    while (shard.history[0].timestamp < Date.now() - day) shard.history.shift();
    if (!how.includes('quiet')) update();
  });
  socket.on('sync', (done) => done?.('unknown'));
  socket.on('respawnAll', (delay, done) => {
    let n = 0;
    for (const other of shards.values()) other.socket?.emit('respawn', n++ * delay);
    done?.();
  });
  socket.on('broadcastEval', (script, done) => {
    const asked = [...shards.values()].filter((other) => other.id >= 0).sort((a, b) => a.id - b.id);
    const results = new Array(asked.length).fill(null);
    let left = asked.length;
    let failure = null;
    asked.forEach((other, i) => {
      const answer = (error, result) => {
        if (error) failure ??= error;
        else results[i] = result;
        if (--left === 0) done(failure, results);
      };
      if (other.socket) other.socket.emit('evalRequest', script, answer);
      else answer('not connected');
    });
  });
});
listen();
