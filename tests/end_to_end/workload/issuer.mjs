// An OpenID Connect issuer, told what to sign on stdin: one JSON object of claims a line, answered by a JWT
// on a line of stdout. The line "rotate" makes a new key, with which all is signed from then on.
import { createInterface } from 'node:readline';
import { OAuth2Server } from 'oauth2-mock-server';

const server = new OAuth2Server();
await server.issuer.keys.generate('RS256');
await server.start(0, '127.0.0.1');
console.log(server.issuer.url);

let kid;
for await (const line of createInterface({ input: process.stdin })) {
  if (line === 'rotate') {
    kid = (await server.issuer.keys.generate('RS256')).kid;
    console.log(kid);
    continue;
  }
  const claims = JSON.parse(line);
  const token = await server.issuer.buildToken({
    kid,
    scopesOrTransform: (_header, payload) => Object.assign(payload, claims),
  });
  console.log(token);
}
await server.stop();
