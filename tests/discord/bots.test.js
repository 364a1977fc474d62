// Each bot alone, without smaster: logs in to the stand-in, reconnects with a resume, and with a new login.
import assert from 'node:assert/strict';
import {test} from 'node:test';
import {COMMANDS, startBot} from './bots.js';
import {standIn} from './stand-in.js';

for (const kind of Object.keys(COMMANDS).filter((kind) => kind !== 'light')) { // that one needs an agent
  test(`${kind} logs in, resumes, and logs in again`, async (t) => {
    const discord = await standIn(t, {guilds: 6, heartbeatInterval: 2000, identifyInterval: 20});
    const bot = startBot(t, kind, discord, 1, 2);
    try {
      await discord.untilReady([1], 2, 30_000);
      await bot.writes(/ready: 3 guilds/);
      assert.equal(discord.counts.identifies, 1);
      discord.drop();
      await bot.writes(/resumed/);
      assert.equal(discord.counts.resumed, 1);
      assert.equal(discord.counts.identifies, 1, 'a resume costs no login');
      discord.invalidate();
      await discord.until(({counts}) => counts.ready === 2, 60_000, 'a second login');
    } catch (error) {
      throw new Error(`${error.message}\nthe bot wrote:\n${bot.output}`, {cause: error});
    }
  });
}
