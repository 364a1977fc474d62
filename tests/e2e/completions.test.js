// The completions in the shells' own systems, on a terminal: what a user sees and gets after Tab.
import assert from 'node:assert/strict';
import path from 'node:path';
import {test} from 'node:test';
import {serve} from './harness.js';
import {Terminal} from './terminal.js';

const root = path.resolve(import.meta.dirname ?? path.dirname(new URL(import.meta.url).pathname), '../..');
const shells = {
  bash: [['bash', '--norc', '--noprofile'], `. "${root}/completions/smaster.bash"`],
  zsh: [['zsh', '-f'], `PS1='$ '; fpath=("${root}/completions" $fpath); autoload -Uz compinit; compinit -u -D`],
  fish: [['fish', '--no-config'], `set fish_autosuggestion_enabled 0; function fish_prompt; echo '$ '; end; source "${root}/completions/smaster.fish"`],
};

for (const [name, [shell, setUp]] of Object.entries(shells)) {
  test(`${name} completes commands, values, files and the running server's shards, and says what they mean`, async (t) => {
    const server = await serve(t, '[shards]\ncount = 2\n');
    for (const config of await server.register(2)) server.shard(config);
    await server.running(2);
    const terminal = new Terminal(t, server, {shell, width: 110, height: 40});
    terminal.keys(setUp, 'Enter');
    terminal.keys('echo rea""dy', 'Enter');
    await terminal.shows(/^ready/m);

    /** What stands in the command line after this and Tab. */
    const completed = async (typed, becomes) => {
      terminal.keys('C-u', 'C-l', typed, 'Tab');
      await terminal.shows(becomes);
    };
    /** What is listed, with descriptions, after this and two Tabs. */
    const listed = async (typed, ...shown) => {
      terminal.keys('C-u', 'C-l', typed, 'Tab', 'Tab');
      for (const pattern of shown) assert.doesNotMatch(await terminal.shows(pattern), /command not found|no such|error/i);
      terminal.keys('C-c');
    };
    await completed('smaster resp', /^\$ smaster respawn *$/m);
    await completed('smaster reshard 8 --strategy bl', /^\$ smaster reshard 8 --strategy blue-green *$/m);
    await completed('smaster stats --reve', /^\$ smaster stats --reverse *$/m);
    await completed(`smaster serve --config ${root}/CMakeL`, /CMakeLists\.txt *$/m);
    await listed('smaster st', /^stats +.*show shards, their states/m, /store .*copy the registry/);
    await listed('smaster eval --shard ', /\b0 .*aaa, running/, /\b1 .*aab, running/);
    await listed('smaster shards ', /^list +.*Print the names/m, /rm .*their connections closed/);
  });
}
