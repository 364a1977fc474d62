// The installed systemd units, checked by systemd itself.
import assert from 'node:assert/strict';
import {copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import path from 'node:path';
import {test} from 'node:test';
import {bin, run, serve} from './harness.js';

const units = new URL('../../packaging/systemd/', import.meta.url).pathname;

function installed(t) {
  const folder = mkdtempSync(path.join(tmpdir(), 'smaster-units-'));
  t.after(() => rmSync(folder, {recursive: true, force: true}));
  for (const unit of ['smaster.service', 'smaster-agent@.service']) {
    writeFileSync(`${folder}/${unit}`, readFileSync(`${units}${unit}.in`, 'utf8').replace('@bindir@', path.resolve(bin)));
  }
  for (const socket of ['smaster-shards.socket', 'smaster-control.socket']) copyFileSync(units + socket, `${folder}/${socket}`);
  return folder;
}

test('the server\'s unit is exposed at most 2.0 by systemd\'s own measure', async (t) => {
  const {code, stdout, stderr} = await run('systemd-analyze', ['security', '--offline=true', '--no-pager', '--threshold=20', `${installed(t)}/smaster.service`]);
  assert.equal(code, 0, stdout + stderr);
  assert.match(stdout, /Overall exposure level for smaster\.service: [01]\.\d/);
});

test('the units are what systemd understands, and run as a user of their own', async (t) => {
  const folder = installed(t);
  for (const unit of ['smaster.service', 'smaster-agent@abc.service', 'smaster-shards.socket', 'smaster-control.socket']) {
    const {stdout, stderr} = await run('systemd-analyze', ['verify', '--man=no', `${folder}/${unit}`], {env: {SYSTEMD_UNIT_PATH: `${folder}:`}});
    assert.equal((stdout + stderr).split('\n').filter((line) => line.includes('smaster')).join('\n'), '', unit);
  }
  const {code, stdout, stderr} = await run('systemd-sysusers', ['--dry-run', `${units}smaster.sysusers`]);
  assert.equal(code, 0, stderr);
  assert.match(stdout + stderr, /Creating user 'smaster'/);
});

test('the sample settings are settings, and what they show as defaults too', async (t) => {
  const sample = readFileSync(new URL('../../packaging/etc/smaster.toml', import.meta.url), 'utf8');
  const own = (text) => text.replace(/^#?port = \d+/m, 'port = 0');
  for (const text of [sample, sample.replaceAll(/^#(?=\w)/gm, '')]) {
    const server = await serve(t, own(text));
    assert.equal((await server.stats()).goal, 1);
  }
});
