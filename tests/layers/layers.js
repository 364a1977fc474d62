// Checks the rooms of libcommon: reads libcommon/rooms.txt and reports where the tree violates it. `node layers.js ROOT
// [BUILD]`: with a build, also the symbols that its libraries need from each other.
'use strict';

const fs = require('node:fs');
const path = require('node:path');
const { execFileSync } = require('node:child_process');

const MOST_SOURCES = 15;
const MOST_LINES = 400;

/// How a file shows that it uses something. Searches the text, since the precompiled header brings Asio to every file.
const KNOWS = {
  asio: /\bboost\/(asio|beast)|\basio::|"net\/asio\.hpp"/,
  spdlog: /\bspdlog\b/,
  clocks: /_clock::now\b|\bclock_gettime\b|\bgettimeofday\b|\bstd::time\(|"(net\/clock|base\/boot_clock)\.hpp"/,
  files: /<(filesystem|fstream)>|(?<!\w)::(open|openat|stat|unlink|rename)\(|\bstd::(filesystem|[io]?fstream)\b|"base\/(new_)?file\.hpp"/,
  randomness: /\brandom_(token|number)\b|<random>|\bgetrandom\b|AutoSeeded/,
};

/// The lines of rooms.txt. Throws on one that cannot be read.
function parse(text) {
  const rooms = new Map();
  const forbidden = [];
  const large = new Map();
  text.split('\n').forEach((line, at) => {
    if (line === '' || line.startsWith('#')) return;
    const room = /^room (\S+):((?: \S+)*)$/.exec(line);
    const forbid = /^forbid (\S+) in ([^:]+): (\S.*)$/.exec(line);
    const file = /^large (\S+): (\S.*)$/.exec(line);
    if (room) rooms.set(room[1], room[2].split(' ').filter(Boolean));
    else if (forbid && KNOWS[forbid[1]]) forbidden.push({ what: forbid[1], places: forbid[2].split(' '), why: forbid[3] });
    else if (file) large.set(file[1], file[2]);
    else throw new Error(`rooms.txt:${at + 1}: not understood: ${line}`);
  });
  return { rooms, forbidden, large };
}

/// All source files below `folder`, with `/` between folders.
function sources(folder, below = '') {
  return fs.readdirSync(path.join(folder, below), { withFileTypes: true }).flatMap((entry) => {
    const name = path.posix.join(below, entry.name);
    if (entry.isDirectory()) return entry.name === 'node_modules' ? [] : sources(folder, name);
    return /\.(cpp|hpp|h|cc)$/.test(entry.name) ? [name] : [];
  });
}

const without_comments = (text) => text.replace(/\/\/.*$/gm, '');

/// Problems of the table itself.
function table_problems({ rooms, forbidden }) {
  const problems = [];
  const above = new Set();
  for (const [room, uses] of rooms) {
    for (const used of uses) {
      if (!above.has(used)) problems.push(`rooms.txt: ${room} uses ${used}, which is no room above its line`);
    }
    if (new Set(uses).size !== uses.length) problems.push(`rooms.txt: ${room} names a room twice`);
    above.add(room);
  }
  for (const { what, places } of forbidden) {
    for (const place of places) {
      const room = rooms.has(place) ? place : path.posix.dirname(place);
      if (!rooms.has(room)) problems.push(`rooms.txt: ${what} is forbidden in ${place}, which is nowhere`);
    }
  }
  return problems;
}

/// Problems of the tree: libcommon's files against the table.
function tree_problems(libcommon, table) {
  const { rooms, forbidden, large } = table;
  const problems = [];
  const count = new Map();
  const used = new Map([...rooms.keys()].map((room) => [room, new Set()]));
  for (const file of sources(libcommon)) {
    const room = path.posix.dirname(file);
    if (!rooms.has(room)) {
      problems.push(`${file} is in no room`);
      continue;
    }
    if (file.endsWith('.cpp')) count.set(room, (count.get(room) ?? 0) + 1);
    const text = fs.readFileSync(path.join(libcommon, file), 'utf8');
    for (const [, name] of text.matchAll(/^\s*#\s*include "([^"]+)"/gm)) {
      const other = path.posix.dirname(name);
      if (!rooms.has(other)) problems.push(`${file} includes ${name}, which is in no room`);
      else if (other !== room && !rooms.get(room).includes(other)) {
        problems.push(`${file} includes ${name}: ${room} may not use ${other}`);
      } else used.get(room).add(other);
    }
    const code = without_comments(text);
    for (const { what, places, why } of forbidden) {
      if (!places.includes(room) && !places.includes(file)) continue;
      const found = KNOWS[what].exec(code);
      if (found) problems.push(`${file} knows ${what} (${found[0]}): ${why}`);
    }
    const lines = text.split('\n').length - 1;
    if (lines > MOST_LINES && !large.has(file)) problems.push(`${file} has ${lines} lines, more than ${MOST_LINES}`);
    if (lines <= MOST_LINES && large.has(file)) problems.push(`rooms.txt: ${file} is not large any more`);
  }
  for (const file of large.keys()) {
    if (!fs.existsSync(path.join(libcommon, file))) problems.push(`rooms.txt: ${file}, said to be large, is not there`);
  }
  for (const [room, uses] of rooms) {
    if (!fs.existsSync(path.join(libcommon, room))) problems.push(`rooms.txt: ${room} is not there`);
    if ((count.get(room) ?? 0) > MOST_SOURCES) {
      problems.push(`${room} has ${count.get(room)} .cpp files, more than ${MOST_SOURCES}`);
    }
    for (const other of uses) {
      if (!used.get(room).has(other)) problems.push(`rooms.txt: ${room} does not use ${other}`);
    }
  }
  return problems;
}

/// Symbols that a room's library needs from rooms that it may not use. `symbols`: those that each room defines and
/// needs.
function link_problems({ rooms }, symbols) {
  const problems = [];
  const home = new Map();
  for (const [room, { defined }] of symbols) {
    for (const name of defined) home.set(name, [...(home.get(name) ?? []), room]);
  }
  const reach = new Map();  // rooms are in order
  for (const [room, uses] of rooms) reach.set(room, new Set([room, ...uses.flatMap((other) => [...(reach.get(other) ?? [])])]));
  for (const [room, { needed }] of symbols) {
    for (const name of needed) {
      const homes = home.get(name);
      if (homes && !homes.some((other) => reach.get(room).has(other))) {
        problems.push(`${room} needs ${name} of ${homes.join(' or ')}, which it may not use`);
      }
    }
  }
  return problems;
}

function symbols_of(build, rooms) {
  const symbols = new Map();
  for (const room of rooms.keys()) {
    const library = path.join(build, 'libcommon', `libroom-${room.replaceAll('/', '-')}.a`);
    if (!fs.existsSync(library)) continue;  // nothing but headers, or not built
    const text = execFileSync('nm', ['-P', '-g', library], { encoding: 'utf8', maxBuffer: 1 << 30, stdio: ['ignore', 'pipe', 'ignore'] });
    const defined = new Set();
    const needed = new Set();
    for (const line of text.split('\n')) {
      const [name, kind] = line.split(' ');
      if (kind === undefined || !name.includes('7smaster')) continue;
      (kind === 'U' ? needed : defined).add(name);
    }
    symbols.set(room, { defined, needed });
  }
  return symbols;
}

function problems(root, build) {
  const libcommon = path.join(root, 'libcommon');
  const table = parse(fs.readFileSync(path.join(libcommon, 'rooms.txt'), 'utf8'));
  const found = [...table_problems(table), ...tree_problems(libcommon, table)];
  if (build) found.push(...link_problems(table, symbols_of(build, table.rooms)));
  return found;
}

module.exports = { parse, problems, table_problems, link_problems, symbols_of, MOST_SOURCES, MOST_LINES };

if (require.main === module) {
  const found = problems(process.argv[2], process.argv[3]);
  for (const problem of found) console.error(problem);
  process.exitCode = found.length > 0 ? 1 : 0;
}
