// A bot without a library, for many shards in one small process. It requests a permit on its channel before each login,
// as a bot in any language can, resumes where possible, and reconnects after every failure of the gateway. Run it with
// SMASTER_HOOKS unset.
import {WebSocket} from 'ws';

const count = Number(process.env.SHARD_COUNT);
const token = process.env.DISCORD_TOKEN;
const waiting = new Map(); // asks by number
let asks = 0;

const tell = (message) => process.connected && process.send(message, () => {});
const gateway = (shard, event, more = {}) => tell({_sGateway: {shard, event, ...more}});
const monotonic = () => Number(process.hrtime.bigint() / 1_000_000n);
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

process.on('message', (message) => {
  const answered = waiting.get(message._sId);
  waiting.delete(message._sId);
  answered?.(message);
});
process.on('disconnect', () => process.exit());

class Shard {
  constructor(id, url) {
    Object.assign(this, {id, url, session: null, sequence: null, ask: null});
  }

  /** Connects repeatedly. */
  async run() {
    for (;;) {
      const code = await this.connection().catch(() => 1006);
      this.withdraw();
      gateway(this.id, 'closed', {code});
      if ([4004, 4010, 4011, 4012, 4013, 4014].includes(code)) return gateway(this.id, 'gave_up', {code});
      await pause(100 + Math.random() * 400);
    }
  }

  /** One connection; resolves with its close code. */
  connection() {
    const socket = new WebSocket(`${this.url}/?v=10&encoding=json`);
    let beats;
    let acknowledged = true;
    const send = (op, d) => socket.readyState === WebSocket.OPEN && socket.send(JSON.stringify({op, d}));
    socket.on('message', (data) => {
      const {op, t, s, d} = JSON.parse(data);
      if (s) this.sequence = s;
      if (op === 10) {
        beats = setInterval(() => {
          if (!acknowledged) return socket.terminate();
          acknowledged = false;
          send(1, this.sequence);
        }, d.heartbeat_interval);
        if (this.session) send(6, {token, session_id: this.session, seq: this.sequence});
        else this.login(socket, send);
      } else if (op === 11) {
        acknowledged = true;
      } else if (op === 7) {
        socket.close(4000);
      } else if (op === 9) {
        gateway(this.id, 'invalid_session', {resumable: d});
        if (d) return socket.close(4000);
        this.session = null;
        this.login(socket, send);
      } else if (t === 'READY') {
        this.session = d.session_id;
        gateway(this.id, 'ready', {guilds: d.guilds.length});
      } else if (t === 'RESUMED') {
        gateway(this.id, 'resumed');
      }
    });
    return new Promise((resolve, reject) => {
      socket.on('error', reject);
      socket.on('close', resolve);
    }).finally(() => clearInterval(beats));
  }

  async login(socket, send) {
    this.withdraw();
    const ask = ++asks;
    this.ask = ask;
    const answer = await new Promise((resolve) => {
      waiting.set(ask, resolve);
      tell({_sIdentify: this.id, _sId: ask});
    });
    if (this.ask !== ask) return; // withdrawn meanwhile
    if (!answer._result || monotonic() >= answer._result.until || socket.readyState !== WebSocket.OPEN) {
      if (answer._result) this.withdraw();
      else this.ask = null;
      return socket.close(4000);
    }
    send(2, {token, intents: 1, properties: {}, shard: [this.id, count]});
    gateway(this.id, 'identify_sent', {ask, at: monotonic()});
    this.ask = null;
  }

  withdraw() {
    if (this.ask === null) return;
    waiting.delete(this.ask);
    tell({_sIdentify: this.id, _sId: this.ask, cancel: true});
    this.ask = null;
  }
}

tell({_sHooks: {version: 1, library: 'light', identify: true, gateway: true}});
const shards = [JSON.parse(process.env.SHARDS)].flat();
for (const id of shards) new Shard(id, process.env.DISCORD_GATEWAY).run();
console.log(`${shards.length} light shards`);
