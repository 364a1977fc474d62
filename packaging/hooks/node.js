// Loaded by Node.js before a bot that smaster's agent has started: `NODE_OPTIONS=--require …/node.js`. In a syntax that every
// version reads: the hooks themselves need version 16, and in older ones a bot starts without them.
'use strict';

if (Number(process.versions.node.split('.')[0]) >= 16) require('./libraries.js');
else if (process.env.SMASTER_HOOKS === 'survey') process.stdout.write('{"_sHooks":{"library":"Node.js ' + process.versions.node + '","why":"the hooks need Node.js 16"}}\n');
