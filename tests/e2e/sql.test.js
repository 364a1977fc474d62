// SQL for shards and operators, on real database servers: types, limits, lost connections, and permissions.
import assert from 'node:assert/strict';
import {existsSync, readFileSync, readdirSync, readlinkSync, statSync, writeFileSync} from 'node:fs';
import path from 'node:path';
import {test} from 'node:test';
import {mariadb, postgres} from './databases.js';
import {request, serve, until} from './harness.js';

const settings = (database) => `[shards]\ncount = 1\n[limits]\nconn_count = 1000\n[database]\n${database}\n`;

/** Sends a statement from a shard; returns [error, result]. */
const sendFrom = (shard) => (...args) => new Promise((resolve, reject) => {
  const timer = setTimeout(() => reject(new Error(`no answer to ${args[0]}`)), 120_000).unref();
  shard.socket.emit('sendSQL', ...args, (...answer) => {
    clearTimeout(timer);
    resolve(answer);
  });
});

/** A server with one shard; `sql` sends its statements. */
async function withShard(t, database) {
  const server = await serve(t, settings(database));
  const [config] = await server.register(1);
  const shard = server.shard(config);
  await server.running(1);
  const sql = sendFrom(shard);
  const rows = async (statement) => {
    const [error, result] = await sql(statement);
    assert.equal(error, null, statement);
    return result;
  };
  return {server, shard, sql, rows};
}

/** Ids of the processes that run a server's SQL. */
function workers(server) {
  return readFileSync(`/proc/${server.process.pid}/task/${server.process.pid}/children`, 'utf8').trim().split(' ').filter((pid) => {
    try {
      return readFileSync(`/proc/${pid}/comm`, 'utf8') === 'sql-worker\n';
    } catch {
      return false; // just gone
    }
  });
}

/// For until(): a worker that has computed for half a second since this was called, which none does that starts or waits.
function computing(server) {
  const ticks = (pid) => {
    try {
      const [utime, stime] = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ').slice(11, 13).map(Number);
      return utime + stime;
    } catch {
      return 0; // just gone
    }
  };
  const first = new Map(workers(server).map((pid) => [pid, ticks(pid)]));
  return () => workers(server).find((pid) => {
    if (!first.has(pid)) first.set(pid, ticks(pid));
    return ticks(pid) - first.get(pid) >= 50;
  });
}

/** A statement that SQLite cannot interrupt: hours of comparing. */
const endless = 'SELECT instr(zeroblob(16000000), zeroblob(8000000) || x\'01\')';

