// react-admin itself in a real Chromium, served from another origin than Rowhouse: screens that it guesses from what it's sent.
import http from 'node:http'
import esbuild from 'esbuild'
import { chromium } from 'playwright-core'
import { api, article, assert, base, done, fill, proves, user } from './common.mjs'

const bundle = await esbuild.build({
  entryPoints: ['page.jsx'],
  bundle: true,
  write: false,
  jsx: 'automatic',
  define: { 'process.env.NODE_ENV': '"production"' },
})
const html = `<!doctype html><title>Admin</title><link rel="icon" href="data:,"><div id="root"></div>
<script>window.PEERS_BASE = ${JSON.stringify(base)}</script><script src="/page.js"></script>`
const site = http.createServer((request, response) => {
  const script = request.url === '/page.js'
  response.writeHead(200, { 'Content-Type': `text/${script ? 'javascript' : 'html'}; charset=utf-8` })
  response.end(script ? bundle.outputFiles[0].contents : html)
})
// The port that Rowhouse was told of in cors_origins.
await new Promise((ready) => site.listen(Number(process.env.PEERS_PAGE_PORT), '127.0.0.1', ready))
const origin = `http://127.0.0.1:${site.address().port}`

const browser = await chromium.launchPersistentContext(process.env.PEERS_PROFILE, {
  executablePath: '/usr/bin/chromium',
  headless: true,
  args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
})
await browser.addInitScript((token) => localStorage.setItem('token', token), user)
const page = await browser.newPage()
page.setDefaultTimeout(15_000)
const troubles = []
page.on('console', (message) => message.type() === 'error' && troubles.push(`${message.text()} ${message.location().url}`))
page.on('pageerror', (error) => troubles.push(String(error)))
process.on('exit', (code) => code && console.error(troubles))

const mark = `page ${Date.now()}`
const ids = await fill(Array.from({ length: 23 }, (_, n) => article({ title: `${mark} ${String(n).padStart(2, '0')}`, words: n })))
const shown = (text) => page.getByText(text, { exact: true }).first().waitFor()

await proves('the list shows rows and their total', async () => {
  const query = new URLSearchParams({ filter: JSON.stringify({ title: { contains: mark } }), sort: 'title', order: 'ASC', page: '1', perPage: '10' })
  await page.goto(`${origin}/#/article?${query}`)
  await shown(`${mark} 00`)
  await shown('1-10 of 23')
})

await proves('pages', async () => {
  await page.getByLabel('Go to next page').click()
  await shown('11-20 of 23')
  await shown(`${mark} 10`)
  await page.getByLabel('Go to page 3').click()
  await shown('21-23 of 23')
  await shown(`${mark} 22`)
})

// The answer comes after the seconds in which it can be undone.
const edit = async (title) => {
  await page.getByLabel('Title').fill(title)
  const saved = page.waitForResponse((answer) => answer.request().method() === 'PATCH')
  await page.getByLabel('Save').click()
  return (await saved).status()
}
const stored = async (id) => (await (await fetch(`${api}/article/${id}`)).json()).data.attributes

await proves('an edit is saved', async () => {
  await page.getByText(`${mark} 21`, { exact: true }).click()
  assert.equal(await edit(`${mark} edited`), 200)
  const { title, words } = await stored(ids[21])
  assert.deepEqual([title, words], [`${mark} edited`, 21])
  assert.deepEqual(troubles, [])
})

await proves('a row that somebody else changed meanwhile is not, and the user reads why', async () => {
  const read = page.waitForResponse((answer) => answer.url().endsWith(ids[20]) && answer.request().method() === 'GET')
  await page.getByText(`${mark} 20`, { exact: true }).click()
  await read
  await fetch(`${api}/article/${ids[20]}`, {
    method: 'PATCH',
    headers: { 'Content-Type': 'application/vnd.api+json', Authorization: `Bearer ${user}` },
    body: JSON.stringify({ data: { type: 'article', id: ids[20], attributes: { words: 777 } } }),
  })
  assert.equal(await edit(`${mark} stale`), 409)
  await page.getByText(/The row has changed since/).waitFor()
  const { title, words } = await stored(ids[20])
  assert.deepEqual([title, words], [`${mark} 20`, 777])
  // Chromium notes every 4xx; beside that one there was no error.
  assert.deepEqual(troubles.filter((trouble) => !/ 409 /.test(trouble)), [])
})

await browser.close()
done()
