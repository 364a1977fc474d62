// Mail to the operators, through real programs: new configs with their file, failures, alerts.
import assert from 'node:assert/strict';
import {chmodSync, existsSync, readFileSync, readdirSync, rmSync, writeFileSync} from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import {test} from 'node:test';
import {alive, serve, until} from './harness.js';

/** An SMTP server that accepts every mail (RFC 5321); `mails` are {from, to, text}. */
function smtpSink(t) {
  const mails = [];
  const server = net.createServer((socket) => {
    let rest = '';
    let mail = {to: []};
    let data;
    const say = (line) => socket.write(`${line}\r\n`);
    socket.setEncoding('utf8');
    socket.on('error', () => {});
    socket.on('data', (chunk) => {
      rest += chunk;
      for (let end = rest.indexOf('\r\n'); end >= 0; end = rest.indexOf('\r\n')) {
        const line = rest.slice(0, end);
        rest = rest.slice(end + 2);
        if (data) {
          if (line !== '.') {
            data.push(line.replace(/^\./, ''));
            continue;
          }
          mails.push({...mail, text: data.join('\n')});
          mail = {to: []};
          data = undefined;
          say('250 taken');
        } else if (/^(EHLO|HELO)/i.test(line)) {
          say('250 sink');
        } else if (/^MAIL FROM:<(.*?)>/i.test(line)) {
          mail.from = line.match(/<(.*?)>/)[1];
          say('250 ok');
        } else if (/^RCPT TO:/i.test(line)) {
          mail.to.push(line.match(/<(.*?)>/)[1]);
          say('250 ok');
        } else if (/^DATA/i.test(line)) {
          data = [];
          say('354 go on');
        } else if (/^QUIT/i.test(line)) {
          say('221 bye');
          socket.end();
        } else {
          say('500 what?');
        }
      }
    });
    say('220 sink');
  });
  t.after(() => server.close());
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve({port: server.address().port, mails})));
}

const toml = (list) => `[${list.map((text) => JSON.stringify(text)).join(', ')}]`;

test('a new config reaches an operator through msmtp, with the file as an attachment', async (t) => {
  const {port, mails} = await smtpSink(t);
  const args = ['--file=/dev/null', '--host=127.0.0.1', `--port=${port}`, '--from=smaster@example.org', '--', 'operator@example.org'];
  const message = ['Date: {date}', 'Subject: shard {id} {unknown}', 'MIME-Version: 1.0', 'Content-Type: multipart/mixed; boundary=part', '', '--part', '', '{pubkey}', '--part',
    'Content-Type: application/json; name=config.json', 'Content-Transfer-Encoding: base64', '', '{attachment}', '--part--', ''].join('\n');
  const server = await serve(t, `[mail]\nenabled = true\ncommand = "msmtp"\nargs = ${toml(args)}\ncreate_message = ${JSON.stringify(message)}\n`);
  const {stdout, code} = await server.tool(['genconfig']);
  assert.equal(code, 0);
  const file = stdout.trim();
  const config = JSON.parse(readFileSync(file, 'utf8'));
  await until('the mail', () => mails.length === 1);
  const [mail] = mails;
  assert.equal(mail.from, 'smaster@example.org');
  assert.deepEqual(mail.to, ['operator@example.org']);
  assert.match(mail.text, new RegExp(`^Subject: shard ${config.id} \\{unknown\\}$`, 'm'));
  assert.match(mail.text, /^Date: \w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d [+-]\d{4}$/m);
  assert.ok(mail.text.includes(config.pubKey.trim()));
  const body = mail.text.split('base64\n\n')[1].split('\n--part--')[0];
  assert.ok(body.split('\n').every((line) => line.length <= 76));
  assert.deepEqual(JSON.parse(Buffer.from(body, 'base64')), config);
  await until('the log', () => server.log.includes(`mail: the config of shard ${config.id} is sent (exit code 0)`));
  assert.ok(!server.log.includes('PRIVATE KEY'));

  // A config printed to stdout is mailed as well, and leaves no file behind.
  const inline = JSON.parse((await server.tool(['genconfig', '--out', '-'])).stdout);
  await until('the mail', () => mails.length === 2);
  assert.ok(mails[1].text.includes(`shard ${inline.id}`));
  await until('its file to go', () => readdirSync(`${server.folder}/state/mail`).length === 0);
});

/** A mail program that records its arguments and input. */
function program(folder, body = '') {
  const file = path.join(folder, 'mail program');
  writeFileSync(file, `#!/bin/sh\nfor arg; do printf '%s\\n' "$arg"; done > "${folder}/args"\ncat > "${folder}/stdin"\necho "$FLAVOUR" > "${folder}/env"\n[ -f "$4" ] && cp "$4" "${folder}/attached"\n${body}\n`);
  chmodSync(file, 0o755);
  return file;
}

test('the command runs without a shell, with its arguments, attachment, environment and text', async (t) => {
  const server = await serve(t, '');
  const command = program(server.folder, 'echo warning >&2');
  server.configure(`[mail]\nenabled = true\ncommand = ${JSON.stringify(command)}\nargs = ["-s", "a b; $(touch ${server.folder}/x) \`id\`", "*", "%ATTACHMENT%"]\n` +
    'env = {FLAVOUR = "vanilla"}\ncreate_message = "{id}"\n');
  await server.end();
  await server.start();
  const file = (await server.tool(['genconfig'])).stdout.trim();
  await until('the mail', () => server.log.includes('is sent (exit code 0)'));
  assert.deepEqual(readFileSync(`${server.folder}/args`, 'utf8').split('\n').slice(0, 4), ['-s', `a b; $(touch ${server.folder}/x) \`id\``, '*', file]);
  assert.equal(readFileSync(`${server.folder}/attached`, 'utf8'), readFileSync(file, 'utf8'));
  assert.equal(readFileSync(`${server.folder}/env`, 'utf8'), 'vanilla\n');
  assert.equal(readFileSync(`${server.folder}/stdin`, 'utf8'), JSON.parse(readFileSync(file, 'utf8')).id);
  assert.ok(!existsSync(`${server.folder}/x`));
  assert.match(server.log, /mail: warning/);
});

