// @holidayextras/jsonapi-client: resources in a cache, written back whole. Two habits of it are kept away from, as
// JSON:API allows what it can't take: links that are paths (it doesn't resolve them), and relationships without `data`
// (it sends them back so, which a PATCH may not; hence `fields` below, and a client of its own for each look).
import Client from '@holidayextras/jsonapi-client'
import { api, assert, bearer, ids, nobody, open, proves, refused, root, row, user } from './common.mjs'

const client = (token) => new Client(api, token ? { header: bearer(token) } : {}, { cacheDuration: 500 })
const [mine, roots, guest] = [client(user), client(root), client()]

const red = await mine.create('tag', { name: 'holidayextras red' }).sync()
const blue = await mine.create('tag', { name: 'holidayextras blue' }).sync()
const section = await roots.create('section', { name: 'holidayextras section' }).sync()
const shape = { fields: { article: 'title,words,status,section,tags' }, include: 'tags' }
const id = (resource) => resource.toJSON().id
let article

await proves('creates, with relationships', async () => {
  const made = mine.create('article', { title: 'Of holidayextras', permission: open }).set('words', 7)
  article = id(await made.relationships('tags').add(red).sync())
  assert.deepEqual(ids((await row(`article/${article}/relationships/tags`)).data), [id(red)])
})

await proves('includes, nested', async () => {
  const made = mine.create('comment', { text: 'Well', rating: 9 })
  await made.relationships('article').set(await mine.get('article', article, shape)).sync()
  const tree = (await client(user).get('article', article, { include: 'comments.article,tags' })).toJSONTree()
  assert.equal(tree.title, 'Of holidayextras')
  assert.deepEqual(tree.tags.map((t) => t.name), ['holidayextras red'])
  assert.deepEqual(tree.comments.map((c) => [c.text, c.article]), [['Well', '[Circular]']])
})

await proves('updates attributes, a to-one and a to-many in one', async () => {
  const it = await client(user).get('article', article, shape)
  it.set('status', 'review')
  it.relationships('section').set(section)
  it.relationships('tags').add(blue)
  it.relationships('tags').remove(red)
  await it.sync()
  const now = await row(`article/${article}`)
  assert.deepEqual([now.data.attributes.status, now.data.attributes.title, now.data.attributes.words], ['review', 'Of holidayextras', 7])
  assert.equal(now.data.relationships.section.data.id, id(section))
  assert.deepEqual(ids((await row(`article/${article}/relationships/tags`)).data), [id(blue)])
})

await proves('pages by number, 25 and the rest, as it shows no links', async () => {
  for (let n = 0; n < 27; n++) await mine.create('article', { title: `holidayextras page ${n}`, permission: open }).sync()
  const seen = new Set()
  const sizes = []
  for (const number of [1, 2, 3]) {
    const page = await guest.find('article', { filter: { title: { contains: 'holidayextras page' } }, page: { number } })
    sizes.push(page.length)
    page.forEach((a) => seen.add(a.get('title')))
  }
  assert.deepEqual([sizes, seen.size], [[25, 2, 0], 27])
})

await proves('errors: 401, 404, 422 (it drops the pointer, the detail names the field)', async () => {
  assert.equal((await refused(guest.create('article', { title: 'No' }).sync())).message, '401 Unauthorized')
  assert.equal((await refused(mine.get('article', nobody))).status, '404')
  const wrong = await refused(mine.create('article', { title: 'No', words: -1 }).sync())
  assert.equal(wrong.status, '422')
  assert.match(wrong.message, /words/)
})

await proves('deletes', async () => {
  await (await client(user).get('article', article, shape)).delete()
  assert.equal((await row(`article/${article}`)).status, 404)
})