const kinds = [
  {
    name: 'SQLite',
    begin: async () => ({url: null}),
    empty: [';', '-- nothing'],
    table: 'CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, n INTEGER, s TEXT)',
    types: `SELECT 1 AS small, 9007199254740993 AS big, -9223372036854775808 AS least, 1.5 AS real, NULL AS missing,
      'it''s "ü" :x' AS text, x'00ff10' AS bytes, '' AS empty`,
    typed: {small: 1, big: '9007199254740993', least: '-9223372036854775808', real: 1.5, missing: null, text: 'it\'s "ü" :x', empty: ''},
    slow: 'WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c) SELECT count(*) FROM c',
    stubborn: [endless],
    many: (n) => `WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c WHERE x < ${n}) SELECT x FROM c`,
    writes: ['INSERT INTO t (n) VALUES (9)', 'UPDATE t SET n = 9', 'DELETE FROM t', 'DROP TABLE t', 'CREATE TABLE u (a)', 'PRAGMA user_version = 9',
      'ATTACH \'/tmp/smaster-attached.db\' AS a', 'VACUUM INTO \'/tmp/smaster-vacuumed.db\'', 'PRAGMA query_only = 0', 'PRAGMA writable_schema = 1',
      'REPLACE INTO t (id, n) VALUES (1, 9)', '/* SELECT */ DELETE FROM t', 'EXPLAIN DELETE FROM t; DELETE FROM t'],
  },
  {
    name: 'PostgreSQL',
    begin: postgres,
    empty: [';', '-- nothing'],
    table: 'CREATE TABLE t (id SERIAL PRIMARY KEY, n INTEGER, s TEXT)',
    types: `SELECT 1::smallint AS small, 9007199254740993::bigint AS big, '-9223372036854775808'::bigint AS least, 1.5::float8 AS real, NULL AS missing,
      'it''s "ü" :x' AS text, '\\x00ff10'::bytea AS bytes, '' AS empty, true AS yes, 12345678901234567890.123::numeric AS exact, 'NaN'::float8 AS nan,
      '2024-02-03'::date AS day, '2024-02-03 04:05:06.789'::timestamp AS local, '2024-02-03 04:05:06+02'::timestamptz AS instant, '04:05'::time AS time,
      '{"a": [1, 12345678901234567890]}'::jsonb AS json, '11111111-2222-3333-4444-555555555555'::uuid AS uuid, ARRAY[1,2] AS list`,
    typed: {
      small: 1, big: '9007199254740993', least: '-9223372036854775808', real: 1.5, missing: null, text: 'it\'s "ü" :x', empty: '', yes: true,
      exact: '12345678901234567890.123', nan: 'NaN', day: '2024-02-03', local: '2024-02-03T04:05:06.789', instant: '2024-02-03T02:05:06Z', time: '04:05:00',
      json: {a: [1, 12345678901234567890]}, uuid: '11111111-2222-3333-4444-555555555555', list: '{1,2}',
    },
    slow: 'SELECT pg_sleep(600)',
    stubborn: ['DO $$ BEGIN LOOP BEGIN PERFORM pg_sleep(600); EXCEPTION WHEN query_canceled THEN NULL; END; END LOOP; END $$ /* stubborn */'],
    running: 'SELECT count(*) AS n FROM pg_stat_activity WHERE state = \'active\' AND query LIKE \'%stubborn%\' AND pid <> pg_backend_pid()',
    many: (n) => `SELECT generate_series(1, ${n}) AS x`,
    writes: ['INSERT INTO t (n) VALUES (9)', 'UPDATE t SET n = 9', 'DELETE FROM t', 'DROP TABLE t', 'CREATE TABLE u (a int)',
      'SET TRANSACTION READ WRITE', 'SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE', 'SET default_transaction_read_only = off', 'COMMIT', 'ROLLBACK', 'BEGIN READ WRITE',
      'COMMIT AND CHAIN', 'WITH x AS (DELETE FROM t RETURNING *) SELECT * FROM x', 'SELECT nextval(\'t_id_seq\')', 'DELETE FROM t; COMMIT', 'COMMIT; DELETE FROM t',
      'DO $$ BEGIN SET TRANSACTION READ WRITE; DELETE FROM t; END $$', 'DO $$ BEGIN COMMIT; SET TRANSACTION READ WRITE; DELETE FROM t; COMMIT; END $$',
      'DO $$ BEGIN PERFORM set_config(\'transaction_read_only\', \'off\', false); DELETE FROM t; END $$', 'EXPLAIN ANALYZE DELETE FROM t',
      'SELECT set_config(\'transaction_read_only\', \'off\', false)', 'PREPARE p AS DELETE FROM t', 'EXECUTE p', 'COPY t FROM STDIN', 'DISCARD ALL'],
  },
  {
    name: 'MariaDB',
    begin: mariadb,
    xa: true,
    empty: [], // it takes a comment for done
    table: 'CREATE TABLE t (id BIGINT UNSIGNED AUTO_INCREMENT PRIMARY KEY, n INTEGER, s TEXT)',
    types: `SELECT 1 AS small, 9007199254740993 AS big, -9223372036854775808 AS least, 1.5e0 AS \`real\`, NULL AS missing, 'it\\'s "ü" :x' AS text, x'00ff10' AS bytes, '' AS empty,
      18446744073709551615 AS most, CAST(12345678901234567890.123 AS DECIMAL(30,3)) AS exact, DATE '2024-02-03' AS day,
      TIMESTAMP '2024-02-03 04:05:06.789' AS local, TIME '04:05:00' AS time, b'101' AS bit`,
    typed: {
      small: 1, big: '9007199254740993', least: '-9223372036854775808', real: 1.5, missing: null, text: 'it\'s "ü" :x', empty: '', most: '18446744073709551615',
      exact: '12345678901234567890.123', day: '2024-02-03', local: '2024-02-03T04:05:06.789', time: '04:05:00',
    },
    slow: 'SELECT SLEEP(600)',
    stubborn: ['SET STATEMENT max_statement_time=0 FOR SELECT SLEEP(600) /* stubborn */', 'BEGIN NOT ATOMIC SET max_statement_time=0; SELECT SLEEP(600) /* stubborn */; END',
      'BEGIN NOT ATOMIC DECLARE CONTINUE HANDLER FOR SQLEXCEPTION BEGIN END; SET STATEMENT max_statement_time=0 FOR SELECT SLEEP(600) /* stubborn */; END'],
    running: 'SELECT count(*) AS n FROM information_schema.processlist WHERE info LIKE \'%stubborn%\' AND id <> connection_id()',
    many: (n) => `SELECT seq AS x FROM seq_1_to_${n}`,
    writes: ['INSERT INTO t (n) VALUES (9)', 'UPDATE t SET n = 9', 'DELETE FROM t', 'DROP TABLE t', 'CREATE TABLE u (a int)', 'TRUNCATE t', 'REPLACE INTO t (id, n) VALUES (1, 9)',
      'SET SESSION TRANSACTION READ WRITE', 'SET SESSION tx_read_only = 0', 'COMMIT', 'ROLLBACK', 'START TRANSACTION READ WRITE', 'SET autocommit = 1',
      'BEGIN NOT ATOMIC COMMIT; DELETE FROM t; END', 'BEGIN NOT ATOMIC SET SESSION TRANSACTION READ WRITE; COMMIT; DELETE FROM t; END',
      'BEGIN NOT ATOMIC ROLLBACK; START TRANSACTION READ WRITE; DELETE FROM t; COMMIT; END', 'EXECUTE IMMEDIATE \'DELETE FROM t\'',
      'DELETE FROM t; COMMIT', 'SELECT 1; DELETE FROM t', 'SELECT 1 FROM t FOR UPDATE', 'LOCK TABLES t WRITE', 'XA END \'x\'', 'CALL mysql.nothing()',
      'BEGIN NOT ATOMIC CREATE TABLE u (a int); DELETE FROM t; END', '/*! DELETE FROM t */',
      'BEGIN NOT ATOMIC DECLARE CONTINUE HANDLER FOR SQLEXCEPTION BEGIN END; XA END \'x\'; XA ROLLBACK \'x\'; ROLLBACK; START TRANSACTION READ WRITE; DELETE FROM t; COMMIT; END',
      'BEGIN NOT ATOMIC ROLLBACK; XA START \'mine\'; DELETE FROM t; XA END \'mine\'; XA PREPARE \'mine\'; XA COMMIT \'mine\'; END',
      'SET STATEMENT tx_read_only=0 FOR DELETE FROM t', 'SELECT * FROM t INTO OUTFILE \'/tmp/smaster-outfile\'', 'SELECT n FROM t LIMIT 1 /*! INTO DUMPFILE \'/tmp/smaster-outfile\' */', 'LOAD DATA LOCAL INFILE \'/etc/passwd\' INTO TABLE t'],
  },
];

