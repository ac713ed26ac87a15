// Validators from npm on the tokens of stdin; prints nanoseconds by algorithm and library.
import { createSecretKey, createPublicKey } from 'node:crypto'
import { createVerifier } from 'fast-jwt'
import { importJWK, jwtVerify } from 'jose'

const ROUNDS = 61
const ROUND_NANOSECONDS = 5e6

let text = ''
for await (const chunk of process.stdin) text += chunk
const material = JSON.parse(text)
const { issuer, audience } = material

const subjects = async (alg, token) => {
  const jwk = material.keys[alg]
  const secret = Buffer.from(material.secret)
  const own = jwk ? await importJWK(jwk, alg) : createSecretKey(secret)
  const policy = { issuer, audience, algorithms: [alg], typ: 'at+jwt' }
  const verify = createVerifier({
    key: jwk ? createPublicKey({ key: jwk, format: 'jwk' }).export({ type: 'spki', format: 'pem' }) : secret,
    algorithms: [alg],
    allowedIss: issuer,
    allowedAud: audience,
    cache: false,
  })
  return [
    ['jose', () => jwtVerify(token, own, policy)],
    ['fast-jwt', () => verify(token)],
  ]
}

const round = async (verify, calls) => {
  const start = process.hrtime.bigint()
  for (let call = 0; call < calls; call++) await verify()
  return Number(process.hrtime.bigint() - start) / calls
}

const median = (times) => times.sort((a, b) => a - b)[times.length >> 1]

const printed = {}
for (const [alg, token] of Object.entries(material.tokens)) {
  const all = []
  for (const [name, verify] of await subjects(alg, token)) {
    await round(verify, 500)
    all.push({ name, verify, times: [], calls: Math.max(1, Math.round(ROUND_NANOSECONDS / await round(verify, 200))) })
  }
  for (let turn = 0; turn < ROUNDS; turn++) {
    for (const subject of all) subject.times.push(await round(subject.verify, subject.calls))
  }
  printed[alg] = Object.fromEntries(all.map(({ name, times }) => [name, median(times)]))
}
console.log(JSON.stringify(printed))
