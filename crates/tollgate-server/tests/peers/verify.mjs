// jose as a resource server: verifies our JWTs through our JWKS, and refuses what it must.
import { webcrypto } from 'node:crypto'
import assert from 'node:assert/strict'
import { createRemoteJWKSet, jwtVerify } from 'jose'

// Node.js 18 does not have it there yet.
globalThis.crypto ??= webcrypto

const peer = JSON.parse(process.env.PEER)
const metadata = await (await fetch(`${peer.issuer}/.well-known/oauth-authorization-server`)).json()
const keys = createRemoteJWKSet(new URL(metadata.jwks_uri))

const tampered = (token) => {
  const [head, , signature] = token.split('.')
  const claims = Buffer.from(JSON.stringify({ iss: peer.issuer, aud: peer.audience, exp: 2 ** 32 }))
  return [head, claims.toString('base64url'), signature].join('.')
}

for (const { alg, token, client_id } of peer.tokens) {
  const policy = {
    issuer: peer.issuer,
    audience: peer.audience,
    typ: 'at+jwt',
    algorithms: [alg],
    requiredClaims: ['iss', 'sub', 'aud', 'exp', 'iat', 'jti', 'client_id'],
  }
  const { payload, protectedHeader } = await jwtVerify(token, keys, policy)
  assert.equal(protectedHeader.alg, alg)
  assert.equal(payload.client_id, client_id)
  assert.equal(payload.sub, client_id)
  await assert.rejects(jwtVerify(tampered(token), keys, policy), { code: 'ERR_JWS_SIGNATURE_VERIFICATION_FAILED' })
  await assert.rejects(jwtVerify(token, keys, { ...policy, audience: 'https://other.example.com' }), { claim: 'aud' })
  await assert.rejects(jwtVerify(token, keys, { ...policy, issuer: 'https://other.example.com' }), { claim: 'iss' })
  console.log(`${alg}: verified by jose`)
}