for (const kind of kinds) {
  test(`${kind.name}: types, results, limits, access and lost connections`, async (t) => {
    const database = await kind.begin(t);
    const url = database.url ? `url = "${database.url}"` : '';
    const {server, sql, rows} = await withShard(t, url);

    await t.test('a statement without rows tells what it did, one with rows gives objects in order', async () => {
      assert.deepEqual(await rows(kind.table), {affectedRows: 0, insertId: 0, changedRows: 0});
      const inserted = await rows('INSERT INTO t (n, s) VALUES (1, \'a\'), (2, \'b\'), (2, \'c\')');
      assert.equal(inserted.affectedRows, 3);
      assert.equal(inserted.changedRows, 0);
      const updated = await rows('UPDATE t SET s = \'z\' WHERE n = 2');
      assert.deepEqual([updated.affectedRows, updated.changedRows], [2, 2]);
      assert.deepEqual(await rows('SELECT id, n, s FROM t ORDER BY id'), [{id: 1, n: 1, s: 'a'}, {id: 2, n: 2, s: 'z'}, {id: 3, n: 2, s: 'z'}]);
      assert.deepEqual(await rows('SELECT * FROM t WHERE n = 77'), []);
      if (kind.name !== 'PostgreSQL') assert.ok((await rows('INSERT INTO t (n) VALUES (5)')).insertId >= 4);
      await rows('DELETE FROM t WHERE n = 5');
    });

    await t.test('types are kept: large integers as text, dates as ISO 8601, blobs as bytes', async () => {
      const [row] = await rows(kind.types);
      const {bytes, bit, ...rest} = row;
      assert.deepEqual(rest, kind.typed);
      assert.deepEqual(bytes, Buffer.from([0, 255, 16]));
      const {code, stdout} = await server.tool(['sql', '--json', '-'], {input: kind.types});
      assert.equal(code, 0);
      assert.equal(JSON.parse(stdout)[0].bytes, 'AP8Q');
    });

    await t.test('more blobs than a packet carries travel as text', async () => {
      const one = kind.types.match(/x'00ff10'|'\\x00ff10'::bytea/)[0];
      const [row] = await rows(`SELECT ${Array.from({length: 11}, (_, i) => `${one} AS b${i}`)}`);
      assert.equal(row.b10, 'AP8Q');
    });

    await t.test('an error is the database\'s own sentence, and harms nothing after it', async () => {
      for (const bad of ['SELEC 1', 'SELECT * FROM nowhere', '', ...kind.empty, 'INSERT INTO t (id) VALUES (1)']) {
        const [error] = await sql(bad);
        assert.equal(error.name, 'Error', bad);
        assert.ok(error.message.length > 10, bad);
      }
      const [none] = await sql(7);
      assert.match(none.message, /takes a statement as text/);
      assert.deepEqual(await rows('SELECT count(*) AS n FROM t'), [{n: 3}]);
    });

    await t.test('a transaction cannot span statements', async () => {
      const [error] = await sql('BEGIN');
      assert.match(error.message, /left a transaction open/);
      await rows('INSERT INTO t (n) VALUES (6)');
      assert.equal((await rows('SELECT count(*) AS n FROM t'))[0].n, 4);
      await rows('DELETE FROM t WHERE n = 6');
    });

    if (kind.xa) {
      await t.test('an XA transaction is refused, and one that is hidden spoils no other statement', async () => {
        const [refused] = await sql('XA START \'plain\'');
        assert.match(refused.message, /XA transactions are not possible/);
        await rows('CREATE TABLE x (n INTEGER) ENGINE=InnoDB');
        const hidden = (i) => ['START', 'END', 'PREPARE'].map((word) => `EXECUTE IMMEDIATE CONCAT('X', "A ${word} 'q${i}'")`);
        for (let i = 0; i < 6; ++i) {
          const [start, end, prepare] = hidden(i);
          const [error] = await sql(`BEGIN NOT ATOMIC ${start}; INSERT INTO x VALUES (${i}); ${end}; ${prepare}; END`);
          assert.match(error.message, /left an XA transaction/);
        }
        for (let i = 0; i < 12; ++i) assert.deepEqual(await rows('SELECT count(*) AS n FROM t'), [{n: 3}]);
      });
    }

    await t.test('many at once, from several callers', async () => {
      const counts = await Promise.all(Array.from({length: 40}, (_, i) => rows(`SELECT ${i} AS i`)));
      assert.deepEqual(counts.map(([row]) => row.i), Array.from({length: 40}, (_, i) => i));
    });

    await t.test('the tool prints tables, CSV and what was done', async () => {
      const table = await server.tool(['sql', 'SELECT id, s FROM t ORDER BY id LIMIT 2']);
      assert.equal(table.stdout, 'id  s\n1   a\n2   z\n');
      const csv = await server.tool(['sql', '--csv', 'SELECT \'a,"b"\' AS x, NULL AS y']);
      assert.equal(csv.stdout, 'x,y\r\n"a,""b""",\r\n');
      const done = await server.tool(['sql', 'DELETE FROM t WHERE n = 99']);
      assert.equal(done.stdout, '0 rows affected, insert id 0\n');
      const wrong = await server.tool(['sql', 'SELEC']);
      assert.equal(wrong.code, 65);
      assert.match(wrong.stderr, /syntax/i);
    });

    const reload = async (more) => {
      const times = server.log.split('settings reloaded').length;
      server.configure(settings(`${url}\n${more}`));
      server.process.kill('SIGHUP');
      await until('a reload', () => server.log.split('settings reloaded').length > times);
    };

    await t.test('too many rows and too much time are errors', async () => {
      await reload('max_rows = 100\nstatement_timeout = "300ms"');
      assert.equal((await rows(kind.many(100))).length, 100);
      const [many] = await sql(kind.many(101));
      assert.match(many.message, /more than 100 rows/);
      const [huge] = await sql(kind.many(100_000_000));
      assert.match(huge.message, /more than 100 rows|longer than 300ms/);
      const [slow] = await sql(kind.slow);
      assert.match(slow.message, /longer than 300ms/);
      assert.deepEqual(await rows('SELECT 1 AS n'), [{n: 1}]);
      const tool = await server.tool(['sql', kind.slow]);
      assert.equal(tool.code, 75);
    });

    await t.test('a statement that does not let itself be stopped is killed, at the database as well', async () => {
      for (const stubborn of kind.stubborn) {
        // A statement that catches the error of its own cancellation has ended as well.
        const [error] = await sql(stubborn);
        if (error || stubborn === kind.stubborn[0]) assert.match(error.message, /longer than 300ms/);
        assert.ok([0, 75].includes((await server.tool(['sql', stubborn])).code));
        await until('nothing of it to run', async () => {
          const [none, result] = kind.running ? await sql(kind.running) : [null, [{n: 0}]];
          return !none && result[0].n === 0;
        });
      }
      assert.deepEqual(await rows('SELECT 1 AS n'), [{n: 1}]);
    });

    await t.test('text with U+0000 is refused, not cut', async () => {
      const [error] = await sql('DELETE FROM t\0 WHERE n = 77');
      assert.match(error.message, /U\+0000/);
      const tool = await server.tool(['sql', '-'], {input: 'DELETE FROM t\0 WHERE n = 77'});
      assert.equal(tool.code, 65);
      assert.match(tool.stderr, /U\+0000/);
      assert.deepEqual(await rows('SELECT count(*) AS n FROM t'), [{n: 3}]);
    });

    await t.test('shard_access read is the database\'s own: nothing gets past it, nor past a statement before', async () => {
      await reload('shard_access = "read"');
      const before = await rows('SELECT * FROM t ORDER BY id');
      for (const first of kind.writes) {
        await sql(first);
        for (const second of ['DELETE FROM t', 'INSERT INTO t (n) VALUES (9)', 'CREATE TABLE u (a int)']) {
          const [error] = await sql(second);
          assert.ok(error, `${second} after ${first}`);
        }
        assert.deepEqual(await rows('SELECT * FROM t ORDER BY id'), before, first);
      }
      assert.ok(!existsSync('/tmp/smaster-attached.db') && !existsSync('/tmp/smaster-vacuumed.db'));
      // shard_access does not limit operators.
      assert.equal((await server.tool(['sql', 'UPDATE t SET n = 1 WHERE n = 1'])).code, 0);
      await reload('shard_access = "none"');
      const [error] = await sql('SELECT 1');
      assert.match(error.message, /may not use the database/);
    });

    if (!database.restart) return;
    await t.test('a database that restarts is found again; while it is down that is the error', async () => {
      await reload('shard_access = "write"');
      await database.restart();
      assert.deepEqual(await rows('SELECT count(*) AS n FROM t'), [{n: 3}]);
      await database.stop('SIGKILL');
      // After PostgreSQL was killed, the process of our connection may live on for a moment.
      const [down] = await until('the database to be gone', async () => {
        const answer = await sql('SELECT 1 AS n');
        return answer[0] && answer;
      });
      assert.match(down.message, /cannot be reached|was lost/);
      const tool = await server.tool(['sql', 'SELECT 1']);
      assert.equal(tool.code, 69);
      await database.start();
      assert.deepEqual(await rows('SELECT 1 AS n'), [{n: 1}]);
    });
  });
}

