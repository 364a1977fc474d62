// Loads its library, and never logs in.
import 'discord.js';

setInterval(() => {}, 1000);
