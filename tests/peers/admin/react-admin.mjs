// react-admin's calls through ra-jsonapi-client, unchanged. The only setting is its own default: totals are read from `meta.total`.
import { createRequire } from 'node:module'
import { api, article, assert, done, fill, proves, refused, user } from './common.mjs'

// Where it looks for the token; Node has none.
globalThis.localStorage = { getItem: (key) => (key === 'token' ? user : null) }
// As CommonJS: its build has no ES modules, and react-admin's start faster so.
const require = createRequire(import.meta.url)
const { convertLegacyDataProvider } = require('react-admin')
const provider = convertLegacyDataProvider(require('ra-jsonapi-client').default(api, { total: 'total' }))

const list = (page, perPage, field, order, filter) => ({ pagination: { page, perPage }, sort: { field, order }, filter })
const mark = `ra ${Date.now()}` // a second run on the same server has rows of its own
const mine = { title: { contains: mark } }
const words = (answer) => answer.data.map((row) => row.words)
const ids = await fill(Array.from({ length: 120 }, (_, n) => article({ title: `${mark} ${n}`, words: n, status: n % 3 ? 'draft' : 'review' })))

await proves('lists with totals over all pages', async () => {
  const seen = []
  for (let page = 1; page <= 3; page += 1) {
    const answer = await provider.getList('article', list(page, 50, 'words', 'ASC', mine))
    assert.equal(answer.total, 120)
    seen.push(...words(answer))
  }
  assert.deepEqual(seen, ids.map((_, n) => n))
  const { data, total } = await provider.getList('article', list(9, 50, 'words', 'ASC', mine))
  assert.deepEqual([data, total], [[], 120], 'beyond the end the total is needed to come back')
})

await proves('sort', async () => {
  assert.deepEqual(words(await provider.getList('article', list(1, 3, 'words', 'DESC', mine))), [119, 118, 117])
  assert.equal((await provider.getList('article', list(1, 10, 'id', 'ASC', mine))).data[0].id, ids[0], "react-admin's default")
})

await proves('filters, also by several values', async () => {
  const one = await provider.getList('article', list(1, 10, 'id', 'ASC', { title: `${mark} 7` }))
  assert.deepEqual([one.total, words(one)], [1, [7]])
  const both = await provider.getList('article', list(1, 10, 'id', 'ASC', { ...mine, status: ['review', 'published'] }))
  assert.equal(both.total, 40)
  assert(both.data.every((row) => row.status === 'review'))
  assert.equal((await provider.getList('article', list(1, 10, 'id', 'ASC', { title: 'nobody wrote it' }))).total, 0)
})

await proves('getOne', async () => {
  const { data } = await provider.getOne('article', { id: ids[5] })
  assert.deepEqual([data.id, data.title, data.words], [ids[5], `${mark} 5`, 5])
})

await proves('getMany of one, and of a hundred', async () => {
  assert.deepEqual(words(await provider.getMany('article', { ids: [ids[4]] })), [4])
  // More than a page has by default: it asks for no size.
  const { data } = await provider.getMany('article', { ids: ids.slice(0, 100) })
  assert.deepEqual(data.map((row) => row.id).sort(), ids.slice(0, 100).sort())
})

await proves('getManyReference', async () => {
  const comment = (to, text) => ({ type: 'comment', attributes: { text }, relationships: { article: { data: { type: 'article', id: to } } } })
  await fill([...Array.from({ length: 12 }, (_, n) => comment(ids[0], `ra ${n}`)), comment(ids[1], 'another')])
  for (const target of ['article', 'article.id']) {
    const { data, total } = await provider.getManyReference('comment', { target, id: ids[0], ...list(2, 10, 'id', 'ASC', {}) })
    assert.deepEqual([total, data.map((row) => row.text)], [12, ['ra 10', 'ra 11']])
  }
})

let row
await proves('create', async () => {
  row = (await provider.create('article', { data: { title: 'ra made', words: 1, permission: 16258 } })).data
  assert.deepEqual([row.title, row.version], ['ra made', 1])
})

// The provider deletes `id` from what it is given, hence the copies.
await proves('updates a part, and a whole record', async () => {
  const part = (await provider.update('article', { id: row.id, data: { words: 2 }, previousData: row })).data
  assert.deepEqual([part.title, part.words], ['ra made', 2])
  const whole = (await provider.update('article', { id: row.id, data: { ...part, title: 'ra whole' }, previousData: part })).data
  assert.deepEqual([whole.title, whole.words, whole.version], ['ra whole', 2, part.version + 1])
})

await proves('a stale whole record is 409 and changes nothing', async () => {
  const error = await refused(provider.update('article', { id: row.id, data: { ...row, title: 'ra stale' }, previousData: row }))
  // 401 and 403 would sign the user out.
  assert.equal(error.status, 409)
  const [{ detail, source }] = error.message.errors
  assert.equal(source.pointer, '/data/attributes/version')
  assert.match(detail, /has changed since .* read it again/)
  assert.equal((await provider.getOne('article', { id: row.id })).data.title, 'ra whole')
})

await proves('refusals have their status', async () => {
  assert.equal((await refused(provider.update('article', { id: row.id, data: { words: -1 }, previousData: row }))).status, 422)
  assert.equal((await refused(provider.getOne('article', { id: '00000000-0000-7000-8000-000000000000' }))).status, 404)
})

await proves('delete', async () => {
  await provider.delete('article', { id: row.id, previousData: row })
  assert.equal((await refused(provider.getOne('article', { id: row.id }))).status, 404)
})

await proves('exports 1000 rows at once', async () => {
  await fill(Array.from({ length: 900 }, (_, n) => article({ title: `${mark} ${120 + n}`, words: 120 + n })))
  // <List>'s export button asks for page 1 of `maxResults`, by default 1000.
  const { data, total } = await provider.getList('article', list(1, 1000, 'words', 'ASC', mine))
  assert.equal(total, 1020)
  assert.deepEqual(data.map((r) => r.words), Array.from({ length: 1000 }, (_, n) => n))
})

done()
