// The manual pages and the completion against the programs' own --help: they cannot drift apart.
import assert from 'node:assert/strict';
import {readFileSync, readdirSync} from 'node:fs';
import path from 'node:path';
import {test} from 'node:test';
import {bin, run} from './harness.js';

const root = path.resolve(import.meta.dirname ?? path.dirname(new URL(import.meta.url).pathname), '../..');
const page = (name) => readFileSync(`${root}/man/${name}`, 'utf8');
const smaster = (...args) => run(path.join(bin, 'smaster'), args);
const list = (await smaster('help')).stdout;
const commands = list.split('Commands:\n')[1].split('\n')[0].trim().split(' ');

/** The long flags in a --help text. */
const helpFlags = (text) => new Set([...text.matchAll(/^ {2}(?:-\w,)?--([a-z-]+)/gm)].map((match) => match[1]));
/** The long flags that a page describes. */
const pageFlags = (text) => new Set([...text.matchAll(/^\.It Fl (?:h , )?-([a-z-]+)/gm)].map((match) => match[1]));

test('every command has a page and every page a command', () => {
  const pages = readdirSync(`${root}/man`).filter((file) => /^smaster-.*\.1$/.test(file)).map((file) => file.slice(8, -2));
  assert.deepEqual(pages.sort(), [...commands].sort());
  for (const command of commands) assert.ok(page('smaster.1').includes(`.It Xr smaster-${command} 1`), command);
});

for (const command of commands) {
  test(`smaster-${command}.1 describes the flags of smaster ${command} --help, and no others`, async () => {
    const {stdout} = await smaster(command, '--help');
    assert.deepEqual([...pageFlags(page(`smaster-${command}.1`))].sort(), [...helpFlags(stdout)].sort());
  });

  test(`bash completes the flags of smaster ${command}`, async () => {
    const {stdout: help} = await smaster(command, '--help');
    const script = `PATH="${bin}:$PATH"; . "${root}/completions/smaster.bash"
      COMP_WORDS=(smaster ${command} --) COMP_CWORD=2; _smaster; printf '%s\\n' "\${COMPREPLY[@]}"`;
    const {stdout} = await run('/bin/bash', ['-c', script]);
    assert.deepEqual([...new Set(stdout.trim().split('\n'))].sort(), [...helpFlags(help)].map((flag) => `--${flag}`).sort());
  });
}

test('bash completes the commands, and a command\'s own subcommands', async () => {
  const complete = async (...words) => {
    const script = `PATH="${bin}:$PATH"; . "${root}/completions/smaster.bash"
      COMP_WORDS=(${words.map((word) => `'${word}'`).join(' ')}) COMP_CWORD=${words.length - 1}; _smaster; printf '%s\\n' "\${COMPREPLY[@]}"`;
    return (await run('/bin/bash', ['-c', script])).stdout.trim().split('\n').sort();
  };
  assert.deepEqual(await complete('smaster', 'st'), ['stats', 'stop']);
  assert.deepEqual((await complete('smaster', '')).filter((word) => !word.startsWith('-')), ['help', ...commands].sort());
  assert.deepEqual((await complete('smaster', 'shards', '')).filter((word) => !word.startsWith('-')), ['import', 'list', 'rm', 'show']);
});

test('smaster.toml.5 has every setting, and no other', async () => {
  const {stderr} = await run('/bin/sh', ['-c', `for section in $(printf '[nonsense]\\n' > "$0/x.toml"; "${bin}/smaster" serve --config "$0/x.toml" 2>&1 | sed 's/.*there are //; s/,//g'); do
    printf '[%s]\\nnonsense = 1\\n' $section > "$0/x.toml"; "${bin}/smaster" serve --config "$0/x.toml"; done; rm "$0/x.toml"`,
  (await run('/bin/mktemp', ['-d'])).stdout.trim()]);
  const known = [...stderr.matchAll(/\] takes (.*)$/gm)].flatMap((match) => match[1].split(', '));
  assert.ok(known.length > 20);
  const described = [...page('smaster.toml.5').matchAll(/^\.It (Va .*)$/gm)].flatMap((match) => match[1].replaceAll('Va ', '').split(' , '));
  assert.deepEqual([...new Set(described)].sort(), [...new Set(known)].sort());
});

test('the pages are good mdoc', async () => {
  for (const file of readdirSync(`${root}/man`)) {
    const {stdout} = await run('mandoc', ['-Tlint', '-Wwarning', `${root}/man/${file}`]);
    assert.equal(stdout, '', file);
  }
});
