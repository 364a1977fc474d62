// Output for programs: the commands' JSON against the installed schemas, and the manual's recipes as printed there.
import assert from 'node:assert/strict';
import {chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync} from 'node:fs';
import path from 'node:path';
import {test} from 'node:test';
import Ajv from 'ajv/dist/2020.js';
import {cluster} from './cluster.js';
import {bin, run, serve, until} from './harness.js';

const root = new URL('../../', import.meta.url).pathname;

/** A copy of a schema that allows no members other than those described. */
function closed(schema) {
  if (Array.isArray(schema)) return schema.map(closed);
  if (typeof schema !== 'object' || schema === null) return schema;
  const copy = Object.fromEntries(Object.entries(schema).map(([key, value]) => [key, closed(value)]));
  return schema.properties && (schema.type ?? '').includes('object') ? {...copy, additionalProperties: false} : copy;
}

/** Validators by name: the schemas as installed, and strict ones without undescribed members. */
function schemas() {
  const files = readdirSync(`${root}packaging/schema`).map((file) => JSON.parse(readFileSync(`${root}packaging/schema/${file}`)));
  const all = [new Ajv({allowUnionTypes: true, strictTypes: false}), new Ajv({allowUnionTypes: true, strictTypes: false})];
  for (const file of files) {
    all[0].addSchema(file);
    all[1].addSchema(closed(file));
  }
  return (name, value) => {
    for (const ajv of all) {
      const validate = ajv.getSchema(`smaster:${name}`);
      assert.ok(validate(value), `${name}: ${JSON.stringify(validate.errors)} in ${JSON.stringify(value).slice(0, 500)}`);
    }
  };
}

const lines = (text) => text.trim().split('\n').map(JSON.parse);

test('all JSON is as the schemas have it, and the schemas know all of it', async (t) => {
  const check = schemas();
  const server = await serve(t, '[shards]\ncount = 3\n[heartbeat]\ninterval = "200ms"\n');
  const json = async (...args) => (await server.tool(args)).stdout;
  const configs = await server.register(3);
  server.agent([configs[0]], 'discord-bot.js', {flags: ['--shards-per-process', '2', '--host', 'fra1']});
  server.agent([configs[1]], 'discord-bot.js');
  await server.running(3);
  await server.answering(2);

  check('stats', JSON.parse(await json('stats', '--json')));
  for (const line of lines(await json('stats', '--ndjson'))) check('shard', line);
  check('shard', JSON.parse(await json('shards', 'show', configs[0].id)));
  const history = lines(await json('stats', '--history', '--ndjson'));
  assert.ok(history.length > 2);
  for (const line of history) check('status', line);
  for (const script of ['[1, {a: 2}]', 'undefined', 'throw new Error("no")', 'throw 1', '(']) {
    for (const line of lines(await json('eval', script))) check('eval', line);
  }
  for (const line of lines(await json('eval', '1', '--shard', '7'))) check('eval', line);
  for (const line of lines(await json('respawn', '--json', '--wait', '--delay', '0s', '--shard', '2,7'))) check('respawn', line);
  for (const line of lines(await json('logs', '--json'))) check('logs', line);
  check('reshard', JSON.parse(await json('reshard', '2', '--dry-run', '--json')));
  const reshard = lines(await json('reshard', '2', '--strategy', 'at-once', '--wait', '--json', '--yes'));
  assert.deepEqual(reshard.at(-1).end.done, true);
  for (const line of reshard) check('reshard', line);
  for (const line of lines(await json('drain', 'fra1', '--yes', '--json'))) check('reshard', line);
  check('genconfig', JSON.parse(await json('genconfig', '--json', '--count', '2')));
  check('genconfig', JSON.parse(await json('genconfig', '--json', '--out', '-')));
  check('stats', JSON.parse(await json('stats', '--json')));
  check('config', JSON.parse(await json('config', 'show', '--json')));
  for (const line of lines(await json('doctor', '--json'))) check('doctor', line);
  check('members', JSON.parse((await (await cluster(t, 1)).servers[0].tool(['members', '--json'])).stdout));
});

/** The manual's recipes: {title, script}. */
function recipes() {
  const page = readFileSync(`${root}man/smaster-recipes.7`, 'utf8');
  return [...page.matchAll(/^\.Ss (.*)\n\.Bd -literal -offset indent\n([^]*?)^\.Ed$/gm)].map(([, title, script]) => ({title, script: script.replaceAll('\\e', '\\')}));
}