test('SQLite: the file is private, other files are out of reach, and the server\'s own store too', async (t) => {
  const {server, sql} = await withShard(t, '');
  assert.equal((await sql('CREATE TABLE a (b)'))[0], null);
  assert.equal(statSync(path.join(server.folder, 'state/database.db')).mode & 0o777, 0o600);
  for (const reach of [`ATTACH '${server.folder}/state/smaster.db' AS s`, `ATTACH '${server.folder}/' || 'state/smaster.db' AS s`, `VACUUM INTO '${server.folder}/copy.db'`,
    'SELECT load_extension(\'x\')', 'PRAGMA temp_store_directory = \'/tmp\'', 'PRAGMA locking_mode = EXCLUSIVE']) {
    assert.ok((await sql(reach))[0], reach);
  }
  assert.ok(!existsSync(`${server.folder}/copy.db`));
  assert.equal((await sql('VACUUM'))[0], null);
});

test('SQLite: what reaches the program instead of the database, or stays for the next statement, is refused', async (t) => {
  const {sql, rows} = await withShard(t, 'statement_timeout = "3s"');
  const columns = (count) => Array.from({length: count}, (_, i) => `${i} AS c${i}`);
  await rows('CREATE TABLE a (b)');
  const attacks = [
    'SELECT fts3_tokenizer(\'evil\', x\'4142434445464748\')', 'SELECT fts3_tokenizer(\'simple\')', 'CREATE VIRTUAL TABLE e USING fts3(x, tokenize=evil)',
    'SELECT load_extension(\'/lib/x86_64-linux-gnu/libm.so.6\')', 'SELECT hex(zeroblob(120000000))', 'SELECT zeroblob(1000000000)',
    `SELECT ${Array.from({length: 50}, (_, i) => `zeroblob(16000000) AS z${i}`)}`,
    'WITH RECURSIVE c(x) AS (SELECT zeroblob(15000000) UNION ALL SELECT x FROM c) SELECT count(*) FROM c', endless,
    'SELECT group_concat(hex(zeroblob(7000000))) FROM (VALUES (1), (2), (3))',
    'PRAGMA writable_schema = 1', 'UPDATE sqlite_schema SET sql = \'\'', 'DELETE FROM sqlite_schema', 'PRAGMA journal_mode = DELETE', 'PRAGMA trusted_schema = 1',
    'PRAGMA temp_store = 1', 'PRAGMA foreign_keys = 0', 'PRAGMA mmap_size = 1', 'PRAGMA hard_heap_limit = 0', 'PRAGMA query_only = 1', 'PRAGMA wal_checkpoint',
    'ATTACH \':memory:\' AS m', 'ATTACH \'\' AS m', 'VACUUM INTO \'/tmp/smaster-vacuumed.db\'', 'CREATE TEMP TABLE a (b)', 'CREATE TABLE temp.a (b)',
    'CREATE TEMP VIEW a AS SELECT 1', 'CREATE VIEW temp.a AS SELECT 1', 'CREATE VIRTUAL TABLE temp.a USING fts5(x)', 'CREATE TEMP TRIGGER g AFTER INSERT ON a BEGIN SELECT 1; END',
    'CREATE TRIGGER temp.g AFTER INSERT ON main.a BEGIN SELECT 1; END', `SELECT ${columns(1001)}`, `SELECT ${'1+'.repeat(450_000)}1`,
    `SELECT ${'('.repeat(400_000)}1`, `SELECT 1 WHERE ${'NOT '.repeat(200_000)}1`,
  ];
  for (const attack of attacks) {
    const [error] = await sql(attack);
    assert.ok(error, attack.slice(0, 100));
    assert.equal(error.name, 'Error');
    assert.deepEqual(await rows('SELECT count(*) AS n FROM a'), [{n: 0}], attack.slice(0, 100));
  }
  // Other statements stay possible.
  assert.equal(Object.keys((await rows(`SELECT ${columns(1000)}`))[0]).length, 1000);
  assert.equal((await rows('SELECT hex(zeroblob(1000000)) AS h'))[0].h.length, 2_000_000);
  assert.equal((await rows('SELECT zeroblob(8000000) AS z'))[0].z.length, 8_000_000);
  await rows('CREATE VIRTUAL TABLE words USING fts5(word)');
  await rows('INSERT INTO words VALUES (\'one\'), (\'two\')');
  assert.deepEqual(await rows('SELECT word FROM words WHERE words MATCH \'two\''), [{word: 'two'}]);
  assert.deepEqual(await rows('PRAGMA user_version = 7'), {affectedRows: 0, insertId: 0, changedRows: 0});
  assert.deepEqual(await rows('PRAGMA user_version'), [{user_version: 7}]);
  await rows('ALTER TABLE a RENAME TO b');
  await rows('CREATE INDEX i ON b (b)');
  await rows('VACUUM');
});

