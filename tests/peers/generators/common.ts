// What the three programs share.
import assert from 'node:assert/strict'

export { assert }
export const base = process.env.PEERS_BASE!
export const account = { email: 'ada@example.org', password: 'correct horse' } // whom run.sh signs up

// An answer that has to be there.
export function there<T>(value: T | undefined | null, what: unknown): T {
  assert(value !== undefined && value !== null, JSON.stringify(what))
  return value
}
export function run(main: () => Promise<void>) {
  main().catch((e) => {
    console.error(e)
    process.exitCode = 1
  })
}
