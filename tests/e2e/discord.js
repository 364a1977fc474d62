// A local server that simulates Discord's GET /gateway/bot, over TLS with a certificate authority of its own.
import https from 'node:https';
import {certificates} from './certificates.js';

/** An answer in Discord's format. */
export function gateway(shards, limit = {}) {
  return {url: 'wss://gateway.discord.gg', shards, session_start_limit: {total: 1000, remaining: 1000, reset_after: 14_400_000, max_concurrency: 1, ...limit}};
}

/** `answer(request, count)` returns {status, headers, body}, or nothing to leave the request unanswered. */
export async function discord(t, folder, answer) {
  const {key, cert, ca} = certificates(folder);
  const requests = [];
  const server = https.createServer({key, cert}, (request, response) => {
    requests.push({url: request.url, authorization: request.headers.authorization, at: Date.now()});
    const given = answer(request, requests.length);
    if (!given) return;
    const {status = 200, headers = {}, body} = given;
    response.writeHead(status, {'content-type': 'application/json', ...headers});
    response.end(JSON.stringify(body));
  });
  server.on('tlsClientError', () => {});
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return {requests, ca, base: `https://localhost:${server.address().port}/api/v10`};
}
