// What the programs share: where the server is, and how they say what was proved.
import assert from 'node:assert/strict'

export { assert }
export const { PEERS_BASE: base, PEERS_USER: user } = process.env
assert(base && user, 'admin.sh sets PEERS_BASE, PEERS_USER')
export const api = `${base}/api`
export const open = 16258 // guests read, the owner may do all

const name = process.argv[1].split('/').pop().replace('.mjs', '')
const proved = []
export const proves = async (what, test) => {
  try {
    await test()
  } catch (e) {
    console.error(`FAILED ${name}: ${what}`)
    // Both clients refuse with what the server said, as an object; Node would print its depth as [Object].
    if (!(e instanceof assert.AssertionError)) console.error(JSON.stringify(e?.message ?? e, null, 1))
    console.error(e?.stack ?? '')
    process.exit(1)
  }
  proved.push(what)
}
// Each program calls it as its last line: one that ends before proved nothing.
export const done = () => {
  console.log(`${name}: ${proved.join('; ')}`)
  process.exit(0)
}
process.on('beforeExit', () => { console.error(`FAILED ${name}: it never came to its end`); process.exitCode = 1 })
// A test that waits for what never comes is a failure, too.
setTimeout(() => { console.error(`FAILED ${name}: took too long`); process.exit(1) }, 60_000).unref()

// What the promise is refused with; being granted is the failure.
export const refused = async (promise) => {
  const [value, error] = await promise.then((v) => [v], (e) => [null, e])
  assert(error, `should have been refused: ${JSON.stringify(value)}`)
  return error
}

// Rows by the hundred in one request, past the client: neither has a word for it.
const atomic = 'application/vnd.api+json;ext="https://jsonapi.org/ext/atomic"'
export const fill = async (rows) => {
  const answer = await fetch(`${api}/operations`, {
    method: 'POST',
    headers: { Accept: atomic, 'Content-Type': atomic, Authorization: `Bearer ${user}` },
    body: JSON.stringify({ 'atomic:operations': rows.map((data) => ({ op: 'add', data })) }),
  })
  const document = await answer.json()
  assert.equal(answer.status, 200, JSON.stringify(document.errors))
  return document['atomic:results'].map(({ data }) => data.id)
}
export const article = (attributes) => ({ type: 'article', attributes: { permission: open, ...attributes } })