test('the processes that run SQL can do nothing else, and go with the server', async (t) => {
  const {server, sql, rows} = await withShard(t, 'statement_timeout = "60s"');
  await rows('CREATE TABLE a (b)');
  const [pid] = workers(server);
  const status = Object.fromEntries(readFileSync(`/proc/${pid}/status`, 'utf8').split('\n').map((line) => line.split(/:\s*/)));
  assert.equal(status.NoNewPrivs, '1');
  assert.equal(status.Seccomp, '2');
  assert.equal(BigInt(`0x${status.CapEff}`), 0n);
  assert.equal(BigInt(`0x${status.CapPrm}`), 0n);
  const limits = readFileSync(`/proc/${pid}/limits`, 'utf8');
  assert.match(limits, /Max open files +32 +32/);
  if (!process.env.SMASTER_SANITIZED) assert.match(limits, /Max data size +268435456 +268435456/);
  if (process.getuid() === 0) { // it may not be looked into by others
    const open = readdirSync(`/proc/${pid}/fd`).map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`));
    for (const target of open) assert.match(target, /^socket:|^\/dev\/null$|^pipe:|\/state\/database\.db(-wal|-shm)?$/);
    // Reports of sanitizers need the server's own outputs.
    if (!process.env.SMASTER_SANITIZED) assert.equal(open.filter((target) => target.startsWith('socket:')).length, 1);
  }

  // Killing a worker affects one statement only.
  const lost = sql(endless);
  process.kill(await until('a worker to be busy', computing(server)), 'SIGKILL');
  assert.match((await lost)[0].message, /ended \(signal 9\)/);
  assert.deepEqual(await rows('SELECT 1 AS n'), [{n: 1}]);

  const stuck = sql(endless);
  stuck.catch(() => {});
  await until('a worker to be busy', computing(server));
  const left = workers(server);
  await server.end('SIGKILL');
  await until('the workers to be gone', () => left.every((worker) => !existsSync(`/proc/${worker}`) || /\) [ZX] /.test(readFileSync(`/proc/${worker}/stat`, 'utf8'))));
});

test('eight stuck statements of a shard hold up neither others\' SQL nor the end of the server', async (t) => {
  const server = await serve(t, settings('statement_timeout = "10m"').replace('count = 1', 'count = 2'));
  const shards = (await server.register(2)).map((config) => server.shard(config));
  await server.running(2);
  const [bad, good] = shards.map(sendFrom);
  for (let i = 0; i < 8; ++i) bad(endless).catch(() => {});
  await until('three of them to run', () => workers(server).length >= 3);
  for (let i = 0; i < 5; ++i) assert.deepEqual(await good('SELECT 1 AS n'), [null, [{n: 1}]]);
  assert.equal((await server.tool(['sql', 'SELECT 1'])).code, 0);
  const begun = Date.now();
  assert.equal(await server.end('SIGTERM'), 0);
  assert.ok(Date.now() - begun < 20_000, 'it took as long as the statements may');
});

test('SQLite: what a shard has read and not waited for ends with its connection; what it writes is done', async (t) => {
  const server = await serve(t, settings('statement_timeout = "10m"'));
  const [config] = await server.register(1);
  const first = server.shard(config);
  await server.running(1);
  const endless = 'WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n';
  for (let i = 0; i < 50; ++i) first.socket.emit('sendSQL', `SELECT (${endless}) AS n`, () => {});
  first.socket.emit('sendSQL', 'CREATE TABLE left_behind(n)', () => {});
  await until('all of them to be there', async () => / (?:4[5-9]|50)$/m.test((await request(server.port, '/metrics')).body.match(/^smaster_\w*\{queue="sql"\} \d+$/m)[0]));
  first.close();
  const again = server.shard(config);
  const sql = sendFrom(again);
  await until('its table', async () => (await sql("SELECT name FROM sqlite_schema WHERE name = 'left_behind'"))[1]?.length === 1);
});

test('SQLite: writers take turns, and readers wait for none', async (t) => {
  // Each statement lasts until its timeout, which is longer than SQLite's own wait for a lock.
  const server = await serve(t, settings('statement_timeout = "7s"').replace('count = 1', 'count = 2'));
  const shards = (await server.register(2)).map((config) => server.shard(config));
  await server.running(2);
  const [bad, good] = shards.map(sendFrom);
  assert.equal((await good('CREATE TABLE t (x)'))[0], null);
  const long = 'WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) INSERT INTO t SELECT x FROM c WHERE x < 0';
  const stuck = Array.from({length: 3}, () => bad(long));
  await until('a writer to be at work', computing(server));
  const order = [];
  const written = good('INSERT INTO t VALUES (1)').then((answer) => order.push(['written', answer[0]]));
  const read = good('SELECT count(*) AS n FROM t').then((answer) => order.push(['read', answer[1]]));
  const second = stuck[1].then(() => order.push(['second']));
  await Promise.all([written, read, second]);
  assert.deepEqual(order, [['read', [{n: 0}]], ['written', null], ['second']]);
  for (const [error] of await Promise.all(stuck)) assert.match(error.message, /7 ?s/);
  assert.deepEqual(await good('SELECT count(*) AS n FROM t'), [null, [{n: 1}]]);
});

test('SQLite: a statement is judged by the tables as they are, whatever another connection has changed since', async (t) => {
  const {server, sql, rows} = await withShard(t, '');
  for (const table of ['a', 'b', 'c', 'd']) await rows(`CREATE TABLE IF NOT EXISTS ${table} (x INTEGER PRIMARY KEY, y)`);
  await rows('SELECT * FROM a');
  await rows('ALTER TABLE a ADD COLUMN z');
  await rows('INSERT INTO a VALUES (1, 2, 3)');
  await rows('ALTER TABLE a RENAME COLUMN z TO w');
  await rows('UPDATE a SET w = 4');
  await rows('CREATE VIEW v AS SELECT w FROM a');
  await rows('CREATE TABLE e AS SELECT * FROM a');
  assert.deepEqual(await rows('SELECT * FROM v'), [{w: 4}]);
  assert.match((await sql('INSERT INTO a VALUES (9)'))[0].message, /3 columns but 1 values/);
  assert.match((await sql('UPDATE a SET absent = 1'))[0].message, /no such column: absent/);
  assert.match((await sql('SELEC 1'))[0].message, /syntax error/);
  await rows('CREATE VIRTUAL TABLE r USING rtree(id, low, high)');
  await rows('INSERT INTO r VALUES (1, 2, 3)');
  assert.equal((await rows('EXPLAIN INSERT INTO a VALUES (1, 2, 3)')).length > 0, true);
  // With read access, too, in a connection that has read nothing yet.
  server.configure(settings('shard_access = "read"'));
  server.process.kill('SIGHUP');
  await until('a reload', () => server.log.includes('settings reloaded'));
  assert.deepEqual(await rows('SELECT id FROM r WHERE low > 1'), [{id: 1}]);
  assert.deepEqual(await rows('PRAGMA journal_mode'), [{journal_mode: 'wal'}]);
  assert.match((await sql('INSERT INTO r VALUES (2, 2, 3)'))[0].message, /this statement writes, and shards may only read/);
  assert.match((await sql('PRAGMA optimize'))[0].message, /may only read/);
});

test('a database address that makes no sense is refused with line and column, and its password is said nowhere', async (t) => {
  const server = await serve(t, settings(''));
  for (const url of ['nonsense', 'sqlite:', 'postgresql://u:geheim@h/db?nonsense=1', 'mysql://u:geheim@h/db?nonsense=1']) {
    writeFileSync(path.join(server.folder, 'x.toml'), `[database]\nurl = "${url}"\n`);
    const {code, stderr} = await server.tool(['serve', '--config', path.join(server.folder, 'x.toml')]);
    assert.equal(code, 78, url);
    assert.match(stderr, /x\.toml:2:7: database\.url /);
    assert.doesNotMatch(stderr, /geheim/);
  }
});
