// A bot that knows no channel and does nothing but run.
import {announce} from './announce.js';

announce();
setInterval(() => {}, 60_000);