test('each recipe of the manual does what it says', async (t) => {
  const server = await serve(t, '[shards]\ncount = 2\nrespawn_delay = "100ms"\n[heartbeat]\ninterval = "200ms"\n[update]\ncommand = ["true"]\n[server]\nproject_dir = "."\n'.replace('project_dir = "."', `project_dir = "${root}packaging"`));
  const configs = await server.register(3);
  const agents = configs.map((config) => server.agent([config], 'discord-bot.js'));
  await server.running(2);
  await server.answering(2);

  const folder = path.join(server.folder, 'recipes');
  mkdirSync(`${folder}/bin`, {recursive: true});
  writeFileSync(`${folder}/bin/mail`, `#!/bin/sh\n{ echo "$@"; cat; } >${folder}/mailed\n`);
  chmodSync(`${folder}/bin/mail`, 0o755);
  const cook = (script, typescript = '/dev/null') => run('script', ['-qefc', `bash -c '${script.replaceAll("'", "'\\''")}'`, typescript], {cwd: folder,
    env: {PATH: `${folder}/bin:${path.resolve(bin)}:${process.env.PATH}`, SMASTER_SOCKET: server.socket, TERM: 'xterm', PAGER: '', LC_ALL: 'C.UTF-8'}});

  /** The output of an endless script up to `pattern`; then it is killed. */
  const show = async (script, pattern) => {
    const typescript = `${folder}/typescript`;
    const result = cook(`echo $$ >${folder}/pid; exec ${script}`, typescript);
    try {
      await until(`"${script}" to show ${pattern}`, () => existsSync(typescript) && pattern.test(readFileSync(typescript, 'utf8')));
    } finally {
      process.kill(Number(readFileSync(`${folder}/pid`)), 'SIGKILL');
    }
    return result;
  };

  const dead = /Every 5\.0s: smaster stats --state silent[^]*goal 2/;
  const expected = {
    'The five that use the most memory': ({stdout}) => assert.match(stdout, /^(-?\d\t\w{3}\t\d+ MiB\r\n){3}$/),
    'A sum over all bots': ({stdout}) => assert.match(stdout, /\r\n(\x1b\[[\d;]+m)?0(\x1b\[0m)?\r\n$/),
    'Only what is not well, again and again': ({stdout}) => assert.match(stdout, dead),
    'Mail when shards are down, from cron': async (_, script) => {
      assert.throws(() => readFileSync(`${folder}/mailed`), 'all are well');
      await agents[0].end('SIGTERM');
      await server.running(2);  // the spare has its id
      await cook(script);
      assert.equal(readFileSync(`${folder}/mailed`, 'utf8'), `-s shards are down ops@example.org\nshard -1 (${configs[0].id}) is offline\n`.replace('-1', `${(await server.stats()).shards.find(({id}) => id === configs[0].id).goalShardId}`));
      await server.end('SIGTERM');
      await cook(script);
      assert.equal(readFileSync(`${folder}/mailed`, 'utf8'), '-s shards are down ops@example.org\nsmaster does not answer\n');
      await server.start();
      agents[0].start();
      await server.running(2);
      await server.answering(2);
    },
    'The memory of the last hour as a picture': () => assert.match(readFileSync(`${folder}/memory.svg`, 'utf8'), /<svg[^]*shard 0[^]*<path/),
    'Deploy: update everywhere, restart one by one, check': ({code, stdout}) => {
      assert.equal(code, 0, stdout);
      assert.match(stdout, new RegExp(`\\(2 of 2\\)[^]* 2 ${process.version}`));
    },
    "Every shard's latest figures for a spreadsheet": () => assert.match(readFileSync(`${folder}/${readdirSync(folder).find((file) => file.startsWith('fleet-'))}`, 'utf8'), /^id,state,.*\r\n(\w{3},.*\r\n){3}$/),
  };
  const all = recipes();
  assert.deepEqual(all.map(({title}) => title).sort(), Object.keys(expected).sort());
  for (const {title, script} of all) {
    await server.evaluate('this.runBotUpdate = () => "updated"');  // what `smaster update` calls in bots
    const result = await (script.startsWith('watch ') ? show(script, dead) : cook(script.replaceAll('--delay 5s', '--delay 1s')));
    try {
      await expected[title](result, script);
    } catch (error) {
      error.message = `${title}: ${error.message}\n${result.stdout}${result.stderr}`;
      throw error;
    }
  }
});
