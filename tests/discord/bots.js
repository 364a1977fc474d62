// Starts the unmodified bots of tests/discord/bots, as discord.js' ShardingManager or smaster's agent would.
import {spawn} from 'node:child_process';
import {once} from 'node:events';
import path from 'node:path';

export const BOTS = path.join(import.meta.dirname, 'bots');

/** The command of each kind of bot. The system's Python, since the library is a Debian package. */
export const COMMANDS = {
  'discord.js': ['node', path.join(BOTS, 'discordjs.js')],
  eris: ['node', path.join(BOTS, 'eris.js')],
  'oceanic.js': ['node', path.join(BOTS, 'oceanic.js')],
  discordeno: ['node', path.join(BOTS, 'discordeno.js')],
  light: ['node', path.join(BOTS, 'light.js')],
  'discord.py': ['/usr/bin/python3', path.join(BOTS, 'discordpy.py')],
};

/** The environment in which a bot runs its shards at a stand-in. */
export function environment(discord, shards, count, token = 'the token') {
  return {
    ...process.env, DISCORD_TOKEN: token, DISCORD_API: discord.api, DISCORD_GATEWAY: discord.gateway, SHARDS: JSON.stringify(shards), SHARD_COUNT: String(count),
    SHARDING_MANAGER: 'true', SHARDING_MANAGER_MODE: 'process', NO_COLOR: '1',
  };
}

/** Starts a bot, without a channel; it is ended with the test. */
export function startBot(t, kind, discord, shards, count, more = {}) {
  const [program, ...args] = COMMANDS[kind];
  const bot = spawn(program, args, {stdio: ['ignore', 'pipe', 'pipe'], env: {...environment(discord, shards, count), SHARDING_MANAGER: '', ...more}});
  return kept(t, bot);
}

/** Collects a bot's output in `output`, waits for text in it with `writes`, and ends the bot with the test. */
export function kept(t, bot) {
  bot.output = '';
  const waiting = new Set();
  for (const stream of [bot.stdout, bot.stderr]) {
    stream.setEncoding('utf8').on('data', (text) => {
      bot.output += text;
      for (const check of waiting) check();
    });
  }
  bot.writes = (pattern, timeout = 30_000) => new Promise((resolve, reject) => {
    const check = () => {
      if (!pattern.test(bot.output)) return;
      clearTimeout(timer);
      waiting.delete(check);
      resolve();
    };
    const timer = setTimeout(() => reject(new Error(`the bot did not write ${pattern}`)), timeout);
    waiting.add(check);
    check();
  });
  bot.ended = once(bot, 'close');
  t.after(async () => {
    bot.kill('SIGKILL');
    await bot.ended;
  });
  return bot;
}
