// The page at /docs in a real Chromium: it shows what OpenAPI says, and asks nobody but this server.
import assert from 'node:assert/strict'
import { chromium } from 'playwright-core'

const base = process.env.PEERS_BASE
assert(base, 'run.sh sets PEERS_BASE')

const browser = await chromium.launchPersistentContext(process.env.PEERS_PROFILE, {
  executablePath: '/usr/bin/chromium',
  headless: true,
  args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
})
const requests = []
const troubles = []
browser.on('request', (request) => requests.push(request.url()))
const page = await browser.newPage()
page.on('console', (message) => {
  // Chromium asks for an icon of its own accord; that there is none breaks nothing.
  if (message.type() === 'error' && message.location().url !== `${base}/favicon.ico`) troubles.push(`${message.text()} ${message.location().url}`)
})
page.on('pageerror', (error) => troubles.push(String(error)))

try {
  const document = await (await fetch(`${base}/openapi.json`)).json()
  const labels = [document.paths['/api/article'].get.summary, document.paths['/action/user_account/signup'].post.summary]
  assert.equal(labels[0], 'List Article')
  assert(labels[1])

  const answer = await page.goto(`${base}/docs`, { waitUntil: 'load' })
  assert.equal(answer.status(), 200)
  // What is further down is drawn when its part is opened, or come to.
  const shown = (text) => page.getByText(text, { exact: true }).first()
  await shown('article').waitFor({ timeout: 30_000 })
  for (const [label, tag] of [[labels[0], 'article'], [labels[1], 'user_account']]) {
    if (!(await shown(label).isVisible())) await shown(tag).click()
    await shown(label).waitFor({ state: 'visible', timeout: 15_000 })
    console.log(`docs: shows ${JSON.stringify(label)}`)
  }

  const hosts = new Set(requests.filter((url) => !/^(data|blob|about):/.test(url)).map((url) => new URL(url).host))
  assert.deepEqual([...hosts], [new URL(base).host], `asks others: ${requests.join(' ')}`)
  for (const path of ['/docs', '/docs/scalar.js', '/openapi.json']) assert(requests.includes(base + path), `${path} wasn't asked for: ${requests.join(' ')}`)
  console.log(`docs: ${requests.length} requests, all to this server`)
  assert.deepEqual(troubles, [])
  console.log('docs: no error in its console, none by its Content-Security-Policy')

  // The control: what it would look like if the page did ask another host.
  await page.evaluate(() => fetch('http://rowhouse.invalid/').catch(() => {}))
  await page.waitForTimeout(300)
  assert(requests.some((url) => url.includes('rowhouse.invalid')) || troubles.some((t) => t.includes('rowhouse.invalid')), 'the control went unseen')
  assert(troubles.some((t) => /Content Security Policy/i.test(t)), `the policy let it out: ${troubles}`)
  console.log('docs: the control, a call to another host, is seen and stopped by the policy')
} catch (e) {
  console.error('FAILED docs', troubles)
  if (process.env.PEERS_SCREENSHOT) await page.screenshot({ path: process.env.PEERS_SCREENSHOT })
  throw e
} finally {
  await browser.close()
}
