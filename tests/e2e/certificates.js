// A certificate authority for tests, and a certificate that it has signed.
import {execFileSync} from 'node:child_process';
import {existsSync, readFileSync, writeFileSync} from 'node:fs';
import path from 'node:path';

/** Creates both in `folder`; a further call creates another certificate of the same authority. `names` in OpenSSL's format. */
export function certificates(folder, names = 'DNS:localhost') {
  const openssl = (...args) => execFileSync('openssl', args, {cwd: folder, stdio: 'pipe'});
  const file = (name) => path.join(folder, name);
  if (!existsSync(file('ca.key'))) openssl('req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', 'ca.key', '-out', 'ca.pem', '-days', '2', '-subj', '/CN=Test CA');
  openssl('req', '-newkey', 'rsa:2048', '-nodes', '-keyout', 'server.key', '-out', 'server.csr', '-subj', '/CN=localhost');
  writeFileSync(file('san'), `subjectAltName=${names}`);
  openssl('x509', '-req', '-in', 'server.csr', '-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-out', 'server.pem', '-days', '2', '-extfile', 'san');
  return {
    key: readFileSync(file('server.key')), cert: readFileSync(file('server.pem')),
    ca: file('ca.pem'), keyFile: file('server.key'), certFile: file('server.pem'),
  };
}
