// The tree obeys libcommon/rooms.txt, and violations are found: each rule is broken once in a copy.
'use strict';

const assert = require('node:assert');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { after, test } = require('node:test');
const layers = require('./layers.js');

const ROOT = path.join(__dirname, '..', '..');
const BUILD = process.env.SMASTER_BUILD;

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'smaster-layers-'));
after(() => fs.rmSync(folder, { recursive: true }));

/// The complaints about a copy of the tree after `change(libcommon)`.
function after_change(change) {
  const root = fs.mkdtempSync(path.join(folder, 'copy-'));
  const libcommon = path.join(root, 'libcommon');
  fs.cpSync(path.join(ROOT, 'libcommon'), libcommon, { recursive: true, filter: (name) => !name.includes('node_modules') });
  change((name) => path.join(libcommon, name));
  return layers.problems(root);
}

const edit = (file, from, to) => {
  const text = fs.readFileSync(file, 'utf8');
  assert.ok(text.includes(from), `${file} has no ${from}`);
  fs.writeFileSync(file, text.replace(from, to));
};

const is_found = (what, change, expected) => test(what, () => {
  const found = after_change(change);
  assert.ok(found.some((problem) => expected.test(problem)), `${found.join('\n')}\n(expected ${expected})`);
});

test('The tree is as its table says', () => assert.deepEqual(layers.problems(ROOT), []));

test('The libraries need nothing of rooms that they may not use', { skip: !BUILD }, () => {
  const { rooms } = layers.parse(fs.readFileSync(path.join(ROOT, 'libcommon/rooms.txt'), 'utf8'));
  const symbols = layers.symbols_of(BUILD, rooms);
  assert.ok(symbols.size > 20, 'there are no libraries to look at');
  assert.ok(symbols.get('fleet').defined.size > 10 && symbols.get('fleet').needed.size > 0);
  assert.deepEqual(layers.link_problems({ rooms }, symbols), []);
});

test('Each room sees only itself and what it uses', { skip: !BUILD }, () => {
  const { rooms } = layers.parse(fs.readFileSync(path.join(ROOT, 'libcommon/rooms.txt'), 'utf8'));
  for (const room of rooms.keys()) {
    const view = path.join(BUILD, 'rooms', `room-${room.replaceAll('/', '-')}`);
    let at = view;
    for (const part of room.split('/')) {
      assert.deepEqual(fs.readdirSync(at), [part], `${view} shows more than ${room}`);
      at = path.join(at, part);
    }
  }
});

is_found('A wrong include', (file) => edit(file('fleet/planner.cpp'), '#include', '#include "net/address.hpp"\n#include'),
  /^fleet\/planner\.cpp includes net\/address\.hpp: fleet may not use net$/);
is_found('An include of nothing', (file) => edit(file('fleet/planner.cpp'), '#include', '#include "nowhere/x.hpp"\n#include'),
  /which is in no room$/);
is_found('An arrow that runs back', (file) => edit(file('rooms.txt'), 'room base:', 'room base: net'),
  /^rooms\.txt: base uses net, which is no room above its line$/);
is_found('An arrow that nobody needs', (file) => edit(file('rooms.txt'), 'room json: base', 'room log: base\nroom json: base log'),
  /^rooms\.txt: json does not use log$/);
is_found('A file outside of all rooms', (file) => fs.writeFileSync(file('server/stray.cpp'), '\n'),
  /^server\/stray\.cpp is in no room$/);
is_found('A room with too many files', (file) => {
  for (let i = 0; i <= layers.MOST_SOURCES; ++i) fs.writeFileSync(file(`files/more_${i}.cpp`), '\n');
}, /^files has \d+ \.cpp files, more than 15$/);
is_found('A long file', (file) => fs.writeFileSync(file('base/long.hpp'), '\n'.repeat(layers.MOST_LINES + 1)),
  /^base\/long\.hpp has 401 lines, more than 400$/);
is_found('A long file that is long no more', (file) => fs.appendFileSync(file('rooms.txt'), 'large base/text.hpp: it was\n'),
  /^rooms\.txt: base\/text\.hpp is not large any more$/);
is_found('A long file that is gone', (file) => fs.appendFileSync(file('rooms.txt'), 'large base/gone.hpp: it was\n'),
  /^rooms\.txt: base\/gone\.hpp, said to be large, is not there$/);

const known = {
  asio: ['fleet/planner.cpp', 'void f(boost::asio::io_context&);'],
  spdlog: ['wire/engineio/packet.cpp', 'void f() { spdlog::info("x"); }'],
  clocks: ['records/holder.cpp', 'auto now() { return std::chrono::system_clock::now(); }'],
  files: ['json/json.cpp', 'std::ifstream file;'],
  randomness: ['fleet/identify.cpp', 'const auto token = crypto::random_token(1);'],
};
for (const [what, [name, line]] of Object.entries(known)) {
  is_found(`A pure room that knows ${what}`, (file) => fs.appendFileSync(file(name), `${line}\n`),
    new RegExp(`^${name} knows ${what} `));
}
test('A comment knows nothing', () => {
  assert.deepEqual(after_change((file) => edit(file('fleet/planner.cpp'), '#include', '// not spdlog, not asio::\n#include')), []);
});

test('A line that is not understood is an error', () => {
  assert.throws(() => layers.parse('room a b c\n'), /rooms\.txt:1: not understood/);
  assert.throws(() => layers.parse('forbid magic in base: because\n'), /not understood/);
  assert.throws(() => layers.parse('forbid asio in base:\n'), /not understood/, 'a reason is needed');
});

test('A wrong link', () => {
  const rooms = new Map([['a', []], ['b', ['a']], ['c', ['b']], ['d', []]]);
  const room = (defined, needed) => ({ defined: new Set(defined), needed: new Set(needed) });
  const symbols = new Map([['a', room(['f'], ['g'])], ['b', room(['g'], ['f'])], ['c', room([], ['f', 'h', 'libc'])], ['d', room(['h'], [])]]);
  assert.deepEqual(layers.link_problems({ rooms }, symbols), [
    'a needs g of b, which it may not use', 'c needs h of d, which it may not use']);
});
