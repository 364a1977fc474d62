#!/usr/bin/env node
// Tests whether response times reveal which shard names exist: requests with an unknown name and with a wrong
// signature, in random order on one connection, compared with the Mann–Whitney test. Exits with 1 if they differ.
// `SMASTER_BIN=build/release/bin bench/timing.js [--requests 1000] [--shards 200]`
import assert from 'node:assert/strict';
import {createSign, randomBytes} from 'node:crypto';
import net from 'node:net';
import {parseArgs} from 'node:util';
import {keys} from '../tests/e2e/harness.js';
import {load, percentile} from './load/server.js';

const {values: options} = parseArgs({options: {requests: {type: 'string', default: '1000'}, shards: {type: 'string', default: '200'}}});
const count = Number(options.requests);
const server = await load('[limits]\nconn_count = 1000000\n');
const configs = await server.register(Number(options.shards)); // with keys of 4096 bits, as real ones
const signature = createSign('RSA-SHA256').update('something else').sign(keys().privateKey);

let answered;
let text = '';
const socket = net.connect(server.port, '127.0.0.1');
socket.setNoDelay(true);
socket.on('data', (data) => {
  text += data;
  if (text.endsWith('}')) answered();
});

async function ask(name) {
  const wrong = Buffer.from(signature);
  randomBytes(8).copy(wrong, 16);
  const request = `GET /socket.io/master/?EIO=4&transport=polling HTTP/1.1\r\nHost: x\r\nAuthorization: ${name},${wrong.toString('base64')},${Date.now()}\r\n\r\n`;
  text = '';
  const answer = new Promise((resolve) => answered = resolve);
  const begun = process.hrtime.bigint();
  socket.write(request);
  await answer;
  return {took: Number(process.hrtime.bigint() - begun) / 1e3, said: text.replace(/Date: [^\r]*\r\n/, '')};
}

const kinds = {unknown: () => randomBytes(3).reduce((name, byte) => name + String.fromCharCode(97 + byte % 26), 'z'), known: () => configs[Math.floor(Math.random() * configs.length)].id};
const times = {unknown: [], known: []};
const answers = new Set();
for (let i = 0; i < 100; ++i) await ask('zzz'); // warm
while (times.unknown.length < count || times.known.length < count) {
  const kind = Math.random() < 0.5 ? 'unknown' : 'known';
  if (times[kind].length === count) continue;
  const {took, said} = await ask(kinds[kind]());
  times[kind].push(took);
  answers.add(said);
}
socket.destroy();
await server.end();

// The ranks of both series together; z of the rank sum of one.
const all = Object.entries(times).flatMap(([kind, list]) => list.map((took) => ({kind, took}))).sort((a, b) => a.took - b.took);
const sum = all.reduce((total, {kind}, rank) => total + (kind === 'known' ? rank + 1 : 0), 0);
const z = (sum - count * (2 * count + 1) / 2) / Math.sqrt(count * count * (2 * count + 1) / 12);
for (const [kind, list] of Object.entries(times)) {
  console.log(`${kind === 'known' ? 'wrong signature' : 'unknown name   '}: ${list.length} answers, median ${percentile(list, 0.5).toFixed(1)} µs, 90 % within ${percentile(list, 0.9).toFixed(1)} µs`);
}
console.log(`z = ${z.toFixed(2)}: ${Math.abs(z) < 3.29 ? 'no significant difference' : 'they differ'} (p < 0.001 is |z| > 3.29); ${answers.size} different answers`);
assert.equal(answers.size, 1);
process.exit(Math.abs(z) < 3.29 ? 0 : 1);
