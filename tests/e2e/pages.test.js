// README, CONTRIBUTING and docs/: their links, the commands, flags and files that they name, and the tour's commands, which are run.
import assert from 'node:assert/strict';
import {existsSync, readFileSync, readdirSync} from 'node:fs';
import path from 'node:path';
import {test} from 'node:test';
import {bin, run, serve} from './harness.js';

const root = path.resolve(import.meta.dirname ?? path.dirname(new URL(import.meta.url).pathname), '../..');
const pages = ['README.md', 'CONTRIBUTING.md', ...readdirSync(`${root}/docs`).map((file) => `docs/${file}`)].map((name) => ({name, text: readFileSync(path.join(root, name), 'utf8')}));
const smaster = (...args) => run(path.join(bin, 'smaster'), args);
/** The blocks of code of this language, and what stands between backticks. */
const blocks = (text, language) => [...text.matchAll(/^```(\w*)\n([^]*?)^```$/gm)].filter(([, of]) => language === undefined || of === language).map(([, , code]) => code);
const spans = (text) => [...text.replaceAll(/^```[^]*?^```$/gm, '').matchAll(/`([^`]+)`/g)].map(([, code]) => code.replaceAll('\n', ' '));
const anchor = (heading) => heading.toLowerCase().replaceAll(/[^\w -]/g, '').replaceAll(' ', '-');

test('every link leads to a page, and to a heading of it', () => {
  for (const {name, text} of pages) {
    for (const [, target] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^https?:/.test(target)) continue;
      const [file, heading] = target.split('#');
      const to = file === '' ? name : path.join(path.dirname(name), file);
      assert.ok(existsSync(path.join(root, to)), `${name} links to ${target}`);
      if (heading) assert.ok([...readFileSync(path.join(root, to), 'utf8').matchAll(/^#+ (.*)$/gm)].some(([, of]) => anchor(of) === heading), `${name} links to ${target}`);
    }
  }
});

test('the files that the pages name are there', () => {
  for (const {name, text} of pages) {
    for (const code of spans(text)) {
      const [file] = code.match(/^(tools|libcommon|tests|completions|man|docs|scripts|bench|packaging|\.ci)\/[\w./-]+/) ?? [];
      if (file && !/uptime/.test(file)) assert.ok([file, `${file}.cpp`, `${file}.hpp`].some((each) => existsSync(path.join(root, each))), `${name}: ${code}`);
    }
  }
});

test('the commands that the pages name exist, and take these flags', async () => {
  const helps = new Map();
  for (const {name, text} of pages) {
    const lines = [...spans(text), ...blocks(text).flatMap((code) => code.replaceAll('\\\n', ' ').split('\n'))].map((line) => line.replace(/ #.*| -- .*/, ''));
    for (const line of lines) {
      for (const [, command, rest] of line.matchAll(/(?:^|[$;|&(] *)smaster ([a-z][a-z-]*)([^;|&]*)/g)) {
        if (['uptime', 'help'].includes(command)) continue;
        if (!helps.has(command)) helps.set(command, await smaster(command, '--help'));
        const {code, stdout} = helps.get(command);
        assert.equal(code, 0, `${name}: smaster ${command}`);
        for (const [flag] of rest.replaceAll(/'[^']*'|"[^"]*"/g, '').matchAll(/--[a-z][a-z-]*/g)) assert.match(stdout, new RegExp(`${flag}\\b`), `${name}: ${line}`);
      }
    }
  }
  assert.ok(helps.size > 20, `${helps.size} commands are named`);
});

test("the tour's commands work in the order in which they stand", async (t) => {
  const server = await serve(t, '[shards]\ncount = 2\nrespawn_delay = "100ms"\n[heartbeat]\ninterval = "200ms"\n');
  server.agent(await server.register(2), 'discord-bot.js');
  await server.running(2);
  await server.answering(2);
  const commands = blocks(pages.find(({name}) => name === 'docs/tour.md').text, 'sh').join('').trim().split('\n');
  assert.ok(commands.length > 12);
  for (const command of commands) {
    const {code, stdout, stderr} = await run('/bin/bash', ['-c', command], {cwd: server.folder, env: {...process.env, PATH: `${path.resolve(bin)}:${process.env.PATH}`, SMASTER_SOCKET: server.socket}});
    assert.equal(code, 0, `${command}:\n${stdout}${stderr}`);
  }
});
