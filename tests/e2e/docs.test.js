// The manual pages and the completions, in their shells, against the programs' own --help: they cannot drift apart.
import assert from 'node:assert/strict';
import {readFileSync, readdirSync} from 'node:fs';
import path from 'node:path';
import {test} from 'node:test';
import {bin, run, serve} from './harness.js';

const root = path.resolve(import.meta.dirname ?? path.dirname(new URL(import.meta.url).pathname), '../..');
/** A page as it is installed; that of smaster itself is made by the build. */
const page = (name) => readFileSync(name === 'smaster.1' ? path.join(bin, '../man', name) : `${root}/man/${name}`, 'utf8');
const smaster = (...args) => run(path.join(bin, 'smaster'), args);
const list = (await smaster('help')).stdout;
const commands = list.split('Commands:\n')[1].split('\n')[0].trim().split(' ');

/** The long flags in a --help text. */
const helpFlags = (text) => new Set([...text.matchAll(/^ {2}(?:-\w,)?--([a-z-]+)/gm)].map((match) => match[1]));
/** The long flags that a page describes. */
const pageFlags = (text) => new Set([...text.matchAll(/^\.It Fl (?:h , )?-([a-z-]+)/gm)].map((match) => match[1]));

/** What each shell offers after `smaster` and these words, sorted; `this` is the environment. */
const shells = Object.fromEntries(Object.entries({
  bash: ['/bin/bash', '-c', `. "${root}/completions/smaster.bash"
    COMP_WORDS=(smaster "$@") COMP_CWORD=$#; _smaster; printf '%s\\n' "\${COMPREPLY[@]}"`, 'bash'],
  // The widgets' own builtins work only while a key is handled.
  zsh: ['/bin/zsh', '-f', '-c', `_call_program() { shift; eval "$*" }; _files() { : }
    compadd() { local name=$2; printf '%s\\n' "\${(@M)\${(@P)name}:#\${words[CURRENT]}*}" }
    words=(smaster "$@") CURRENT=$(($# + 1)); . "${root}/completions/_smaster"`, 'zsh'],
  fish: ['/usr/bin/fish', '--no-config', '-c', `source "${root}/completions/smaster.fish"
    complete -C (string join -- ' ' smaster $argv) | string split -f 1 \\t`, '--'],
}).map(([shell, [program, ...args]]) => [shell, async function (...words) {
  const {stdout, stderr} = await run(program, [...args, ...words], {env: {...process.env, ...this, PATH: `${bin}:${process.env.PATH}`}});
  assert.equal(stderr, '', shell);
  return [...new Set(stdout.trim().split('\n'))].sort();
}]));

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

  test(`the shells complete the flags of smaster ${command}`, async () => {
    const {stdout: help} = await smaster(command, '--help');
    const flags = [...helpFlags(help)].map((flag) => `--${flag}`).sort();
    for (const [shell, complete] of Object.entries(shells)) assert.deepEqual(await complete(command, '--'), flags, shell);
  });
}

test('the shells complete commands, subcommands, values of flags and files', async (t) => {
  for (const [shell, complete] of Object.entries(shells)) {
    await t.test(shell, async () => {
      const words = async (...typed) => (await complete(...typed)).filter((word) => !word.startsWith('-'));
      assert.deepEqual(await complete('st'), ['stats', 'step-down', 'stop', 'store']);
      assert.deepEqual(await words(''), ['help', ...commands].sort());
      assert.deepEqual(await words('shards', ''), ['import', 'list', 'rm', 'show']);
      assert.deepEqual(await words('config', ''), ['check', 'show']);
      assert.deepEqual(await words('reshard', '8', '--strategy', ''), ['at-once', 'auto', 'blue-green', 'rolling']);
      if (shell === 'zsh') return;  // its own function for files is replaced
      assert.deepEqual(await words('serve', '--config', `${root}/CMakeL`), [`${root}/CMakeLists.txt`]);
      assert.deepEqual(await words('config', 'check', `${root}/CMakeL`), [`${root}/CMakeLists.txt`]);
    });
  }
});

test('the shells complete the ids and names of the running server\'s shards', async (t) => {
  const server = await serve(t, '[shards]\ncount = 2\n');
  const configs = await server.register(2);
  for (const config of configs) await server.shard(config);
  await server.running(2);
  for (const [shell, complete] of Object.entries(shells)) {
    const asked = (...typed) => complete.call({SMASTER_SOCKET: server.socket}, ...typed);
    assert.deepEqual(await asked('eval', '--shard', ''), ['0', '1'], shell);
    const names = (await asked('shards', 'show', '')).filter((word) => !word.startsWith('-'));
    assert.deepEqual(names, configs.map(({id}) => id).sort(), shell);
  }
});

test('what is almost right is said to be meant', async () => {
  for (const [typed, meant] of [[['stast'], 'stats'], [['stats', '--jsn'], '--json'], [['shards', 'lst'], 'list'], [['reshard', '5', '--stratgy=rolling'], '--strategy'], [['eval', '1', '--shrad', '3'], '--shard']]) {
    const {code, stderr} = await smaster(...typed);
    assert.equal(code, 64);
    assert.match(stderr, new RegExp(`did you mean "${meant}"\\?`));
  }
  assert.doesNotMatch((await smaster('frobnicate')).stderr, /did you mean/);
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
  const written = readdirSync(`${root}/man`).filter((file) => /\.\d$/.test(file)).map((file) => `${root}/man/${file}`);
  for (const file of [...written, path.join(bin, '../man/smaster.1')]) {
    const {stdout} = await run('mandoc', ['-Tlint', '-Wwarning', file]);
    assert.equal(stdout, '', file);
  }
});

test('every --help fits a screen, says first what the command does, and ends with two examples', async () => {
  for (const command of commands) {
    const lines = (await smaster(command, '--help')).stdout.trimEnd().split('\n');
    assert.ok(lines.length <= 28 && lines.every((line) => line.length <= 80), `${command}: ${lines.length} lines, at most ${Math.max(...lines.map((line) => line.length))} wide`);
    assert.match(lines[0], /^[A-Z].*[^.]$/, command);
    assert.deepEqual(lines.slice(-3).map((line) => line.replace(/^  \S.*/, '  example')), ['Examples:', '  example', '  example'], command);
  }
});
