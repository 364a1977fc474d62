// Counts the instructions of the operations in bench/instructions.cpp with callgrind, whose numbers do not depend on
// the machine's load, and compares them with bench/instructions.json. A difference of more than a tenth, up or down, is
// a failure. `instructions.js PROGRAM [--record]`; record the numbers of intended changes.
import {execFileSync} from 'node:child_process';
import {mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import path from 'node:path';

const TIMES = 1000;
const [program, record] = process.argv.slice(2);
const file = new URL('instructions.json', import.meta.url);
const operations = [...readFileSync(new URL('instructions.cpp', import.meta.url), 'utf8').matchAll(/noinline\)\) void (\w+)\(/g)].map(([, name]) => name);

const folder = mkdtempSync(path.join(tmpdir(), 'smaster-instructions-'));
process.on('exit', () => rmSync(folder, {recursive: true, force: true}));
execFileSync('valgrind', ['--tool=callgrind', `--callgrind-out-file=${folder}/out`, program], {stdio: ['ignore', 'ignore', 'pipe']});
const listed = execFileSync('callgrind_annotate', ['--inclusive=yes', '--threshold=100', `${folder}/out`], {encoding: 'utf8', maxBuffer: 1 << 28});

const counted = Object.fromEntries(operations.map((name) => {
  const line = listed.match(new RegExp(`^ *([\\d,]+) .*:${name} \\[`, 'm'));
  if (!line) throw new Error(`${name} is not among what callgrind has seen`);
  return [name, Math.round(Number(line[1].replaceAll(',', '')) / TIMES)];
}));
if (record) writeFileSync(file, `${JSON.stringify(counted, null, 1)}\n`);

const recorded = JSON.parse(readFileSync(file, 'utf8'));
let good = true;
for (const [name, count] of Object.entries(counted)) {
  const off = recorded[name] ? count / recorded[name] - 1 : Infinity;
  const fits = Math.abs(off) <= 0.1;
  good &&= fits;
  console.log(`${name.padEnd(20)} ${String(count).padStart(8)} instructions, recorded ${String(recorded[name]).padStart(8)}: ${(100 * off).toFixed(1)} %${fits ? '' : '  MORE THAN A TENTH OFF'}`);
}
if (!good) console.log('If that is meant, record it: node bench/instructions.js PROGRAM --record');
process.exit(good ? 0 : 1);
