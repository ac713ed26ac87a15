// oauth4webapi as a client: discovery, client_credentials, introspection (plain and signed) and
// revocation, with every way of client authentication. Reads what to talk to from PEER.
import { webcrypto } from 'node:crypto'
import assert from 'node:assert/strict'
import * as oauth from 'oauth4webapi'
import { importJWK } from 'jose'

// Node.js 18 does not have it there yet.
globalThis.crypto ??= webcrypto

const peer = JSON.parse(process.env.PEER)
const insecure = { [oauth.allowInsecureRequests]: true }
const issuer = new URL(peer.issuer)

const discovered = await oauth.discoveryRequest(issuer, { algorithm: 'oauth2', ...insecure })
const as = await oauth.processDiscoveryResponse(issuer, discovered)

async function authentication(entry) {
  switch (entry.method) {
    case 'client_secret_basic':
      return oauth.ClientSecretBasic(entry.client_secret)
    case 'client_secret_post':
      return oauth.ClientSecretPost(entry.client_secret)
    case 'private_key_jwt':
      return oauth.PrivateKeyJwt({
        key: await importJWK(entry.jwk, entry.jwk.alg),
        kid: entry.jwk.kid,
      })
    default:
      throw new Error(`unknown method ${entry.method}`)
  }
}

async function introspect(client, how, token, options = {}) {
  const response = await oauth.introspectionRequest(as, client, how, token, { ...insecure, ...options })
  const type = response.headers.get('content-type')
  const result = await oauth.processIntrospectionResponse(as, client, response)
  if (options.requestJwtResponse) {
    assert.match(type, /application\/token-introspection\+jwt/)
    await oauth.validateApplicationLevelSignature(as, response, insecure)
  }
  return result
}

async function lifeOfAToken(entry) {
  const client = { client_id: entry.client_id }
  const how = await authentication(entry)
  assert(as.token_endpoint_auth_methods_supported.includes(entry.method), entry.method)

  const asked = await oauth.clientCredentialsGrantRequest(as, client, how, { scope: 'read' }, insecure)
  const issued = await oauth.processClientCredentialsResponse(as, client, asked)
  assert.equal(issued.token_type, 'bearer')
  assert.equal(issued.scope ?? 'read', 'read')

  const alive = await introspect(client, how, issued.access_token)
  assert.equal(alive.active, true)
  assert.equal(alive.client_id, entry.client_id)
  assert.equal(alive.scope, 'read')

  const signed = { ...client, introspection_signed_response_alg: entry.signing_alg }
  const proven = await introspect(signed, how, issued.access_token, { requestJwtResponse: true })
  assert.equal(proven.active, true)

  const revoked = await oauth.revocationRequest(as, client, how, issued.access_token, insecure)
  await oauth.processRevocationResponse(revoked)
  const dead = await introspect(client, how, issued.access_token)
  assert.deepEqual(dead, { active: false })
}

async function refused(entry, error) {
  const client = { client_id: entry.client_id }
  const how = await authentication(entry)
  const asked = await oauth.clientCredentialsGrantRequest(as, client, how, {}, insecure)
  await assert.rejects(oauth.processClientCredentialsResponse(as, client, asked), (cause) => {
    const code = cause.error ?? cause.cause?.[0]?.parameters?.error
    assert.equal(code ?? error, error, cause)
    assert.equal(cause.status, 401)
    return true
  })
}

for (const entry of peer.clients) {
  await lifeOfAToken(entry)
  console.log(`${entry.client_id}: ${entry.method}: issued, introspected, revoked`)
}
await refused({ ...peer.clients[0], client_secret: 'wrong' }, 'invalid_client')
