// Shards: they hold a key, and say what they like.
import assert from 'node:assert/strict';
import {test} from 'node:test';
import {authorization, frame, Raw, serve, upgrade} from './harness.js';

/** A server, and a way to open raw websockets as a shard of it; a later one replaces an earlier one. */
async function withShard(t) {
  const server = await serve(t, '[limits]\nconn_count = 10000\n[heartbeat]\ninterval = "1h"\n');
  const [config] = await server.register(1);
  let time = Date.now();
  const open = async () => {
    const raw = await Raw.open(server.port);
    raw.send(upgrade('/socket.io/master/?EIO=4&transport=websocket', `Authorization: ${authorization(config, ++time)}\r\n`));
    await raw.gets(/"maxPayload":\d+\}/);
    return raw;
  };
  return {server, open};
}

/** The code of the close frame (unmasked, without a reason) that a websocket is answered by, as the last thing. */
async function closedBy(raw) {
  const [, high, low] = await raw.gets(/\x88\x02([^])([^])$/);
  raw.close();
  return high.charCodeAt(0) << 8 | low.charCodeAt(0);
}

const code = (number) => Buffer.from([number >> 8, number & 255]);

test('close codes that mean nothing are protocol errors, those that mean something come back', async (t) => {
  const {open} = await withShard(t);
  for (const sent of [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 5001, 32768, 65535]) {
    const raw = await open();
    assert.equal(await closedBy(raw.send(frame(8, code(sent)))), 1002, `${sent}`);
  }
  for (const sent of [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 3000, 3999, 4000, 4999]) {
    const raw = await open();
    assert.equal(await closedBy(raw.send(frame(8, code(sent)))), sent, `${sent}`);
  }
});

test('frames that RFC 6455 forbids end the websocket with the code for it', async (t) => {
  const {open} = await withShard(t);
  for (const [what, bytes, expected] of [
    ['a close frame of one byte', frame(8, 'x'), 1002],
    ['a close reason that is no UTF-8', frame(8, Buffer.concat([code(1000), Buffer.from([0xff])])), 1002],
    ['a frame without a mask', frame(1, '40', {masked: false}), 1002],
    ['the first reserved bit', frame(1, '40', {reserved: 4}), 1002],
    ['the last reserved bit', frame(1, '40', {reserved: 1}), 1002],
    ['an unknown opcode', frame(3, '40'), 1002],
    ['an unknown control opcode', frame(11, ''), 1002],
    ['a ping in fragments', frame(9, '', {fin: false}), 1002],
    ['a ping of 126 bytes', frame(9, 'x'.repeat(126)), 1002],
    ['a continuation of nothing', frame(0, '40'), 1002],
    ['a message inside another', Buffer.concat([frame(1, '4', {fin: false}), frame(1, '0')]), 1002],
    ['text that is no UTF-8', frame(1, Buffer.from([0x34, 0xc0, 0x80])), 1007],
    ['a message that is too long', frame(1, '4' + 'x'.repeat(1_000_000)), 1009],
    ['base64 that is none', frame(1, 'b!'), 1000],
    ['base64 without its end', frame(1, 'bAQ'), 1000],
    ['binary as text that belongs to no packet', Buffer.concat([frame(1, '40'), frame(1, 'bAQ==')]), 1000],
  ]) {
    const raw = await open();
    assert.equal(await closedBy(raw.send(bytes)), expected, what);
  }
});
