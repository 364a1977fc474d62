// One conformance suite over the stores that servers share (the unit tests run it over the embedded one), and copies
// between them.
import assert from 'node:assert/strict';
import path from 'node:path';
import {test} from 'node:test';
import {postgres} from './databases.js';
import {etcd} from './etcd.js';
import {bin, run} from './harness.js';

async function conforms(url) {
  const {code, stdout, stderr} = await run(path.join(bin, 'unit-tests'), ['--gtest_filter=*Conformance*'], {env: {SMASTER_TEST_STORE: url}});
  assert.equal(code, 0, stdout + stderr);
  assert.match(stdout, /\[  PASSED  \] 7 tests/);
}

test('etcd keeps what a store promises', async (t) => {
  await conforms((await etcd(t)).url());
});

test('three etcds keep it', async (t) => {
  await conforms((await etcd(t, 3)).url('some/prefix'));
});

test('PostgreSQL keeps it', async (t) => {
  await conforms((await postgres(t)).url);
});