test('what the mail program does wrong is in the log, and one that hangs is killed with what it started', async (t) => {
  const server = await serve(t, '');
  const again = async (settings, pattern) => {
    server.configure(`[mail]\nenabled = true\n${settings}`);
    await server.end();
    await server.start();
    assert.equal((await server.tool(['genconfig'])).code, 0);
    await until(`the log to say ${pattern}`, () => server.log.match(pattern));
  };
  await again('command = "/nowhere/mail"', /mail: the config of shard \w+ is not sent: cannot start \/nowhere\/mail: No such file or directory/);
  const failing = program(server.folder, 'echo "no such user" >&2; exit 67');
  await again(`command = ${JSON.stringify(failing)}`, /mail: no such user[^]*is not sent: .*mail program ended with exit code 67/);
  const hanging = program(server.folder, `trap '' TERM; sleep 600 & echo $! > "${server.folder}/child"; echo $$ > "${server.folder}/pid"; wait; sleep 600`);
  await again(`command = ${JSON.stringify(hanging)}\ntimeout = "300ms"`, /ended with stopped after 300ms/);
  for (const name of ['pid', 'child']) {
    await until(`${name} to end`, () => !alive(Number(readFileSync(`${server.folder}/${name}`, 'utf8'))));
  }
});

test('what a shard says of its bot ends no line, mail or part of one', async (t) => {
  const message = 'Subject: {text}\nTo: operator@example.org\n\n{text}\n';
  const server = await serve(t, '');
  const command = path.join(server.folder, 'mail');
  writeFileSync(command, `#!/bin/sh\ncat > "${server.folder}/mail.txt.new"\nmv "${server.folder}/mail.txt.new" "${server.folder}/mail.txt"\n`);
  chmodSync(command, 0o755);
  server.settings = `[shards]\ncount = 1\n[limits]\nconn_count = 1000\n[mail]\nenabled = true\ncommand = ${JSON.stringify(command)}\nalert_message = ${JSON.stringify(message)}\n`;
  await server.end();
  await server.start();
  const shard = server.shard((await server.register(1))[0]);
  await server.running(1);
  const last = 'signal 9\r\nBcc: evil@example.org\n\n.\n~!id\n--part\u001b[2J';
  await until('the alert', async () => {
    for (let deaths = 1; deaths < 20; ++deaths) {
      shard.socket.emit('status', {goalShardId: 0, goalShardCount: 1, currentShardId: 0, currentShardCount: 1, bot: {agent: 'x', state: 'waiting', deaths, crashLoop: true, lastExit: last}});
    }
    return existsSync(`${server.folder}/mail.txt`);
  });
  const mail = readFileSync(`${server.folder}/mail.txt`, 'utf8');
  assert.match(mail, /^Subject: smaster on \S+: the bot of shard aaa .* signal 9 +Bcc: evil@example\.org .*\nTo: operator@example\.org\n\nsmaster on \S+: the bot/);
  assert.doesNotMatch(mail, /^(Bcc:|\.|~|--)|\u001b|\r/m);
});

test('a config that cannot be made, and a bot that is parked, are told to the operators; not every few seconds', async (t) => {
  const server = await serve(t, '[shards]\ncount = 1\nauto_generate = false\n[limits]\nconn_count = 1000\n');
  const command = path.join(server.folder, 'mail');
  writeFileSync(command, `#!/bin/sh\necho "$*: $(cat)" >> "${server.folder}/mails"\n`);
  chmodSync(command, 0o755);
  const mails = () => existsSync(`${server.folder}/mails`) ? readFileSync(`${server.folder}/mails`, 'utf8').trim().split('\n') : [];
  const mail = `[mail]\nenabled = true\ncommand = ${JSON.stringify(command)}\nfail_args = ["failed"]\ncreate_fail_message = "{errors}"\nalert_message = "{text}"\n`;
  server.configure(`[shards]\ncount = 1\nauto_generate = false\n[limits]\nconn_count = 1000\n${mail}`);
  await server.end();
  await server.start();
  const configs = await server.register(1);
  server.agent(configs, ['/bin/false']);
  await until('an alert', () => mails().some((line) => /^failed: smaster on \S+: the bot of shard aaa \(id 0\) fails again and again, .* it is parked/.test(line)));
  await Promise.all(server.agents.map((agent) => agent.end()));

  rmSync(`${server.folder}/state/shards`, {recursive: true, force: true});
  writeFileSync(`${server.folder}/state/shards`, 'in the way');
  server.configure(`[shards]\ncount = 3\nauto_generate = true\n[log]\nlevel = "debug"\n${mail}`);
  await server.end();
  await server.start();
  await until('a mail of the failure', () => mails().some((line) => /^failed: .*shards/.test(line) && !/parked/.test(line)));
  await until('several tries', () => server.log.split('cannot make a config').length > 2);
  assert.equal(server.log.match(/error cannot make a config/g).length, 1, 'said once');
  assert.equal(mails().filter((line) => !/parked/.test(line)).length, 1);
});
