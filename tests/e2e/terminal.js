// A terminal in tmux, as its user sees it.
import {execFileSync} from 'node:child_process';
import {mkdtempSync, rmSync} from 'node:fs';
import {tmpdir} from 'node:os';
import path from 'node:path';
import {bin, until} from './harness.js';

/** A shell on a terminal of its own. */
export class Terminal {
  constructor(t, server, {width = 120, height = 20, env = {}, shell = ['bash', '--norc', '--noprofile']} = {}) {
    const folder = mkdtempSync(path.join(tmpdir(), 'smaster-tmux-'));
    this.socket = path.join(folder, 'socket');
    const variables = {SMASTER_SOCKET: server?.socket ?? '', PATH: `${path.resolve(bin)}:${process.env.PATH}`, PS1: '$ ', LC_ALL: 'C.UTF-8', PAGER: '', SMASTER_COMPLETE_TIMEOUT: '60s', ...env};
    this.tmux('-u', '-f', '/dev/null', 'new-session', '-d', '-x', `${width}`, '-y', `${height}`,
      'env', ...Object.entries(variables).map(([name, value]) => `${name}=${value}`), ...shell);
    t.after(() => {
      this.tmux('kill-server');
      rmSync(folder, {recursive: true, force: true});
    });
  }

  tmux(...args) {
    return execFileSync('tmux', ['-S', this.socket, ...args], {encoding: 'utf8', env: {...process.env, TMUX: ''}});
  }

  screen(...flags) {
    return this.tmux('capture-pane', '-p', ...flags);
  }

  keys(...keys) {
    this.tmux('send-keys', ...keys);
  }

  async shows(pattern, ...flags) {
    try {
      return await until(`the terminal to show ${pattern}`, () => pattern.test(this.screen(...flags)) && this.screen(...flags));
    } catch (error) {
      throw new Error(`${error.message}; it shows:\n${this.screen()}`);
    }
  }
}
