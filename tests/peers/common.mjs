// What all the clients' tests share: where the server is, who asks, how to say what was proved.
import assert from 'node:assert/strict'

export { assert }
export const { PEERS_BASE: base, PEERS_USER: user, PEERS_ROOT: root } = process.env
assert(base && user && root, 'run.sh sets PEERS_BASE, PEERS_USER, PEERS_ROOT')
export const api = `${base}/api`
export const media = 'application/vnd.api+json'
export const open = 16258 // guests read, the owner may do all
export const nobody = '00000000-0000-7000-8000-000000000000'
export const bearer = (token) => ({ Authorization: `Bearer ${token}` })
// Links are URI references: a path is one, and it's for the client to resolve it.
export const at = (link) => new URL(link.href ?? link, base).href

const name = process.argv[1].split('/').pop().replace('.mjs', '')
let proved = 0
export const proves = async (what, test) => {
  try {
    await test()
  } catch (e) {
    console.error(`FAILED ${name}: ${what}`)
    throw e
  }
  proved += 1
  console.log(`${name}: ${what}`)
}
process.on('exit', (code) => {
  if (code === 0 && proved < 6) {
    console.error(`FAILED ${name}: only ${proved} things were tried`)
    process.exitCode = 1
  }
})
// A test that waits for what never comes is a failure, too.
setTimeout(() => { console.error(`FAILED ${name}: took too long`); process.exit(1) }, 60_000).unref()

// What the promise is refused with; being granted is the failure.
export const refused = async (promise) => {
  const [value, error] = await Promise.resolve(promise).then((v) => [v], (e) => [null, e])
  assert(error, `should have been refused: ${JSON.stringify(value)}`)
  return error
}

// A look at the server's own state, past any client.
export const row = async (path, token = user) => {
  const answer = await fetch(`${api}/${path}`, { headers: { Accept: media, ...bearer(token) } })
  return { status: answer.status, ...(await answer.json()) }
}
export const ids = (linkage) => linkage.map(({ id }) => id).sort()
