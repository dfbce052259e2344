/*
 * Google's own library asks for a token by the same key file: google_token.js FILE URL JWT. Its request goes to URL
 * instead of Google. JWT is ours: its times are given to the library, so that both can claim the same. Prints
 * {"token", "verified": does ours stand before its signer, "resigned": what its signer makes of our header and claims}.
 */
'use strict';
const fs = require('fs');
const crypto = require('crypto');
const {JWT, UserRefreshClient} = require('google-auth-library');
const jws = require('jws');

const [file, url, ours] = process.argv.slice(2);
const key = JSON.parse(fs.readFileSync(file, 'utf8'));
const transporter = {
  async request(options) {
    const body = typeof options.data === 'string' ? options.data : new URLSearchParams(options.data).toString();
    const answer = await fetch(url, {
      method: options.method || 'POST',
      headers: {'Content-Type': 'application/x-www-form-urlencoded'},
      body,
    });
    return {data: await answer.json(), status: answer.status, headers: {}, config: options};
  },
};

async function main() {
  if (key.type === 'authorized_user') {
    const client = new UserRefreshClient({clientId: key.client_id, clientSecret: key.client_secret,
      refreshToken: key.refresh_token, transporter});
    client.transporter = transporter;
    const {token} = await client.getAccessToken();
    return {token};
  }
  const claims = jws.decode(ours).payload;
  const parsed = typeof claims === 'string' ? JSON.parse(claims) : claims;
  const client = new JWT({email: key.client_email, key: key.private_key, keyId: key.private_key_id,
    scopes: ['https://www.googleapis.com/auth/compute'], additionalClaims: {iat: parsed.iat, exp: parsed.exp}});
  client.transporter = transporter;
  const {access_token: token} = await client.authorize();
  const [head, body] = ours.split('.');
  const text = part => Buffer.from(part, 'base64url').toString('utf8');
  return {
    token,
    verified: jws.verify(ours, 'RS256', crypto.createPublicKey(key.private_key).export({type: 'spki', format: 'pem'})),
    resigned: jws.sign({header: JSON.parse(text(head)), payload: text(body), secret: key.private_key}),
  };
}

main().then(result => console.log(JSON.stringify(result)), error => {
  console.error(String(error));
  process.exit(1);
});
