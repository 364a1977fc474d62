// A cheap simulated shard, so that one process can simulate thousands: Engine.IO and Socket.IO written by hand on a
// websocket, from WIRE.md. Answers each update with a status.
import {createRequire} from 'node:module';
import {authorization} from '../../tests/e2e/shard.js';

export {authorization};
export const WebSocket = createRequire(new URL('../../tests/e2e/package.json', import.meta.url))('ws');

export class LightShard {
  /** `auth`: what an agent says about itself. */
  constructor(config, {evaluate = () => null, onUpdate = () => {}, auth} = {}) {
    this.config = config;
    this.auth = auth;
    this.evaluate = evaluate;
    this.onUpdate = onUpdate;
    this.goal = {id: -1, count: -1};
    this.acks = new Map();
    this.nextAck = 0;
    this.reconnects = -1;
    this.connect();
  }

  connect() {
    ++this.reconnects;
    const {host, port} = this.config.host;
    this.socket = new WebSocket(`ws://${host}:${port}/socket.io/master/?EIO=4&transport=websocket`,
      {headers: {authorization: authorization(this.config)}, perMessageDeflate: false});
    this.socket.on('message', (data) => this.receive(String(data)));
    this.socket.on('error', (error) => this.error = error);
    this.socket.on('close', () => {
      if (!this.stopped) this.retry = setTimeout(() => this.connect(), 200 + Math.random() * 800);
    });
  }

  send(text) {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(text);
  }

  receive(text) {
    if (text === '2') return this.send('3');
    if (text[0] === '0') return this.send(`40${this.auth ? JSON.stringify(this.auth) : ''}`);
    const [, id, json] = text.match(/^42(\d*)(\[.*)$/s) ?? [];
    if (json) return this.event(id, ...JSON.parse(json));
    const [, ack, answer] = text.match(/^43(\d+)(\[.*)$/s) ?? [];
    if (answer) this.acks.get(Number(ack))?.(JSON.parse(answer));
  }

  event(ackId, name, ...args) {
    if (name === 'update') {
      const [update] = args;
      this.goal = {id: update.id, count: update.count};
      this.startTime ??= Date.now();
      this.onUpdate(update);
      if (update.config.heartbeat.updateStyle === 'pull') this.status();
    } else if (name === 'evalRequest') {
      this.send(`43${ackId}${JSON.stringify([null, this.evaluate(args[0])])}`);
    }
  }

  status() {
    const {id, count} = this.goal;
    this.send(`42["status",${JSON.stringify({
      id: this.config.id, goalShardId: id, goalShardCount: count, currentShardId: id, currentShardCount: count, timestamp: Date.now(),
      startTime: this.startTime ?? 0, stopTime: 0, ping: 40, messageCountTotal: 10, messageCountDelta: 1, memHeapUsed: 5e7, memHeapTotal: 6e7,
      memRSS: 9e7, cpuLoad: [3.5, 4.5], versions: 'load',
    })}]`);
  }

  /** Emits an event and waits for the arguments of its answer. */
  ask(...args) {
    const id = this.nextAck++;
    return new Promise((resolve) => {
      this.acks.set(id, (answer) => {
        this.acks.delete(id);
        resolve(answer);
      });
      this.send(`42${id}${JSON.stringify(args)}`);
    });
  }

  stop() {
    this.stopped = true;
    clearTimeout(this.retry);
    this.socket.terminate();
  }
}
