// A bot without a channel that only runs.
import {announce} from './announce.js';

announce();
setInterval(() => {}, 60_000);
