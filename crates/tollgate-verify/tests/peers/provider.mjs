// oidc-provider on a free port: prints its issuer, then obeys one JSON command a line on stdin and
// answers each with one line. It ends with its stdin.
import { createHash, randomUUID, webcrypto } from 'node:crypto'
import { createServer } from 'node:http'
import { createInterface } from 'node:readline'
import { calculateJwkThumbprint, exportJWK, generateKeyPair, SignJWT } from 'jose'
import Provider from 'oidc-provider'

// Node.js 18 does not have it there yet.
globalThis.crypto ??= webcrypto

// Node.js 20 does not have it yet.
URL.parse ??= (text) => (URL.canParse(text) ? new URL(text) : null)

const peer = JSON.parse(process.env.PEER)
// A resource server is `RESOURCE/ALG`, or `RESOURCE/opaque`.
const format = (resource) => resource.slice(peer.resource.length + 1)

const makeKey = async (alg) => {
  const { privateKey } = await generateKeyPair(alg, { extractable: true })
  const jwk = await exportJWK(privateKey)
  return { ...jwk, alg, use: 'sig', kid: await calculateJwkThumbprint(jwk) }
}

const configuration = (keys) => ({
  jwks: { keys },
  clients: [{
    client_id: peer.client_id,
    client_secret: peer.client_secret,
    grant_types: ['client_credentials'],
    response_types: [],
    redirect_uris: [],
    introspection_signed_response_alg: 'ES256',
    id_token_signed_response_alg: 'ES256',
  }],
  scopes: ['read', 'write'],
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    introspection: { enabled: true },
    jwtIntrospection: { enabled: true },
    revocation: { enabled: true },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo: (_, resource) => ({
        scope: 'read write',
        accessTokenTTL: 300,
        ...(format(resource) === 'opaque'
          ? { accessTokenFormat: 'opaque' }
          : { accessTokenFormat: 'jwt', jwt: { sign: { alg: format(resource) } } }),
      }),
    },
  },
})

let keys = await Promise.all(peer.algorithms.map(makeKey))
let serve
const server = createServer((request, response) => serve(request, response))
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
const issuer = `http://127.0.0.1:${server.address().port}`
const start = () => { serve = new Provider(issuer, configuration(keys)).callback() }
start()

const proof = ({ publicJwk, privateKey }, claims) =>
  new SignJWT({ jti: randomUUID(), ...claims })
    .setProtectedHeader({ typ: 'dpop+jwt', alg: 'ES256', jwk: publicJwk })
    .setIssuedAt()
    .sign(privateKey)

const commands = {
  // The next key signs from now on; of the old ones, the last `keep` of the algorithm stay.
  async rotate({ alg, keep }) {
    const [old, others] = [keys.filter((key) => key.alg === alg), keys.filter((key) => key.alg !== alg)]
    keys = [await makeKey(alg), ...old.slice(0, keep), ...others]
    start()
    return { kid: keys[0].kid }
  },
  // A token bound to a new key, and a proof for a request with it.
  async bound({ method, url }) {
    const pair = await generateKeyPair('ES256', { extractable: true })
    const key = { publicJwk: await exportJWK(pair.publicKey), privateKey: pair.privateKey }
    const htu = `${issuer}/token`
    const answer = await fetch(htu, {
      method: 'POST',
      headers: {
        authorization: `Basic ${Buffer.from(`${peer.client_id}:${peer.client_secret}`).toString('base64')}`,
        dpop: await proof(key, { htm: 'POST', htu }),
      },
      body: new URLSearchParams({
        grant_type: 'client_credentials', resource: `${peer.resource}/ES256`, scope: 'read',
      }),
    })
    const { access_token: token, token_type } = await answer.json()
    const ath = createHash('sha256').update(token).digest('base64url')
    return { token, token_type, proof: await proof(key, { htm: method, htu: url, ath }) }
  },
}

console.log(JSON.stringify({ issuer }))
for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line)
  console.log(JSON.stringify(await commands[command.do](command)))
}
server.closeAllConnections()
server.close()
